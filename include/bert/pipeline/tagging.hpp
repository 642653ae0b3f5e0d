// Decodes a tagger's output: words with their tags, and the entities that they form.
// Layer: pipeline. Test: tests/unit/pipeline/tagging_test.cpp
#ifndef BERT_PIPELINE_TAGGING_HPP
#define BERT_PIPELINE_TAGGING_HPP

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/heads/tag.hpp"
#include "bert/labels/entities.hpp"
#include "bert/pipeline/decoding.hpp"
#include "bert/pipeline/example.hpp"
#include "bert/pipeline/word_windows.hpp"

namespace bert::inline BERT_ISA {

/// A word of a text with its likeliest tag.
struct tagged_word {
  std::string text;
  std::string tag;
  int number = 0;          ///< index of the tag in its set
  float score = 0;         ///< its probability
  text::text_range bytes;  ///< [first, last) in the text
};

/// An entity of one or more words. `const auto& [text, type, score] = entity;`
struct entity {
  std::string text;        ///< its bytes of the input
  std::string type;        ///< "PER"
  float score = 0;         ///< the mean of its words' probabilities
  text::text_range bytes;  ///< [first, last) in the text
  std::vector<tagged_word> words;

  template <std::size_t I>
  [[nodiscard]] const auto& get() const noexcept {
    static_assert(I < 3, "an entity unpacks to text, type, score");
    if constexpr (I == 0) return text;
    else if constexpr (I == 1) return type;
    else return score;
  }
};

/// A tagger's result for a text: a range of entities, and all words.
struct tagged_text {
  std::vector<entity> entities;
  std::vector<tagged_word> words;  ///< all of them, those tagged O too

  [[nodiscard]] auto begin() const noexcept { return entities.begin(); }
  [[nodiscard]] auto end() const noexcept { return entities.end(); }
  [[nodiscard]] std::size_t size() const noexcept { return entities.size(); }
  [[nodiscard]] bool empty() const noexcept { return entities.empty(); }
  [[nodiscard]] const entity& operator[](std::size_t i) const noexcept { return entities[i]; }
};

/// The entities of tagged words by the lenient rules of labels::entity_reader, with M, L and U read as I, E and S. If `labels`
/// mark no entities (parts of speech), every word is one entity, with its tag as type.
[[nodiscard]] inline std::vector<entity> entities_of(std::string_view text, const std::vector<tagged_word>& words,
                                                     std::span<const std::string> labels) {
  std::vector<entity> out;
  const auto add = [&](std::string_view type, std::size_t first, std::size_t last) {
    entity e;
    e.type = type;
    e.bytes = {words[first].bytes.first, words[last].bytes.last};
    e.text = text.substr(e.bytes.first, e.bytes.last - e.bytes.first);
    for (std::size_t w = first; w <= last; ++w) {
      e.score += words[w].score / static_cast<float>(last - first + 1);
      e.words.push_back(words[w]);
    }
    out.push_back(std::move(e));
  };
  if (!labels::marks_entities(labels)) {
    for (std::size_t w = 0; w < words.size(); ++w) add(words[w].tag, w, w);
    return out;
  }
  std::vector<labels::tag_parts> tags;
  for (const auto& word : words) {
    tags.push_back(labels::split_tag(word.tag));
    tags.back().letter = labels::bioes_letter(tags.back().letter);
  }
  labels::entity_reader().read(tags, [&](const labels::entity_span& found) {
    add(found.type, static_cast<std::size_t>(found.first), static_cast<std::size_t>(found.last));
  });
  return out;
}

namespace pipelines {

/// The probabilities of a word's tags from its pieces' logits.
[[nodiscard]] inline std::vector<float> tag_probabilities(const pipeline_example& in, const example_word& word) {
  const matrix<const float> logits = in.rows[word.window];
  auto p = probabilities(logits[word.row]);
  if (in.options.pieces == aggregation::first) return p;
  for (std::size_t i = 1; i < word.pieces; ++i) {
    auto other = probabilities(logits[word.row + i]);
    if (in.options.pieces == aggregation::average)
      for (std::size_t l = 0; l < p.size(); ++l) p[l] += other[l];
    else if (*std::max_element(other.begin(), other.end()) > *std::max_element(p.begin(), p.end())) p = std::move(other);
  }
  if (in.options.pieces == aggregation::average)
    for (float& x : p) x /= static_cast<float>(std::max<std::size_t>(word.pieces, 1));
  return p;
}

}  // namespace pipelines

/// A word has the likeliest tag of its first piece, or of all its pieces by pipeline_options::pieces, in the window where it
/// has the most context.
template <heads::tagger Head>
struct decoding<Head> : pipelines::word_windows {
  using result = tagged_text;

  static result decode(const pipeline_example& in) {
    result out;
    for (const auto& word : in.words()) {
      const auto p = pipelines::tag_probabilities(in, word);
      const auto best = std::max_element(p.begin(), p.end());
      const auto number = static_cast<int>(best - p.begin());
      out.words.push_back({.text = std::string(word.text),
                           .tag = in.labels[static_cast<std::size_t>(number)],
                           .number = number,
                           .score = *best,
                           .bytes = word.bytes});
    }
    out.entities = entities_of(in.text, out.words, in.labels);
    return out;
  }
};

}  // namespace bert

template <>
struct std::tuple_size<bert::entity> : std::integral_constant<std::size_t, 3> {};
template <std::size_t I>
struct std::tuple_element<I, bert::entity> {
  using type = std::remove_cvref_t<decltype(std::declval<const bert::entity&>().template get<I>())>;
};

#endif  // BERT_PIPELINE_TAGGING_HPP
