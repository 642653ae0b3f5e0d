// Easy data augmentation: a few words of a text replaced by synonyms, inserted, swapped or deleted.
// Layer: data. Test: tests/unit/data/eda_test.cpp. Papers: Wei and Zou 2019, "EDA: easy data augmentation techniques for
// boosting performance on text classification tasks"; Dai and Adel 2020, "An analysis of simple data augmentation for named
// entity recognition" (tags).
#ifndef BERT_DATA_EDA_HPP
#define BERT_DATA_EDA_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/data/augmentable_words.hpp"
#include "bert/data/thesaurus.hpp"
#include "bert/text/unicode/utf8.hpp"

namespace bert::inline BERT_ISA::data {

/// The share of a text's words that each operation changes; an operation of share 0 is left out. The paper takes 0.05 for 500
/// examples and for 2,000, and 0.1 for more.
struct eda_options {
  float replace = 0.1f;  ///< by a synonym
  float insert = 0.1f;   ///< a synonym of a word of the text, anywhere
  float swap = 0.1f;     ///< pairs of words
  float remove = 0.1f;   ///< the probability of each word
  std::uint64_t seed = 0;
};

/// n = max(1, floor(share L)) words of the L words of a text are changed by one of the four operations, drawn at random
///
///     const bert::data::eda augment(bert::data::wordnet("/usr/share/wordnet"), {.seed = 7});
///     augment("the film is a triumph", {.key = 0, .round = 1});     // the same bytes for the same seed, key and round
///
/// Words are what stands between spaces, without punctuation at both ends, and Chinese words (`augmentable_words`). Function
/// words are neither replaced nor a source of insertions. A text without words stays as it is; no text becomes empty.
///
/// Of tagged words, which stay aligned with their tags: synonyms of one word replace words with the tag O, words that `learn`
/// has seen with the same tag replace the others; what is inserted has the tag O and does not part an entity; only words with
/// the tag O are swapped or deleted.
class eda {
 public:
  /// Which variant of a text: `key` is the example's, `round` another number for each epoch and copy.
  struct variant {
    std::uint64_t key = 0;
    std::uint32_t round = 0;
  };

  /// Throws bert::error for a share that is not from 0 to 1, or if all are 0.
  explicit eda(thesaurus synonyms, const eda_options& options = {}, word_list words = {})
      : synonyms_(std::move(synonyms)), words_(std::move(words)), options_(options) {
    float most = 0;
    for (const float share : {options.replace, options.insert, options.swap, options.remove}) {
      if (!(share >= 0 && share <= 1)) throw_error({"bert::data::eda_options", "shares from 0 to 1", cat(share), {}});
      most = std::max(most, share);
    }
    if (most == 0) throw_error({"bert::data::eda_options", "an operation with a share above 0", "none", {}});
  }

  /// The variant of a text.
  [[nodiscard]] std::string operator()(std::string_view text, const variant& v) const {
    auto words = augmentable_words(text, synonyms_, words_);
    change(words, v);
    return joined(words);
  }
  /// Makes words and their tags the variant of a sentence.
  void tagged(std::vector<std::string>& words, std::vector<std::string>& tags, const variant& v) const {
    std::vector<augmentable_word> list;
    for (std::size_t i = 0; i < words.size(); ++i) list.push_back(augmentable_word::of(words[i], tags[i]));
    change(list, v);
    words.clear();
    tags.clear();
    for (auto& word : list) {
      words.push_back(word.text());
      tags.push_back(std::move(word.tag));
    }
  }
  /// Takes the words of a sentence with other tags than O as replacements of words with the same tag.
  void learn(std::span<const std::string> words, std::span<const std::string> tags) {
    for (std::size_t i = 0; i < words.size(); ++i)
      if (tags[i] != outside) by_tag_[tags[i]].push_back(words[i]);
  }

  /// What determines the variants.
  [[nodiscard]] named_facts fingerprint() const {
    return {{"eda", cat(options_.replace, ' ', options_.insert, ' ', options_.swap, ' ', options_.remove, ", seed ",
                        options_.seed, ", words with synonyms ", synonyms_.size())}};
  }

 private:
  static constexpr std::string_view outside = "O";
  using word_vector = std::vector<augmentable_word>;

  [[nodiscard]] static bool plain(const augmentable_word& w) noexcept { return w.tag.empty() || w.tag == outside; }

  void change(word_vector& words, const variant& v) const {
    random_stream random(options_.seed, draw::augmentation, v.key, v.round);
    std::array<int, 4> operations{};
    std::uint32_t count = 0;
    const std::array<float, 4> shares{options_.replace, options_.insert, options_.swap, options_.remove};
    for (int i = 0; i < 4; ++i)
      if (shares[static_cast<std::size_t>(i)] > 0) operations[count++] = i;
    const auto chosen = static_cast<std::size_t>(operations[random.below(count)]);
    const std::size_t all = count_of(words);
    if (all == 0) return;
    const auto n = std::max<std::size_t>(1, static_cast<std::size_t>(shares[chosen] * static_cast<float>(all)));
    if (chosen == 0) replace(words, n, random);
    else if (chosen == 1) insert(words, n, random);
    else if (chosen == 2) swap(words, n, random);
    else remove(words, random);
  }

  /// The number of words that are not punctuation.
  [[nodiscard]] static std::size_t count_of(const word_vector& words) {
    return static_cast<std::size_t>(std::count_if(words.begin(), words.end(), [](const auto& w) { return !w.core.empty(); }));
  }
  /// Indices of the words for which `wanted(word)` holds.
  template <class Wanted>
  [[nodiscard]] static std::vector<std::size_t> indices(const word_vector& words, const Wanted& wanted) {
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < words.size(); ++i)
      if (!words[i].core.empty() && wanted(words[i])) out.push_back(i);
    return out;
  }
  template <class List>
  [[nodiscard]] static auto& drawn(List& list, random_stream& random) {
    return list[random.below(static_cast<std::uint32_t>(list.size()))];
  }

  /// What may stand in the place of a word: of tagged words single words.
  [[nodiscard]] std::vector<std::string_view> replacements(const augmentable_word& w) const {
    std::vector<std::string_view> out;
    if (!plain(w)) {
      if (const auto same = by_tag_.find(w.tag); same != by_tag_.end())
        for (const auto& word : same->second)
          if (word != w.core) out.emplace_back(word);
      return out;
    }
    if (is_function_word(w.core)) return out;
    for (const auto& word : synonyms_.of(w.core))
      if (w.tag.empty() || word.find(' ') == std::string::npos) out.emplace_back(word);
    return out;
  }

  void replace(word_vector& words, std::size_t n, random_stream& random) const {
    auto places = indices(words, [&](const auto& w) { return !replacements(w).empty(); });
    for (std::size_t k = 0; k < std::min(n, places.size()); ++k) {
      std::swap(places[k], places[k + random.below(static_cast<std::uint32_t>(places.size() - k))]);
      augmentable_word& w = words[places[k]];
      const auto list = replacements(w);
      w.put(drawn(list, random), plain(w) ? letter_case::as_before : letter_case::as_given);
    }
  }
  void insert(word_vector& words, std::size_t n, random_stream& random) const {
    const auto sources = indices(words, [&](const auto& w) { return plain(w) && !replacements(w).empty(); });
    if (sources.empty()) return;
    const word_vector before = words;
    for (std::size_t k = 0; k < n; ++k) {
      augmentable_word word = before[drawn(sources, random)];
      const auto list = replacements(word);
      word.put(drawn(list, random), letter_case::as_given);
      word.before.clear();
      word.after.clear();
      word.spaced = !detail::without_spaces(text::utf8::decode(word.core.data(), word.core.data() + word.core.size()).code);
      // Before any word but one that continues an entity, or at the end.
      std::vector<std::size_t> places{words.size()};
      for (std::size_t i = 0; i < words.size(); ++i)
        if (!continues_entity(words[i].tag)) places.push_back(i);
      words.insert(words.begin() + static_cast<std::ptrdiff_t>(drawn(places, random)), std::move(word));
    }
  }
  static void swap(word_vector& words, std::size_t n, random_stream& random) {
    const auto places = indices(words, plain);
    for (std::size_t k = 0; places.size() > 1 && k < n; ++k) {
      const auto a = random.below(static_cast<std::uint32_t>(places.size()));
      const auto b = random.below(static_cast<std::uint32_t>(places.size() - 1));
      std::swap(words[places[a]].core, words[places[b < a ? b : b + 1]].core);
    }
  }
  void remove(word_vector& words, random_stream& random) const {
    std::vector<std::size_t> gone;
    for (const std::size_t i : indices(words, plain))
      if (random.uniform() < options_.remove) gone.push_back(i);
    // If no word were left, a random one stays.
    if (!gone.empty() && gone.size() == count_of(words))
      gone.erase(gone.begin() + static_cast<std::ptrdiff_t>(random.below(static_cast<std::uint32_t>(gone.size()))));
    for (std::size_t k = gone.size(); k-- > 0;) words.erase(words.begin() + static_cast<std::ptrdiff_t>(gone[k]));
  }

  thesaurus synonyms_;
  word_list words_;
  eda_options options_;
  std::map<std::string, std::vector<std::string>, std::less<>> by_tag_;
};

}  // namespace bert::data

#endif  // BERT_DATA_EDA_HPP
