// Applies a fine-tuned model to lines of text: one JSON object a line.
//   predict --model sentiment < sentences.txt
//   predict --model tagger --conll words.txt
//   predict --model reader --squad questions.json > answers.json
#include <algorithm>
#include <string>

#include "bert/checkpoint/checkpoint.hpp"
#include "precisions.hpp"
#include "predict/settings.hpp"
#include "support.hpp"

namespace {

void work(const predict::settings& s) {
  const bert::checkpoint files{bert::path_from(s.model)};
  const auto& config = files.config();
  bert::pipelines::reading_notes notes;
  (void)files.tokenizer(&notes);
  support::tell(notes);
  const auto is = [&](const char* name) {
    return std::find(config.architectures.begin(), config.architectures.end(), name) != config.architectures.end();
  };
  if (!s.conll.empty() && !is("BertForTokenClassification"))
    throw bert::error({"--conll", "a folder of BertForTokenClassification", config.where, {}});
  if (!s.squad.empty() && !is("BertForQuestionAnswering"))
    throw bert::error({"--squad", "a folder of BertForQuestionAnswering", config.where, {}});
  if (s.rerank && !is("BertForSequenceClassification"))
    throw bert::error({"--rerank", "a folder of BertForSequenceClassification with one label or two", config.where, {}});
  if (is("BertForTokenClassification")) predict::tags(s, files);
  else if (is("BertForQuestionAnswering")) predict::answers(s, files);
  else if (is("BertForMultipleChoice")) predict::choices(s, files);
  else if (is("BertForSequenceClassification") && config.problem_type == "multi_label_classification")
    predict::labels(s, files);
  else if (s.rerank || (config.decoding.task == "rerank" && !s.pair && is("BertForSequenceClassification")))
    predict::rankings(s, files);
  else if (is("BertForSequenceClassification") && (config.labels.size() == 1 || config.problem_type == "regression"))
    predict::numbers(s, files);
  else if (is("BertForSequenceClassification")) predict::classes(s, files);
  else if (is("BertForMaskedLM") || is("BertForPreTraining")) predict::blanks(s, files);
  else {
    std::string listed;
    for (const auto& name : config.architectures) listed.append(listed.empty() ? "" : ", ").append(name);
    throw bert::error({config.where + ", \"architectures\"",
                       "BertForSequenceClassification, BertForTokenClassification, BertForQuestionAnswering, "
                       "BertForMultipleChoice, BertForMaskedLM or "
                       "BertForPreTraining",
                       listed.empty() ? "none" : listed,
                       "fine-tune the model first, or embed its sentences by embed_sentences"});
  }
}

}  // namespace

int main(int argc, char** argv) {
  predict::settings s;
  CLI::App app(
      "Applies the model of a folder to each line of the files, or of standard input, and writes a JSON object a line: a class "
      "with its probabilities, the labels that apply, a number, entities, the answer to a question (lines of question TAB "
      "passage), "
      "a choice (lines of text TAB choice TAB choice …), the score and rank of a text (lines of query TAB text), or pieces for "
      "each "
      "[MASK], by what config.json says that the model is.",
      "predict");
  app.option_defaults()->always_capture_default();
  app.add_option("--model", s.model, "folder of the model")->required();
  app.add_option("FILE", s.files, "files of lines; default: standard input");
  auto* pair = app.add_flag("--pair", s.pair, "each line has two texts, separated by a TAB");
  app.add_flag(
         "--rerank", s.rerank,
         "each line has a query and a text, separated by a TAB; the texts of a query follow each other. So read where the "
         "folder is of finetune --task rerank")
      ->excludes(pair);
  auto* tsv = app.add_option("--tsv", s.tsv, "a tab-separated file, its columns chosen as in finetune, instead of lines")
                  ->excludes(pair);
  s.columns.add_texts_to(app, tsv);
  app.add_option("--conll", s.conll,
                 "tag the words of a file, one a line, a blank line after each sentence; writes words and tags")
      ->excludes(pair)
      ->excludes(tsv);
  app.add_option("--squad", s.squad, "answer the questions of a file in SQuAD's format; writes one object of ids and answers")
      ->excludes(pair)
      ->excludes(tsv);
  app.add_flag("--words", s.words, "tags of all words beside the entities");
  app.add_option(
         "--aggregation", s.aggregation,
         "the tag of a word of several pieces: of the first, of the mean of their probabilities, or of the most certain")
      ->check(CLI::IsMember({"first", "average", "max"}));
  support::number(app, "--top", s.top, "candidates for a [MASK] or an answer", {.least = 1, .most = 1'000'000});
  float threshold = 0.5f;
  auto* all_labels = support::number(app, "--threshold", threshold,
                                     "least probability of a label that applies, where several may", {.least = 0, .most = 1})
                         ->default_str("those that the folder keeps, else 0.5");
  double no_answer = 0;
  auto* nothing = support::number(app, "--no-answer", no_answer, "an answer is empty if that there is none scores more")
                      ->default_str("what the folder keeps, else none is empty");
  support::number(app, "--stride", s.stride, "tokens that a window of a long text shares with the next");
  support::number(app, "--max-tokens", s.max_tokens, "of a sequence; 0: the model's positions", {.most = 32'767});
  app.add_option("--precision", s.precision, "of the computation")->check(CLI::IsMember(precisions::names));
  support::threads_option(app, s.threads);
  app.callback([&] {
    if (!all_labels->empty()) s.thresholds = {threshold};
    if (!nothing->empty()) s.no_answer = no_answer;
  });
  return support::run(app, argc, argv, [&] { work(s); });
}
