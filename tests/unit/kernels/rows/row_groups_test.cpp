// Layer: tests. Of: include/bert/kernels/rows/row_groups.hpp, and of the kernels over rows that use it
#include "bert/kernels/rows/row_groups.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <vector>

#include "bert/kernels/reference/row_groups.hpp"
#include "bert/kernels/rows/elementwise.hpp"
#include "bert/kernels/rows/embedding.hpp"
#include "bert/kernels/rows/layer_norm.hpp"
#include "support/kernel_description.hpp"
#include "support/kernels/parameter_kernels.hpp"
#include "support/kernels/row_kernels.hpp"
#include "support/products.hpp"
#include "support/row_groups.hpp"

using namespace bert;
using namespace bert::kernels;
using support::operand;

namespace {

using floats = std::vector<float>;

bool same_bits(const floats& a, const floats& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// sums(run, first, rows, groups, out) adds a kernel's sums over rows [first, first + rows) to `out`, `size` floats. Checks
/// that they are the tree of each group's sums, with any number of threads; that halves, added, are the whole; and that the old
/// content is added to once.
template <class Sums>
void check_tree(std::size_t size, const std::vector<std::size_t>& offsets, const Sums& sums) {
  CAPTURE(offsets.size());
  const auto of = [&](const auto& run, std::size_t first, std::size_t rows, const std::vector<std::size_t>& groups) {
    floats out(size, 0.0f);
    sums(run, first, rows, row_groups{groups}, out.data());
    return out;
  };
  const std::size_t rows = offsets.back();
  std::vector<floats> of_groups;
  for (std::size_t g = 0; g + 1 < offsets.size(); ++g)
    of_groups.push_back(of(execution::serial{}, offsets[g], offsets[g + 1] - offsets[g], {}));
  const floats expected = reference::tree_sum(of_groups);
  CHECK(same_bits(of(execution::serial{}, 0, rows, offsets), expected));
  CHECK(same_bits(of(execution::threads{2}, 0, rows, offsets), expected));
  CHECK(same_bits(of(execution::threads{3}, 0, rows, offsets), expected));
  if (offsets.size() > 2) {
    const support::half_of_groups low(offsets, 0), high(offsets, 1);
    floats both = of(execution::threads{2}, low.first, low.rows, low.offsets);
    const floats other = of(execution::serial{}, high.first, high.rows, high.offsets);
    for (std::size_t i = 0; i < size; ++i) both[i] += other[i];
    CHECK(same_bits(both, expected));

    floats onto(size, 0.7f), added(size, 0.7f);
    for (std::size_t i = 0; i < size; ++i) added[i] += expected[i];
    sums(execution::threads{2}, 0, rows, row_groups{offsets}, onto.data());
    CHECK(same_bits(onto, added));
  }
}

/// A batch whose ids repeat within and across sequences.
struct tokens {
  std::vector<std::size_t> starts{0};
  std::vector<token_id> ids;
  std::vector<segment_id> segments;

  explicit tokens(const std::vector<std::size_t>& lengths) {
    random_stream random(3, draw::user);
    for (const auto length : lengths) {
      starts.push_back(starts.back() + length);
      for (std::size_t i = 0; i < length; ++i) {
        ids.push_back(i == 0 ? 7 : static_cast<token_id>(random.below(60)));
        segments.push_back(i > length / 2 ? segment_id{1} : segment_id{0});
      }
    }
  }
};

constexpr std::size_t vocabulary = 61, positions = 40, segment_count = 2;

/// Writes the gradients of the three tables, consecutively, to `out`, for sequences [s, s + count).
template <executor E>
void embedding_sums(const E& run, const tokens& batch, std::size_t s, std::size_t count, matrix<const float> d_y,
                    const row_groups& groups, float* out, bool word = true, bool position = true, bool segment = true) {
  const std::size_t first = batch.starts[s], rows = batch.starts[s + count] - first, h = d_y.cols;
  std::vector<std::size_t> starts;
  for (std::size_t i = s; i <= s + count; ++i) starts.push_back(batch.starts[i] - first);
  const auto table = [&](bool wanted, std::size_t row, std::size_t number) {
    return wanted ? matrix<float>{out + row * h, number, h} : matrix<float>{};
  };
  embed_backward(run, std::span(batch.ids).subspan(first, rows), std::span(batch.segments).subspan(first, rows), starts,
                 d_y.block(first, rows), table(word, 0, vocabulary), table(position, vocabulary, positions),
                 table(segment, vocabulary + positions, segment_count), groups);
}

}  // namespace

TEST_CASE("column sums are the tree of the groups' sums") {
  for (const auto& size : {std::array<std::size_t, 2>{1, 1}, {3, 7}, {100, 72}, {65, 130}, {200, 768}}) {
    const std::size_t rows = size[0], cols = size[1];
    CAPTURE(rows);
    CAPTURE(cols);
    const operand d(rows, cols, 1, 3);
    for (const auto& offsets : support::ways_to_group(rows))
      check_tree(cols, offsets,
                 [&](const auto& run, std::size_t first, std::size_t count, const row_groups& groups, float* out) {
                   column_sums(run, d.read().block(first, count), out, groups);
                 });
  }
}

TEST_CASE("the gradients of a norm's gain and bias are the tree of the groups' sums") {
  for (const auto& size : {std::array<std::size_t, 2>{1, 3}, {3, 7}, {100, 72}, {65, 130}, {200, 768}}) {
    const std::size_t rows = size[0], cols = size[1];
    CAPTURE(rows);
    CAPTURE(cols);
    const operand x(rows, cols, 1), gain(1, cols, 2), d(rows, cols, 3);
    operand y(rows, cols, 4);
    floats mean(rows), rstd(rows);
    layer_norm(execution::serial{}, x.read(), gain.view.data, gain.view.data, 1e-12f, y.view, mean.data(), rstd.data());
    for (const auto& offsets : support::ways_to_group(rows))
      check_tree(2 * cols, offsets,
                 [&](const auto& run, std::size_t first, std::size_t count, const row_groups& groups, float* out) {
                   operand d_x(count, cols, 5);
                   layer_norm_backward(run, x.read().block(first, count), gain.view.data, mean.data() + first,
                                       rstd.data() + first, d.read().block(first, count), d_x.view, out, out + cols, groups);
                 });
  }
}

TEST_CASE("the gradients of the embedding tables are the tree of the sums of groups of sequences") {
  for (const std::size_t hidden : {1u, 72u, 130u}) {
    const tokens batch({3, 1, 40, 9, 1, 17, 30, 2, 5, 40, 8});
    const operand d(batch.ids.size(), hidden, 1, 5);
    for (const auto& sequences : support::ways_to_group(batch.starts.size() - 1)) {
      std::vector<std::size_t> offsets;
      for (const std::size_t s : sequences) offsets.push_back(batch.starts[s]);
      const auto index = [&](std::size_t row) {
        return static_cast<std::size_t>(std::find(batch.starts.begin(), batch.starts.end(), row) - batch.starts.begin());
      };
      check_tree((vocabulary + positions + segment_count) * hidden, offsets,
                 [&](const auto& run, std::size_t first, std::size_t count, const row_groups& groups, float* out) {
                   embedding_sums(run, batch, index(first), index(first + count) - index(first), d.read(), groups, out);
                 });
    }
  }
}

TEST_CASE("gradients by groups are the slopes of the plain loops, with any number of threads") {
  for (const auto& offsets : support::ways_to_group(33)) {
    test::check_kernel(test::bias_kernel{{33, 130}, offsets});
    test::check_kernel(test::layer_norm_kernel{{33, 72}, {}, {}, offsets});
    test::embedding_kernel embedding{{20, 1, 12}, 72, 9};
    embedding.groups = offsets;
    test::check_kernel(embedding);
  }
}

TEST_CASE("a frozen gradient is not written, and the others have the same bits as with all of them") {
  const std::size_t rows = 50, cols = 72;
  const operand x(rows, cols, 1), gain(1, cols, 2), d(rows, cols, 3);
  operand y(rows, cols, 4), d_x(rows, cols, 5), alone(rows, cols, 5);
  floats mean(rows), rstd(rows);
  layer_norm(execution::serial{}, x.read(), gain.view.data, gain.view.data, 1e-12f, y.view, mean.data(), rstd.data());
  const std::vector<std::size_t> four{0, 10, 10, 30, rows};
  for (const row_groups& groups : {row_groups{}, row_groups{four}}) {
    const execution::threads run{2};
    const auto norm = [&](float* d_gain, float* d_bias, matrix<float> to) {
      layer_norm_backward(run, x.read(), gain.view.data, mean.data(), rstd.data(), d.read(), to, d_gain, d_bias, groups);
    };
    floats d_gain(cols, 0.5f), d_bias(cols, 0.5f), gain_alone(cols, 0.5f), bias_alone(cols, 0.5f);
    norm(d_gain.data(), d_bias.data(), d_x.view);
    norm(gain_alone.data(), nullptr, alone.view);
    CHECK(support::same_bits(alone.read(), d_x.read()));
    norm(nullptr, bias_alone.data(), {});
    CHECK(same_bits(gain_alone, d_gain));
    CHECK(same_bits(bias_alone, d_bias));
    alone = operand(rows, cols, 6);
    norm(nullptr, nullptr, alone.view);
    CHECK(support::same_bits(alone.read(), d_x.read()));
    column_sums(run, d.read(), nullptr, groups);
  }

  const tokens batch({3, 1, 30, 9, 7});
  const operand d_y(batch.ids.size(), cols, 1);
  const std::vector<std::size_t> two{0, batch.starts[2], batch.starts[5]};
  const std::array<std::size_t, 4> border{0, vocabulary * cols, (vocabulary + positions) * cols,
                                          (vocabulary + positions + segment_count) * cols};
  for (const row_groups& groups : {row_groups{}, row_groups{two}}) {
    floats all(border[3], 0.5f);
    embedding_sums(execution::threads{2}, batch, 0, 5, d_y.read(), groups, all.data());
    for (std::size_t wanted = 0; wanted < 8; ++wanted) {
      CAPTURE(wanted);
      floats some(border[3], 0.5f), expected(border[3], 0.5f);
      for (std::size_t t = 0; t < 3; ++t)
        if ((wanted >> t & 1) != 0)
          std::copy(all.begin() + static_cast<std::ptrdiff_t>(border[t]),
                    all.begin() + static_cast<std::ptrdiff_t>(border[t + 1]),
                    expected.begin() + static_cast<std::ptrdiff_t>(border[t]));
      embedding_sums(execution::threads{2}, batch, 0, 5, d_y.read(), groups, some.data(), (wanted & 1) != 0, (wanted & 2) != 0,
                     (wanted & 4) != 0);
      CHECK(same_bits(some, expected));
    }
  }
}

TEST_CASE("groups are valid if they are a power of two, in order, and cover the rows") {
  const auto valid = [](const std::vector<std::size_t>& offsets, std::size_t rows) { return row_groups{offsets}.valid(rows); };
  CHECK(valid({}, 5));
  CHECK(valid({0, 5}, 5));
  CHECK(valid({0, 0, 5}, 5));
  CHECK(valid({0, 2, 2, 5, 5}, 5));
  CHECK_FALSE(valid({0}, 5));
  CHECK_FALSE(valid({0, 1, 2, 5}, 5));
  CHECK_FALSE(valid({0, 3, 2, 4, 5}, 5));
  CHECK_FALSE(valid({1, 3, 5}, 5));
  CHECK_FALSE(valid({0, 3, 4}, 5));
  CHECK_FALSE(valid(std::vector<std::size_t>(2 * row_groups::most + 1, 0), 0));
  CHECK(row_groups{}.count() == 1);
}
