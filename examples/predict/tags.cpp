// predict: entities of a line of text, or tags of the words of a file in CoNLL format.
#include "architectures.hpp"
#include "bert/data/conll.hpp"
#include "bert/heads/crf.hpp"
#include "bert/heads/tag.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "bert/pipeline/crf_tagging.hpp"
#include "bert/pipeline/pipeline.hpp"
#include "precisions.hpp"
#include "predict/settings.hpp"

namespace predict {

namespace {

/// A part of the text: an entity or a word, and what it is.
bert::io::json part(const std::string& text, const char* name, const std::string& what, float score,
                    const bert::text::text_range& bytes) {
  auto out = bert::io::json::object();
  out["text"] = text;
  out[name] = what;
  out["score"] = number(score);
  out["bytes"] = range(bytes);
  return out;
}

bert::io::json told(const settings& s, const bert::tagged_text& r) {
  auto out = bert::io::json::object(), entities = bert::io::json::array(), words = bert::io::json::array();
  for (const auto& e : r) entities.push_back(part(e.text, "type", e.type, e.score, e.bytes));
  out["entities"] = std::move(entities);
  if (!s.words) return out;
  for (const auto& w : r.words) words.push_back(part(w.text, "tag", w.tag, w.score, w.bytes));
  out["words"] = std::move(words);
  return out;
}

/// Writes each word of a file and its tag, a blank line after each sentence.
template <class Pipeline, class E>
void tag_words(const settings& s, const Pipeline& run, const E& threads) {
  constexpr std::size_t at_once = 64;
  bert::data::conll_reader reader(bert::path_from(s.conll), {.tag_column = bert::data::no_tags});
  std::vector<bert::data::conll_word> sentence;
  std::vector<std::vector<std::string>> sentences;
  const auto flush = [&] {
    const auto tagged = run.words(sentences, threads);
    for (const auto& one : tagged) {
      for (const auto& word : one.words) std::cout << word.text << '\t' << word.tag << '\n';
      std::cout << '\n';
    }
    support::flush_output();
    sentences.clear();
  };
  while (reader.next(sentence)) {
    auto& words = sentences.emplace_back();
    for (auto& word : sentence) words.push_back(std::move(word.text));
    if (sentences.size() == at_once) flush();
  }
  flush();
}

bert::aggregation pieces_of(const std::string& name) {
  if (name == "average") return bert::aggregation::average;
  return name == "max" ? bert::aggregation::max : bert::aggregation::first;
}

template <class A, class Head>
void answer_lines(const settings& s, const bert::checkpoint& files) {
  const auto threads = support::start_threads(s.threads);
  precisions::by_name(s.precision, [&]<class P>(std::type_identity<P>) {
    using model_type = bert::model<A, Head>;
    support::tell(files.notes<model_type>());
    const auto run = bert::pipeline<model_type, P>::open(
        bert::path_from(s.model), {.max_tokens = s.max_tokens, .stride = s.stride, .pieces = pieces_of(s.aggregation)},
        threads);
    if (!s.conll.empty()) return tag_words(s, run, threads);
    each_line(s, line_form::text, [&](const std::vector<input>& inputs) {
      std::vector<bert::io::json> out;
      for (const auto& result : answers_of(run, inputs, threads)) out.push_back(told(s, result));
      return out;
    });
  });
}

}  // namespace

void tags(const settings& s, const bert::checkpoint& files) {
  using crf = bert::heads::crf<bert::labels::dynamic_set>;
  compiled::by_config(files.config(), [&]<class A>(std::type_identity<A>) {
    if (files.holds<bert::model<A, crf>>()) answer_lines<A, crf>(s, files);
    else answer_lines<A, bert::heads::tag<bert::labels::dynamic_set>>(s, files);
  });
}

}  // namespace predict
