// Decodes the words of a sentence by a CRF: the likeliest path, the k likeliest, probabilities of paths and tags.
// Layer: heads. Test: tests/unit/heads/crf_test.cpp
#ifndef BERT_HEADS_CRF_PATHS_HPP
#define BERT_HEADS_CRF_PATHS_HPP

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/loss/crf.hpp"
#include "bert/kernels/loss/viterbi.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::heads {

/// The paths of one sentence after another. `read` a sentence's emissions, then ask.
///
///     bert::heads::crf_paths paths(frozen.head<head>().chain(table.allowed().data()));
///     paths.read(emissions);                 // [words, tags]
///     const auto best = paths.best();        // a tag a word
///     paths.probability(best);
class crf_paths {
 public:
  /// `chain` refers to weights and constraints, which must outlive the object.
  explicit crf_paths(const kernels::crf& chain) : chain_(chain) {}

  /// Takes the emissions of a sentence: a row a word, which may lie apart.
  void read(std::span<const float* const> rows) {
    x_.clear();
    for (const float* row : rows) x_.insert(x_.end(), row, row + chain_.tags);
    rows_.resize(rows.size());
    std::iota(rows_.begin(), rows_.end(), std::uint32_t{0});
    starts_ = {0, rows.size()};
    normalizer_ = 0;
    if (rows.empty()) return;
    scratch(kernels::crf_scratch(chain_.tags, words(), 1));
    kernels::crf_normalizers(execution::serial{}, chain_, chains(), emissions(), &normalizer_, scratch_.data());
    if (normalizer_ == -std::numeric_limits<double>::infinity())
      throw_error({"bert::heads::crf_paths", "constraints that allow a path", cat("none of ", words(), " words"),
                   "check may_start, may_follow and may_end of the label set"});
  }
  void read(matrix<const float> x) {
    std::vector<const float*> rows;
    for (std::size_t t = 0; t < x.rows; ++t) rows.push_back(x.row(t));
    read(rows);
  }

  [[nodiscard]] std::size_t words() const noexcept { return rows_.size(); }
  /// log Z
  [[nodiscard]] double normalizer() const noexcept { return normalizer_; }
  /// log p(path)
  [[nodiscard]] double log_probability(std::span<const std::int32_t> path) const noexcept {
    if (path.empty()) return 0;
    const double p = kernels::crf_score(chain_, emissions(), rows_, path) - normalizer_;
    return p > 0 ? 0 : p;  // rounding
  }
  [[nodiscard]] double probability(std::span<const std::int32_t> path) const noexcept {
    return std::exp(log_probability(path));
  }

  /// The likeliest path: a tag a word.
  [[nodiscard]] std::vector<std::int32_t> best() {
    std::vector<std::int32_t> path(words());
    std::int32_t found = 0;
    scratch(kernels::viterbi_scratch(chain_.tags, words(), 1));
    kernels::viterbi(execution::serial{}, chain_, chains(), emissions(), path.data(), &found, scratch_.data());
    return path;
  }
  /// The `k` likeliest paths, likeliest first; all of them if there are fewer.
  [[nodiscard]] std::vector<std::vector<std::int32_t>> best(std::size_t k) {
    std::vector<std::int32_t> all(k * words());
    prefixes_.resize(kernels::best_paths_scratch(chain_.tags, words(), k));
    const std::size_t found = kernels::best_paths(chain_, rows_, emissions(), k, all.data(), prefixes_.data());
    std::vector<std::vector<std::int32_t>> out;
    for (std::size_t i = 0; i < found; ++i)
      out.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(i * words()),
                       all.begin() + static_cast<std::ptrdiff_t>((i + 1) * words()));
    return out;
  }
  /// p(y_t = j) [words, tags]; valid until the next call.
  [[nodiscard]] matrix<const float> marginals() {
    marginals_ = x_;
    scratch(kernels::crf_scratch(chain_.tags, words(), 1));
    kernels::crf_marginals(execution::serial{}, chain_, chains(), {marginals_.data(), words(), chain_.tags}, scratch_.data());
    return {marginals_.data(), words(), chain_.tags};
  }

 private:
  [[nodiscard]] matrix<const float> emissions() const noexcept { return {x_.data(), words(), chain_.tags}; }
  [[nodiscard]] kernels::crf_chains chains() const noexcept { return {starts_, rows_}; }
  void scratch(std::size_t floats) {
    if (scratch_.size() < floats) scratch_.resize(floats);
  }

  kernels::crf chain_;
  std::vector<float> x_, marginals_, scratch_;
  std::vector<std::uint32_t> rows_;
  std::vector<std::size_t> starts_{0, 0};
  std::vector<kernels::ranked_prefix> prefixes_;
  double normalizer_ = 0;
};

}  // namespace bert::heads

#endif  // BERT_HEADS_CRF_PATHS_HPP
