// What one description of a kernel is used for: its test against the reference, its gradient check, its determinism check.
// Layer: tests. The benchmark of the same description is in bench/kernels_bench.cpp.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "bert/core/execution.hpp"
#include "support/kernels/arrays.hpp"
#include "support/largest.hpp"

namespace bert::test {

using support::largest;

/// The greatest difference over the greatest expected value.
inline double distance(const array<float>& got, const array<double>& expected) {
  largest worst, size;
  size.add(1e-30);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    worst.add(std::abs(static_cast<double>(got[i]) - expected[i]));
    size.add(std::abs(expected[i]));
  }
  return worst.value() / size.value();
}

inline bool same_bits(const arrays<float>& a, const arrays<float>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].size() != b[i].size()) return false;
    if (!a[i].empty() && std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float)) != 0) return false;
  }
  return true;
}

/// The kernel gives what the reference gives in double.
template <kernel_description K>
void agrees_with_reference(K k, double tolerance = 2e-6) {
  CAPTURE(k.label());
  const auto in = random_arrays<float>(k.inputs(), 1);
  auto out = filled<float>(k.outputs(), 7.0f);
  auto expected = filled<double>(k.outputs(), 7.0);
  k.forward(execution::serial{}, in, out);
  k.reference(to_double(in), expected);
  for (std::size_t i = 0; i < out.size(); ++i) {
    CAPTURE(i);
    CHECK(distance(out[i], expected[i]) <= tolerance);
  }
}

/// The kernel's backward pass gives what the reference's gives in double, on top of what stood there for outputs it adds to.
template <differentiable_kernel K>
void backward_agrees_with_reference(K k, double tolerance = 3e-6) {
  CAPTURE(k.label());
  const auto in = random_arrays<float>(k.inputs(), 1);
  const auto d_out = output_gradients<float>(k);
  auto d_in = filled<float>(k.inputs(), 0.5f);
  auto expected = filled<double>(k.inputs(), 0.0);
  save_for_backward(k, in);
  k.backward(execution::serial{}, in, d_out, d_in);
  k.reference_backward(to_double(in), to_double(d_out), expected);
  for (std::size_t i = 0; i < d_in.size(); ++i) {
    if (!k.has_gradient(i)) continue;
    if (k.adds(i))
      for (auto& x : expected[i]) x += 0.5;
    CAPTURE(i);
    CHECK(distance(d_in[i], expected[i]) <= tolerance);
  }
}

/// The reference's gradient is the slope of the reference, by central differences in double.
template <differentiable_kernel K>
void gradient_is_the_slope(K k, double tolerance = 1e-7) {
  CAPTURE(k.label());
  auto in = to_double(random_arrays<float>(k.inputs(), 1));
  const auto d_out = to_double(output_gradients<float>(k));
  auto d_in = filled<double>(k.inputs(), 0.0);
  k.reference_backward(in, d_out, d_in);
  const auto value = [&] {
    auto out = filled<double>(k.outputs(), 0.0);
    k.reference(in, out);
    double total = 0;
    for (std::size_t i = 0; i < out.size(); ++i)
      for (std::size_t j = 0; j < out[i].size(); ++j) total += out[i][j] * d_out[i][j];
    return total;
  };
  constexpr double step = 1e-5;
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (!k.has_gradient(i)) continue;
    const std::size_t every = std::max<std::size_t>(1, in[i].size() / 40);
    largest worst, size;
    size.add(1e-3);
    for (std::size_t j = 0; j < in[i].size(); j += every) {
      const double kept = in[i][j];
      in[i][j] = kept + step;
      const double above = value();
      in[i][j] = kept - step;
      const double below = value();
      in[i][j] = kept;
      worst.add(std::abs((above - below) / (2 * step) - d_in[i][j]));
      size.add(std::abs(d_in[i][j]));
    }
    CAPTURE(i);
    CHECK(worst.value() / size.value() <= tolerance);
  }
}

/// One, two and three threads give the same bits, forwards and backwards.
template <kernel_description K>
void threads_change_nothing(K k) {
  CAPTURE(k.label());
  const auto in = random_arrays<float>(k.inputs(), 1);
  save_for_backward(k, in);
  const auto run = [&](const auto& executor) {
    auto out = filled<float>(k.outputs(), 0.0f);
    k.forward(executor, in, out);
    if constexpr (differentiable_kernel<K>) {
      auto d_in = filled<float>(k.inputs(), 0.5f);
      k.backward(executor, in, output_gradients<float>(k), d_in);
      out.insert(out.end(), d_in.begin(), d_in.end());
    }
    return out;
  };
  const auto alone = run(execution::serial{});
  for (const std::size_t n : {1u, 2u, 3u}) {
    CAPTURE(n);
    CHECK(same_bits(run(execution::threads{n}), alone));
  }
}

/// All of the above.
template <kernel_description K>
void check_kernel(K k) {
  agrees_with_reference(k);
  threads_change_nothing(k);
  if constexpr (differentiable_kernel<K>) {
    backward_agrees_with_reference(k);
#if !defined(BERT_MUTATED)  // tools/mutate changes no reference, and this is nine tenths of the time
    gradient_is_the_slope(k);
#endif
  }
}

}  // namespace bert::test
