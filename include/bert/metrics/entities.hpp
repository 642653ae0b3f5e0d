// Metrics of a tagger: precision, recall and F1 of entities as conlleval and seqeval count them, and the accuracy of tags.
// Layer: metrics. Test: tests/unit/metrics/entities_test.cpp. Paper: Tjong Kim Sang and Buchholz 2000 (conlleval).
#ifndef BERT_METRICS_ENTITIES_HPP
#define BERT_METRICS_ENTITIES_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <map>
#include <optional>
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
#include "bert/labels/entities.hpp"
#include "bert/labels/label_set.hpp"
#include "bert/labels/one_of.hpp"
#include "bert/metrics/classification.hpp"
#include "bert/metrics/figures.hpp"
#include "bert/metrics/match_counts.hpp"

namespace bert::inline BERT_ISA::metrics {

/// Counts of entities of one type, or of all; correct: same type, same first and last word.
using entity_counts = match_counts;

/// Precision, recall and F1 as a mean over types.
struct entity_means {
  double precision = 0, recall = 0, f1 = 0;
};

/// Counts entities, sentence by sentence.
///
///     bert::metrics::entity_counter count;                                       // lenient, as conlleval
///     bert::metrics::entity_counter strict(bert::labels::scheme::bio);           // strict
///     count.add(std::array{"B-PER"sv, "O"sv}, std::array{"I-PER"sv, "O"sv});     // expected, predicted
///     count.total().f1();
///
/// An entity that the lenient rules find twice counts once, as in seqeval. The letter M continues any open entity, as in
/// seqeval; bert::evaluate replaces it by I.
class entity_counter {
 public:
  /// The lenient rules of labels::entity_reader.
  entity_counter() = default;
  /// The strict rules of labels::strict_entity_reader.
  explicit entity_counter(labels::scheme s)
      : strict_(std::pair{labels::strict_entity_reader(s), labels::strict_entity_reader(s)}) {}

  /// Adds a sentence's tags. Throws bert::error if the numbers of tags differ, and in strict mode for letters of another
  /// scheme.
  void add(std::span<const std::string_view> expected, std::span<const std::string_view> predicted) {
    std::vector<labels::tag_parts> e, p;
    for (const auto tag : expected) e.push_back(labels::split_tag(tag));
    for (const auto tag : predicted) p.push_back(labels::split_tag(tag));
    add(e, p);
    for (std::size_t i = 0; i < expected.size(); ++i) correct_tags_ += expected[i] == predicted[i] ? 1 : 0;
  }
  /// The same for tags that are split already; does not count correct tags.
  void add(std::span<const labels::tag_parts> expected, std::span<const labels::tag_parts> predicted) {
    if (expected.size() != predicted.size())
      throw_error(
          {"bert::metrics::entity_counter", cat(expected.size(), " predicted tags, one a word"), cat(predicted.size()), {}});
    std::vector<labels::entity_span> in_expected, in_predicted;
    const auto into = [](auto& list) { return [&](const labels::entity_span& found) { list.push_back(found); }; };
    if (strict_) {
      strict_->first.read(expected, into(in_expected));
      strict_->second.read(predicted, into(in_predicted));
    } else {
      expected_.read(expected, into(in_expected));
      predicted_.read(predicted, into(in_predicted));
    }
    for (auto* list : {&in_expected, &in_predicted}) {
      std::sort(list->begin(), list->end());
      list->erase(std::unique(list->begin(), list->end()), list->end());
    }
    for (const auto& found : in_expected) ++of(found.type).expected;
    for (const auto& found : in_predicted) {
      auto& counts = of(found.type);
      ++counts.predicted;
      counts.correct += std::binary_search(in_expected.begin(), in_expected.end(), found) ? 1 : 0;
    }
    tags_ += expected.size();
  }
  /// Adds to the number of correct tags.
  void add_correct_tags(std::uint64_t n) noexcept { correct_tags_ += n; }

  /// Counts by type, sorted by the types' bytes; a type that is only predicted has `expected` of 0.
  [[nodiscard]] const std::map<std::string, entity_counts, std::less<>>& types() const noexcept { return types_; }
  /// The counts of a type; zeros for one that does not occur.
  [[nodiscard]] entity_counts of(std::string_view type) const {
    const auto found = types_.find(type);
    return found == types_.end() ? entity_counts{} : found->second;
  }
  /// The sum over types: conlleval's overall, seqeval's micro average.
  [[nodiscard]] entity_counts total() const noexcept {
    entity_counts all;
    for (const auto& [type, counts] : types_) {
      all.expected += counts.expected;
      all.predicted += counts.predicted;
      all.correct += counts.correct;
    }
    return all;
  }
  /// The unweighted mean over types.
  [[nodiscard]] entity_means macro() const noexcept {
    return mean_by([](const entity_counts&) { return 1.0; });
  }
  /// The mean over types, weighted by their expected entities.
  [[nodiscard]] entity_means weighted() const noexcept {
    return mean_by([](const entity_counts& c) { return static_cast<double>(c.expected); });
  }

  [[nodiscard]] double precision() const noexcept { return total().precision(); }
  [[nodiscard]] double recall() const noexcept { return total().recall(); }
  [[nodiscard]] double f1() const noexcept { return total().f1(); }
  [[nodiscard]] double precision(std::string_view type) const { return of(type).precision(); }
  [[nodiscard]] double recall(std::string_view type) const { return of(type).recall(); }
  [[nodiscard]] double f1(std::string_view type) const { return of(type).f1(); }
  /// The share of words with the expected tag, O included.
  [[nodiscard]] double accuracy() const noexcept {
    return tags_ == 0 ? 0 : static_cast<double>(correct_tags_) / static_cast<double>(tags_);
  }
  /// Words.
  [[nodiscard]] std::uint64_t tags() const noexcept { return tags_; }

 private:
  [[nodiscard]] entity_counts& of(std::string_view type) {
    const auto found = types_.find(type);
    return found != types_.end() ? found->second : types_.emplace(type, entity_counts{}).first->second;
  }
  template <class Weight>
  [[nodiscard]] entity_means mean_by(Weight weight) const noexcept {
    mean p, r, f;
    for (const auto& [type, counts] : types_) {
      p.add(counts.precision(), weight(counts));
      r.add(counts.recall(), weight(counts));
      f.add(counts.f1(), weight(counts));
    }
    return {p.value(), r.value(), f.value()};
  }

  labels::entity_reader expected_, predicted_;
  std::optional<std::pair<labels::strict_entity_reader, labels::strict_entity_reader>> strict_;
  std::map<std::string, entity_counts, std::less<>> types_;
  std::uint64_t tags_ = 0, correct_tags_ = 0;
};

/// The result of evaluating a tagger: entities, accuracy of tags, mean loss.
///
///     std::cout << report << report.f1<"PER">();   // f1<"PRE">() does not compile where the set is bio<…>
///
/// Letters of BMES and BILOU are converted to BIOES. For tags that mark no entities, such as parts of speech, only accuracy and
/// loss have a meaning.
template <labels::label_set Labels>
class entity_report : public entity_counter {
 public:
  explicit entity_report(Labels names) : names_(std::move(names)) {}

  /// Adds a sentence's tags, by their indices. Throws bert::error if the numbers of tags differ.
  void add(std::span<const std::int32_t> expected, std::span<const std::int32_t> predicted) {
    std::vector<labels::tag_parts> e, p;
    for (const auto tag : expected) e.push_back(split(tag));
    for (const auto tag : predicted) p.push_back(split(tag));
    entity_counter::add(e, p);
    std::uint64_t correct = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) correct += expected[i] == predicted[i] ? 1 : 0;
    add_correct_tags(correct);
  }
  /// Adds `count` words whose mean loss is `loss`.
  void add_loss(double loss, double count) noexcept { loss_.add(loss, count); }
  [[nodiscard]] double loss() const noexcept { return loss_.value(); }
  [[nodiscard]] const Labels& names() const noexcept { return names_; }

  using entity_counter::f1;
  using entity_counter::precision;
  using entity_counter::recall;
  template <fixed_string Type>
  [[nodiscard]] double precision() const {
    return precision(checked<Type>());
  }
  template <fixed_string Type>
  [[nodiscard]] double recall() const {
    return recall(checked<Type>());
  }
  template <fixed_string Type>
  [[nodiscard]] double f1() const {
    return f1(checked<Type>());
  }

  static constexpr std::array<std::string_view, 5> figure_names{"precision", "recall", "f1", "accuracy", "loss"};
  [[nodiscard]] std::array<double, 5> figures() const noexcept {
    const auto all = total();
    return {all.precision(), all.recall(), all.f1(), accuracy(), loss()};
  }
  /// "precision=0.5000 recall=0.4000 f1=0.4444 accuracy=0.9500 loss=0.2100": one line for scripts.
  [[nodiscard]] std::string line() const { return line_of(*this); }

  /// A row a type, then the row of totals.
  friend std::ostream& operator<<(std::ostream& stream, const entity_report& r) {
    std::size_t width = 8;
    for (const auto& [type, counts] : r.types()) width = std::max(width, type.size() + 1);
    std::ostringstream out;
    out << std::fixed << std::setprecision(4) << "type" << std::string(width - 4, ' ')
        << " precision  recall      f1  entities\n";
    for (const auto& [type, counts] : r.types())
      out << type << std::string(width - type.size(), ' ') << "    " << counts.precision() << "  " << counts.recall() << "  "
          << counts.f1() << std::setw(10) << counts.expected << '\n';
    const auto all = r.total();
    out << "precision " << all.precision() << ", recall " << all.recall() << ", F1 " << all.f1() << ", accuracy "
        << r.accuracy() << ", loss " << r.loss() << ", " << r.tags() << " words\n";
    return stream << out.str();
  }

 private:
  [[nodiscard]] labels::tag_parts split(std::int32_t tag) const noexcept {
    auto out = labels::split_tag(names_.name(tag));
    out.letter = labels::bioes_letter(out.letter);
    return out;
  }
  template <fixed_string Type>
  static constexpr std::string_view checked() {
    static_assert(labels::find(Labels::type_names, Type.view()) >= 0,
                  "the label set has no entities of this type; see its definition");
    return Type.view();
  }

  Labels names_;
  mean loss_;
};

}  // namespace bert::metrics

#endif  // BERT_METRICS_ENTITIES_HPP
