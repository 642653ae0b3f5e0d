// Pairs, triplets and scored pairs of texts, each text its own sequence, from tab-separated and CSV files.
// Layer: data. Test: tests/unit/data/pairs_test.cpp
#ifndef BERT_DATA_PAIRS_HPP
#define BERT_DATA_PAIRS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/data/distinct_batches.hpp"
#include "bert/data/labeled_set.hpp"
#include "bert/data/tokenizing.hpp"
#include "bert/data/tsv.hpp"
#include "bert/text/tokenizer_options.hpp"

namespace bert::inline BERT_ISA::data {

/// Whether a target_list has target::value.
template <class Targets>
inline constexpr bool lists_values = false;
template <class... Targets>
inline constexpr bool lists_values<target_list<Targets...>> = (std::is_same_v<Targets, bert::target::value> || ...);

/// Examples of several texts each: a pair, a triplet, a pair with its score. Each text is a sequence [CLS] text [SEP], an
/// example is a group of them. Copies share the examples.
template <class Targets>
class text_groups {
  static constexpr bool scored = lists_values<Targets>;

 public:
  using targets = Targets;

  /// Throws bert::error if there is no example.
  explicit text_groups(example_store examples) {
    if (examples.size() == 0) throw_error({"bert::data::text_groups", "at least one example", "none", {}});
    auto all = std::make_shared<std::vector<std::uint32_t>>(examples.size());
    for (std::size_t i = 0; i < all->size(); ++i) (*all)[i] = static_cast<std::uint32_t>(i);
    chosen_ = std::move(all);
    store_ = std::make_shared<const example_store>(std::move(examples));
  }

  [[nodiscard]] std::size_t size() const noexcept { return chosen_->size(); }
  /// Ids of text `t` of example `i`, with [CLS] and [SEP].
  [[nodiscard]] std::span<const token_id> text(std::size_t i, std::size_t t) const noexcept {
    const std::size_t s = store_->first((*chosen_)[i]) + t;
    return {store_->ids.data() + store_->starts[s], store_->starts[s + 1] - store_->starts[s]};
  }
  [[nodiscard]] float score(std::size_t i) const noexcept requires scored {
    return store_->values[store_->first((*chosen_)[i])];
  }
  /// How many of the file's texts were cut to .max_tokens.
  [[nodiscard]] std::uint64_t truncated() const noexcept { return store_->truncated; }
  [[nodiscard]] std::uint64_t tokens() const noexcept { return store_->ids.size(); }
  [[nodiscard]] std::uint64_t unknown() const noexcept { return store_->unknown; }
  [[nodiscard]] const std::vector<std::string>& notes() const noexcept { return store_->notes; }

  /// A random `share` of the examples, rounded, and the rest, both in the order of the file. Throws bert::error unless each has
  /// at least one example.
  [[nodiscard]] std::pair<text_groups, text_groups> split(float share, const split_options& options = {}) const {
    auto [first, second] = split_at_random(*chosen_, share, options, "bert::data::text_groups::split", "examples");
    return {text_groups(store_, std::move(first)), text_groups(store_, std::move(second))};
  }

  /// Batches of `batch` examples: shuffled anew in each epoch, or in the order of the file.
  [[nodiscard]] labeled_batches<Targets> batches(int batch, const batch_options& options = {}) const {
    return labeled_batches<Targets>(store_, chosen_, batch, options);
  }
  /// The same, with no text in two examples of a batch: for contrastive losses.
  [[nodiscard]] data::distinct_batches<Targets> distinct_batches(int batch, const batch_options& options = {}) const {
    return data::distinct_batches<Targets>(store_, chosen_, batch, options);
  }

 private:
  text_groups(std::shared_ptr<const example_store> store, std::vector<std::uint32_t> chosen)
      : store_(std::move(store)), chosen_(std::make_shared<const std::vector<std::uint32_t>>(std::move(chosen))) {}

  std::shared_ptr<const example_store> store_;
  std::shared_ptr<const std::vector<std::uint32_t>> chosen_;
};

/// Pairs, or an anchor, a positive and negatives.
using text_pairs = text_groups<target_list<bert::target::group>>;
/// Pairs with a number each.
using scored_text_pairs = text_groups<target_list<bert::target::group, bert::target::value>>;

/// Builds a set of groups, example by example.
///
///     bert::data::text_groups_builder<bert::data::text_pairs, decltype(tokenizer)> made(tokenizer, 128);
///     made.add({"a small animal", "a mouse", "a whale"});      // anchor, positive, negative
///     const auto set = std::move(made).build();
template <class Set, tokenizing Tokenizer>
class text_groups_builder {
  static constexpr bool scored = lists_values<typename Set::targets>;

 public:
  /// Keeps a reference to `tokenizer`. Throws bert::error for fewer than 8 tokens.
  text_groups_builder(const Tokenizer& tokenizer, int max_tokens)
      : tokenizer_(&tokenizer), longest_(static_cast<std::size_t>(std::max(max_tokens, 0))) {
    if (max_tokens < 8) throw_error({"bert::data", ".max_tokens of at least 8", cat(max_tokens), {}});
    store_.vocabulary = {.mask = tokenizer.mask_id(), .size = static_cast<token_id>(tokenizer.vocabulary().size())};
    store_.groups.push_back(0);
  }

  /// Adds an example of two texts or more. What does not fit is cut off at the end, or at the front if the tokenizer's
  /// truncation_side is left.
  void add(std::initializer_list<std::string_view> texts) requires(!scored) { add_texts({texts.begin(), texts.size()}); }
  void add(std::span<const std::string_view> texts) requires(!scored) { add_texts(texts); }
  /// Adds a pair with its score.
  void add(std::string_view first, std::string_view second, float score) requires scored {
    const std::string_view texts[] = {first, second};
    add_texts(texts);
    store_.values.insert(store_.values.end(), 2, score);
    content_.add(std::to_string(score));
  }
  /// Adds a guess that the reader of a file has made; `notes` of the set returns it.
  void note(std::string text) { store_.notes.push_back(std::move(text)); }

  [[nodiscard]] std::size_t size() const noexcept { return store_.size(); }
  [[nodiscard]] Set build() && {
    store_.facts = {{"examples", content_.text()}, {"tokens", std::to_string(longest_)}};
    append(store_.facts, fingerprint_of(*tokenizer_));
    return Set(std::move(store_));
  }

 private:
  void add_texts(std::span<const std::string_view> texts) {
    if (texts.size() < 2) throw_error({"bert::data::text_groups_builder::add", "two texts or more", cat(texts.size()), {}});
    for (const std::string_view text : texts) add_text(text);
    store_.groups.push_back(store_.starts.size() - 1);
    content_.add(std::uint64_t{texts.size()});
  }
  void add_text(std::string_view text) {
    ids_.clear();
    parts_.clear();
    tokenizer_->append_ids(text, ids_, &parts_);
    if (const std::size_t capacity = longest_ - 2; ids_.size() > capacity) {
      bool left = false;
      if constexpr (requires { tokenizer_->options().truncation_side; })
        left = tokenizer_->options().truncation_side == text::side::left;
      const auto surplus = static_cast<std::ptrdiff_t>(ids_.size() - capacity);
      ids_.erase(left ? ids_.begin() : ids_.end() - surplus, left ? ids_.begin() + surplus : ids_.end());
      parts_.erase(left ? parts_.begin() : parts_.end() - surplus, left ? parts_.begin() + surplus : parts_.end());
      ++store_.truncated;
    }
    if constexpr (requires { tokenizer_->unk_id(); })
      store_.unknown += static_cast<std::uint64_t>(std::count(ids_.begin(), ids_.end(), tokenizer_->unk_id()));
    put(tokenizer_->cls_id());
    store_.ids.insert(store_.ids.end(), ids_.begin(), ids_.end());
    store_.parts.insert(store_.parts.end(), parts_.begin(), parts_.end());
    put(tokenizer_->sep_id());
    store_.segments.resize(store_.ids.size(), segment_id{0});
    store_.starts.push_back(store_.ids.size());
    content_.add(text);
  }
  void put(token_id special) {
    store_.ids.push_back(special);
    store_.parts.push_back(word_part::special);
  }

  const Tokenizer* tokenizer_;
  std::size_t longest_;
  example_store store_;
  hash64 content_;
  std::vector<token_id> ids_;
  std::vector<word_part> parts_;
};

struct pair_options {
  column first_column = 0;     ///< of the anchor
  column second_column = 1;    ///< of the positive
  column negative_column = 2;  ///< of triplets alone
  column score_column = -1;    ///< of scored pairs alone
  float score_range = 1;       ///< scores are divided by it: 5 for STS-B, whose scores are 0 to 5
  /// `detect`: there is a header if a column is asked for by name, or if the first row's score is no number.
  header_row header = header_row::detect;
  int max_tokens = 128;                          ///< of a text, with [CLS] and [SEP]
  std::optional<io::delimited_format> format{};  ///< absent: io::csv for a file's name in .csv, else io::tsv
  uneven_rows uneven = uneven_rows::refuse;
};

namespace detail {

/// A reader of three columns; `third` is read as its label.
[[nodiscard]] inline tsv_options columns_of(const pair_options& o, const column& third) {
  return {.text_column = o.first_column,
          .second_column = o.second_column,
          .label_column = third,
          .header = o.header,
          .max_tokens = o.max_tokens,
          .format = o.format,
          .uneven = o.uneven};
}

/// Reads all rows; add(reader) adds one to the builder.
template <class Builder, class IsLabel, class Add>
[[nodiscard]] auto read_groups(const std::filesystem::path& path, const tsv_options& options, Builder builder,
                               const IsLabel& is_label, const Add& add) {
  tsv_reader reader(path, options);
  while (reader.next(is_label)) add(reader, builder);
  if (builder.size() == 0) throw_error({path_text(path), "at least one example", "none", "check the file"});
  for (const auto& text : reader.notes()) builder.note(text);
  return std::move(builder).build();
}

inline constexpr auto any_label = [](std::string_view) { return true; };

}  // namespace detail

/// Reads and tokenizes pairs of texts that mean the same, for multiple_negatives:
///
///     const auto train = bert::data::pairs("nli.tsv", tokenizer, {.first_column = "premise", .second_column = "hypothesis"});
///     bert::fit(model, bert::objectives::multiple_negatives{}, train.distinct_batches(64), …);
///
/// Throws bert::error with path and line: a missing column, an empty text, a file without examples.
template <tokenizing Tokenizer>
[[nodiscard]] text_pairs pairs(const std::filesystem::path& path, const Tokenizer& tokenizer,
                               const pair_options& options = {}) {
  return detail::read_groups(path, detail::columns_of(options, options.second_column),
                             text_groups_builder<text_pairs, Tokenizer>(tokenizer, options.max_tokens), detail::any_label,
                             [](const tsv_reader& row, auto& to) {
                               to.add({row.text(), row.second()});
                             });
}

/// Reads and tokenizes an anchor, a positive and a negative a row, for multiple_negatives and triplet.
template <tokenizing Tokenizer>
[[nodiscard]] text_pairs triplets(const std::filesystem::path& path, const Tokenizer& tokenizer,
                                  const pair_options& options = {}) {
  return detail::read_groups(path, detail::columns_of(options, options.negative_column),
                             text_groups_builder<text_pairs, Tokenizer>(tokenizer, options.max_tokens), detail::any_label,
                             [](const tsv_reader& row, auto& to) {
                               const std::string_view negative = row.label();
                               if (negative.empty())
                                 throw_error({row.where(), "text (.negative_column)", "an empty field", "remove the line"});
                               to.add({row.text(), row.second(), negative});
                             });
}

/// Reads and tokenizes pairs with a number each, for cosine_mse, cosent, angle and bert::evaluate:
///
///     const auto dev = bert::data::scored_pairs("dev.tsv", tokenizer, {.first_column = "sentence1", .second_column =
///     "sentence2",
///                                                                      .score_column = "score", .score_range = 5});
template <tokenizing Tokenizer>
[[nodiscard]] scored_text_pairs scored_pairs(const std::filesystem::path& path, const Tokenizer& tokenizer,
                                             const pair_options& options = {}) {
  if (!(options.score_range > 0))
    throw_error({"bert::data::pair_options", "a positive .score_range", cat(options.score_range), {}});
  return detail::read_groups(
      path, detail::columns_of(options, options.score_column),
      text_groups_builder<scored_text_pairs, Tokenizer>(tokenizer, options.max_tokens),
      [](std::string_view text) { return finite_number(text).has_value(); },
      [&](const tsv_reader& row, auto& to) {
        const auto score = finite_number(row.label());
        if (!score) throw_error({row.where(), "a number (.score_column)", cat('"', row.label(), '"'), "check .score_column"});
        to.add(row.text(), row.second(), *score / options.score_range);
      });
}

}  // namespace bert::data

#endif  // BERT_DATA_PAIRS_HPP
