#include "bert/kernels/attention/tree_attention.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "bert/core/random.hpp"
#include "bert/kernels/attention/attention.hpp"
#include "bert/kernels/attention/attention_backward.hpp"
#include "support/largest.hpp"

namespace {
using bert::matrix, bert::execution::serial, bert::execution::threads;

/// A sequence in the making, with what each token sees, kept in another way than by marks.
struct tree {
  std::vector<std::int32_t> marks;
  std::vector<std::size_t> trunk, entity, branch;  // the entity and the tokens of the branch that is open
  std::vector<std::vector<bool>> sees;

  void add() {
    for (auto& row : sees) row.push_back(false);
    sees.emplace_back(sees.size() + 1, false);
  }
  void join(std::size_t a, std::size_t b) { sees[a][b] = sees[b][a] = true; }
  void add_trunk() {
    add();
    marks.push_back(0);
    trunk.push_back(marks.size() - 1);
    for (const auto t : trunk) join(t, trunk.back());
    branch.clear();
  }
  void add_to_branch(std::int32_t mark) {
    add();
    marks.push_back(mark);
    if (mark > 0) {
      entity.assign(trunk.end() - mark, trunk.end());
      branch.clear();
    }
    branch.push_back(marks.size() - 1);
    for (const auto t : entity) join(t, branch.back());
    for (const auto t : branch) join(t, branch.back());
  }
};

/// Calls body for every tree of up to `most` tokens whose entities have up to `widest`.
template <class Body>
void for_each_tree(const tree& begun, std::size_t most, std::size_t widest, const Body& body) {
  if (!begun.marks.empty()) body(begun);
  if (begun.marks.size() == most) return;
  tree next = begun;
  next.add_trunk();
  for_each_tree(next, most, widest, body);
  for (std::size_t e = 1; e <= std::min(widest, begun.trunk.size()); ++e) {
    next = begun;
    next.add_to_branch(static_cast<std::int32_t>(e));
    for_each_tree(next, most, widest, body);
  }
  if (begun.branch.empty()) return;
  next = begun;
  next.add_to_branch(-begun.marks[begun.branch.front()]);
  for_each_tree(next, most, widest, body);
}

bool sees_the_same(const tree& t) {
  const std::size_t n = t.marks.size();
  for (std::size_t a = 0; a < n; ++a) {
    std::vector<bool> seen(n);
    std::size_t last = 0;
    bool ascends = true, first = true;
    bert::kernels::for_each_visible(t.marks, n, a, [&](std::size_t b) {
      ascends = ascends && (first || b > last);
      first = false;
      last = b;
      seen[b] = true;
    });
    if (seen != t.sees[a] || !ascends) return false;
  }
  return true;
}

constexpr std::size_t D = 3, heads = 2, H = D * heads;
std::vector<float> random(std::size_t count, std::uint64_t seed) {
  bert::random_stream stream(seed, bert::draw::user, 1);
  std::vector<float> out(count);
  for (float& x : out) x = stream.normal();
  return out;
}

/// The largest difference of context and gradients from dense attention in double whose masked probabilities are 0.
double error_of(const tree& t) {
  const std::size_t n = t.marks.size();
  const auto qkv = random(n * 3 * H, n), d_context = random(n * H, n + 100);
  std::vector<float> context(n * H), log_sum(heads * n), d_qkv(n * 3 * H, 7.0f);
  const std::vector<std::size_t> starts{0, n};
  bert::kernels::tree_attention<D>(serial{}, matrix<const float>{qkv.data(), n, 3 * H}, starts, t.marks,
                                   matrix<float>{context.data(), n, H}, log_sum.data());
  bert::kernels::tree_attention_backward<D>(serial{}, {qkv.data(), n, 3 * H}, starts, t.marks, {context.data(), n, H},
                                            log_sum.data(), {d_context.data(), n, H}, {d_qkv.data(), n, 3 * H});
  std::vector<double> wanted(n * H), d(n * 3 * H);
  const auto at = [&](std::size_t token, std::size_t part, std::size_t h, std::size_t c) {
    return token * 3 * H + part * H + h * D + c;
  };
  for (std::size_t h = 0; h < heads; ++h)
    for (std::size_t a = 0; a < n; ++a) {
      std::vector<double> p(n), dp(n);
      double total = 0, along = 0;
      for (std::size_t b = 0; b < n; ++b) {
        double score = 0;
        for (std::size_t c = 0; c < D; ++c)
          score += static_cast<double>(qkv[at(a, 0, h, c)]) * static_cast<double>(qkv[at(b, 1, h, c)]);
        total += p[b] = t.sees[a][b] ? std::exp(score / std::sqrt(static_cast<double>(D))) : 0;
      }
      for (std::size_t b = 0; b < n; ++b) {
        p[b] /= total;
        for (std::size_t c = 0; c < D; ++c) {
          wanted[a * H + h * D + c] += p[b] * static_cast<double>(qkv[at(b, 2, h, c)]);
          dp[b] += static_cast<double>(d_context[a * H + h * D + c]) * static_cast<double>(qkv[at(b, 2, h, c)]);
          d[at(b, 2, h, c)] += p[b] * static_cast<double>(d_context[a * H + h * D + c]);
        }
        along += p[b] * dp[b];
      }
      for (std::size_t b = 0; b < n; ++b)
        for (std::size_t c = 0; c < D; ++c) {
          const double ds = p[b] * (dp[b] - along) / std::sqrt(static_cast<double>(D));
          d[at(a, 0, h, c)] += ds * static_cast<double>(qkv[at(b, 1, h, c)]);
          d[at(b, 1, h, c)] += ds * static_cast<double>(qkv[at(a, 0, h, c)]);
        }
    }
  support::largest worst;
  for (std::size_t i = 0; i < wanted.size(); ++i) worst.add(std::abs(wanted[i] - static_cast<double>(context[i])));
  for (std::size_t i = 0; i < d.size(); ++i) worst.add(std::abs(d[i] - static_cast<double>(d_qkv[i])));
  return worst.value();
}
}  // namespace

TEST_CASE("what a token sees is what the tree says: all trees of up to 9 tokens, and of 12 with entities of up to 2") {
  std::size_t count = 0, wrong = 0;
  const auto look = [&](const tree& t) {
    ++count;
    wrong += sees_the_same(t) ? 0 : 1;
  };
  for_each_tree({}, 9, 9, look);
  for_each_tree({}, 12, 2, look);
  CHECK(wrong == 0);
  CHECK(count > 100'000);
}

TEST_CASE("attention over a tree is masked dense attention in double, with its gradients: all trees of up to 7 tokens") {
  support::largest worst;
  std::size_t count = 0;
  for_each_tree({}, 7, 7, [&](const tree& t) { worst.add(error_of(t)); });
  for_each_tree({}, 12, 2, [&](const tree& t) {
    if (++count % 151 == 0) worst.add(error_of(t));
  });
  CHECK(worst.value() < 3e-6);
  CHECK(worst.value() > 0);
}

TEST_CASE("without marks it is full attention, with dropout too, and sequences and threads change no bit") {
  const std::vector<std::size_t> starts{0, 5, 45, 46};
  constexpr std::size_t n = 46, dim = 8, wide = 16;
  const auto qkv = random(n * 3 * wide, 1), d_context = random(n * wide, 2);
  const matrix<const float> in{qkv.data(), n, 3 * wide}, d_out{d_context.data(), n, wide};
  const bert::kernels::dropout drop{0.2f, 77};
  struct result {
    std::vector<float> context = std::vector<float>(n * wide), log_sum = std::vector<float>(2 * n),
                       d = std::vector<float>(n * 3 * wide);
  };
  const auto tree_result = [&](const auto& e, std::span<const std::int32_t> marks) {
    result r;
    const matrix<float> context{r.context.data(), n, wide};
    bert::kernels::tree_attention<dim>(e, in, starts, marks, context, r.log_sum.data(), drop);
    bert::kernels::tree_attention_backward<dim>(e, in, starts, marks, context, r.log_sum.data(), d_out,
                                                {r.d.data(), n, 3 * wide}, drop);
    return r;
  };
  result full;
  const matrix<float> context{full.context.data(), n, wide};
  bert::kernels::attention<dim>(serial{}, in, starts, context, full.log_sum.data(), drop);
  bert::kernels::attention_backward<dim>(serial{}, in, starts, context, full.log_sum.data(), d_out,
                                         {full.d.data(), n, 3 * wide}, drop);
  const auto tree = tree_result(serial{}, {});
  for (std::size_t i = 0; i < full.context.size(); ++i) CHECK(std::abs(full.context[i] - tree.context[i]) < 1e-5f);
  for (std::size_t i = 0; i < full.d.size(); ++i) CHECK(std::abs(full.d[i] - tree.d[i]) < 2e-5f);
  std::vector<std::int32_t> marks(n, 0);
  marks[10] = 2;
  marks[11] = -2;
  marks[20] = 1;
  const auto one = tree_result(serial{}, marks), two = tree_result(threads{2}, marks);
  CHECK(one.context == two.context);
  CHECK(one.d == two.d);
  CHECK(std::equal(one.context.begin(), one.context.begin() + 5 * wide, tree.context.begin()));  // another sequence's branches
  CHECK(one.context != tree.context);
}
