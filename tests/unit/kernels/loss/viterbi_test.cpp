// Layer: tests. Of: include/bert/kernels/loss/viterbi.hpp
#include "bert/kernels/loss/viterbi.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "bert/kernels/reference/crf.hpp"
#include "support/kernel_description.hpp"
#include "support/kernels/crf_kernel.hpp"

using namespace bert;
using namespace bert::test;

namespace {

using path = std::vector<std::int32_t>;

/// All paths of one sequence that are allowed, largest score first.
std::vector<std::pair<double, path>> all_paths(const kernels::reference::crf<double>& c, matrix<const double> x) {
  std::vector<std::pair<double, path>> all;
  path p(x.rows, 0);
  for (bool more = true; more;) {
    if (const double score = c.score(x, p); !std::isinf(score)) all.emplace_back(score, p);
    more = false;
    for (std::size_t t = 0; t < x.rows && !more; ++t) {
      more = ++p[t] < static_cast<std::int32_t>(c.tags);
      if (!more) p[t] = 0;
    }
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  return all;
}

struct problem {
  crf_kernel shape;
  arrays<float> in;
  std::vector<float> allowed;
  std::vector<std::size_t> starts;
  std::vector<std::uint32_t> rows;

  problem(std::vector<std::size_t> lengths, std::size_t tags, crf_rules rules, std::uint64_t seed)
      : shape{std::move(lengths), tags, rules},
        in(random_arrays<float>(shape.inputs(), seed)),
        allowed(crf_table(rules, tags)),
        starts(shape.starts()),
        rows(shape.word_rows()) {}

  [[nodiscard]] kernels::crf crf() const {
    const float* w = in[1].data();
    return {shape.tags, w, w + shape.tags, w + 2 * shape.tags, allowed.data()};
  }
  [[nodiscard]] matrix<const float> x() const { return {in[0].data(), shape.rows(), shape.tags}; }
  template <executor E>
  [[nodiscard]] path viterbi(const E& e, std::vector<std::int32_t>* found = nullptr) const {
    path out(shape.words(), -7);
    std::vector<std::int32_t> ok(shape.lengths.size(), -7);
    array<float> scratch(kernels::viterbi_scratch(shape.tags, shape.words(), shape.lengths.size()));
    kernels::viterbi(e, crf(), {starts, rows}, x(), out.data(), ok.data(), scratch.data());
    if (found != nullptr) *found = ok;
    return out;
  }
  [[nodiscard]] std::vector<path> best(std::size_t s, std::size_t k) const {
    const std::size_t words = shape.lengths[s];
    path all(k * words);
    std::vector<kernels::ranked_prefix> prefixes(kernels::best_paths_scratch(shape.tags, words, k));
    const std::size_t n =
        kernels::best_paths(crf(), std::span(rows).subspan(starts[s], words), x(), k, all.data(), prefixes.data());
    std::vector<path> out;
    for (std::size_t i = 0; i < n; ++i) {
      const auto from = all.begin() + static_cast<std::ptrdiff_t>(i * words);
      out.emplace_back(from, from + static_cast<std::ptrdiff_t>(words));
    }
    return out;
  }
};

}  // namespace

TEST_CASE("the best path and the k best are those of all paths, enumerated") {
  for (const auto rules : {crf_rules::any, crf_rules::bio, crf_rules::sparse})
    for (std::uint64_t seed = 1; seed < 6; ++seed) {
      const problem p({4, 1, 0, 6}, 5, rules, seed);
      const auto in64 = to_double(p.in);
      std::vector<std::int32_t> found;
      const auto best = p.viterbi(execution::serial{}, &found);
      CHECK(found == std::vector<std::int32_t>{1, 1, 1, 1});
      for (const std::size_t s : {0u, 1u, 3u}) {
        const auto all = all_paths({5, in64[1], p.allowed}, {in64[0].data() + p.rows[p.starts[s]] * 5, p.shape.lengths[s], 5});
        const auto from = best.begin() + static_cast<std::ptrdiff_t>(p.starts[s]);
        CHECK(std::equal(all[0].second.begin(), all[0].second.end(), from));
        const auto k = std::min<std::size_t>(20, all.size());
        const auto ranked = p.best(s, 20);
        REQUIRE(ranked.size() == k);
        for (std::size_t i = 0; i < k; ++i) CHECK(ranked[i] == all[i].second);
      }
    }
}

TEST_CASE("the best of k paths is Viterbi's, of any number of tags and words; threads change nothing") {
  for (const std::size_t tags : {2u, 9u, 16u, 17u, 35u}) {
    const problem p({40, 3, 300, 1}, tags, crf_rules::bio, tags);
    const auto best = p.viterbi(execution::serial{});
    CHECK(best == p.viterbi(execution::threads{2}));
    CHECK(best == p.viterbi(execution::threads{3}));
    for (std::size_t s = 0; s < 4; ++s) {
      const auto one = p.best(s, 1), three = p.best(s, 3);
      const auto from = best.begin() + static_cast<std::ptrdiff_t>(p.starts[s]);
      CHECK(std::equal(one[0].begin(), one[0].end(), from));
      CHECK(one[0] == three[0]);
      CHECK(three[0] != three[1]);
    }
  }
}

TEST_CASE("of equal paths the one of lower tags is first, and all are listed") {
  problem p({3}, 2, crf_rules::any, 1);
  for (auto& a : p.in) std::fill(a.begin(), a.end(), 0.0f);
  CHECK(p.viterbi(execution::serial{}) == path{0, 0, 0});
  const auto all = p.best(0, 10);
  REQUIRE(all.size() == 8);
  CHECK(all[0] == path{0, 0, 0});
  for (std::size_t i = 0; i < 8; ++i)
    for (std::size_t j = 0; j < i; ++j) CHECK(all[i] != all[j]);
}

TEST_CASE("a path is allowed, however large the weights of those that are not; without any the words get -1") {
  problem p({6, 2}, 5, crf_rules::bio, 3);
  for (std::size_t k = 0; k < p.allowed.size(); ++k)
    if (p.allowed[k] == 0) p.in[1][k] = 1e6f;
  const auto best = p.viterbi(execution::serial{});
  for (std::size_t w = 0; w < best.size(); ++w) {
    const auto to = static_cast<std::size_t>(best[w]);
    if (w == 0 || w == 6) CHECK(p.crf().starts(to));
    else CHECK(p.crf().follows(static_cast<std::size_t>(best[w - 1]), to));
  }
  for (const auto& one : p.best(0, 50))
    for (std::size_t t = 1; t < one.size(); ++t)
      CHECK(p.crf().follows(static_cast<std::size_t>(one[t - 1]), static_cast<std::size_t>(one[t])));

  std::fill(p.allowed.begin() + 10, p.allowed.end(), 0.0f);
  std::vector<std::int32_t> found;
  CHECK(p.viterbi(execution::serial{}, &found) == path(8, -1));
  CHECK(found == std::vector<std::int32_t>{0, 0});
  CHECK(p.best(0, 3).empty());
}
