// Files of torch.save: PyTorch's own, those of other people, and damaged ones.
// Layer: tests.
#include "bert/io/pytorch_file.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "bert/io/json.hpp"
#include "bert/io/safetensors.hpp"
#include "listed_tensors.hpp"
#include "scratch.hpp"
#include "support/checkpoint_writers.hpp"
#include "support/shared_data.hpp"

using namespace bert::io;
using bert::testing::has;
using bert::testing::message_of;
using bert::testing::row_major;
using bert::testing::slurp;

namespace {

const std::filesystem::path golden = std::filesystem::path(BERT_SOURCE_DIR) / "tests/golden/formats";

/// The message for an archive of a state_dict with a storage "0" of 12 floats.
std::string refused(support::pickled_tensor tensor, std::size_t floats = 12) {
  const std::string bytes =
      support::zipped({{"x/data.pkl", support::pickled({std::move(tensor)})}, {"x/data/0", std::string(4 * floats, 'x')}});
  return message_of([&] { (void)pytorch_file(support::bytes_of(bytes), "file"); });
}

}  // namespace

TEST_CASE(
    "every tensor that PyTorch saved, of any dtype, order and sharing, has the values and the shape that PyTorch gives it") {
  const safetensors expected(golden / "state.safetensors");
  for (const char* name : {"state.bin", "state-before-1.6.bin", "state-protocol-4.bin"}) {
    CAPTURE(name);
    const pytorch_file file(golden / name);
    REQUIRE(file.tensors().size() == expected.tensors().size());
    for (const stored_tensor& t : file.tensors()) {
      CAPTURE(t.name);
      const stored_tensor& right = expected.at(t.name);
      CHECK(t.type == right.type);
      CHECK(t.shape == right.shape);
      const std::string bytes = row_major(t);
      CHECK(bytes == as_text(right.bytes));
      if (!detail::converts_to_f32(t.type)) continue;
      std::vector<float> floats(t.size()), others(right.size());
      to_floats(t, floats);
      to_floats(right, others);
      CHECK(floats == others);
    }
  }
}

TEST_CASE(
    "a tensor in row-major order is read where it lies; tied ones are the same bytes; a transpose is the bytes of its source") {
  const pytorch_file file(golden / "state.bin");
  const auto at = [&](const char* name) -> const stored_tensor& {
    for (const stored_tensor& t : file.tensors())
      if (t.name == name) return t;
    FAIL("no tensor " << name);
    return file.tensors().front();
  };
  CHECK(at("plain").strides.empty());
  CHECK(at("rows").strides.empty());
  CHECK(at("position_ids").strides.empty());
  CHECK(at("tied").bytes.data() == at("tied_too").bytes.data());
  CHECK(at("transposed").strides == std::vector<std::size_t>{1, 33});
  CHECK(at("columns").strides == std::vector<std::size_t>{8, 1});
  CHECK(reinterpret_cast<std::uintptr_t>(at("plain").bytes.data()) % 64 == 0);
}

TEST_CASE("files that other people saved have the tensors that PyTorch lists") {
  for (const char* name : {"camphr-bert", "camphr-bert-test", "camphr-ner-bert"})
    if (const auto folder = support::shared_data("checkpoints")) {
      CAPTURE(name);
      bert::testing::check_listed(pytorch_file(*folder / name / "pytorch_model.bin").tensors(),
                                  *folder / "expected" / (std::string(name) + ".json"));
    }
}

TEST_CASE("a tensor must lie within its storage, wherever it starts and however it steps") {
  CHECK(refused({.name = "a", .numel = 12, .shape = {3, 4}, .strides = {4, 1}}).empty());
  CHECK(refused({.name = "a", .numel = 12, .offset = 8, .shape = {2, 2}, .strides = {2, 1}}).empty());
  CHECK(refused({.name = "a", .numel = 12, .offset = 1'000, .shape = {0, 4}, .strides = {4, 1}}).empty());
  constexpr std::int64_t huge = std::int64_t{1} << 62;
  for (const auto& [offset, shape, strides] :
       {std::tuple<std::int64_t, std::vector<std::int64_t>, std::vector<std::int64_t>>{1, {3, 4}, {4, 1}},
        {0, {3, 4}, {5, 1}},
        {12, {}, {}},
        {0, {huge, 8}, {1, 0}},
        {0, {2}, {huge}},
        {huge, {huge, huge}, {huge, huge}},
        {0, {13}, {1}}}) {
    const std::string message = refused({.name = "a", .numel = 12, .offset = offset, .shape = shape, .strides = strides});
    CHECK(has(message, "tensor \"a\": expected"));
    CHECK(has(message, "of its storage"));
  }
  CHECK(has(refused({.name = "a", .numel = 12, .shape = {8, 8}, .strides = {0, 1}}), "64, some of them several times"));
  CHECK(has(refused({.name = "a", .numel = 12, .offset = -1, .shape = {1}, .strides = {1}}), "an offset from 0 on"));
  CHECK(has(refused({.name = "a", .numel = 12, .shape = {-1}, .strides = {1}}), "sizes from 0 on"));
  CHECK(has(refused({.name = "a", .numel = 12, .shape = {1}, .strides = {}}), "expected 1 strides, found 0"));
  CHECK(has(refused({.name = "a", .numel = 13, .shape = {1}, .strides = {1}}),
            "expected 13 F32 elements in storage \"0\", found 48 bytes"));
  CHECK(has(refused({.name = "a", .storage = "1", .numel = 12}), "a record \"x/data/1\""));
  CHECK(has(refused({.name = "a", .type = "QInt8Storage", .numel = 12}), "\"torch.QInt8Storage\""));
  CHECK(has(
      refused(
          {.name = "a", .numel = 12, .shape = std::vector<std::int64_t>(65, 1), .strides = std::vector<std::int64_t>(65, 1)}),
      "at most 64"));
}

TEST_CASE("one storage has one type and size, one name one tensor") {
  using support::pickled_tensor;
  const auto message = [](const std::vector<pickled_tensor>& tensors) {
    const std::string bytes = support::zipped({{"x/data.pkl", support::pickled(tensors)}, {"x/data/0", std::string(48, 'x')}});
    return message_of([&] { (void)pytorch_file(support::bytes_of(bytes), "file"); });
  };
  const pickled_tensor whole{.name = "a", .numel = 12, .shape = {12}, .strides = {1}};
  CHECK(has(message({whole, {.name = "b", .type = "HalfStorage", .numel = 12}}), "storage \"0\" of one type and size"));
  CHECK(has(message({whole, {.name = "b", .numel = 11}}), "storage \"0\" of one type and size"));
  CHECK(has(message({whole, whole}), "tensor \"a\": expected every name once"));
  CHECK(has(message({}), "one without a tensor"));
}

TEST_CASE("an object with code, a program, a pointer of Git LFS and other files are refused by what they are") {
  CHECK(has(message_of([] { (void)pytorch_file(golden / "module.bin"); }), "found \"torch.nn.modules.linear.Linear\""));
  const auto message = [](const std::string& bytes) {
    return message_of([&] { (void)pytorch_file(support::bytes_of(bytes), "file"); });
  };
  const std::string fine = support::pickled({{.name = "a", .numel = 1}});
  const std::string four(4, 'x');
  CHECK(message(support::zipped({{"x/data.pkl", fine}, {"x/data/0", four}})).empty());
  CHECK(has(message(support::zipped({{"x/data.pkl", fine}, {"x/constants.pkl", ""}})), "a TorchScript program"));
  CHECK(has(message(support::zipped({{"x/data.pkl", fine}, {"x/byteorder", "big"}})), "found big"));
  CHECK(has(message(support::zipped({{"x/data.pkl", fine}, {"y/data.pkl", fine}})), "expected one data.pkl, found two"));
  CHECK(has(message(support::zipped({{"x/model", fine}})), "with its data.pkl"));
  CHECK(has(message("version https://git-lfs.github.com/spec/v1\n"), "a Git LFS pointer"));
  CHECK(has(message("\x89HDF\r\n"), "a file of torch.save"));
  CHECK(has(message("\x80\x02K\x01."), "another pickle"));
  CHECK(has(message(std::string("\x80\x02") + support::opcode::global("os", "system") + "."), "\"os.system\""));
  CHECK(has(message({}), "a file of torch.save"));
}

TEST_CASE("a file that is cut off anywhere is refused") {
  for (const char* name : {"state.bin", "state-before-1.6.bin"}) {
    const std::string whole = slurp(golden / name);
    for (std::size_t size = 0; size < whole.size(); size += size < 600 ? 1 : 97) {
      const std::string part = whole.substr(0, size);
      CHECK(has(message_of([&] { (void)pytorch_file(support::bytes_of(part), "file"); }), "file"));
    }
  }
}
