// Fine-tunes a classifier on a tab-separated file: a text or a pair of texts per line, and its label.
//   finetune --model bert-base-uncased --train train.tsv --dev dev.tsv --epochs 3 --batch 32 --lr 3e-5 --out classifier
#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "architectures.hpp"
#include "bert/checkpoint/checkpoint.hpp"
#include "bert/data/tsv.hpp"
#include "bert/evaluation/evaluate.hpp"
#include "bert/heads/classify.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/training/fit.hpp"
#include "columns.hpp"
#include "precisions.hpp"
#include "support.hpp"

namespace {

struct settings {
  std::string model, train, dev, out, report, precision = "f32";
  support::columns columns;
  int batch = 32;
  unsigned epochs = 3;
  std::uint64_t seed = 42, log_every = 100;
  std::size_t threads = bert::execution::available_cores();
  float lr = 5e-5f, head_lr = 0, dropout = 0.1f, weight_decay = 0.01f, warmup = 0.1f;
  bool from_scratch = false, recompute = false, new_head = false;
};

/// Whether both have the same labels, in any order. "LABEL_0", … of a folder match the labels 0, … of a file.
bool agree(std::vector<std::string> folder, std::vector<std::string> file) {
  if (folder.size() != file.size()) return false;
  bool unnamed = true, numbers = true;
  for (std::size_t i = 0; i < folder.size(); ++i) {
    unnamed = unnamed && folder[i] == "LABEL_" + std::to_string(i);
    numbers = numbers && file[i] == std::to_string(i);
  }
  std::sort(folder.begin(), folder.end());
  std::sort(file.begin(), file.end());
  return folder == file || (unnamed && numbers);
}

/// Why the folder's classifier is not used for labels `names`; empty if it is.
template <class Classifier>
std::string why_new_head(const settings& s, const bert::checkpoint& files, const std::vector<std::string>& names) {
  if (s.from_scratch) return "all weights are random";
  if (s.new_head) return "--new-head asks for one";
  if (!files.holds<Classifier>()) return s.model + " has none";
  try {
    const auto theirs = files.label_names<Classifier>();
    if (agree(theirs, names)) return {};
    return "that of " + s.model + " is for the labels " + bert::labels::listed(bert::labels::dynamic_set(theirs));
  } catch (const bert::error& e) {
    return bert::cat("that of the folder is no classifier of these labels (", e.what(), ')');
  }
}

template <class A>
void finetune(const settings& s, const bert::checkpoint& files) {
  using classifier = bert::model<A, bert::heads::classify<bert::labels::dynamic_set>>;
  const auto threads = support::start_threads(s.threads);
  bert::pipelines::reading_notes notes;
  const auto tokenizer = files.tokenizer(&notes);
  support::tell(notes, std::cout);
  auto options = s.columns.options();
  options.max_tokens = std::min(options.max_tokens, A::positions);
  const auto found = bert::data::tsv_labels(s.train, options);
  const auto reason = why_new_head<classifier>(s, files, found.names());
  const auto names = reason.empty() ? bert::labels::dynamic_set(files.label_names<classifier>()) : found;
  const auto train = bert::data::tsv(s.train, tokenizer, names, options);
  const auto dev = bert::data::tsv(s.dev, tokenizer, names, options);
  std::cout << "train " << train.size() << " examples, dev " << dev.size() << ", labels " << bert::labels::listed(train.names())
            << '\n';
  support::tell_about(s.train, train, options.max_tokens, std::cout);
  support::tell_about(s.dev, dev, options.max_tokens, std::cout);

  const bert::random_options initial_weights{.seed = s.seed, .vocab = files.config().vocab, .labels = names.names()};
  auto model =
      s.from_scratch ? classifier::random(initial_weights)
      : reason.empty()
          ? files.load<classifier>()
          : files.load<bert::model<A>>().template with_head<bert::heads::classify<bert::labels::dynamic_set>>(initial_weights);
  if (!s.from_scratch && !reason.empty()) support::tell(files.notes<bert::model<A>>(), std::cout);
  std::cout << "model " << model.count() << " parameters, " << (s.from_scratch ? "random" : "from " + s.model) << '\n'
            << "classifier " << (reason.empty() ? "from " + s.model + ", as its labels are these" : "new, as " + reason)
            << std::endl;

  const auto batches = train.batches(s.batch, {.seed = s.seed});
  const auto dev_batches = dev.batches(s.batch, {.order = bert::data::order::sequential});
  const std::uint64_t in_epoch = batches.batches_per_epoch(), total = in_epoch * s.epochs;
  support::progress bar("finetune");
  double loss = 0;
  std::uint64_t steps = 0;
  std::string last;
  const support::signals signals;
  const auto report_step = [&](const bert::step_report& step) {
    loss += step.loss;
    ++steps;
    const bool epoch_done = step.index % in_epoch == 0;
    if (epoch_done || step.index % s.log_every == 0) {
      bar.clear();
      std::cout << "step " << step.index << " of " << total << " loss " << loss / static_cast<double>(steps) << " lr "
                << step.rate << " tokens/s " << static_cast<std::uint64_t>(step.tokens_per_second) << std::endl;
      loss = 0;
      steps = 0;
    }
    bar.show(step.index, total, bert::cat("loss ", step.loss));
    if (signals.received() != 0 && step.index < total) {
      bar.clear();
      throw support::stopped(signals.received(),
                             bert::cat("stopped by ", signals.name(), " after step ", step.index, "; nothing was saved"));
    }
    if (!epoch_done) return;
    const auto report = bert::evaluate(model, dev_batches, threads);
    last = report.line();
    bar.clear();
    std::cout << "epoch " << step.epoch + 1 << ' ' << last << std::endl;
    if (step.index != total) return;
    std::cout << report;
    if (!s.report.empty()) bert::io::write_file(s.report, report.table());
  };
  const bert::fit_options<std::remove_cvref_t<decltype(model)>> recipe{.epochs = s.epochs,
                                                                       .learning_rate = s.lr,
                                                                       .head_learning_rate = s.head_lr,
                                                                       .warmup = s.warmup,
                                                                       .weight_decay = s.weight_decay,
                                                                       .dropout = s.dropout,
                                                                       .attention_dropout = s.dropout,
                                                                       .seed = s.seed};
  precisions::training(s.recompute, s.precision, [&](auto kept, auto p) {
    bert::fit(model, bert::objectives::cross_entropy{}, batches, recipe, threads, kept, p, report_step);
  });
  if (!s.out.empty()) {
    bert::save(s.out, model, tokenizer);
    std::cout << "saved " << s.out << '\n';
  }
  std::cout << "dev " << last << '\n';
}

void work(const settings& s) {
  // Fails now, not after the training, if the outputs cannot be written.
  if (!s.out.empty()) bert::check_save(s.out);
  if (!s.report.empty()) bert::io::check_output_file(s.report);
  const bert::checkpoint files{s.model};
  compiled::by_config(files.config(), [&]<class A>(std::type_identity<A>) { finetune<A>(s, files); });
}

}  // namespace

int main(int argc, char** argv) {
  settings s;
  CLI::App app(
      "Fine-tunes a classifier on a tab-separated file. The labels are those of the training file. Saves the model of the last "
      "epoch.\n"
      "Columns are numbers from 1 (-1 is the last) or names in the header, which is detected.",
      "finetune");
  app.option_defaults()->always_capture_default();
  app.add_option("--model", s.model, "folder whose config.json is one of " + compiled::names())->required();
  app.add_option("--train", s.train, "training examples")->required();
  app.add_option("--dev", s.dev, "examples to evaluate on")->required();
  app.add_option("--out", s.out, "folder of the classifier to write; BertForSequenceClassification opens it");
  s.columns.add_to(app);
  app.add_option("--report", s.report, "file to write the metrics of all classes to; the output has the 50 most frequent");
  support::number(app, "--epochs", s.epochs, "passes over the training file", {.least = 1});
  support::number(app, "--batch", s.batch, "examples per batch", {.least = 1});
  support::number(app, "--lr", s.lr, "peak learning rate", {.least = 0, .above = true});
  support::number(app, "--head-lr", s.head_lr, "learning rate of pooler and classifier; 0: same as --lr", {.least = 0});
  support::number(app, "--warmup", s.warmup, "share of the steps up to the peak", {.least = 0, .most = 1});
  support::number(app, "--dropout", s.dropout, "rate for hidden states and attention probabilities",
                  {.least = 0, .most = 0.9f});
  support::number(app, "--weight-decay", s.weight_decay, "applied to weights and embeddings", {.least = 0, .most = 1'000});
  support::number(app, "--seed", s.seed, "seed of all random numbers");
  support::threads_option(app, s.threads);
  support::number(app, "--log-every", s.log_every, "steps between log lines", {.least = 1});
  app.add_option("--precision", s.precision, "of the matrix products; the rest is f32")
      ->check(CLI::IsMember(precisions::trained));
  app.add_flag("--recompute", s.recompute, "recompute activations: less memory, slower, the same result");
  app.add_flag("--new-head", s.new_head, "a new classifier even if the folder has one for the same labels");
  app.add_flag("--from-scratch", s.from_scratch, "random weights instead of the folder's, for comparison");
  return support::run(app, argc, argv, [&] { work(s); });
}
