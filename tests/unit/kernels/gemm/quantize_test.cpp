// Layer: tests. Of: include/bert/kernels/gemm/quantize.hpp
#include "bert/kernels/gemm/quantize.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "bert/core/random.hpp"
#include "bert/kernels/reference/int8.hpp"
#include "support/kernels/arrays.hpp"
#include "support/largest.hpp"

using namespace bert;
using namespace bert::kernels;

namespace {

struct quantized_rows {
  buffer<float> memory;
  quantized q;
  quantized_rows(std::size_t n, std::size_t k) : memory(quantized_size(n, k)), q(memory.data(), n, k) {}
};

std::vector<std::int8_t> bytes_of(const quantized& q, std::size_t row, std::uint8_t zero_point) {
  std::vector<std::int8_t> out;
  for (std::size_t k = 0; k < q.cols; ++k) out.push_back(static_cast<std::int8_t>(q.row(row)[k] - zero_point));
  return out;
}

}  // namespace

TEST_CASE("quantized rows have the bytes and scales of the plain loops, for any width, zero point and number of threads") {
  for (const std::size_t cols : {1u, 3u, 16u, 31u, 63u, 64u, 65u, 200u, 768u, 1000u})
    for (const std::size_t threads : {1u, 2u, 3u}) {
      CAPTURE(cols);
      CAPTURE(threads);
      constexpr std::size_t rows = 37;
      const auto x = test::random_arrays<float>({rows * cols}, 1)[0];
      quantized_rows to_unsigned(rows, cols), to_signed(rows, cols);
      const execution::threads run{threads};
      quantize<byte_dot::best>(run, matrix<const float>{x.data(), rows, cols}, to_unsigned.q);
      quantize<byte_dot::portable>(run, matrix<const float>{x.data(), rows, cols}, to_signed.q);
      std::vector<std::int8_t> expected(cols);
      for (std::size_t i = 0; i < rows; ++i) {
        const float scale = reference::quantize_row(x.data() + i * cols, cols, expected.data());
        CHECK(to_signed.q.scale[i] == scale);
        CHECK(to_unsigned.q.scale[i] == scale);
        CHECK(bytes_of(to_signed.q, i, 0) == expected);
        CHECK(bytes_of(to_unsigned.q, i, byte_dot::best::zero_point) == expected);
      }
    }
}

TEST_CASE("the largest element of a row becomes 127, halves round to even, and no byte exceeds 127") {
  std::vector<std::uint8_t> q(8);
  for (const float size : {1e-35f, 1.1e-20f, 0.7f, 1.0f, 127.0f, 3.1e5f, std::numeric_limits<float>::max()}) {
    CAPTURE(size);
    const std::vector<float> x{size, -size, 0.0f, size / 3, -size / 7};
    const float scale = quantize_row(x.data(), x.size(), 0, q.data());
    CHECK(scale == size / 127.0f);
    CHECK(static_cast<std::int8_t>(q[0]) == 127);
    CHECK(static_cast<std::int8_t>(q[1]) == -127);
    CHECK(static_cast<std::int8_t>(q[2]) == 0);
    CHECK(static_cast<std::int8_t>(q[3]) == 42);
    CHECK(static_cast<std::int8_t>(q[4]) == -18);
  }
  const std::vector<float> halves{127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f};
  CHECK(quantize_row(halves.data(), halves.size(), 128, q.data()) == 1.0f);
  CHECK(q == std::vector<std::uint8_t>{255, 128, 130, 130, 128, 126, 126, 128});
}

TEST_CASE("a row of zeros, and one too small to divide by, has scale 0 and zero points as bytes") {
  for (const float x : {0.0f, -0.0f, 1e-40f, -3e-37f}) {
    const std::vector<float> row(19, x);
    std::vector<std::uint8_t> q(20, 7);
    CHECK(quantize_row(row.data(), row.size(), 128, q.data()) == 0.0f);
    CHECK(q == std::vector<std::uint8_t>(20, 128));
  }
}

TEST_CASE("a NaN or an infinity at any index of a row becomes its scale, and its bytes are zero points") {
  constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (const std::size_t cols : {1u, 7u, 64u, 131u, 200u})
    for (const float bad : {nan, -nan, infinity, -infinity})
      for (std::size_t at = 0; at < cols; ++at) {
        CAPTURE(cols);
        CAPTURE(at);
        CAPTURE(bad);
        auto x = test::random_arrays<float>({cols}, 1)[0];
        x[at] = bad;
        const std::size_t bytes = round_up(cols, 4);
        for (const std::uint8_t zero_point : {std::uint8_t{0}, std::uint8_t{128}}) {
          std::vector<std::uint8_t> q(bytes, 7);
          const float scale = quantize_row(x.data(), cols, zero_point, q.data());
          CHECK((std::isnan(bad) ? std::isnan(scale) : scale == infinity));
          CHECK(q == std::vector<std::uint8_t>(bytes, zero_point));
        }
        std::vector<std::int8_t> plain(cols, 7);
        const float scale = reference::quantize_row(x.data(), cols, plain.data());
        CHECK((std::isnan(bad) ? std::isnan(scale) : scale == infinity));
        CHECK(plain == std::vector<std::int8_t>(cols, 0));
      }
}

TEST_CASE("a quantized element has an error of at most half a step") {
  const auto x = test::random_arrays<float>({4096}, 3)[0];
  std::vector<std::uint8_t> q(x.size());
  const float scale = quantize_row(x.data(), x.size(), 128, q.data());
  support::largest worst;
  for (std::size_t i = 0; i < x.size(); ++i) worst.add(std::abs(x[i] - scale * static_cast<float>(q[i] - 128)));
  CHECK(worst.value() <= static_cast<double>(0.50001f * scale));
  CHECK(worst.value() > static_cast<double>(0.45f * scale));
}

TEST_CASE("nothing beyond a row's last word is written") {
  for (const std::size_t cols : {1u, 17u, 30u, 66u}) {
    const std::vector<float> x(cols, 1.0f);
    std::vector<std::uint8_t> q(round_up(cols, 4) + 16, 9);
    quantize_row(x.data(), cols, 128, q.data());
    for (std::size_t i = round_up(cols, 4); i < q.size(); ++i) CHECK(q[i] == 9);
  }
}

TEST_CASE("packed weights have the bytes of the plain loops in panels of words, with scales, sums and zeros beyond the edges") {
  for (const auto& shape : {std::array<std::size_t, 2>{1, 1}, {33, 5}, {32, 64}, {70, 67}, {40, 768}}) {
    const std::size_t n = shape[0], k = shape[1];
    CAPTURE(n);
    CAPTURE(k);
    const auto w = test::random_arrays<float>({n * k}, 5)[0];
    buffer<float> memory(packed_int8_size(k, n)), same(packed_int8_size(k, n));
    for (auto& x : memory) x = NAN;
    const auto p = pack_int8(execution::threads{2}, {w.data(), n, k}, memory.data());
    std::vector<std::int8_t> expected(round_up(k, 4));
    for (std::size_t j = 0; j < round_up(n, byte_panel); ++j) {
      std::fill(expected.begin(), expected.end(), std::int8_t{0});
      const float scale = j < n ? reference::quantize_row(w.data() + j * k, k, expected.data()) : 0.0f;
      std::int32_t sum = 0;
      bool right = true;
      for (std::size_t i = 0; i < expected.size(); ++i) {
        sum += expected[i];
        right = right && p.panel(j / byte_panel)[i / 4 * 4 * byte_panel + j % byte_panel * 4 + i % 4] == expected[i];
      }
      CHECK(right);
      CHECK(p.scale[j] == scale);
      CHECK(p.start[j] == -128 * sum);
    }
    pack_int8(execution::serial{}, {w.data(), n, k}, same.data());
    CHECK(std::memcmp(memory.data(), same.data(), memory.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("an operand that nothing was packed into has no panels") {
  constexpr packed_int8 none;
  CHECK(none.panels() == 0);
  CHECK(none.panel_bytes() == 0);
}

TEST_CASE("rows of bf16 become the bytes of the same values in f32") {
  constexpr std::size_t rows = 5, cols = 77;
  const auto x = test::random_arrays<float>({rows * cols}, 6)[0];
  std::vector<bf16> half;
  std::vector<float> same;
  for (const float v : x) half.push_back(to_bf16(v)), same.push_back(to_float(half.back()));
  quantized_rows of_half(rows, cols), of_floats(rows, cols);
  quantize(execution::serial{}, matrix<const bf16>{half.data(), rows, cols}, of_half.q);
  quantize(execution::serial{}, matrix<const float>{same.data(), rows, cols}, of_floats.q);
  for (std::size_t i = 0; i < rows; ++i) {
    CHECK(of_half.q.scale[i] == of_floats.q.scale[i]);
    CHECK(bytes_of(of_half.q, i, byte_dot::best::zero_point) == bytes_of(of_floats.q, i, byte_dot::best::zero_point));
  }
}
