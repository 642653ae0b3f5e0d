// docs/architecture.md, "How to add a precision", as a program: what do fewer bits of significand do to a model's outputs?
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "../../support/small_models.hpp"
#include "support/largest.hpp"

namespace guide {

// Operands of products have `Bits` bits of significand (24: all of f32); the products are f32.
template <int Bits>
struct rounded {
  using weight = bert::kernels::packed;
  using element = float;  // attention and activations write floats, which `convert` rounds
  using table = float;
  template <int>
  using attended = float;

  // A copy of x, stored row by row.
  struct operand {
    bert::matrix<const float> rows;
    float* memory;
  };
  template <class>
  static constexpr std::size_t operand_size(std::size_t n, std::size_t k) noexcept {
    return n * k;
  }
  static operand reserve(bert::matrix<const float> x, float* memory) noexcept { return {{memory, x.rows, x.cols}, memory}; }
  static void store_row(const operand& x, std::size_t i, const float* row) noexcept {
    for (std::size_t j = 0; j < x.rows.cols; ++j) x.memory[i * x.rows.cols + j] = round(row[j]);
  }
  template <bert::executor E>
  static operand convert(const E&, bert::matrix<const float> x, float* memory) noexcept {
    const operand out = reserve(x, memory);
    for (std::size_t i = 0; i < x.rows; ++i) store_row(out, i, x.row(i));
    return out;
  }

  static constexpr std::size_t weight_size(std::size_t k, std::size_t out) noexcept {
    return bert::kernels::packed_size(k, out);
  }
  template <bert::executor E>
  static weight pack(const E& e, bert::matrix<const float> w, float* memory) noexcept {
    const auto packed = bert::kernels::pack_transposed(e, w, memory);
    for (std::size_t i = 0; i < weight_size(w.cols, w.rows); ++i) memory[i] = round(memory[i]);
    return packed;
  }
  template <bert::executor E, class Epilogue>
  static void multiply(const E& e, const operand& x, const weight& w, const Epilogue& epilogue) noexcept {
    bert::kernels::gemm(e, x.rows, w, epilogue);
  }

 private:
  static float round(float x) noexcept {
    int exponent = 0;
    const float significand = std::frexp(x, &exponent);
    return std::ldexp(std::nearbyint(std::ldexp(significand, Bits)), exponent - Bits);
  }
};

template <class P>
std::vector<float> hidden() {
  const auto frozen = bert::freeze<P>(bert::model<support::pocket>::random({.stddev = 0.1f, .seed = 2}));
  bert::token_batch batch;
  batch.add(support::ids(1, 20));
  batch.add(support::ids(2, 7));
  auto run = frozen.session(batch.shape());
  const auto out = run(batch).flat();
  return {out.begin(), out.end()};
}

}  // namespace guide

TEST_CASE("a precision written outside the library freezes and runs a model: with all bits like f32, with fewer less exactly") {
  const auto exact = guide::hidden<bert::precision::f32>();
  CHECK(guide::hidden<guide::rounded<24>>() == exact);
  const double with_16 = support::largest_difference(guide::hidden<guide::rounded<16>>(), exact);
  const double with_8 = support::largest_difference(guide::hidden<guide::rounded<8>>(), exact);
  CHECK(with_16 > 0);
  CHECK(with_8 > 50 * with_16);
  CHECK(with_8 < 0.1);
}
