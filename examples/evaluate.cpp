// Compares precisions: a model's metrics on a labeled file, or the cosines of sentence vectors to those of f32.
//   evaluate --model classifier --tsv dev.tsv
//   evaluate --model tagger --conll dev.conll --precision f32 int8
//   evaluate --model reranker --rankings dev.tsv
//   evaluate --model all-MiniLM-L6-v2 --sentences sentences.txt --precision int8
#include "bert/evaluation/evaluate.hpp"

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "architectures.hpp"
#include "bert/checkpoint/checkpoint.hpp"
#include "bert/data/choices.hpp"
#include "bert/data/conll.hpp"
#include "bert/data/pairs.hpp"
#include "bert/data/rankings.hpp"
#include "bert/data/squad.hpp"
#include "bert/data/tsv.hpp"
#include "bert/data/tsv_many.hpp"
#include "bert/evaluation/evaluate_answers.hpp"
#include "bert/evaluation/evaluate_rankings.hpp"
#include "bert/heads/choice.hpp"
#include "bert/heads/classify_many.hpp"
#include "bert/heads/crf.hpp"
#include "bert/heads/embedding.hpp"
#include "bert/heads/regress.hpp"
#include "bert/heads/span.hpp"
#include "bert/heads/tag.hpp"
#include "bert/io/lines.hpp"
#include "bert/pipeline/embedder.hpp"
#include "bert/pipeline/portions.hpp"
#include "bert/pipeline/sentence_transform.hpp"
#include "columns.hpp"
#include "precisions.hpp"
#include "readings.hpp"
#include "support.hpp"

namespace {

struct settings {
  std::string model, tsv, conll, squad, choices, rankings, pairs, sentences, group_column, pooling;
  float score_range = 1, relevant = 0.5f;
  bool tune = false;
  std::vector<std::string> precision = precisions::names;
  support::columns columns;
  int batch = 32;
  std::size_t most_sentences = 1000, threads = bert::execution::available_cores();
};

/// The figures of a model on a set, in each precision.
template <class Model, class Set>
void print_figures(const settings& s, const Model& model, const Set& set) {
  const auto batches = set.batches(s.batch, {.order = bert::data::order::sequential});
  const auto threads = support::start_threads(s.threads);
  for (const auto& name : s.precision)
    precisions::by_name(name, [&]<class P>(std::type_identity<P>) {
      const auto report = bert::evaluate<P>(model, batches, threads);
      std::cout << name << ' ' << report.line();
      if constexpr (requires { report.calibration(); })
        std::cout << " calibration_error=" << std::fixed << std::setprecision(4)
                  << report.calibration().expected_calibration_error();
      std::cout << std::endl;
    });
}

/// The model of the folder; prints notes of it and its tokenizer.
template <class Model>
Model open(const bert::checkpoint& files) {
  auto model = files.load<Model>();
  bert::pipelines::reading_notes notes = files.notes<Model>();
  (void)files.tokenizer(&notes);
  support::tell(notes);
  return model;
}

/// Writes settings that were tuned into the folder's config.json.
void keep(const bert::checkpoint& files, const bert::decoding_settings& tuned) {
  const auto path = bert::pipelines::config_file(files.files());
  auto config = bert::io::read_json(path);
  tuned.add_to(config);
  bert::io::write_file(path, bert::io::to_text(config));
}

/// The figures of a classifier of several labels, by the thresholds that the folder keeps, or with --tune by those of the best
/// F1 of each label here, in the first precision, which it keeps from then on.
template <class Model, class Set>
void labels(const settings& s, const bert::checkpoint& files, const Model& model, const Set& set) {
  const auto batches = set.batches(s.batch, {.order = bert::data::order::sequential});
  const auto threads = support::start_threads(s.threads);
  auto decoding = files.config().decoding;
  bool tune = s.tune;
  for (const auto& name : s.precision)
    precisions::by_name(name, [&]<class P>(std::type_identity<P>) {
      const auto report = bert::evaluate<P>(model, batches, threads);
      if (std::exchange(tune, false)) keep(files, decoding = {.thresholds = report.tuned_thresholds()});
      std::cout << name << ' ' << (decoding.thresholds.empty() ? report : report.at(decoding.thresholds)).line() << std::endl;
    });
  if (!decoding.thresholds.empty())
    std::cerr << "note: each label has a threshold of its own, which " << files.config().where << " keeps\n";
}

template <class A, class Head>
void rankings_by(const settings& s, const bert::checkpoint& files) {
  const auto model = open<bert::model<A, Head>>(files);
  auto options = s.columns.options();
  options.max_tokens = std::min(options.max_tokens, A::positions);
  const auto set = bert::data::rankings(bert::path_from(s.rankings), files.tokenizer(),
                                        support::ranking_options(options, s.group_column, s.score_range));
  support::tell_about(s.rankings, set, options.max_tokens, std::cerr);
  const auto batches = set.batches(s.batch, {.order = bert::data::order::sequential});
  const auto threads = support::start_threads(s.threads);
  for (const auto& name : s.precision)
    precisions::by_name(name, [&]<class P>(std::type_identity<P>) {
      const auto report =
          bert::evaluate_rankings<P>(model, batches, bert::objectives::list_softmax{}, {.relevant = s.relevant}, threads);
      std::cout << name << ' ' << report.line() << std::endl;
    });
}

/// By the one score of the folder's head, or by its second class of two.
template <class A>
void rankings(const settings& s, const bert::checkpoint& files) {
  const auto& config = files.config();
  if (config.labels.size() == 1 || config.problem_type == "regression") return rankings_by<A, bert::heads::regress>(s, files);
  readings::tell_scored_label(config, "--rankings");
  readings::by_name(config.classifier_pooling, [&]<class Head>(std::type_identity<Head>) { rankings_by<A, Head>(s, files); });
}

template <class A>
void rows(const settings& s, const bert::checkpoint& files) {
  auto options = s.columns.options();
  options.max_tokens = std::min(options.max_tokens, A::positions);
  const auto tokenizer = files.tokenizer();
  const auto figures = [&](const auto& model, const auto& set) {
    support::tell_about(s.tsv, set, options.max_tokens, std::cerr);
    print_figures(s, model, set);
  };
  if (files.config().problem_type == "multi_label_classification") {
    std::cerr << "note: " << files.config().where
              << ": problem_type is multi_label_classification, so each label has a sigmoid of its own\n";
    const auto model = open<bert::model<A, bert::heads::classify_many<bert::labels::dynamic_set>>>(files);
    const auto set = bert::data::tsv_many(bert::path_from(s.tsv), tokenizer, bert::labels::dynamic_set(model.label_names()),
                                          support::many_options(options));
    support::tell_about(s.tsv, set, options.max_tokens, std::cerr);
    labels(s, files, model, set);
  } else if (files.config().labels.size() == 1 || files.config().problem_type == "regression") {
    std::cerr << "note: " << files.config().where << " names one label, so the model has one score a text\n";
    figures(open<bert::model<A, bert::heads::regress>>(files),
            bert::data::tsv<bert::labels::number>(bert::path_from(s.tsv), tokenizer, options));
  } else {
    readings::by_name(files.config().classifier_pooling, [&]<class Head>(std::type_identity<Head>) {
      const auto model = open<bert::model<A, Head>>(files);
      figures(model,
              bert::data::tsv(bert::path_from(s.tsv), tokenizer, bert::labels::dynamic_set(model.label_names()), options));
    });
  }
}

template <class A, class Head>
void tags(const settings& s, const bert::checkpoint& files) {
  const auto model = open<bert::model<A, Head>>(files);
  const auto set =
      bert::data::conll(bert::path_from(s.conll), files.tokenizer(), bert::labels::dynamic_set(model.label_names()),
                        {.max_tokens = std::min(s.columns.max_tokens, A::positions)});
  support::tell_unknown(s.conll, set, std::cerr);
  print_figures(s, model, set);
}

template <class A>
void choices(const settings& s, const bert::checkpoint& files) {
  const auto model = open<bert::model<A, bert::heads::choice>>(files);
  const int longest = std::min(s.columns.max_tokens, A::positions);
  const auto set = bert::data::choices_jsonl(bert::path_from(s.choices), files.tokenizer(), longest);
  support::tell_about(s.choices, set, longest, std::cerr);
  print_figures(s, model, set);
}

/// How the folder makes its vectors, with --pooling in place of its pooling.
bert::sentence_settings vectors_of(const settings& s, const bert::checkpoint& files) {
  auto made = files.sentences();
  if (!s.pooling.empty()) made.poolings = {*bert::pooling::mode_named(s.pooling)};
  return made;
}

/// The correlation of scores with the cosines of the vectors that the folder makes.
template <class A>
void pairs(const settings& s, const bert::checkpoint& files) {
  bert::pipelines::reading_notes notes = files.notes<bert::model<A>>();
  const auto tokenizer = files.tokenizer(&notes);
  support::tell(notes);
  const auto o = s.columns.options();
  const auto set = bert::data::scored_pairs(bert::path_from(s.pairs), tokenizer,
                                            {.first_column = o.text_column,
                                             .second_column = o.second_column.value_or(1),
                                             .score_column = o.label_column,
                                             .score_range = s.score_range,
                                             .header = o.header,
                                             .max_tokens = std::min(o.max_tokens, A::positions),
                                             .format = o.format});
  support::tell_about(s.pairs, set, o.max_tokens, std::cerr);
  const auto batches = set.batches(s.batch, {.order = bert::data::order::sequential});
  const auto threads = support::start_threads(s.threads);
  const bert::pipelines::sentence_transform transform(vectors_of(s, files), A::hidden, true, threads);
  const std::size_t size = transform.pooled();
  for (const auto& name : s.precision)
    precisions::by_name(name, [&]<class P>(std::type_identity<P>) {
      const auto packed = files.freeze<bert::model<A>, P>(threads);
      bert::metrics::similarity_report report;
      bert::training_batch batch;
      for (std::uint64_t i = 0; i < batches.batches_per_epoch(); ++i) {
        batches.load(i, batch);
        const std::size_t texts = batch.tokens.sequences();
        bert::buffer<float> pooled(texts * size);
        bert::pipelines::encode_portions(packed, batch.tokens, threads, [&](std::size_t t, bert::matrix<const float> x) {
          transform.pool(x, 0, {pooled.data() + t * size, size});
        });
        const auto vectors = transform.finish(threads, std::move(pooled), texts);
        bert::evaluation_of<bert::heads::embedding<>>::add(report, {vectors.data(), texts, transform.outputs()}, batch);
      }
      std::cout << name << ' ' << report.line() << std::endl;
    });
}

template <class A>
void answers(const settings& s, const bert::checkpoint& files) {
  const auto model = open<bert::model<A, bert::heads::span>>(files);
  const auto set = bert::data::squad(bert::path_from(s.squad), files.tokenizer(),
                                     {.max_tokens = static_cast<std::size_t>(std::min(384, A::positions))});
  support::tell(set.notes());
  const auto threads = support::start_threads(s.threads);
  auto decoding = files.config().decoding;
  bool tune = s.tune;
  for (const auto& name : s.precision)
    precisions::by_name(name, [&]<class P>(std::type_identity<P>) {
      const auto by = [&] { return bert::evaluate<P>(model, set, {.answers = {.threshold = decoding.no_answer}}, threads); };
      auto report = by();
      if (std::exchange(tune, false)) {
        if (report.rules() != bert::metrics::answer_rules::squad2)
          throw bert::error({"--tune", "a question without an answer in " + s.squad, "none", "leave it out"});
        keep(files, decoding = {.no_answer = report.tuned_threshold()});
        report = by();
      }
      std::cout << name << ' ' << report.line() << std::endl;
    });
  if (decoding.no_answer)
    std::cerr << "note: the threshold for no answer is " << *decoding.no_answer << ", which " << files.config().where
              << " keeps\n";
}

std::vector<std::string> read_sentences(const settings& s) {
  std::vector<std::string> all;
  bert::io::line_reader lines(bert::path_from(s.sentences));
  for (std::string_view line; all.size() < s.most_sentences && lines.next(line);)
    if (!line.empty()) all.emplace_back(line);
  if (all.empty()) throw bert::error({s.sentences, "a line of text or more", "none", {}});
  return all;
}

/// Mean and least cosine between each sentence's vectors in a precision and in f32; all have unit length.
template <class A>
void cosines(const settings& s) {
  const auto sentences = read_sentences(s);
  const auto threads = support::start_threads(s.threads);
  bert::embedder_options options{.length = bert::vector_length::unit};
  if (!s.pooling.empty()) options.pooling = bert::pooling::mode_named(s.pooling);
  const auto embed = [&]<class P>(std::type_identity<P>) {
    return bert::embedder<A, bert::pooling::from_folder, P>::open(bert::path_from(s.model), options, threads)(sentences,
                                                                                                              threads);
  };
  const auto full = embed(std::type_identity<bert::precision::f32>{});
  for (const auto& name : s.precision)
    precisions::by_name(name, [&]<class P>(std::type_identity<P> precision) {
      const auto other = embed(precision);
      double sum = 0, least = 1;
      for (std::size_t i = 0; i < sentences.size(); ++i) {
        double cosine = 0;
        for (std::size_t j = 0; j < full[i].size(); ++j)
          cosine += static_cast<double>(full[i][j]) * static_cast<double>(other[i][j]);
        sum += cosine;
        least = std::min(least, cosine);
      }
      std::cout << name << " cosine to f32: mean " << sum / static_cast<double>(sentences.size()) << " least " << least
                << " of " << sentences.size() << " sentences" << std::endl;
    });
}

void work(const settings& s) {
  const bert::checkpoint files{bert::path_from(s.model)};
  if (s.tune && s.squad.empty() && (s.tsv.empty() || files.config().problem_type != "multi_label_classification"))
    throw bert::error({"--tune", "--squad, or --tsv for a folder of several labels", "neither", "leave it out"});
  compiled::by_config(files.config(), [&]<class A>(std::type_identity<A>) {
    if (!s.tsv.empty()) rows<A>(s, files);
    using crf = bert::heads::crf<bert::labels::dynamic_set>;
    if (!s.conll.empty() && files.holds<bert::model<A, crf>>()) tags<A, crf>(s, files);
    else if (!s.conll.empty()) tags<A, bert::heads::tag<bert::labels::dynamic_set>>(s, files);
    if (!s.squad.empty()) answers<A>(s, files);
    if (!s.choices.empty()) choices<A>(s, files);
    if (!s.rankings.empty()) rankings<A>(s, files);
    if (!s.pairs.empty()) pairs<A>(s, files);
    if (!s.sentences.empty()) cosines<A>(s);
  });
}

}  // namespace

int main(int argc, char** argv) {
  settings s;
  CLI::App app(
      "Evaluates a model in each precision: its metrics on a labeled file, or the cosines of its sentence vectors to those of "
      "f32.",
      "evaluate");
  app.option_defaults()->always_capture_default();
  app.add_option("--model", s.model, "folder whose config.json is one of " + compiled::names())->required();
  auto* tsv = app.add_option("--tsv", s.tsv, "labeled texts or pairs, for a folder of BertForSequenceClassification");
  auto* conll = app.add_option("--conll", s.conll, "tagged words, for a folder of BertForTokenClassification");
  auto* squad = app.add_option("--squad", s.squad, "questions in SQuAD's format, for a folder of BertForQuestionAnswering");
  auto* choices = app.add_option("--choices", s.choices, "lines of JSON, for a folder of BertForMultipleChoice");
  auto* rankings =
      app.add_option("--rankings", s.rankings,
                     "rows of query, text and relevance, or lines of JSON, for a folder of one score or of two labels");
  app.add_option("--group-column", s.group_column, "column of the same field for all texts of a query of --rankings");
  support::number(app, "--relevant", s.relevant, "least score of a relevant text of --rankings, for mrr@10");
  app.add_flag("--tune", s.tune,
               "tune thresholds on this file, of several labels or for no answer, by the best F1, and keep them in the folder");
  auto* pairs = app.add_option("--pairs", s.pairs, "pairs of texts with a score, for any folder");
  support::number(app, "--score-range", s.score_range, "scores of --pairs and --rankings are divided by it",
                  {.least = 0, .above = true});
  const std::vector<std::string> poolings(bert::pooling::mode_names.begin(), bert::pooling::mode_names.end());
  app.add_option("--pooling", s.pooling, "of the tokens of --pairs and --sentences, in place of the folder's")
      ->check(CLI::IsMember(poolings));
  auto* sentences = app.add_option("--sentences", s.sentences, "one sentence per line, for any folder");
  app.add_option("--precision", s.precision, "one or several")->check(CLI::IsMember(precisions::names));
  s.columns.add_to(app);
  support::number(app, "--batch", s.batch, "examples per batch", {.least = 1});
  support::number(app, "--most-sentences", s.most_sentences, "most lines to read", {.least = 1});
  support::threads_option(app, s.threads);
  app.callback([&] {
    if (!s.rankings.empty() && s.columns.second_column.empty()) s.columns.pair = true;
    for (const auto* file : {tsv, conll, squad, choices, rankings, pairs, sentences})
      if (!file->empty()) return;
    throw CLI::RequiredError("--tsv, --conll, --squad, --choices, --rankings, --pairs or --sentences");
  });
  return support::run(app, argc, argv, [&] { work(s); });
}
