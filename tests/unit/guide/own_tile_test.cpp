// docs/architecture.md, "How to add an instruction set", as a program: a plain-C++ tile of 16 x 16 sums and 16 pairs of bf16
// for an imaginary instruction set, with the shape and the order of sums of AMX's TDPBF16PS. All products use it.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "bert/kernels/gemm/product.hpp"
#include "bert/kernels/reference/gemm_bf16.hpp"
#include "support/products.hpp"

namespace guide {

using bert::matrix;

/// Two elements consecutive along K: the word of the tile's instruction.
struct pair {
  bert::bf16 even, odd;
};

inline float flushed(float x) noexcept { return std::abs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x; }
inline float flushed_fma(float a, float b, float c) noexcept { return flushed(std::fma(flushed(a), flushed(b), c)); }

// 1. Layouts of the left operand: tiles of 16 rows, each copied with zeros beyond A's rows and columns. Rows [M, K] and columns
// [K, M] of pairs differ in one line.
enum class order { rows, columns };

template <order Order>
struct copied_tiles {
  static constexpr std::size_t tile = 16, rows = 64,
                               depth = 256;  // 64 x 256 pairs: 64 KB, an eighth of a small second-level cache
  static constexpr std::size_t size = rows * depth;

  static constexpr std::size_t block_rows(std::size_t, std::size_t) noexcept { return rows; }
  static constexpr std::size_t part_depth(std::size_t) noexcept { return depth; }
  static constexpr std::size_t offset(std::size_t k) noexcept { return k; }
  static void fill(matrix<const pair> a, std::size_t row0, const bert::kernels::tile_cut& cut, std::size_t k0,
                   std::size_t count, pair* copy) noexcept {
    for (std::size_t r = 0; r < bert::round_up(cut.rows, tile); ++r)
      for (std::size_t k = 0; k < count; ++k) {
        const std::size_t i = Order == order::rows ? row0 + r : k0 + k, j = Order == order::rows ? k0 + k : row0 + r;
        copy[r * count + k] = r < cut.rows && i < a.rows && j < a.cols ? a(i, j) : pair{};
      }
  }
  static bert::kernels::tile_rows_at<pair> at(matrix<const pair>, const pair* copy, std::size_t, std::size_t r, std::size_t,
                                              std::size_t, std::size_t count) noexcept {
    return {copy + r * count, count};
  }
};

// 2. The tile.
struct tile {
  using word = pair;
  using sum = float;
  static constexpr std::size_t rows = 16, cols = 16, row_step = 16, depth_step = 16;
  static constexpr std::size_t waiting_sums = std::size_t{16} << 10;

  static bert::kernels::simd load(const float* sums) noexcept { return bert::kernels::load(sums); }

  // Like the instruction, it always multiplies whole tiles: 16 rows, of which `height` are used.
  template <class Layout>
  static void run(std::size_t, const bert::kernels::tile_task<pair, float>& task) noexcept {
    if (task.from == nullptr) std::fill_n(task.sums, rows * cols, 0.0f);
    else if (task.from != task.sums) std::copy_n(task.from, rows * cols, task.sums);
    for (std::size_t k = 0; k < task.depth; k += depth_step) multiply(task.a + k, task.stride, task.b + k * cols, task.sums);
  }

 private:
  static void multiply(const pair* a, std::size_t stride, const pair* b, float* c) noexcept {
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < cols; ++j) {
        float even = 0, odd = 0;
        for (std::size_t k = 0; k < depth_step; ++k) {
          const pair x = a[i * stride + k], y = b[k * cols + j];
          even = flushed_fma(to_float(x.even), to_float(y.even), even);
          odd = flushed_fma(to_float(x.odd), to_float(y.odd), odd);
        }
        c[i * cols + j] = flushed(c[i * cols + j] + flushed(even + odd));
      }
  }
};

// 3. Packing: pairs along K, padded with zeros to whole tiles of depth, in panels of 16 columns. `at(k, n)` is the operand's
// element.
struct packed {
  bert::buffer<pair> data;
  std::size_t k, n;  ///< words, columns
  [[nodiscard]] const pair* panel(std::size_t p) const noexcept { return data.data() + p * k * tile::cols; }
};

template <class At>
pair pair_of(std::size_t rows, std::size_t row, const At& at) {
  const auto element = [&](std::size_t k) { return k < rows ? bert::to_bf16(at(k)) : bert::bf16{}; };
  return {element(row), element(row + 1)};
}

/// Calls out(word, first row, end of its group) for every word that holds rows.
template <class Out>
void for_each_word(std::size_t rows, const bert::kernels::row_groups& groups, const Out& out) {
  const bert::kernels::word_groups words(groups, rows, 2, tile::depth_step);
  for (std::size_t g = 0; g < groups.count(); ++g) {
    const std::size_t first = groups.offsets.empty() ? 0 : groups.offsets[g];
    const std::size_t end = groups.offsets.empty() ? rows : groups.offsets[g + 1];
    for (std::size_t row = first; row < end; row += 2) out(words.offsets()[g] + (row - first) / 2, row, end);
  }
}

template <class At>
packed pack(std::size_t rows, std::size_t cols, const bert::kernels::row_groups& groups, const At& at) {
  const std::size_t words = bert::kernels::word_groups(groups, rows, 2, tile::depth_step).words();
  packed out{bert::buffer<pair>(bert::round_up(cols, tile::cols) * words), words, cols};
  std::fill(out.data.begin(), out.data.end(), pair{});
  for_each_word(rows, groups, [&](std::size_t word, std::size_t row, std::size_t end) {
    for (std::size_t n = 0; n < cols; ++n)
      out.data[(n / tile::cols * words + word) * tile::cols + n % tile::cols] =
          pair_of(end, row, [&](std::size_t k) { return at(k, n); });
  });
  return out;
}

// The products, in the form of the library's tests.
struct products {
  static double tolerance(std::size_t) { return 0; }

  template <bert::executor E, class Epilogue>
  static void rows(const E& run, matrix<const float> a, matrix<const float> w, const Epilogue& epilogue) {
    const std::size_t words = (a.cols + 1) / 2;
    bert::buffer<pair> left(a.rows * words);
    for (std::size_t i = 0; i < a.rows; ++i)
      for (std::size_t k = 0; k < words; ++k)
        left[i * words + k] = pair_of(a.cols, 2 * k, [&](std::size_t j) { return a(i, j); });
    const packed right = pack(w.cols, w.rows, {}, [&](std::size_t k, std::size_t n) { return w(n, k); });
    bert::kernels::multiply<copied_tiles<order::rows>>(run, tile{}, {left.data(), a.rows, words}, a.rows, right, epilogue);
  }

  template <bert::executor E, class Epilogue>
  static void columns(const E& run, matrix<const float> a, matrix<const float> b, const Epilogue& epilogue,
                      const bert::kernels::row_groups& groups) {
    const bert::kernels::word_groups words(groups, a.rows, 2, tile::depth_step);
    bert::buffer<pair> left(words.words() * a.cols);
    std::fill(left.begin(), left.end(), pair{});
    for_each_word(a.rows, groups, [&](std::size_t word, std::size_t row, std::size_t end) {
      for (std::size_t m = 0; m < a.cols; ++m)
        left[word * a.cols + m] = pair_of(end, row, [&](std::size_t k) { return a(k, m); });
    });
    const packed right = pack(b.rows, b.cols, groups, [&](std::size_t k, std::size_t n) { return b(k, n); });
    bert::kernels::multiply<copied_tiles<order::columns>>(run, tile{}, {left.data(), words.words(), a.cols}, a.cols, right,
                                                          epilogue, words);
  }

  // The plain loops, from the definition: 32 elements per step.
  template <class Left, class Right>
  static float sum(std::size_t depth, const Left& a, const Right& b) {
    float c = 0;
    for (std::size_t k0 = 0; k0 < depth; k0 += 32) {
      float chain[2] = {0, 0};
      for (std::size_t k = k0; k < k0 + 32; ++k) {
        const float x = k < depth ? to_float(bert::to_bf16(a(k))) : 0, y = k < depth ? to_float(bert::to_bf16(b(k))) : 0;
        chain[k % 2] = flushed_fma(x, y, chain[k % 2]);
      }
      c = flushed(c + flushed(chain[0] + chain[1]));
    }
    return c;
  }
  static void rows_reference(matrix<const float> a, matrix<const float> w, matrix<float> c) {
    for (std::size_t i = 0; i < c.rows; ++i)
      for (std::size_t j = 0; j < c.cols; ++j)
        c(i, j) = sum(
            a.cols, [&](std::size_t k) { return a(i, k); }, [&](std::size_t k) { return w(j, k); });
  }
  static void columns_reference(matrix<const float> a, matrix<const float> b, matrix<float> c) {
    for (std::size_t i = 0; i < c.rows; ++i)
      for (std::size_t j = 0; j < c.cols; ++j)
        c(i, j) = sum(
            a.rows, [&](std::size_t k) { return a(k, i); }, [&](std::size_t k) { return b(k, j); });
  }
};

}  // namespace guide

TEST_CASE("a tile written outside the library passes the library's tests of products, including groups of the depth") {
  support::check_products<guide::products>();
}

TEST_CASE("the tile's order of sums is that of TDPBF16PS: even and odd elements apart, 16 pairs per step, without denormals") {
  const auto product = [](std::vector<float> a, std::vector<float> w) {
    float c = 7;
    guide::products::rows(bert::execution::serial{}, {a.data(), 1, a.size()}, {w.data(), 1, w.size()},
                          bert::kernels::epilogue::store{{&c, 1, 1}});
    return c;
  };
  // 2^24 + 1 rounds to 2^24: the even chain loses its two ones, the odd chain keeps 2; one chain would lose all four.
  CHECK(product({0x1p12f, 1, 1, 1, 1, 0}, {0x1p12f, 1, 1, 1, 1, 0}) == 0x1p24f + 2);
  // Within a chain, ones that come before 2^24 are kept.
  CHECK(product({1, 0, 1, 0, 0x1p12f, 0}, {1, 0, 1, 0, 0x1p12f, 0}) == 0x1p24f + 2);
  CHECK(product({0x1p-70f}, {0x1p-70f}) == 0.0f);
  CHECK(product({0x1p-130f}, {0x1p20f}) == 0.0f);
}
