// predict: answers from passages, of lines "question TAB passage" or of a file in SQuAD's format.
#include "architectures.hpp"
#include "bert/data/squad.hpp"
#include "bert/evaluation/evaluate_answers.hpp"
#include "bert/heads/span.hpp"
#include "bert/pipeline/pipeline.hpp"
#include "precisions.hpp"
#include "predict/settings.hpp"

namespace predict {

namespace {

bert::io::json told(const bert::answer& a) {
  auto out = bert::io::json::object(), others = bert::io::json::array();
  out["answer"] = a.text;
  out["score"] = number(a.score);
  out["bytes"] = range({a.start, a.end});
  out["code_points"] = range(a.code_points);
  out["utf16"] = range(a.utf16);
  for (const auto& c : a.n_best) {
    auto other = bert::io::json::object();
    other["answer"] = c.text;
    other["score"] = number(c.score);
    other["bytes"] = range({c.start, c.end});
    others.push_back(std::move(other));
  }
  out["n_best"] = std::move(others);
  return out;
}

/// How answers are read: by the threshold of the command line, or by the folder's.
bert::answer_options read(const settings& s, const bert::checkpoint& files) {
  const auto threshold = s.no_answer ? s.no_answer : files.config().decoding.no_answer;
  return {.n_best = s.top, .may_be_empty = threshold.has_value(), .threshold = threshold};
}

/// Writes {"id": "answer", …} of all questions of a file, as SQuAD's scorers read it.
template <class Model, class P, class E>
void answer_file(const settings& s, const bert::checkpoint& files, const E& threads) {
  const auto model = files.load<Model>(threads);
  const auto longest = s.max_tokens == 0 ? std::min<std::size_t>(384, Model::architecture::positions) : s.max_tokens;
  const auto set = bert::data::squad(bert::path_from(s.squad), files.tokenizer(),
                                     {.max_tokens = std::min<std::size_t>(longest, Model::architecture::positions),
                                      .misplaced_answers = bert::data::misplaced_answers::left_out});
  support::tell(set.notes());
  const auto report = bert::evaluate<P>(model, set, {.answers = read(s, files)}, threads);
  auto out = bert::io::json::object();
  for (const auto& p : report.predictions) out[p.id] = p.answer.text;
  std::cout << bert::io::to_text(out);
}

}  // namespace

void answers(const settings& s, const bert::checkpoint& files) {
  const auto threads = support::start_threads(s.threads);
  compiled::by_config(files.config(), [&]<class A>(std::type_identity<A>) {
    precisions::by_name(s.precision, [&]<class P>(std::type_identity<P>) {
      using model_type = bert::model<A, bert::heads::span>;
      support::tell(files.notes<model_type>());
      if (!s.squad.empty()) return answer_file<model_type, P>(s, files, threads);
      const auto ask = bert::pipeline<model_type, P>::open(bert::path_from(s.model),
                                                           {.max_tokens = s.max_tokens, .answers = read(s, files)}, threads);
      each_line(s, line_form::pair, [&](const std::vector<input>& inputs) {
        std::vector<bert::io::json> out;
        for (const auto& in : inputs) out.push_back(told(ask(bert::question{.question = in.text, .context = *in.second})));
        return out;
      });
    });
  });
}

}  // namespace predict
