// Metrics of several labels a text: F1 micro and macro, subset accuracy, Hamming loss, average precision, tuned thresholds.
// Layer: metrics. Test: tests/unit/metrics/many_test.cpp
#ifndef BERT_METRICS_MANY_HPP
#define BERT_METRICS_MANY_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <numeric>
#include <ostream>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/fixed_string.hpp"
#include "bert/core/isa.hpp"
#include "bert/labels/label_set.hpp"
#include "bert/metrics/classification.hpp"
#include "bert/metrics/figures.hpp"
#include "bert/metrics/match_counts.hpp"

namespace bert::inline BERT_ISA::metrics {

namespace detail {

/// A score and whether the label applies; high scores first.
struct scored_label {
  float score = 0;
  bool applies = false;
};
inline void by_score(std::vector<scored_label>& all) {
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
}
/// Calls body(score, positives, predicted) after each distinct score of a list that is sorted by score: how many of the
/// predictions of at least that score apply, and how many there are.
template <class Body>
void for_each_threshold(std::span<const scored_label> sorted, Body&& body) {
  std::uint64_t positives = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    positives += sorted[i].applies ? 1 : 0;
    if (i + 1 == sorted.size() || sorted[i + 1].score != sorted[i].score) body(sorted[i].score, positives, i + 1);
  }
}
/// sum over the distinct scores, high first, of precision times the growth of recall; 0 if no label applies.
[[nodiscard]] inline double average_precision(std::vector<scored_label> all) {
  by_score(all);
  const auto count = std::count_if(all.begin(), all.end(), [](const auto& x) { return x.applies; });
  double sum = 0;
  std::uint64_t before = 0;
  for_each_threshold(all, [&](float, std::uint64_t positives, std::size_t predicted) {
    sum += static_cast<double>(positives - before) * static_cast<double>(positives) / static_cast<double>(predicted);
    before = positives;
  });
  return count == 0 ? 0 : sum / static_cast<double>(count);
}
/// The score that is the threshold of the best F1, the largest of several; `fallback` if no label applies.
[[nodiscard]] inline float best_threshold(std::vector<scored_label> all, float fallback) {
  by_score(all);
  const auto count = static_cast<std::uint64_t>(std::count_if(all.begin(), all.end(), [](const auto& x) { return x.applies; }));
  double best = 0;
  for_each_threshold(all, [&](float score, std::uint64_t positives, std::size_t predicted) {
    const double f1 = 2 * static_cast<double>(positives) / static_cast<double>(count + predicted);
    if (!(f1 > best)) return;
    best = f1;
    fallback = score;
  });
  return fallback;
}

}  // namespace detail

/// Counts of yes-or-no predictions.
using label_counts = match_counts;

/// The result of evaluating a classifier of several labels: it keeps every probability, so that thresholds can be tuned on one
/// set and applied to another. A label is predicted where its probability reaches the threshold, 0.5 at first.
///
///     const auto dev = bert::evaluate(reader, dev_set.batches(64));
///     const auto report = bert::evaluate(reader, test_set.batches(64)).at(dev.tuned_thresholds());
///     std::cout << report << report.f1<"joy">();
///
/// Labels that are not known (below 0) count nowhere.
template <labels::label_set Labels>
class many_report {
 public:
  explicit many_report(Labels names = {}) requires labels::static_label_set<Labels> : many_report(std::move(names), 0) {}
  explicit many_report(Labels names) requires(!labels::static_label_set<Labels>) : many_report(std::move(names), 0) {}

  /// Adds a text: the probability of each label, and 1 where it applies, 0 where not, below 0 where that is not known. Throws
  /// bert::error unless there is one of both a label.
  void add(std::span<const float> probabilities, std::span<const float> applies) {
    if (probabilities.size() != width() || applies.size() != width())
      throw_error({"bert::metrics::many_report",
                   cat(width(), " probabilities and targets, one a label"),
                   cat(probabilities.size(), " and ", applies.size()),
                   {}});
    scores_.insert(scores_.end(), probabilities.begin(), probabilities.end());
    for (const float x : applies) applies_.push_back(x < 0 ? unknown : x >= 0.5f ? std::int8_t{1} : std::int8_t{0});
    count(total() - 1);
  }
  /// Adds `count` decisions whose mean loss is `loss`.
  void add_loss(double loss, double count) noexcept { loss_.add(loss, count); }

  /// The same predictions with another threshold, or with one for each label. Throws bert::error for another number of them.
  [[nodiscard]] many_report at(float threshold) const { return at(std::vector<float>(width(), threshold)); }
  [[nodiscard]] many_report at(const std::vector<float>& thresholds) const {
    if (thresholds.size() != width())
      throw_error({"bert::metrics::many_report", cat(width(), " thresholds, one a label"), cat(thresholds.size()), {}});
    many_report other = *this;
    other.thresholds_ = thresholds;
    other.counts_.assign(width(), {});
    other.equal_rows_ = other.wrong_ = other.known_ = 0;
    other.row_f1_ = 0;
    for (std::size_t i = 0; i < total(); ++i) other.count(i);
    return other;
  }
  [[nodiscard]] const std::vector<float>& thresholds() const noexcept { return thresholds_; }
  /// The one threshold for all labels with the best micro F1 here; that of now if no label applies anywhere.
  [[nodiscard]] float tuned_threshold() const { return detail::best_threshold(all_labels(), thresholds_.front()); }
  /// For each label the threshold with its best F1 here; that of now for a label that never applies.
  [[nodiscard]] std::vector<float> tuned_thresholds() const {
    std::vector<float> tuned(width());
    for (std::size_t l = 0; l < width(); ++l) tuned[l] = detail::best_threshold(of_label(l), thresholds_[l]);
    return tuned;
  }

  [[nodiscard]] std::size_t total() const noexcept { return scores_.size() / width(); }
  [[nodiscard]] const Labels& names() const noexcept { return names_; }
  [[nodiscard]] double loss() const noexcept { return loss_.value(); }

  [[nodiscard]] const label_counts& of(int label) const noexcept { return counts_[static_cast<std::size_t>(label)]; }
  [[nodiscard]] double precision(int label) const noexcept { return of(label).precision(); }
  [[nodiscard]] double recall(int label) const noexcept { return of(label).recall(); }
  [[nodiscard]] double f1(int label) const noexcept { return of(label).f1(); }
  template <fixed_string Name>
  requires labels::static_label_set<Labels>
  [[nodiscard]] double f1() const noexcept { return f1(Labels::template index<Name>); }
  /// For a name known only at run time. Throws bert::error if the set does not have it.
  [[nodiscard]] double f1(std::string_view name) const {
    if (const auto found = names_.parse(name)) return f1(*found);
    throw_error({"bert::metrics::many_report", cat("one of ", labels::listed(names_)), cat('"', name, '"'), {}});
  }

  /// Over all decisions.
  [[nodiscard]] label_counts micro() const noexcept {
    label_counts sum;
    for (const auto& c : counts_) {
      sum.expected += c.expected;
      sum.predicted += c.predicted;
      sum.correct += c.correct;
    }
    return sum;
  }
  [[nodiscard]] double micro_f1() const noexcept { return micro().f1(); }
  /// The unweighted mean over all labels.
  [[nodiscard]] double macro_f1() const noexcept {
    double sum = 0;
    for (const auto& c : counts_) sum += c.f1();
    return sum / static_cast<double>(width());
  }
  /// The mean over texts of the F1 of a text's labels; 0 for a text without labels, expected or predicted.
  [[nodiscard]] double samples_f1() const noexcept { return total() == 0 ? 0 : row_f1_ / static_cast<double>(total()); }
  /// The share of the texts whose labels are all right.
  [[nodiscard]] double subset_accuracy() const noexcept {
    return total() == 0 ? 0 : static_cast<double>(equal_rows_) / static_cast<double>(total());
  }
  /// The share of the decisions that are wrong.
  [[nodiscard]] double hamming_loss() const noexcept {
    return known_ == 0 ? 0 : static_cast<double>(wrong_) / static_cast<double>(known_);
  }
  /// The mean of the precision over the growth of the recall, over all thresholds; 0 for a label that never applies.
  [[nodiscard]] double average_precision(int label) const {
    return detail::average_precision(of_label(static_cast<std::size_t>(label)));
  }
  [[nodiscard]] double micro_average_precision() const { return detail::average_precision(all_labels()); }
  [[nodiscard]] double macro_average_precision() const {
    double sum = 0;
    for (int l = 0; l < names_.size(); ++l) sum += average_precision(l);
    return sum / static_cast<double>(width());
  }

  static constexpr std::array<std::string_view, 3> figure_names{"micro_f1", "macro_f1", "loss"};
  [[nodiscard]] std::array<double, 3> figures() const { return {micro_f1(), macro_f1(), loss()}; }
  /// "micro_f1=0.5123 macro_f1=0.4101 loss=0.1012": one line for scripts.
  [[nodiscard]] std::string line() const { return line_of(*this); }
  /// A row a label, then the totals.
  friend std::ostream& operator<<(std::ostream& stream, const many_report& r) {
    std::size_t wide = 8;
    for (int l = 0; l < r.names_.size(); ++l) wide = std::max(wide, letters(r.names_.name(l)) + 1);
    std::ostringstream out;
    out << std::fixed << std::setprecision(4);
    const auto head = [&](std::string_view text) { out << text << std::string(wide - letters(text), ' '); };
    head("label");
    out << " precision  recall      f1  threshold  examples\n";
    for (int l = 0; l < r.names_.size(); ++l) {
      head(r.names_.name(l));
      out << "    " << r.precision(l) << "  " << r.recall(l) << "  " << r.f1(l) << std::setw(11)
          << r.thresholds_[static_cast<std::size_t>(l)] << std::setw(10) << r.of(l).expected << '\n';
    }
    out << "F1 micro " << r.micro_f1() << ", macro " << r.macro_f1() << ", subset accuracy " << r.subset_accuracy()
        << ", Hamming loss " << r.hamming_loss() << ", loss " << r.loss() << ", " << r.total() << " examples\n";
    return stream << out.str();
  }

 private:
  static constexpr std::int8_t unknown = -1;

  many_report(Labels names, int)
      : names_(std::move(names)), thresholds_(static_cast<std::size_t>(names_.size()), 0.5f), counts_(thresholds_.size()) {}

  [[nodiscard]] std::size_t width() const noexcept { return thresholds_.size(); }
  void count(std::size_t row) noexcept {
    label_counts here;
    bool equal = true;
    for (std::size_t l = 0; l < width(); ++l) {
      const std::int8_t applies = applies_[row * width() + l];
      if (applies == unknown) continue;
      const bool expected = applies == 1, predicted = scores_[row * width() + l] >= thresholds_[l];
      for (label_counts* c : {&counts_[l], &here}) {
        c->expected += expected ? 1 : 0;
        c->predicted += predicted ? 1 : 0;
        c->correct += expected && predicted ? 1 : 0;
      }
      ++known_;
      wrong_ += expected != predicted ? 1 : 0;
      equal = equal && expected == predicted;
    }
    equal_rows_ += equal ? 1 : 0;
    row_f1_ += here.f1();
  }
  [[nodiscard]] std::vector<detail::scored_label> of_label(std::size_t label) const {
    std::vector<detail::scored_label> all;
    for (std::size_t i = label; i < scores_.size(); i += width())
      if (applies_[i] != unknown) all.push_back({scores_[i], applies_[i] == 1});
    return all;
  }
  [[nodiscard]] std::vector<detail::scored_label> all_labels() const {
    std::vector<detail::scored_label> all;
    for (std::size_t i = 0; i < scores_.size(); ++i)
      if (applies_[i] != unknown) all.push_back({scores_[i], applies_[i] == 1});
    return all;
  }
  // Counts code points, not bytes, so that columns align for accented names.
  [[nodiscard]] static std::size_t letters(std::string_view text) noexcept {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
  }

  Labels names_;
  std::vector<float> thresholds_;
  std::vector<label_counts> counts_;
  std::vector<float> scores_;         // [texts, labels]
  std::vector<std::int8_t> applies_;  // [texts, labels]
  std::uint64_t equal_rows_ = 0, wrong_ = 0, known_ = 0;
  double row_f1_ = 0;
  mean loss_;
};

}  // namespace bert::metrics

#endif  // BERT_METRICS_MANY_HPP
