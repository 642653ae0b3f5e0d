// Exact match and F1 of answers as the scripts of SQuAD 1.1 and 2.0 count them.
// Layer: metrics. Test: tests/unit/metrics/answers_test.cpp. Paper: Rajpurkar et al. 2016, 2018.
#ifndef BERT_METRICS_ANSWERS_HPP
#define BERT_METRICS_ANSWERS_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <ostream>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/metrics/classification.hpp"
#include "bert/metrics/cmrc.hpp"
#include "bert/metrics/figures.hpp"
#include "bert/text/unicode/lower.hpp"
#include "bert/text/unicode/properties.hpp"
#include "bert/text/unicode/spaces.hpp"
#include "bert/text/unicode/utf8.hpp"

namespace bert::inline BERT_ISA::metrics {

/// The words of an answer as SQuAD compares them: lower case, without ASCII punctuation, without the articles a, an, the,
/// split at white space.
///
/// Punctuation goes first, so "the-end" is "theend". An article is a run of letters and numbers of its own: "a" before a
/// combining accent is one, "the北京" is none.
[[nodiscard]] inline std::vector<std::string> answer_words(std::string_view text) {
  std::string kept = text::lowercased(text);
  std::erase_if(kept, [](char c) {
    return (c > ' ' && c < '0') || (c > '9' && c < 'A') || (c > 'Z' && c < 'a') || (c > 'z' && c < 0x7F);
  });
  std::vector<std::string> words;
  std::string word;     // what stands between white space
  std::size_t run = 0;  // in `word`, the first byte of the run of letters and numbers at its end
  const auto end_run = [&] {
    const std::string_view letters = std::string_view(word).substr(run);
    if (letters == "a" || letters == "an" || letters == "the") {
      word.resize(run);
      if (!word.empty()) words.push_back(std::exchange(word, {}));
    }
    run = word.size();
  };
  for (const char *p = kept.data(), *const end = p + kept.size(); p < end;) {
    const auto [code, bytes] = text::utf8::decode(p, end);
    const bool space = text::unicode::is_white_space(code), letter = text::unicode::contains(text::unicode::alphanumeric, code);
    if (!letter) end_run();
    if (space) {
      if (!word.empty()) words.push_back(std::exchange(word, {}));
      run = 0;
    } else {
      word.append(p, bytes);
      if (!letter) run = word.size();
    }
    p += bytes;
  }
  end_run();
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

/// The rules by which answers are compared: those of evaluate-v1.1.py, evaluate-v2.0.py, cmrc2018_evaluate.py.
enum class answer_rules : std::uint8_t { squad1, squad2, cmrc };

namespace detail {

/// Exact match and F1 of one answer with one gold: em = [p = g], F1 of the words that both have, with repetition.
[[nodiscard]] inline answer_score compare_words(const std::vector<std::string>& predicted, const std::vector<std::string>& gold,
                                                bool empty_counts) {
  answer_score out{.exact = predicted == gold ? 1.0 : 0.0};
  if (empty_counts && (predicted.empty() || gold.empty())) {
    out.f1 = out.exact;
    return out;
  }
  std::map<std::string_view, std::size_t> left;
  for (const auto& word : gold) ++left[word];
  std::size_t common = 0;
  for (const auto& word : predicted)
    if (const auto found = left.find(word); found != left.end() && found->second > 0) {
      --found->second;
      ++common;
    }
  out.f1 = f1_of(common, predicted.size(), gold.size());
  return out;
}

}  // namespace detail

/// The best exact match and the best F1 of a prediction over its gold answers.
///
/// squad1: no common word gives F1 0, also if both are empty. squad2: golds of no words are left out; if none remains, the
/// question has no answer, and only an empty prediction is right. cmrc: see cmrc_score. No golds, except in squad2, give 0.
[[nodiscard]] inline answer_score score_answer(std::string_view prediction, std::span<const std::string> golds,
                                               answer_rules rules) {
  answer_score best;
  const auto add = [&](const answer_score& s) { best = {std::max(best.exact, s.exact), std::max(best.f1, s.f1)}; };
  if (rules == answer_rules::cmrc) {
    for (const auto& gold : golds) add(cmrc_score(prediction, gold));
    return best;
  }
  const auto predicted = answer_words(prediction);
  bool any = false;
  for (const auto& gold : golds) {
    const auto words = answer_words(gold);
    if (rules == answer_rules::squad2 && words.empty()) continue;
    any = true;
    add(detail::compare_words(predicted, words, rules == answer_rules::squad2));
  }
  if (rules == answer_rules::squad2 && !any) add(detail::compare_words(predicted, {}, true));
  return best;
}

/// Exact match and F1, answer by answer; for SQuAD 2.0 also by whether there is an answer, and over all thresholds.
///
///     bert::metrics::answer_report report(bert::metrics::answer_rules::squad2, {.threshold = -1.5});
///     report.add("1973", {"1973", "October 1973"}, -4.1);   // prediction, golds, how sure it is that there is no answer
///     report.f1();
///
/// All figures are from 0 to 1. In squad2 a question whose `no_answer` exceeds the threshold counts as answered by "".
class answer_report {
 public:
  struct options {
    double threshold = std::numeric_limits<double>::infinity();
  };
  /// Means over some of the questions.
  struct part {
    double exact = 0, f1 = 0;
    std::uint64_t total = 0;
  };
  /// The best value over all thresholds, and the threshold.
  struct best_of {
    double value = 0, threshold = 0;
  };

  answer_report() : answer_report(answer_rules::squad1) {}
  explicit answer_report(answer_rules rules) : answer_report(rules, options{}) {}
  answer_report(answer_rules rules, options o) : rules_(rules), options_(o) {}

  /// Adds a prediction and its gold answers, none if the question has no answer. `no_answer` is any number that grows with the
  /// belief that there is none.
  void add(std::string_view prediction, std::span<const std::string> golds, double no_answer = 0) {
    all_.push_back({.score = score_answer(prediction, golds, rules_),
                    .no_answer = no_answer,
                    .has_answer = !golds.empty(),
                    .empty = prediction.empty()});
  }
  /// Adds `count` windows whose mean loss is `loss`.
  void add_loss(double loss, double count) noexcept { loss_.add(loss, count); }

  [[nodiscard]] answer_rules rules() const noexcept { return rules_; }
  [[nodiscard]] double threshold() const noexcept { return options_.threshold; }
  /// Questions.
  [[nodiscard]] std::uint64_t total() const noexcept { return all_.size(); }
  [[nodiscard]] double exact() const noexcept { return overall().exact; }
  [[nodiscard]] double f1() const noexcept { return overall().f1; }
  [[nodiscard]] double loss() const noexcept { return loss_.value(); }
  /// Score of question `i` before the threshold.
  [[nodiscard]] answer_score raw(std::size_t i) const noexcept { return all_[i].score; }
  /// Means over all questions.
  [[nodiscard]] part overall() const noexcept {
    return mean_of([](const question&) { return true; });
  }
  /// Means over the questions that have an answer, and over those that have none.
  [[nodiscard]] part with_answer() const noexcept {
    return mean_of([](const question& q) { return q.has_answer; });
  }
  [[nodiscard]] part without_answer() const noexcept {
    return mean_of([](const question& q) { return !q.has_answer; });
  }

  /// The threshold of the largest exact match or F1, as the script finds it: questions sorted by `no_answer`, the first of
  /// equal values; 0 if answering nothing is best.
  [[nodiscard]] best_of best_exact() const {
    return best([](const answer_score& s) { return s.exact; });
  }
  [[nodiscard]] best_of best_f1() const {
    return best([](const answer_score& s) { return s.f1; });
  }
  /// The threshold of the largest F1: that of `best_f1`, or one below every question's `no_answer` if answering nothing is
  /// best.
  [[nodiscard]] double tuned_threshold() const {
    return best([](const answer_score& s) { return s.f1; }, true).threshold;
  }
  /// Area under precision and recall of answering only the questions of the smallest `no_answer`; nothing if none has an
  /// answer.
  [[nodiscard]] std::optional<double> average_precision_exact() const {
    return average_precision([](const question& q) { return q.score.exact; });
  }
  [[nodiscard]] std::optional<double> average_precision_f1() const {
    return average_precision([](const question& q) { return q.score.f1; });
  }
  /// The same if every answer were right.
  [[nodiscard]] std::optional<double> average_precision_oracle() const {
    return average_precision([](const question&) { return 1.0; });
  }

  static constexpr std::array<std::string_view, 3> figure_names{"exact", "f1", "loss"};
  [[nodiscard]] std::array<double, 3> figures() const noexcept {
    const part all = overall();
    return {all.exact, all.f1, loss()};
  }
  /// "exact=0.8080 f1=0.8830 loss=1.0210", for SQuAD 2.0 with " has_answer_f1=… no_answer_f1=… best_exact=…
  /// best_exact_threshold=… best_f1=… best_f1_threshold=…": one line for scripts.
  [[nodiscard]] std::string line() const {
    std::ostringstream out;
    out << line_of(*this) << std::fixed << std::setprecision(4);
    if (rules_ == answer_rules::squad2) {
      const best_of e = best_exact(), f = best_f1();
      out << " has_answer_f1=" << with_answer().f1 << " no_answer_f1=" << without_answer().f1 << " best_exact=" << e.value
          << " best_exact_threshold=" << e.threshold << " best_f1=" << f.value << " best_f1_threshold=" << f.threshold;
    }
    return std::move(out).str();
  }

  friend std::ostream& operator<<(std::ostream& stream, const answer_report& r) {
    std::ostringstream out;
    const part all = r.overall();
    out << std::fixed << std::setprecision(4) << "exact match " << all.exact << ", F1 " << all.f1 << ", loss " << r.loss()
        << ", " << all.total << " questions\n";
    if (r.rules_ == answer_rules::squad2) {
      for (const auto& [name, p] : {std::pair("with an answer", r.with_answer()), std::pair("without one", r.without_answer())})
        out << name << ": exact match " << p.exact << ", F1 " << p.f1 << ", " << p.total << " questions\n";
      const best_of f = r.best_f1();
      out << "best F1 " << f.value << " at threshold " << f.threshold << '\n';
    }
    return stream << out.str();
  }

 private:
  struct question {
    answer_score score;
    double no_answer = 0;
    bool has_answer = true, empty = false;
  };

  template <class Which>
  [[nodiscard]] part mean_of(Which which) const noexcept {
    part p;
    for (const question& q : all_) {
      if (!which(q)) continue;
      const bool silent = rules_ == answer_rules::squad2 && q.no_answer > options_.threshold;
      p.exact += silent ? (q.has_answer ? 0.0 : 1.0) : q.score.exact;
      p.f1 += silent ? (q.has_answer ? 0.0 : 1.0) : q.score.f1;
      ++p.total;
    }
    if (p.total == 0) return p;
    p.exact /= static_cast<double>(p.total);
    p.f1 /= static_cast<double>(p.total);
    return p;
  }
  /// Questions by `no_answer`, the smallest first.
  [[nodiscard]] std::vector<std::size_t> sorted() const {
    std::vector<std::size_t> order(all_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return all_[a].no_answer < all_[b].no_answer; });
    return order;
  }
  template <class Value>
  [[nodiscard]] best_of best(Value value, bool below = false) const {
    if (all_.empty()) return {};
    double now = 0;
    for (const question& q : all_) now += q.has_answer ? 0 : 1;
    const auto order = sorted();
    best_of out{now, below ? std::nextafter(all_[order.front()].no_answer, -std::numeric_limits<double>::infinity()) : 0};
    for (const std::size_t i : order) {
      const question& q = all_[i];
      now += q.has_answer ? value(q.score) : q.empty ? 0 : -1;
      if (now > out.value) out = {now, q.no_answer};
    }
    out.value /= static_cast<double>(all_.size());
    return out;
  }
  template <class Value>
  [[nodiscard]] std::optional<double> average_precision(Value value) const {
    const auto positives =
        static_cast<double>(std::count_if(all_.begin(), all_.end(), [](const question& q) { return q.has_answer; }));
    if (positives == 0) return std::nullopt;
    const auto order = sorted();
    double found = 0, recall = 0, area = 0;
    for (std::size_t i = 0; i < order.size(); ++i) {
      const question& q = all_[order[i]];
      if (q.has_answer) found += value(q);
      if (i + 1 < order.size() && all_[order[i + 1]].no_answer == q.no_answer) continue;
      area += found / static_cast<double>(i + 1) * (found / positives - recall);
      recall = found / positives;
    }
    return area;
  }

  answer_rules rules_;
  options options_;
  std::vector<question> all_;
  mean loss_;
};

}  // namespace bert::metrics

#endif  // BERT_METRICS_ANSWERS_HPP
