// Metrics of a classifier: confusion matrix, accuracy, precision, recall, F1, Matthews correlation, mean loss, perplexity.
// Layer: metrics. Test: tests/unit/metrics/classification_test.cpp
#ifndef BERT_METRICS_CLASSIFICATION_HPP
#define BERT_METRICS_CLASSIFICATION_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iomanip>
#include <limits>
#include <numeric>
#include <ostream>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/fixed_string.hpp"
#include "bert/core/isa.hpp"
#include "bert/labels/label_set.hpp"
#include "bert/metrics/calibration.hpp"
#include "bert/metrics/figures.hpp"
#include "bert/metrics/match_counts.hpp"

namespace bert::inline BERT_ISA::metrics {

/// A weighted mean, 0 of nothing: the loss over batches of different sizes, for example.
class mean {
 public:
  void add(double value, double weight = 1) noexcept {
    sum_ += value * weight;
    weight_ += weight;
  }
  [[nodiscard]] double value() const noexcept { return weight_ == 0 ? 0 : sum_ / weight_; }
  [[nodiscard]] double weight() const noexcept { return weight_; }

 private:
  double sum_ = 0, weight_ = 0;
};

/// exp(loss): the number of equally likely pieces with that mean cross-entropy (in nats).
[[nodiscard]] inline double perplexity(double loss) noexcept { return std::exp(loss); }

/// Counts n[e][p] of examples of class e that were predicted as class p. A ratio 0/0 is 0, as in scikit-learn.
///
/// Holds only the pairs (e, p) that occurred, and three sums a class, so that memory is linear in the classes.
class confusion {
 public:
  /// Throws bert::error for fewer than two classes.
  explicit confusion(int classes) : sums_(static_cast<std::size_t>(std::max(classes, 0))) {
    if (classes < 2) throw_error({"bert::metrics::confusion", "at least 2 classes", cat(classes), {}});
  }

  /// Throws bert::error for a class out of range.
  void add(int expected, int predicted) {
    if (expected < 0 || predicted < 0 || expected >= classes() || predicted >= classes())
      throw_error(
          {"bert::metrics::confusion", cat("classes of 0 to ", classes() - 1), cat(expected, " predicted as ", predicted), {}});
    record(key(expected, predicted), 1);
  }
  /// Throws bert::error if the two differ in length.
  void add(std::span<const std::int32_t> expected, std::span<const std::int32_t> predicted) {
    if (expected.size() != predicted.size())
      throw_error(
          {"bert::metrics::confusion", cat(expected.size(), " predictions, one an example"), cat(predicted.size()), {}});
    for (std::size_t i = 0; i < expected.size(); ++i) add(expected[i], predicted[i]);
  }
  /// Throws bert::error if the two differ in their classes.
  void add(const confusion& other) {
    if (other.classes() != classes())
      throw_error({"bert::metrics::confusion", cat(classes(), " classes"), cat(other.classes()), {}});
    for (const auto& [pair, n] : other.counts_) record(pair, n);
  }

  [[nodiscard]] int classes() const noexcept { return static_cast<int>(sums_.size()); }
  [[nodiscard]] std::uint64_t count(int expected, int predicted) const noexcept {
    const auto found = counts_.find(key(expected, predicted));
    return found == counts_.end() ? 0 : found->second;
  }
  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
  [[nodiscard]] std::uint64_t correct() const noexcept { return correct_; }
  /// Examples of a class.
  [[nodiscard]] std::uint64_t expected(int label) const noexcept { return sums_[static_cast<std::size_t>(label)].expected; }
  /// Examples of a class that were predicted as it (true positives).
  [[nodiscard]] std::uint64_t correct(int label) const noexcept { return sums_[static_cast<std::size_t>(label)].correct; }
  /// Examples predicted as a class.
  [[nodiscard]] std::uint64_t predicted(int label) const noexcept { return sums_[static_cast<std::size_t>(label)].predicted; }

  [[nodiscard]] double accuracy() const noexcept { return ratio(correct(), total()); }
  /// The share of the examples predicted as the class that are of it.
  [[nodiscard]] double precision(int label) const noexcept { return ratio(correct(label), predicted(label)); }
  /// The share of the examples of the class that were predicted as it.
  [[nodiscard]] double recall(int label) const noexcept { return ratio(correct(label), expected(label)); }
  /// 2 * correct / (expected + predicted), the harmonic mean of precision and recall.
  [[nodiscard]] double f1(int label) const noexcept { return ratio(2 * correct(label), expected(label) + predicted(label)); }
  /// The unweighted mean of f1 over all classes.
  [[nodiscard]] double macro_f1() const noexcept {
    double sum = 0;
    for (int c = 0; c < classes(); ++c) sum += f1(c);
    return sum / static_cast<double>(sums_.size());
  }
  /// The mean of f1 over the classes that are expected or predicted: scikit-learn's macro F1 where it is told no classes.
  [[nodiscard]] double macro_f1_of_present() const noexcept {
    double sum = 0, present = 0;
    for (int c = 0; c < classes(); ++c) {
      if (expected(c) + predicted(c) == 0) continue;
      sum += f1(c);
      ++present;
    }
    return present == 0 ? 0 : sum / present;
  }
  /// The mean of f1 over all classes, each weighed by its examples.
  [[nodiscard]] double weighted_f1() const noexcept {
    double sum = 0;
    for (int c = 0; c < classes(); ++c) sum += f1(c) * static_cast<double>(expected(c));
    return total() == 0 ? 0 : sum / static_cast<double>(total());
  }
  /// With two classes the F1 of class 1, the positive one, as GLUE reports it; with more, macro_f1().
  [[nodiscard]] double f1() const noexcept { return classes() == 2 ? f1(1) : macro_f1(); }
  /// Correlation of truth and prediction, -1 to 1, 0 for guessing (Gorodkin 2004 for more than two classes):
  /// (correct * n - sum_c e_c p_c) / sqrt((n^2 - sum e_c^2) (n^2 - sum p_c^2)).
  [[nodiscard]] double matthews() const noexcept {
    const auto n = static_cast<double>(total());
    double ep = 0, ee = 0, pp = 0;
    for (int c = 0; c < classes(); ++c) {
      const auto e = static_cast<double>(expected(c)), p = static_cast<double>(predicted(c));
      ep += e * p;
      ee += e * e;
      pp += p * p;
    }
    const double spread = std::sqrt((n * n - ee) * (n * n - pp));
    return spread == 0 ? 0 : (static_cast<double>(correct()) * n - ep) / spread;
  }

 private:
  struct sums {
    std::uint64_t expected = 0, predicted = 0, correct = 0;
  };

  static std::uint64_t key(int expected, int predicted) noexcept {
    return static_cast<std::uint64_t>(expected) << 32 | static_cast<std::uint32_t>(predicted);
  }
  void record(std::uint64_t pair, std::uint64_t n) {
    const auto e = static_cast<std::size_t>(pair >> 32), p = static_cast<std::size_t>(pair & 0xFFFFFFFFu);
    counts_[pair] += n;
    sums_[e].expected += n;
    sums_[p].predicted += n;
    total_ += n;
    if (e != p) return;
    sums_[e].correct += n;
    correct_ += n;
  }

  std::vector<sums> sums_;
  std::unordered_map<std::uint64_t, std::uint64_t> counts_;  ///< n[e][p] by key(e, p), where it is not 0
  std::uint64_t total_ = 0, correct_ = 0;
};

namespace detail {

template <class T>
[[nodiscard]] double pearson(std::span<const T> a, std::span<const T> b) {
  if (a.size() != b.size())
    throw_error({"bert::metrics::pearson", cat(a.size(), " numbers in the second series"), cat(b.size()), {}});
  const auto constant = [](std::span<const T> v) {
    return std::adjacent_find(v.begin(), v.end(), std::not_equal_to<>()) == v.end();
  };
  if (constant(a) || constant(b)) return 0;  // their rounded mean may leave a rest
  mean of_a, of_b;
  for (std::size_t i = 0; i < a.size(); ++i) of_a.add(static_cast<double>(a[i])), of_b.add(static_cast<double>(b[i]));
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = static_cast<double>(a[i]) - of_a.value(), y = static_cast<double>(b[i]) - of_b.value();
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa == 0 || bb == 0 ? 0 : ab / std::sqrt(aa * bb);
}

template <class T>
[[nodiscard]] double spearman(std::span<const T> a, std::span<const T> b) {
  const auto unordered = [](T x) { return std::isnan(x); };
  if (std::any_of(a.begin(), a.end(), unordered) || std::any_of(b.begin(), b.end(), unordered))
    return std::numeric_limits<double>::quiet_NaN();
  const auto ranks = [](std::span<const T> v) {
    std::vector<std::size_t> order(v.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return v[i] < v[j]; });
    std::vector<double> rank(v.size());
    for (std::size_t i = 0, end = 0; i < order.size(); i = end) {
      for (end = i; end < order.size() && v[order[end]] == v[order[i]];) ++end;
      for (std::size_t k = i; k < end; ++k) rank[order[k]] = static_cast<double>(i + end - 1) / 2;
    }
    return rank;
  };
  const std::vector<double> of_a = ranks(a), of_b = ranks(b);
  return pearson(std::span<const double>(of_a), std::span<const double>(of_b));
}

}  // namespace detail

/// Pearson's correlation of two series, as STS-B reports; 0 if one of them is constant.
[[nodiscard]] inline double pearson(std::span<const float> a, std::span<const float> b) { return detail::pearson(a, b); }
[[nodiscard]] inline double pearson(std::span<const double> a, std::span<const double> b) { return detail::pearson(a, b); }

/// Pearson's correlation of the ranks; equal values share the mean of their ranks. NaN if a value is NaN.
[[nodiscard]] inline double spearman(std::span<const float> a, std::span<const float> b) { return detail::spearman(a, b); }
[[nodiscard]] inline double spearman(std::span<const double> a, std::span<const double> b) { return detail::spearman(a, b); }

/// The result of evaluating a classifier: confusion, mean loss, calibration, and the names of the classes.
///
///     std::cout << report << report.recall<"urgent">();   // recall<"urgnet">() does not compile
template <labels::label_set Labels>
class report : public confusion {
 public:
  explicit report(Labels names = {}) requires labels::static_label_set<Labels> : confusion(names.size()),
                                                                                 names_(std::move(names)) {}
  explicit report(Labels names) requires(!labels::static_label_set<Labels>)
      : confusion(names.size()), names_(std::move(names)) {}

  /// Adds a batch of `examples` whose mean loss is `loss`.
  void add_loss(double loss, double examples) noexcept { loss_.add(loss, examples); }
  [[nodiscard]] double loss() const noexcept { return loss_.value(); }
  /// Adds the probability of a predicted class, and whether that is right. Throws bert::error unless it is from 0 to 1.
  void add_confidence(double probability, bool right) { calibration_.add(probability, right); }
  [[nodiscard]] const reliability& calibration() const noexcept { return calibration_; }
  [[nodiscard]] const Labels& names() const noexcept { return names_; }

  using confusion::f1;
  using confusion::precision;
  using confusion::recall;

  template <fixed_string Name>
  requires labels::static_label_set<Labels>
  [[nodiscard]] double precision() const noexcept { return precision(Labels::template index<Name>); }
  template <fixed_string Name>
  requires labels::static_label_set<Labels>
  [[nodiscard]] double recall() const noexcept { return recall(Labels::template index<Name>); }
  template <fixed_string Name>
  requires labels::static_label_set<Labels>
  [[nodiscard]] double f1() const noexcept { return f1(Labels::template index<Name>); }

  /// The same for a name known only at run time. Throws bert::error if the set does not have it.
  [[nodiscard]] double precision(std::string_view name) const { return precision(number(name)); }
  [[nodiscard]] double recall(std::string_view name) const { return recall(number(name)); }
  [[nodiscard]] double f1(std::string_view name) const { return f1(number(name)); }

  static constexpr std::array<std::string_view, 3> figure_names{"accuracy", "f1", "loss"};
  [[nodiscard]] std::array<double, 3> figures() const noexcept { return {this->accuracy(), f1(), loss()}; }
  /// "accuracy=0.8123 f1=0.8101 loss=0.4312": one line for scripts.
  [[nodiscard]] std::string line() const { return line_of(*this); }

  /// Classes that `<<` shows.
  static constexpr int most_shown = 50;

  /// A row a class, then the row of totals.
  [[nodiscard]] std::string table() const {
    std::vector<int> all(static_cast<std::size_t>(this->classes()));
    std::iota(all.begin(), all.end(), 0);
    return table(all);
  }
  /// Writes `table()`; of more than 50 classes only the 50 of the most examples, in the order of the set, and how many are left
  /// out.
  friend std::ostream& operator<<(std::ostream& stream, const report& r) {
    if (r.classes() <= most_shown) return stream << r.table();
    std::vector<int> order(static_cast<std::size_t>(r.classes()));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return r.expected(a) > r.expected(b); });
    order.resize(most_shown);
    std::sort(order.begin(), order.end());
    return stream << r.table(order);
  }

 private:
  [[nodiscard]] int number(std::string_view name) const {
    if (const auto found = names_.parse(name)) return *found;
    throw_error({"bert::metrics::report", cat("one of ", labels::listed(names_)), cat('"', name, '"'), {}});
  }
  [[nodiscard]] std::string table(const std::vector<int>& shown) const {
    std::size_t width = 8;
    for (const int c : shown) width = std::max(width, letters(names_.name(c)) + 1);
    std::ostringstream out;
    out << std::fixed << std::setprecision(4);
    const auto head = [&](std::string_view text) { out << text << std::string(width - letters(text), ' '); };
    head("class");
    out << " precision  recall      f1  examples\n";
    for (const int c : shown) {
      head(names_.name(c));
      out << "    " << precision(c) << "  " << recall(c) << "  " << f1(c) << std::setw(10) << this->expected(c) << '\n';
    }
    if (const std::size_t others = static_cast<std::size_t>(this->classes()) - shown.size(); others != 0)
      out << "and " << others << " classes of fewer examples\n";
    out << "accuracy " << this->accuracy() << ", F1 " << f1() << (this->classes() == 2 ? "" : " (macro)") << ", Matthews "
        << this->matthews() << ", loss " << loss() << ", " << this->total() << " examples\n";
    return std::move(out).str();
  }
  // Counts code points, not bytes, so that columns align for accented names.
  [[nodiscard]] static std::size_t letters(std::string_view text) noexcept {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
  }

  Labels names_;
  mean loss_;
  reliability calibration_;
};

}  // namespace bert::metrics

#endif  // BERT_METRICS_CLASSIFICATION_HPP
