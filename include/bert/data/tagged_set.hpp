// Tokenized sentences whose words have tags.
// Layer: data. Test: tests/unit/data/conll_test.cpp. Paper: Devlin et al. 2019, 5.3 (tags at first pieces).
#ifndef BERT_DATA_TAGGED_SET_HPP
#define BERT_DATA_TAGGED_SET_HPP

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/data/labeled_set.hpp"
#include "bert/data/tokenizing.hpp"
#include "bert/text/windows.hpp"

namespace bert::inline BERT_ISA::data {

/// Which pieces of a word have its tag. `first`: the first alone; the others are not counted. `all`: the others too, with I-X
/// for B-X where the set has I-X. `mean`: the word's logits are the mean of those of its pieces, in training and evaluation; a
/// pipeline reads such a model with aggregation::average.
enum class tagged_pieces : std::uint8_t { first, all, mean };

struct tagging_options {
  int max_tokens = 128;  ///< of a sequence, with [CLS] and [SEP]; longer sentences become several windows
  int stride = 32;       ///< most pieces that a window shares with the next
  tagged_pieces pieces = tagged_pieces::first;
};

/// A set whose examples are sentences with one tag a word.
template <class Labels>
using tagged_set = labeled_set<Labels, target_list<bert::target::tag>>;

/// Builds a tagged set, sentence by sentence. Each word is tokenized on its own.
///
///     bert::data::tagged_set_builder<entities, decltype(tokenizer)> notes(tokenizer, {}, {.max_tokens = 128});
///     notes.add(std::array{"Ada"sv, "smiled"sv}, std::array{entities::index<"B-PER">, entities::index<"O">});
///     const auto set = std::move(notes).build();
///
/// A sequence is [CLS] words [SEP]. `parts` say which piece begins one of the caller's words.
/// - A word for which the tokenizer gives no piece becomes one [UNK], so that every word has a piece for its tag.
/// - A sentence that does not fit becomes several windows, cut between words: one example of several sequences (`groups`). A
///   word in two windows has its tag where it has the most context, -1 in the other, so that it counts once.
/// - A word of more pieces than a window is cut at its end; `truncated()` of the set counts such words.
template <labels::label_set Labels, tokenizing Tokenizer>
requires requires(const Tokenizer& t) {
  { t.unk_id() } -> std::convertible_to<token_id>;
}
class tagged_set_builder {
 public:
  /// Keeps a reference to `tokenizer`. Throws bert::error for fewer than 8 tokens or a negative stride.
  tagged_set_builder(const Tokenizer& tokenizer, Labels names, const tagging_options& options = {})
      : tokenizer_(&tokenizer), names_(std::move(names)), pieces_(options.pieces) {
    if (options.max_tokens < 8 || options.stride < 0)
      throw_error({"bert::data::tagging_options",
                   ".max_tokens of at least 8, .stride of at least 0",
                   cat(options.max_tokens, " and ", options.stride),
                   {}});
    capacity_ = static_cast<std::size_t>(options.max_tokens) - 2;
    stride_ = static_cast<std::size_t>(options.stride);
    store_.vocabulary = {.mask = tokenizer.mask_id(), .size = static_cast<token_id>(tokenizer.vocabulary().size())};
    store_.groups.push_back(0);
    for (int tag = 0; tag < names_.size(); ++tag) {
      std::string inside(names_.name(tag));
      if (inside.starts_with("B-")) inside[0] = 'I';
      continuation_.push_back(names_.parse(inside).value_or(tag));
    }
  }

  /// Adds a sentence: its words and one tag each, negative where the word is not counted. Throws bert::error for an empty
  /// sentence, unless there are as many tags as words, and for a tag that the set does not have.
  void add(std::span<const std::string_view> words, std::span<const std::int32_t> tags) {
    if (words.empty() || words.size() != tags.size())
      throw_error({"bert::data::tagged_set_builder::add",
                   "one word or more and a tag of each",
                   cat(words.size(), " words, ", tags.size(), " tags"),
                   {}});
    for (const auto tag : tags)
      if (tag >= names_.size())
        throw_error({"bert::data::tagged_set_builder::add", cat("tags below ", names_.size()), cat(tag), {}});
    ids_.clear();
    sizes_.clear();
    for (const auto word : words) {
      const std::size_t before = ids_.size();
      tokenizer_->append_ids(word, ids_);
      if (ids_.size() == before) ids_.push_back(tokenizer_->unk_id());
      if (ids_.size() - before > capacity_) {
        ids_.resize(before + capacity_);
        ++store_.truncated;
      }
      sizes_.push_back(ids_.size() - before);
    }
    const auto windows = text::word_windows(sizes_, capacity_, stride_);
    std::size_t first_piece = 0;
    for (std::size_t w = 0; w < windows.size(); ++w) {
      for (std::size_t i = w == 0 ? 0 : windows[w - 1].first; i < windows[w].first; ++i) first_piece += sizes_[i];
      put_window(windows, w, first_piece, tags);
    }
    store_.groups.push_back(store_.starts.size() - 1);
    store_.unknown += static_cast<std::uint64_t>(std::count(ids_.begin(), ids_.end(), tokenizer_->unk_id()));
    for (std::size_t i = 0; i < words.size(); ++i) content_.add(words[i]).add(std::to_string(tags[i]));
    content_.add("end of a sentence");
  }

  /// Adds a guess that the reader of a file has made; notes() of the set returns it.
  void note(std::string text) { store_.notes.push_back(std::move(text)); }

  [[nodiscard]] std::size_t size() const noexcept { return store_.size(); }
  [[nodiscard]] const Labels& names() const noexcept { return names_; }
  /// Throws bert::error if there is no sentence.
  [[nodiscard]] tagged_set<Labels> build() && {
    store_.facts = {{"examples", content_.text()},
                    {"tokens", std::to_string(capacity_ + 2)},
                    {"stride", std::to_string(stride_)},
                    {"tags", pieces_ == tagged_pieces::first ? "first pieces"
                             : pieces_ == tagged_pieces::all ? "all pieces"
                                                             : "mean of pieces"}};
    append(store_.facts, fingerprint_of(*tokenizer_));
    if (store_.groups.size() == store_.starts.size()) store_.groups.clear();  // one sequence an example
    return {std::move(names_), std::move(store_)};
  }

 private:
  void put_window(std::span<const text::text_range> windows, std::size_t w, std::size_t piece,
                  std::span<const std::int32_t> tags) {
    put(tokenizer_->cls_id(), word_part::special, -1);
    for (std::size_t word = windows[w].first; word < windows[w].last; ++word) {
      const std::int32_t tag = text::most_context(windows, word) == w ? tags[word] : -1;
      const std::int32_t others = pieces_ == tagged_pieces::first || tag < 0 ? -1
                                  : pieces_ == tagged_pieces::all            ? continuation_[static_cast<std::size_t>(tag)]
                                                                             : joined_tag;
      for (std::size_t i = 0; i < sizes_[word]; ++i)
        put(ids_[piece++], i == 0 ? word_part::begins : word_part::continues, i == 0 ? tag : others);
    }
    put(tokenizer_->sep_id(), word_part::special, -1);
    store_.starts.push_back(store_.ids.size());
  }
  void put(token_id id, word_part part, std::int32_t tag) {
    store_.ids.push_back(id);
    store_.segments.push_back(0);
    store_.parts.push_back(part);
    store_.tags.push_back(tag);
  }

  const Tokenizer* tokenizer_;
  Labels names_;
  tagged_pieces pieces_;
  std::size_t capacity_ = 0, stride_ = 0;
  example_store store_;
  hash64 content_;                          // of words and tags
  std::vector<std::int32_t> continuation_;  // tag of a word's further pieces, by the tag of its first
  std::vector<token_id> ids_;               // of the sentence, all words end to end
  std::vector<std::size_t> sizes_;          // pieces of each word
};

}  // namespace bert::data

#endif  // BERT_DATA_TAGGED_SET_HPP
