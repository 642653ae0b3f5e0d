// Masked-LM augmentation: words of a text are masked, and a BERT writes others in their places.
// Layer: data. Test: tests/unit/data/rewriting_test.cpp. Paper: Wu et al. 2019, "Conditional BERT contextual augmentation" (its
// unconditional baseline).
#ifndef BERT_DATA_REWRITING_HPP
#define BERT_DATA_REWRITING_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/data/augmentable_words.hpp"
#include "bert/data/eda.hpp"
#include "bert/text/unicode/utf8.hpp"

namespace bert::inline BERT_ISA::data {

struct rewriter_options {
  float share = 0.15f;          ///< of the words that are written anew
  std::string mask = "[MASK]";  ///< the mask as `Fill` reads it in a text
  std::uint64_t seed = 0;
};

/// n = max(1, floor(share L)) of the L words of a text are masked together, and each becomes a candidate of `fill`, drawn by
/// its probability
///
///     const auto fill = bert::pipeline<masked_bert>::open("bert-base-uncased", {.top = 10});
///     const bert::data::rewriter rewrite(fill, {.share = 0.2f, .seed = 7});
///     rewrite("the film is a triumph", {.key = 0, .round = 1});
///
/// `fill(text)` gives for each mask a list of candidates with `piece` and `probability`. Function words are not masked; a
/// candidate that continues a word, that is punctuation, or that was there before is not taken; a word without another
/// stays, as do those beyond the model's positions. A Chinese word is masked character by character. Of tagged words those
/// with the tag O are written anew, each by one word. Keeps a reference to `fill`.
template <class Fill>
class rewriter {
 public:
  /// Throws bert::error for a share that is not above 0 and at most 1.
  explicit rewriter(const Fill& fill, rewriter_options options = {}, word_list words = {})
      : fill_(&fill), options_(std::move(options)), words_(std::move(words)) {
    if (!(options_.share > 0 && options_.share <= 1))
      throw_error({"bert::data::rewriter_options", "a share above 0, at most 1", cat(options_.share), {}});
  }

  [[nodiscard]] std::string operator()(std::string_view text, const eda::variant& v) const {
    auto words = augmentable_words(text, {}, words_);
    change(words, v);
    return joined(words);
  }
  /// Makes words and their tags the variant of a sentence; the tags stay as they are.
  void tagged(std::vector<std::string>& words, std::vector<std::string>& tags, const eda::variant& v) const {
    std::vector<augmentable_word> list;
    for (std::size_t i = 0; i < words.size(); ++i) list.push_back(augmentable_word::of(words[i], tags[i]));
    change(list, v);
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = list[i].text();
  }

 private:
  void change(std::vector<augmentable_word>& words, const eda::variant& v) const {
    random_stream random(options_.seed, draw::augmentation, v.key, v.round);
    std::vector<std::size_t> places;
    std::size_t all = 0;
    for (std::size_t i = 0; i < words.size(); ++i) {
      const auto& w = words[i];
      all += w.core.empty() ? 0 : 1;
      if (!w.core.empty() && (w.tag.empty() || w.tag == "O") && !is_function_word(w.core)) places.push_back(i);
    }
    const auto wanted = std::max<std::size_t>(1, static_cast<std::size_t>(options_.share * static_cast<float>(all)));
    const std::size_t n = std::min(wanted, places.size());
    for (std::size_t k = 0; k < n; ++k)
      std::swap(places[k], places[k + random.below(static_cast<std::uint32_t>(places.size() - k))]);
    places.resize(n);
    if (places.empty()) return;
    std::sort(places.begin(), places.end());
    auto masked = words;
    for (const std::size_t i : places) {
      masked[i].core.clear();
      for (std::size_t m = masks_of(words[i].core); m-- > 0;) masked[i].core += options_.mask;
    }
    const auto blanks = (*fill_)(joined(masked));
    std::size_t next = 0;
    for (const std::size_t i : places) {
      const std::size_t count = masks_of(words[i].core);
      if (next + count > blanks.size()) return;
      std::string made;
      for (std::size_t m = 0; m < count; ++m)
        made += drawn(blanks[next + m], count == 1 ? std::string_view(words[i].core) : std::string_view{}, random);
      next += count;
      if (text::utf8::length(made) >= count && !made.empty()) words[i].put(made, letter_case::as_before);
    }
  }

  /// One, or the number of characters of a word that has no spaces around it.
  [[nodiscard]] static std::size_t masks_of(std::string_view word) noexcept {
    const auto first = text::utf8::decode(word.data(), word.data() + word.size()).code;
    return detail::without_spaces(first) ? text::utf8::length(word) : 1;
  }

  /// A candidate, drawn by its probability; empty if none will do.
  template <class Candidates>
  [[nodiscard]] static std::string drawn(const Candidates& candidates, std::string_view before, random_stream& random) {
    const auto good = [&](std::string_view piece) {
      return !piece.empty() && !piece.starts_with("##") && !piece.starts_with("[") &&
             piece.find_first_not_of(augmentable_word::punctuation) != std::string_view::npos &&
             !detail::wide_mark(text::utf8::decode(piece.data(), piece.data() + piece.size()).code) &&
             thesaurus::lower(piece) != thesaurus::lower(before);
    };
    double total = 0;
    for (const auto& c : candidates) total += good(c.piece) ? static_cast<double>(c.probability) : 0.0;
    double left = static_cast<double>(random.uniform()) * total;
    std::string last;
    for (const auto& c : candidates) {
      if (!good(c.piece)) continue;
      last = c.piece;
      left -= static_cast<double>(c.probability);
      if (left < 0) break;
    }
    return last;
  }

  const Fill* fill_;
  rewriter_options options_;
  word_list words_;
};

}  // namespace bert::data

#endif  // BERT_DATA_REWRITING_HPP
