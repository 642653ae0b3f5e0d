// The demo's corpus, questions and labeled sentences: from invented facts, or from a text of the user's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/random.hpp"
#include "bert/data/corpus.hpp"
#include "bert/labels/one_of.hpp"
#include "bert/text/sentences.hpp"
#include "bert/text/unicode/utf8.hpp"
#include "demo_page.hpp"
#include "demo_world.hpp"

namespace demo {

/// The classes of the classifier.
struct verdict : bert::labels::one_of<"no", "yes"> {};

struct material {
  std::string corpus;  ///< path of the pretraining text
  std::string about;   ///< description of the corpus
  std::vector<std::string> show;
  std::vector<answer> questions;                                ///< `question` and `right` are set; not in the corpus
  std::vector<std::pair<std::string, int>> training, held_out;  ///< sentences and their class
  std::string claim, how;                                       ///< meaning of "yes"; origin of the two sets
  std::size_t pieces = 0;                                       ///< vocabulary size
  std::uint64_t steps = 0;
  int tokens = 0, batch = 0;
  std::vector<fact> facts;  ///< that the corpus tells; none of a text of the user's
  bool has_facts = false;   ///< whether the corpus determines the answers
};

/// Facts, corpus and questions by seed. The classifier tells true statements from false ones: it is fine-tuned on statements
/// about some facts and evaluated on statements about the others, which only pretraining has seen.
inline material from_world(const std::string& folder, std::uint64_t seed) {
  const auto facts = make_world(seed);
  material m;
  m.corpus = folder + "/world.txt";
  write_corpus(m.corpus, facts, 60, seed);
  m.about = print("A world of %zu facts, told in %s, one subject a document", facts.size(), m.corpus.c_str());
  m.claim = "Is the statement true?";
  m.how = "Fine-tuned on true and false statements about some of the facts, measured on statements about the others.";
  m.pieces = 800;
  m.steps = 3'000;
  m.tokens = 40;
  m.batch = 32;
  m.has_facts = true;
  m.facts = facts;
  bert::random_stream random(seed, bert::draw::user, 500);
  for (std::size_t i = 0; i < facts.size(); ++i) {
    const auto& f = facts[i];
    if (i % 20 == 0) m.show.push_back(f.say((f.held_out + 1) % f.about->phrasings.size()));
    m.questions.push_back({std::string(f.about->topic), f.say(f.held_out, "[MASK]"), std::string(f.object), {}, false});
    auto& set = random.below(10) < 7 ? m.training : m.held_out;
    for (std::size_t p = 0; p < f.about->phrasings.size(); ++p) {
      std::string_view wrong = f.object;
      while (wrong == f.object) wrong = f.about->objects[random.below(static_cast<std::uint32_t>(f.about->objects.size()))];
      set.emplace_back(f.say(p), verdict::index<"yes">);
      set.emplace_back(f.say(p, wrong), verdict::index<"no">);
    }
  }
  return m;
}

namespace detail {

/// [begin, end) of each unit of a sentence: its words, or its characters if it has no spaces.
inline std::vector<std::pair<std::size_t, std::size_t>> units(std::string_view sentence) {
  std::vector<std::pair<std::size_t, std::size_t>> out;
  const bool spaced = sentence.find(' ') != std::string_view::npos;
  for (std::size_t i = 0; i < sentence.size();) {
    std::size_t end = i;
    if (spaced) end = std::min(sentence.find(' ', i), sentence.size());
    else end = i + bert::text::utf8::decode(sentence.data() + i, sentence.data() + sentence.size()).bytes;
    if (end > i) out.emplace_back(i, end);
    i = end + (spaced ? 1 : 0);
  }
  return out;
}

/// An ASCII letter or a byte of a non-ASCII character.
inline bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0; }

/// The sentence with one of its words masked, and that word.
inline answer hide_word(std::string_view sentence, bert::random_stream& random) {
  const auto all = units(sentence);
  for (int attempt = 0; attempt < 8; ++attempt) {
    const auto [from, to] = all[1 + random.below(static_cast<std::uint32_t>(all.size() - 2))];
    std::size_t begin = from, end = to;
    while (begin < end && !is_letter(sentence[begin])) ++begin;
    while (end > begin && !is_letter(sentence[end - 1])) --end;
    const auto word = sentence.substr(begin, end - begin);
    if (word.size() < 3 || !std::all_of(word.begin(), word.end(), is_letter)) continue;
    return {"your text",
            std::string(sentence.substr(0, begin)) + "[MASK]" + std::string(sentence.substr(end)),
            std::string(word),
            {},
            false};
  }
  return {};
}

/// The sentence with two inner neighboring words swapped; empty if they are equal.
inline std::string scramble(std::string_view sentence, bert::random_stream& random) {
  const auto all = units(sentence);
  const std::size_t i = 1 + random.below(static_cast<std::uint32_t>(all.size() - 3));
  const auto [a, a_end] = all[i];
  const auto [b, b_end] = all[i + 1];
  const auto part = [&](std::size_t from, std::size_t to) { return std::string(sentence.substr(from, to - from)); };
  if (part(a, a_end) == part(b, b_end)) return {};
  return part(0, a) + part(b, b_end) + part(a_end, b) + part(a, a_end) + part(b_end, sentence.size());
}

}  // namespace detail

/// The same from a text. One sentence in 20 is held out and asked about with a masked word; the classifier tells original
/// sentences from those with two neighboring words swapped. Reads at most 16 MB.
inline material from_text(const std::string& path, const std::string& folder, std::uint64_t seed) {
  material m;
  m.corpus = folder + "/corpus.txt";
  std::ofstream out(bert::path_from(m.corpus), std::ios::binary);
  out.exceptions(std::ios::badbit | std::ios::failbit);
  bert::random_stream random(seed, bert::draw::user, 600);
  std::size_t bytes = 0, sentences = 0, in_document = 0;
  const bert::data::corpus text(bert::path_from(path));
  bool blank_lines = false;
  text.for_each_line([&](std::string_view line) { blank_lines = blank_lines || bert::data::blank(line); });
  text.for_each_line([&](std::string_view line) {
    if (bytes > (std::size_t{1} << 24)) return;
    bytes += line.size();
    bool any = false;
    bert::text::split_sentences(line, [&](std::string_view s) {
      ++sentences;
      const std::size_t count = detail::units(s).size();
      const bool whole = count >= 6 && count <= 28 && bert::text::utf8::first_invalid(s) == std::string_view::npos;
      const bool keep_out = whole && sentences % 20 == 0 && m.questions.size() < 400;
      if (whole && (keep_out || (sentences % 2 == 1 && m.training.size() < 2'000))) {
        auto& set = keep_out ? m.held_out : m.training;
        const auto other = detail::scramble(s, random);
        if (!other.empty()) {
          set.emplace_back(s, verdict::index<"yes">);
          set.emplace_back(other, verdict::index<"no">);
        }
      }
      if (keep_out) {
        if (auto q = detail::hide_word(s, random); !q.question.empty()) m.questions.push_back(std::move(q));
        return;
      }
      out << (any ? " " : "") << s;
      any = true;
      ++in_document;
    });
    if (any) out << '\n';
    // Next-sentence pairs need documents: in a text without blank lines, 12 sentences are one.
    if (bert::data::blank(line) || (!blank_lines && in_document >= 12)) {
      out << '\n';
      in_document = 0;
    }
  });
  out.close();
  if (m.questions.size() < 10 || m.held_out.size() < 20 || m.training.size() < 100)
    throw bert::error({path, "a text of 400 sentences or more", bert::cat(sentences, " sentences"), "take a longer text"});
  m.about = print("Your text: %zu sentences, %zu of them kept out of %s to ask about", sentences, m.questions.size(),
                  m.corpus.c_str());
  m.claim = "Are the words in their own order?";
  m.how =
      "Fine-tuned on sentences of the text, half of them with two neighboring words exchanged; measured on sentences kept "
      "out.";
  m.pieces = 4'096;
  m.steps = 1'000;
  m.tokens = 64;
  m.batch = 32;
  return m;
}

}  // namespace demo
