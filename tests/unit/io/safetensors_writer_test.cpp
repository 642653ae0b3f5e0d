// The safetensors writer: its bytes are those of the format, and read back.
// Layer: tests.
#include "bert/io/safetensors_writer.hpp"

#include <doctest/doctest.h>

#include <span>
#include <string>
#include <vector>

#include "scratch.hpp"

using namespace bert::io;
using bert::testing::has;
using bert::testing::message_of;
using bert::testing::scratch;
using bert::testing::slurp;

TEST_CASE("written tensors read back with the same names, shapes and elements") {
  const scratch dir;
  const std::vector<float> a{1.0f, -2.0f, 0.5f, 1e-30f, 3.0f, 4.0f}, b{7.0f};
  const std::vector<std::int64_t> ids{0, 1, -1};
  write_safetensors(dir / "m.safetensors",
                    std::vector<stored_tensor>{stored("weight", a, {2, 3}),
                                               stored("scalar", b, {}),
                                               stored("none", {}, {0, 4}),
                                               {"ids", dtype::i64, {1, 3}, std::as_bytes(std::span(ids))}});
  const safetensors file(dir / "m.safetensors");
  REQUIRE(file.tensors().size() == 4);
  std::vector<float> back(6);
  to_floats(file.at("weight"), back);
  CHECK(back == a);
  CHECK(file.at("weight").shape == std::vector<std::size_t>{2, 3});
  CHECK(file.at("scalar").shape.empty());
  CHECK(file.at("none").bytes.empty());
  CHECK(file.at("ids").type == dtype::i64);
  CHECK(file.metadata().at("format") == "pt");
}

TEST_CASE("the bytes do not depend on the order of the tensors given") {
  const scratch dir;
  const std::vector<float> a{1.0f, 2.0f}, b{3.0f};
  const std::vector<std::uint16_t> h{0x3C00};
  const stored_tensor x = stored("x", a, {2}), y = stored("y", b, {1}), z{"a", dtype::f16, {1}, std::as_bytes(std::span(h))};
  write_safetensors(dir / "1", std::vector{x, y, z});
  write_safetensors(dir / "2", std::vector{z, y, x});
  const std::string bytes = slurp(dir / "1");
  CHECK(bytes == slurp(dir / "2"));
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
      R"("y":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},"a":{"dtype":"F16","shape":[1],"data_offsets":[12,14]}})";
  CHECK(has(bytes, header));
  CHECK((bytes.size() - 14) % 8 == 0);
  CHECK(bytes.size() - 14 - 8 - header.size() < 8);
}

TEST_CASE("a name given twice, or bytes that do not match the shape, are errors that name the tensor") {
  const scratch dir;
  const std::vector<float> a{1.0f, 2.0f};
  const std::vector<std::uint16_t> h{0x3C00};
  CHECK(has(message_of([&] { write_safetensors(dir / "m", std::vector{stored("a", a, {3})}); }),
            "tensor \"a\": expected 12 bytes for [3], found 8"));
  CHECK(has(message_of([&] {
              write_safetensors(dir / "m", std::vector{stored("a", a, {2}), stored("b", a, {2}),
                                                       stored_tensor{"a", dtype::f16, {1}, std::as_bytes(std::span(h))}});
            }),
            "every name once"));
  CHECK_FALSE(std::filesystem::exists(dir / "m"));
  CHECK_FALSE(std::filesystem::exists(dir / "m.part"));
}

TEST_CASE("a folder that does not exist is an error that names the file") {
  const scratch dir;
  const auto path = dir / "no" / "m";
  CHECK(has(message_of([&] { write_safetensors(path, {}); }), bert::path_text(path) + ": expected a file to write"));
}

TEST_CASE("a writer that asks for bytes when they are due writes what one that has them all writes; another order needs one") {
  const scratch dir;
  const std::vector<float> a{1, 2, 3, 4, 5, 6}, b{7, 8};
  const std::vector<stored_tensor> tensors{stored("a", a, {2, 3}), stored("b", b, {2})};
  write_safetensors(dir / "whole", tensors);
  const std::vector<stored_tensor> named{{"a", dtype::f32, {2, 3}, {}}, {"b", dtype::f32, {2}, {}}};
  std::string order;
  atomic_file asked(dir / "asked");
  write_safetensors(asked, named, {{"format", "pt"}}, checksums::none, [&](const stored_tensor& t) {
    order += t.name;
    return std::as_bytes(std::span(t.name == "a" ? a : b));
  });
  asked.commit();
  CHECK(order == "ab");
  CHECK(slurp(dir / "asked") == slurp(dir / "whole"));
  const std::vector<stored_tensor> turned{{"t", dtype::f32, {3, 2}, std::as_bytes(std::span(a)), {1, 3}}};
  CHECK(has(message_of([&] { write_safetensors(dir / "x", turned); }), "tensor \"t\": expected a row-major tensor"));
}
