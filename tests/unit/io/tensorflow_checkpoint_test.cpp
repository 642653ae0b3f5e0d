// TensorFlow's checkpoints: Google's own index, a small checkpoint of other people, files of ours, and damaged ones.
// Layer: tests.
#include "bert/io/tensorflow_checkpoint.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "bert/io/json.hpp"
#include "listed_tensors.hpp"
#include "scratch.hpp"
#include "support/checkpoint_writers.hpp"
#include "support/shared_data.hpp"

using namespace bert::io;
using bert::testing::has;
using bert::testing::message_of;
using bert::testing::scratch;
using bert::testing::slurp;
using support::bundle_entry;
using support::bundle_header;
using support::key_value;

namespace {

const std::string data = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKL";  // 48 bytes

/// The message for an index of a header and one variable.
std::string refused(const std::string& entry, const std::string& header = bundle_header(), const std::string& name = "a") {
  const std::string bytes = support::table({{{"", header}, {name, entry}}});
  return message_of([&] { (void)tensorflow_index(support::bytes_of(bytes), "file"); });
}

}  // namespace

TEST_CASE("all 139 variables of another program's checkpoint have their listed values and the checksums of its index") {
  if (const auto folder = support::shared_data("checkpoints")) {
    const tensorflow_checkpoint file(*folder / "keras-bert/bert_model.ckpt.index");
    CHECK(file.tensors().size() == 139);
    bert::testing::check_listed(file.tensors(), *folder / "expected/keras-bert.json");
    for (const stored_tensor& t : file.tensors()) CHECK(bert::masked_crc32c(t.bytes) == *t.masked_crc32c);
  }
}

TEST_CASE("Google's index is read without its data, and the message names the file that is missing") {
  if (const auto folder = support::shared_data("checkpoints")) {
    const auto index = *folder / "google-base-index/bert_model.ckpt.index";
    const mapped_file file(index);
    const std::string where = "index";
    const tensorflow_index read(file.bytes(), where);
    const auto expected = read_json(*folder / "expected/google-base-index.json");
    CHECK(read.variables().size() == expected.size());
    std::uint64_t bytes = 0;
    for (const auto& v : read.variables()) {
      CAPTURE(v.name);
      const auto& right = expected.at(v.name);
      CHECK(v.shape == right.at("shape").get<std::vector<std::size_t>>());
      CHECK(v.offset == right.at("offset").get<std::uint64_t>());
      CHECK(v.size == right.at("size").get<std::uint64_t>());
      CHECK(v.masked_crc32c == right.at("crc32c_masked").get<std::uint32_t>());
      bytes += v.size;
    }
    CHECK(bytes == 411'529'768);
    CHECK(has(message_of([&] { (void)tensorflow_checkpoint(index); }),
              "bert_model.ckpt.data-00000-of-00001, found no such file; fetch or copy it too"));
  }
}

TEST_CASE("variables lie in the data file that the index names, and a changed byte is a wrong checksum") {
  const scratch dir;
  const auto crc = [](std::size_t first, std::size_t n) {
    return bert::masked_crc32c(support::bytes_of(data).subspan(first, n));
  };
  dir.file("m.ckpt.index", support::table({{{"", bundle_header(2)}, {"a", bundle_entry({2, 3}, 8, 24, crc(8, 24))}},
                                           {{"b/c", bundle_entry({}, 4, 4, crc(4, 4), 3, 1)}}}));
  dir.file("m.ckpt.data-00000-of-00002", data);
  CHECK(has(message_of([&] { (void)tensorflow_checkpoint(dir / "m.ckpt.index"); }),
            "m.ckpt.data-00001-of-00002, found no such file"));
  dir.file("m.ckpt.data-00001-of-00002", data.substr(0, 8));
  {  // Windows lets nobody shorten a file that is mapped
    const tensorflow_checkpoint file(dir / "m.ckpt.index");
    REQUIRE(file.tensors().size() == 2);
    const stored_tensor &a = file.tensors()[0], &b = file.tensors()[1];
    CHECK(a.name == "a");
    CHECK(a.shape == std::vector<std::size_t>{2, 3});
    CHECK(as_text(a.bytes) == data.substr(8, 24));
    CHECK(b.name == "b/c");
    CHECK(b.type == dtype::i32);
    CHECK(as_text(b.bytes) == data.substr(4, 4));
    check_stored(a, "file");
  }
  std::string other = data;
  other[31] ^= 1;
  dir.file("m.ckpt.data-00000-of-00002", other);
  CHECK(message_of([&] { check_stored(tensorflow_checkpoint(dir / "m.ckpt.index").tensors()[0], "file"); }) ==
        "file, tensor \"a\": expected the bytes that were written, found others: the checksum disagrees; the file is damaged; "
        "fetch or write it again");
  dir.file("m.ckpt.data-00000-of-00002", data.substr(0, 31));
  CHECK(
      has(message_of([&] { (void)tensorflow_checkpoint(dir / "m.ckpt.index"); }), "tensor \"a\": expected 24 bytes from 8 of"));
}

TEST_CASE("every bit of an index is under a checksum or checked") {
  const std::string whole =
      support::table({{{"", bundle_header()}, {"a", bundle_entry({12}, 0, 48, 1)}}, {{"b", bundle_entry({12}, 0, 48, 1)}}});
  const auto message = [](const std::string& bytes) {
    return message_of([&] { (void)tensorflow_index(support::bytes_of(bytes), "file"); });
  };
  REQUIRE(message(whole).empty());
  for (std::size_t i = 0; i + 48 < whole.size(); ++i) {
    std::string other = whole;
    other[i] ^= 4;
    CHECK(has(message(other), "the checksum disagrees"));
  }
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK(!message(whole.substr(0, n)).empty());
}

TEST_CASE("what is no checkpoint of numbers by name is refused by what it is") {
  CHECK(refused(bundle_entry({12}, 0, 48, 1)).empty());
  CHECK(has(refused(bundle_entry({12}, 0, 48, 1), bundle_header(1, 1)), "big-endian"));
  CHECK(has(refused(bundle_entry({12}, 0, 48, 1), bundle_header(0)), "files of data, found 0"));
  CHECK(has(refused(bundle_entry({12}, 0, 47, 1)), "tensor \"a\": expected 48 bytes for F32 [12], found 47"));
  CHECK(has(refused(bundle_entry({1ull << 62, 8}, 0, 0, 1)), "more than 2^64 bytes"));
  CHECK(has(refused(bundle_entry({12}, 0, 48, 1, 7)), "TensorFlow's type 7"));
  CHECK(has(refused(bundle_entry({12}, 0, 48, 1, 1, 1)), "a file of data from 0 to 0, found 1"));
  CHECK(has(refused(bundle_entry({12}, 0, 48, 1) + std::string("\x3a\x00", 2)), "one in slices"));
  CHECK(has(refused(bundle_entry({12}, 0, 48, 1) + '\x0b'), "wire type 3"));
  CHECK(has(refused("", bundle_header(), "w/.ATTRIBUTES/VARIABLE_VALUE"), "one of TensorFlow 2's objects"));
  CHECK(has(refused("", bundle_header(), "_CHECKPOINTABLE_OBJECT_GRAPH"), "one of TensorFlow 2's objects"));
  const std::string snappy = support::table({{{"", bundle_header()}}}, 1),
                    headless = support::table({{{"a", bundle_header()}}});
  CHECK(has(message_of([&] { (void)tensorflow_index(support::bytes_of(snappy), "file"); }),
            "without compression, found snappy's"));
  CHECK(
      has(message_of([&] { (void)tensorflow_index(support::bytes_of(headless), "file"); }), "a header, under the empty name"));
}
