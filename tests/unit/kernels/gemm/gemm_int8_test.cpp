// Layer: tests. Of: include/bert/kernels/gemm/{gemm_int8,tile_int8}.hpp, include/bert/kernels/simd/int8.hpp
#include "bert/kernels/gemm/gemm_int8.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "bert/kernels/reference/int8.hpp"
#include "support/kernels/arrays.hpp"

using namespace bert;
using namespace bert::kernels;

namespace {

struct shape {
  std::size_t m, n, k;
};

const std::vector<shape> odd_shapes{{1, 1, 1},       {1, 72, 72},  {2, 31, 5},    {3, 33, 200},  {5, 1003, 72},  {7, 16, 513},
                                    {13, 200, 72},   {14, 32, 64}, {15, 72, 200}, {16, 96, 768}, {27, 100, 303}, {113, 130, 77},
                                    {29, 401, 1600}, {100, 2, 64}, {200, 48, 3},  {9, 64, 3072}};

struct floats {
  test::array<float> memory;
  std::size_t rows, cols;
  floats(std::size_t r, std::size_t c, std::uint64_t seed)
      : memory(test::random_arrays<float>({r * c}, seed)[0]), rows(r), cols(c) {}
  [[nodiscard]] matrix<const float> view() const { return {memory.data(), rows, cols}; }
  [[nodiscard]] matrix<float> view() { return {memory.data(), rows, cols}; }
};

/// x W^T by plain loops: one rounding for the sum, one for the product of scales, one for the product of the two.
test::array<float> expected_product(const floats& x, const floats& w) {
  const std::size_t m = x.rows, n = w.rows, k = x.cols;
  std::vector<std::int8_t> a(m * k), b(n * k);
  std::vector<float> s(m), t(n);
  for (std::size_t i = 0; i < m; ++i) s[i] = reference::quantize_row(x.view().row(i), k, a.data() + i * k);
  for (std::size_t j = 0; j < n; ++j) t[j] = reference::quantize_row(w.view().row(j), k, b.data() + j * k);
  std::vector<std::int64_t> sums(m * n);
  reference::gemm_int8({a.data(), m, k}, {b.data(), n, k}, {sums.data(), m, n});
  test::array<float> out(m * n);
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < n; ++j) out[i * n + j] = static_cast<float>(sums[i * n + j]) * (s[i] * t[j]);
  return out;
}

template <class Form>
struct product {
  buffer<float> left, right;
  quantized a;
  packed_int8 b;

  template <executor E>
  product(const E& run, const floats& x, const floats& w)
      : left(quantized_size(x.rows, x.cols)),
        right(packed_int8_size(w.cols, w.rows)),
        a(left.data(), x.rows, x.cols),
        b(pack_int8(run, w.view(), right.data())) {
    quantize<Form>(run, x.view(), a);
  }
};

/// Calls body(form, name) for every form that the compiler's flags allow.
template <class Body>
void for_each_form(const Body& body) {
#if defined(__AVX512VNNI__)
  body(byte_dot::vnni_512{}, "vnni_512");
#endif
#if defined(__AVXVNNI__) || (defined(__AVX512VNNI__) && defined(__AVX512VL__))
  body(byte_dot::vnni_256{}, "vnni_256");
#endif
#if defined(__AVX2__)
  body(byte_dot::avx2{}, "avx2");
#endif
#if defined(__SSE2__)
  body(byte_dot::sse2{}, "sse2");
#endif
  body(byte_dot::portable{}, "portable");
}

bool same_bits(const test::array<float>& a, const test::array<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("every form gives the bits of the plain loops, for odd shapes and any number of threads") {
  for (const shape& s : odd_shapes) {
    const floats x(s.m, s.k, 1), w(s.n, s.k, 2);
    const auto expected = expected_product(x, w);
    for_each_form([&](auto form, const std::string& name) {
      for (const std::size_t threads : {1u, 2u, 3u}) {
        CAPTURE(s.m);
        CAPTURE(s.n);
        CAPTURE(s.k);
        CAPTURE(threads);
        CAPTURE(name);
        const execution::threads run{threads};
        const product<decltype(form)> p(run, x, w);
        floats c(s.m, s.n, 3);
        gemm<decltype(form)>(run, p.a, p.b, epilogue::store{c.view()});
        CHECK(same_bits(c.memory, expected));
      }
    });
  }
}

TEST_CASE("sums of the largest bytes alone are exact in every form") {
  constexpr std::size_t m = 15, n = 33;
  for (const std::size_t k : {4u, 3072u, 16'384u, 133'144u})
    for (const float left : {1.0f, -1.0f})
      for (const float right : {1.0f, -1.0f}) {
        floats x(m, k, 1), w(n, k, 1);
        x.memory.assign(m * k, left);
        w.memory.assign(n * k, right);
        for_each_form([&](auto form, const std::string& name) {
          CAPTURE(name);
          CAPTURE(k);
          const product<decltype(form)> p(execution::serial{}, x, w);
          floats c(m, n, 3);
          gemm<decltype(form)>(execution::serial{}, p.a, p.b, epilogue::store{c.view()});
          const auto sum = static_cast<float>(static_cast<std::int64_t>(k) * 127 * 127);
          const float step = 1.0f / 127.0f, expected = left * right * (sum * (step * step));
          bool right_everywhere = true;
          for (const float y : c.memory) right_everywhere = right_everywhere && y == expected;
          CHECK(right_everywhere);
        });
      }
  static_assert(most_inputs >= 133'144 && most_inputs < 133'145);
}

TEST_CASE("rows and channels of zeros give zeros") {
  floats x(5, 70, 1), w(40, 70, 2), c(5, 40, 3);
  std::fill_n(x.view().row(3), 70, 0.0f);
  std::fill_n(w.view().row(33), 70, 0.0f);
  for_each_form([&](auto form, const std::string& name) {
    CAPTURE(name);
    const product<decltype(form)> p(execution::serial{}, x, w);
    gemm<decltype(form)>(execution::serial{}, p.a, p.b, epilogue::store{c.view()});
    for (std::size_t j = 0; j < 40; ++j) CHECK(c.view()(3, j) == 0.0f);
    for (std::size_t i = 0; i < 5; ++i) CHECK(c.view()(i, 33) == 0.0f);
    CHECK(c.view()(2, 32) != 0.0f);
  });
}

TEST_CASE("a NaN or an infinity makes its row or channel NaN in every form, and nothing else") {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    floats x(15, 70, 1), w(40, 70, 2), c(15, 40, 3);
    x.view()(3, 68) = bad;
    w.view()(33, 5) = bad;
    for_each_form([&](auto form, const std::string& name) {
      CAPTURE(name);
      CAPTURE(bad);
      const product<decltype(form)> p(execution::serial{}, x, w);
      gemm<decltype(form)>(execution::serial{}, p.a, p.b, epilogue::store{c.view()});
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < 15; ++i)
        for (std::size_t j = 0; j < 40; ++j) wrong += std::isnan(c.view()(i, j)) != (i == 3 || j == 33);
      CHECK(wrong == 0);
    });
  }
}

TEST_CASE("the scaled sum is rounded before bias and residual are added, so FMA contraction changes no bit") {
  const floats x(29, 96, 1), w(70, 96, 2), bias(1, 70, 4), residual(29, 70, 5);
  const auto plain = expected_product(x, w);
  for_each_form([&](auto form, const std::string& name) {
    CAPTURE(name);
    const execution::threads run{2};
    const product<decltype(form)> p(run, x, w);
    floats c(29, 70, 3), d(29, 70, 3);
    gemm<decltype(form)>(run, p.a, p.b, epilogue::bias{c.view(), bias.memory.data()});
    gemm<decltype(form)>(run, p.a, p.b, epilogue::bias_residual{d.view(), bias.memory.data(), residual.view()});
    bool first = true, second = true;
    for (std::size_t i = 0; i < plain.size(); ++i) {
      const volatile float product = plain[i];  // volatile, so that the compiler cannot contract to FMA here either
      const volatile float sum = product + bias.memory[i % 70];
      first = first && c.memory[i] == sum;
      second = second && d.memory[i] == sum + residual.memory[i];
    }
    CHECK(first);
    CHECK(second);
  });
}

TEST_CASE("a row's bits do not depend on the rows beside it") {
  const floats all(90, 200, 1), w(333, 200, 2);
  const product<byte_dot::best> p(execution::serial{}, all, w);
  floats together(90, 333, 3);
  gemm(execution::threads{2}, p.a, p.b, epilogue::store{together.view()});
  for (std::size_t m = 1; m <= 90; m += m < 32 ? 1 : 29)
    for (const std::size_t threads : {1u, 2u}) {
      floats part(m, 333, 4), rows(m, 200, 5);
      std::copy_n(all.view().row(90 - m), m * 200, rows.memory.data());
      const product<byte_dot::best> q(execution::serial{}, rows, w);
      gemm(execution::threads{threads}, q.a, q.b, epilogue::store{part.view()});
      CHECK(std::memcmp(part.memory.data(), together.view().row(90 - m), m * 333 * sizeof(float)) == 0);
    }
}

TEST_CASE("a product with `then` passes each row to it once, after its last column, with the same bits") {
  for (const std::size_t m : {1u, 15u, 16u, 33u, 64u, 200u, 1000u})
    for (const std::size_t threads : {1u, 2u, 3u}) {
      CAPTURE(m);
      CAPTURE(threads);
      const floats x(m, 72, 1), w(300, 72, 2);
      const product<byte_dot::best> p(execution::serial{}, x, w);
      floats plain(m, 300, 3), c(m, 300, 4), seen(m, 300, 5);
      gemm(execution::serial{}, p.a, p.b, epilogue::store{plain.view()});
      std::vector<int> times(m, 0);
      gemm(execution::threads{threads}, p.a, p.b, epilogue::store{c.view()},
           [&](const auto& run, std::size_t first, std::size_t last) {
             run.parallel_for(last - first, [&](std::size_t i) {
               ++times[first + i];
               std::copy_n(c.view().row(first + i), 300, seen.view().row(first + i));
             });
           });
      CHECK(same_bits(c.memory, plain.memory));
      CHECK(same_bits(seen.memory, plain.memory));
      CHECK(times == std::vector<int>(m, 1));
    }
}
