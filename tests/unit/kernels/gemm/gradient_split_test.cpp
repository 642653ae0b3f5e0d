// Layer: tests. Of: include/bert/kernels/gemm/gradient_split.hpp
#include "bert/kernels/gemm/gradient_split.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "bert/core/amx_permission.hpp"
#include "bert/kernels/gemm/epilogue.hpp"
#include "support/largest.hpp"
#include "support/products.hpp"

using namespace bert;
using namespace bert::kernels;
using support::operand;
using support::same_bits;
using support::shape;

namespace {

const std::vector<shape> shapes{{1, 1, 1}, {3, 33, 31}, {17, 32, 32}, {33, 70, 33}, {40, 65, 97}, {70, 31, 200}};

/// a^T b, the rows of each turned first: the product whose order of sums is documented.
template <std::size_t Parts>
operand by_rows(matrix<const float> a, matrix<const float> b) {
  const std::size_t m = a.cols, n = b.cols, k = a.rows, stride = split_stride(k, Parts);
  operand left(m, k, 5), right(n, k, 6), out(m, n, 7);
  for (std::size_t i = 0; i < k; ++i) {
    for (std::size_t j = 0; j < m; ++j) left.view(j, i) = a(i, j);
    for (std::size_t j = 0; j < n; ++j) right.view(j, i) = b(i, j);
  }
  buffer<float> words(m * stride), packed(packed_split_size(k, n, Parts));
  for (std::size_t j = 0; j < m; ++j) split_row<Parts>(left.view.row(j), k, words.data() + j * stride);
  gemm_split<amx::plain_tiles>(execution::serial{}, split_rows<Parts>{{words.data(), m, split_words(k, Parts), stride}},
                               pack_split<Parts>(execution::serial{}, right.read(), packed.data()), epilogue::store{out.view});
  return out;
}

template <class Tiles, std::size_t Parts>
operand gradient(matrix<const float> a, matrix<const float> b, std::size_t threads, const row_groups& groups = {}) {
  buffer<float> scratch(weight_gradient_split_size(a.rows, a.cols, b.cols, Parts, groups.count()));
  for (float& x : scratch) x = std::nanf("");  // all of what is read is written
  operand out(a.cols, b.cols, 8, 3);
  weight_gradient_split<Tiles, Parts>(execution::threads{threads}, a, b, scratch.data(), epilogue::store{out.view}, groups);
  return out;
}

template <std::size_t Parts>
void check_bits() {
  for (const shape& s : shapes) {
    CAPTURE(s.m);
    CAPTURE(s.n);
    CAPTURE(s.k);
    const operand a(s.k, s.m, 1, 3), b(s.k, s.n, 2, 1);
    const operand expected = by_rows<Parts>(a.read(), b.read());
    for (const std::size_t threads : {1u, 3u})
      CHECK(same_bits(gradient<amx::plain_tiles, Parts>(a.read(), b.read(), threads).view, expected.view));
#if BERT_AMX
    if (amx_permitted()) CHECK(same_bits(gradient<amx::processor_tiles, Parts>(a.read(), b.read(), 2).view, expected.view));
#endif
  }
}

}  // namespace

TEST_CASE("the gradient of a weight by parts has the bits of the product of the transposed operands") {
  check_bits<2>();
  check_bits<3>();
}

TEST_CASE("a matrix packed as it is equals its transpose packed") {
  for (const shape& s : shapes) {
    CAPTURE(s.n);
    CAPTURE(s.k);
    const operand b(s.k, s.n, 2, 1);
    operand turned(s.n, s.k, 3);
    for (std::size_t i = 0; i < s.k; ++i)
      for (std::size_t j = 0; j < s.n; ++j) turned.view(j, i) = b.view(i, j);
    buffer<float> rows(packed_split_size(s.k, s.n, 3)), columns(rows.size());
    const auto one = pack_split_rows<3>(execution::threads{2}, b.read(), rows.data());
    const auto other = pack_split<3>(execution::serial{}, turned.read(), columns.data());
    CHECK(one.k == other.k);
    CHECK(one.n == other.n);
    CHECK(std::memcmp(rows.data(), columns.data(), rows.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("the gradient of a weight by parts sums groups as a tree") {
  const std::size_t m = 40, n = 70, k = 77;
  const operand a(k, m, 1, 3), b(k, n, 2, 1);
  for (const auto& offsets : support::ways_to_group(k)) {
    const row_groups groups{offsets};
    const operand found = gradient<amx::plain_tiles, 3>(a.read(), b.read(), 2, groups);
    std::vector<operand> parts;
    for (std::size_t g = 0; g < groups.count(); ++g) {
      const std::size_t first = offsets[g], rows = offsets[g + 1] - first;
      parts.push_back(gradient<amx::plain_tiles, 3>(a.read().block(first, rows), b.read().block(first, rows), 1));
    }
    for (std::size_t apart = 1; apart < parts.size(); apart *= 2)
      for (std::size_t g = 0; g + apart < parts.size(); g += 2 * apart)
        for (std::size_t i = 0; i < m; ++i)
          for (std::size_t j = 0; j < n; ++j) parts[g].view(i, j) += parts[g + apart].view(i, j);
    CHECK(support::largest_difference(found.view, parts[0].view) <= 1e-6);
  }
}

TEST_CASE("three parts have the accuracy of f32, two 16 bits") {
  const std::size_t m = 8, n = 32, k = 768;
  const operand a(k, m, 3), b(k, n, 4);
  const auto error = [&](const operand& found) {
    support::largest most;
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        double sum = 0;
        for (std::size_t r = 0; r < k; ++r) sum += static_cast<double>(a.view(r, i)) * static_cast<double>(b.view(r, j));
        most.add(std::abs(sum - static_cast<double>(found.view(i, j))));
      }
    return most.value() / std::sqrt(768.0);
  };
  CHECK(error(gradient<amx::plain_tiles, 3>(a.read(), b.read(), 1)) < 0x1p-21);
  CHECK(error(gradient<amx::plain_tiles, 2>(a.read(), b.read(), 1)) < 0x1p-16);
  CHECK(error(gradient<amx::plain_tiles, 2>(a.read(), b.read(), 1)) > 0x1p-20);
}
