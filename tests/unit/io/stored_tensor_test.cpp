// Tensors of another order than rows: their elements, as they are and as floats, are those of plain loops over indices.
// Layer: tests.
#include "bert/io/stored_tensor.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "bert/core/execution.hpp"
#include "bert/io/mapped_file.hpp"
#include "bert/io/safetensors.hpp"
#include "bert/io/safetensors_writer.hpp"
#include "listed_tensors.hpp"
#include "scratch.hpp"

using namespace bert;
using namespace bert::io;
using bert::testing::has;
using bert::testing::message_of;

namespace {

/// Bytes of which any two elements differ.
std::vector<std::byte> numbered(std::size_t n, dtype type) {
  std::vector<std::byte> out(n * bytes_of(type));
  for (std::size_t i = 0; i < n; ++i) {
    const auto value = static_cast<float>(i % 2048);  // exact in f16
    if (type == dtype::f32) std::memcpy(out.data() + 4 * i, &value, 4);
    else if (type == dtype::f16) {
      const auto half = to_f16(value);
      std::memcpy(out.data() + 2 * i, &half, 2);
    } else if (type == dtype::f64) {
      const auto wide = static_cast<double>(value);
      std::memcpy(out.data() + 8 * i, &wide, 8);
    } else out[i] = static_cast<std::byte>(i);
  }
  return out;
}

/// The place of each element in row-major order.
std::vector<std::size_t> places(const stored_tensor& t) {
  std::vector<std::size_t> out{0};
  for (std::size_t d = 0; d < t.shape.size(); ++d) {
    std::vector<std::size_t> next;
    for (const std::size_t at : out)
      for (std::size_t i = 0; i < t.shape[d]; ++i) next.push_back(at + i * t.strides[d]);
    out = next;
  }
  return out;
}

struct view {
  std::vector<std::size_t> shape, strides;
};

const std::vector<view> views{{{5, 7}, {1, 5}},
                              {{33, 20}, {1, 33}},
                              {{130, 37}, {1, 130}},
                              {{16, 16}, {1, 16}},
                              {{1, 40}, {1, 1}},
                              {{40, 1}, {1, 40}},
                              {{3, 4}, {8, 2}},
                              {{3, 4}, {1, 6}},
                              {{2, 3, 4}, {1, 8, 2}},
                              {{4, 3, 2}, {1, 8, 4}},
                              {{2, 2, 2, 2}, {8, 1, 2, 4}},
                              {{6}, {3}},
                              {{17, 31}, {1, 19}}};

}  // namespace

TEST_CASE("a product that exceeds 64 bits is told, and any other is exact") {
  const std::uint64_t most = std::numeric_limits<std::uint64_t>::max(), half = std::uint64_t{1} << 32;
  std::uint64_t product = 1;
  CHECK(bert::io::detail::multiply(0, most, product));
  CHECK(product == 0);
  CHECK(bert::io::detail::multiply(most, 0, product));
  CHECK(bert::io::detail::multiply(most, 1, product));
  CHECK(product == most);
  CHECK(bert::io::detail::multiply(half, half - 1, product));
  CHECK(product == half * (half - 1));
  CHECK_FALSE(bert::io::detail::multiply(half, half, product));
  CHECK_FALSE(bert::io::detail::multiply(most, most, product));
  CHECK(product == 1);
}

TEST_CASE("elements of any order, copied or converted from any position on, are those of plain loops") {
  for (const dtype type : {dtype::u8, dtype::f16, dtype::f32, dtype::f64})
    for (const view& v : views) {
      stored_tensor t{"t", type, v.shape, {}, v.strides};
      const auto at = places(t);
      const auto memory = numbered(*std::max_element(at.begin(), at.end()) + 1, type);
      t.bytes = memory;
      CAPTURE(shape_text(v.shape));
      REQUIRE(t.size() == at.size());
      const std::string bytes = bert::testing::row_major(t);
      const std::size_t w = bytes_of(type);
      for (std::size_t i = 0; i < at.size(); ++i) REQUIRE(std::memcmp(bytes.data() + i * w, memory.data() + at[i] * w, w) == 0);
      for (std::size_t first = 0; first < at.size(); first += 3) {
        std::vector<std::byte> rest((at.size() - first) * w);
        copy_elements(t, first, at.size() - first, rest.data());
        CHECK(std::memcmp(rest.data(), bytes.data() + first * w, rest.size()) == 0);
      }
      if (!bert::io::detail::converts_to_f32(type)) continue;
      std::vector<float> one(t.size()), two(t.size());
      to_floats(t, one);
      to_floats(t, two, execution::threads{3});
      for (std::size_t i = 0; i < at.size(); ++i) REQUIRE(one[i] == static_cast<float>(at[i] % 2048));
      std::vector<float> three(t.size());
      to_checked_floats(t, "file", three, execution::threads{2});
      CHECK(one == three);
      CHECK(one == two);
      CHECK(message_of([&] { check_finite(t, "file"); }).empty());
    }
}

TEST_CASE("a number that is not finite is found at its place among the elements, and not between them") {
  for (const view& v : views) {
    stored_tensor t{"t", dtype::f32, v.shape, {}, v.strides};
    const auto at = places(t);
    const std::size_t last = *std::max_element(at.begin(), at.end());
    for (std::size_t bad = 0; bad <= last; bad += 1 + last / 9) {
      auto memory = numbered(last + 1, dtype::f32);
      const float nan = std::numeric_limits<float>::quiet_NaN();
      std::memcpy(memory.data() + 4 * bad, &nan, 4);
      t.bytes = memory;
      const auto found = std::find(at.begin(), at.end(), bad);
      const std::string message = message_of([&] { check_finite(t, "file", execution::threads{2}); });
      std::vector<float> floats(t.size());
      CHECK(message_of([&] { to_checked_floats(t, "file", floats, execution::threads{2}); }) == message);
      if (found == at.end()) CHECK(message.empty());
      else
        CHECK(has(message,
                  cat("tensor \"t\": expected finite numbers, found an infinity or a NaN at ", found - at.begin(), ';')));
    }
  }
}

TEST_CASE("a tensor with a checksum is checked by it, one without is not") {
  const auto memory = numbered(12, dtype::f32);
  stored_tensor t{"t", dtype::f32, {3, 4}, memory, {1, 3}};
  CHECK(message_of([&] { check_stored(t, "file"); }).empty());
  t.masked_crc32c = masked_crc32c(memory);
  CHECK(message_of([&] { check_stored(t, "file"); }).empty());
  t.masked_crc32c = *t.masked_crc32c ^ 1u;
  std::vector<float> floats(12);
  CHECK(has(message_of([&] { to_checked_floats(t, "file", floats); }), "the checksum disagrees"));
  CHECK(has(message_of([&] { check_bytes(t, "file"); }), "file, tensor \"t\": expected the bytes that were written"));
}

#if defined(__linux__)
TEST_CASE("a mapped tensor that has been converted takes no memory beside its floats") {
  // Memory of this process that is a mapped file's, in KB.
  const auto mapped = [] {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("RssFile:")) return std::stol(line.substr(8));
    return -1L;
  };
  const testing::scratch dir;
  const std::vector<float> values(std::size_t{8} << 20, 1.5f);  // 32 MB
  write_safetensors(dir / "m", std::vector{stored("a", values, {values.size()}), stored("b", values, {1024, 8192})});
  const safetensors file{mapped_file(dir / "m")};
  std::vector<float> out(values.size());
  const long before = mapped();
  REQUIRE(before > 0);
  for (const stored_tensor& t : file.tensors()) {
    to_floats(t, out);
    CHECK(out == values);
    CHECK(mapped() - before < 4096);
    // As a view of another order, its elements are the same here.
    stored_tensor turned = t;
    turned.shape = {8192, 1024};
    turned.strides = {1, 8192};
    to_floats(turned, out);
    CHECK(out == values);
    CHECK(mapped() - before < 4096);
  }
}
#endif
