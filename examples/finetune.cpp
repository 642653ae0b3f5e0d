// Fine-tunes a model on labeled files: classes, numbers, tags of words, orders of texts.
//   finetune --model bert-base-uncased --train train.tsv --dev dev.tsv --epochs 3 --batch 32 --lr 3e-5 --out classifier
//   finetune --task tag --model bert-base-cased --train train.conll --dev dev.conll --best f1 --out tagger
#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "architectures.hpp"
#include "augmentation.hpp"
#include "bert/checkpoint/checkpoint.hpp"
#include "finetune/settings.hpp"
#include "optimizers.hpp"
#include "precisions.hpp"
#include "support.hpp"

namespace {

using finetune::settings;

const std::map<std::string, std::function<void(const settings&, const bert::checkpoint&)>> tasks{
    {"classify", finetune::classify}, {"regress", finetune::regress}, {"tag", finetune::tag},
    {"span", finetune::span},         {"embed", finetune::embed},     {"multilabel", finetune::multilabel},
    {"choice", finetune::choice},     {"rerank", finetune::rerank}};

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const auto& [name, run] : tasks) names.push_back(name);
  return names;
}

void work(const settings& s) {
  // Fails now, not after the training, if the outputs cannot be written.
  if (!s.out.empty()) bert::check_save(bert::path_from(s.out));
  if (!s.report.empty()) bert::io::check_output_file(bert::path_from(s.report));
  if (!s.augment.empty() && (s.task == "span" || s.task == "choice" || s.task == "embed"))
    throw bert::error({"--augment", "a task of labeled texts: classify, multilabel, regress or tag", "--task " + s.task, {}});
  tasks.at(s.task)(s, bert::checkpoint{bert::path_from(s.model)});
}

}  // namespace

int main(int argc, char** argv) {
  settings s;
  CLI::App app(
      "Fine-tunes a model. --task classify: a class of each text or pair, regress: a number, both from a tab-separated file; "
      "tag: a "
      "tag of each word, from a file in CoNLL format (a word a line, its tag in the last column, a blank line between "
      "sentences); span: the answer in a passage, from a file in SQuAD's format; embed: a vector of each text, from pairs; "
      "multilabel: any number of labels, separated by commas; choice: the right choice, from lines of JSON; "
      "rerank: the order of the texts of a query, from rows of query, text and relevance or lines of JSON. "
      "Classes and tags are those of the training file. Saves the model of the last epoch, or with --best of the "
      "best.\n"
      "Columns are numbers from 1 (-1 is the last) or names in the header, which is detected.",
      "finetune");
  app.option_defaults()->always_capture_default();
  app.add_option("--task", s.task, "what is learned")->check(CLI::IsMember(task_names()));
  app.add_option("--model", s.model, "folder whose config.json is one of " + compiled::names())->required();
  app.add_option("--train", s.train, "training examples")->required();
  app.add_option("--dev", s.dev, "examples to evaluate on")->required();
  app.add_option("--out", s.out, "folder of the model to write; transformers opens it");
  s.columns.add_to(app);
  app.add_option(
      "--report", s.report,
      "file to write: a page with curves, tables and the worst examples if its name ends in .html, else the metrics of all "
      "classes, of which the output has the 50 most frequent");
  app.add_option("--log", s.log, "CSV file to write: loss and rate every --log-every steps, the figures of --dev every epoch");
  support::number(app, "--epochs", s.epochs, "passes over the training file", {.least = 1});
  support::number(app, "--batch", s.batch, "examples per batch", {.least = 1});
  support::number(app, "--lr", s.lr, "peak learning rate", {.least = 0, .above = true});
  support::number(app, "--head-lr", s.head_lr, "learning rate of pooler and head; 0: same as --lr", {.least = 0});
  app.add_option(
         "--optimizer", s.optimizer,
         "adamw; adamw-google: without bias correction; lamb and lion take about 30 times and a fifth of its rate, sgd and "
         "nesterov 100 times")
      ->check(CLI::IsMember(optimizers::names));
  app.add_option("--schedule", s.schedule, "of the learning rate; all but one-cycle after a linear warm-up")
      ->check(CLI::IsMember(optimizers::schedule_names));
  support::number(app, "--warmup", s.warmup, "share of the steps up to the peak", {.least = 0, .most = 1});
  support::number(app, "--dropout", s.dropout, "rate for hidden states and attention probabilities",
                  {.least = 0, .most = 0.9f});
  support::number(app, "--weight-decay", s.weight_decay, "applied to weights and embeddings", {.least = 0, .most = 1'000});
  support::number(app, "--layer-decay", s.layer_decay, "each layer learns at this multiple of the rate of the layer above it",
                  {.least = 0, .most = 1, .above = true});
  support::number(app, "--freeze", s.freeze, "train neither the embeddings nor so many lowest layers", {.least = 0});
  support::number(app, "--reinit", s.reinit, "new random weights for the pooler and so many top layers", {.least = 0});
  app.add_flag("--unfreeze", s.unfreeze, "train the head first, then a layer more at a time, until half of the steps");
  support::number(app, "--mixout", s.mixout,
                  "probability that a weight is that of the start in a step; 0.7 to 0.9 in its paper",
                  {.least = 0, .most = 0.99f});
  support::number(app, "--ema", s.ema,
                  "evaluate and save a moving average of the weights of this decay, such as 0.999; 0: none",
                  {.least = 0, .most = 0.99999f});
  app.add_flag("--swa", s.swa, "evaluate and save the mean of the weights of the second half of the steps");
  support::number(app, "--rdrop", s.rdrop,
                  "classify, tag: R-Drop: weight of the divergence of two passes of other dropout; 0: none", {.least = 0});
  support::number(app, "--fgm", s.fgm,
                  "fast gradient method: a second pass over embeddings moved so far along their gradient, such as 1; 0: none",
                  {.least = 0});
  support::number(app, "--freelb", s.freelb,
                  "FreeLB: so many ascents along the gradient of the embeddings, such as 2; 0: none");
  support::number(app, "--mixup", s.mixup,
                  "classify: mix-up of texts and labels, in shares of Beta(a, a) of this a, such as 0.2; 0: none",
                  {.least = 0});
  support::number(app, "--sda", s.sda, "self-distillation: the mean of the weights of so many last steps teaches; 0: none");
  support::number(app, "--sdv", s.sdv, "self-distillation: the logits of so many last steps' weights teach; 0: none");
  support::number(app, "--self-weight", s.self_weight, "weight of the distance to the teacher of --sda or --sdv", {.least = 0});
  support::number(app, "--stride", s.stride, "tag: most pieces that a window of a long sentence shares with the next",
                  {.least = 0});
  auto* pieces =
      app.add_option("--pieces", s.pieces, "tag: the pieces of a word that learn its tag; mean: the mean of their logits")
          ->check(CLI::IsMember({"first", "all", "mean"}));
  auto* crf = app.add_flag("--crf", s.crf,
                           "tag: a CRF, which predicts the tags of a sentence together and none that their scheme forbids");
  crf->excludes(pieces);
  support::number(app, "--crf-rate", s.crf_rate, "learning rate of the CRF's transitions, as a multiple",
                  {.least = 0, .above = true})
      ->needs(crf);
  auto* best = app.add_option("--best", s.best, "save the epoch that is best by this figure of the line that begins with dev");
  support::number(app, "--patience", s.patience, "stop after so many epochs without a better one; 0: never")->needs(best);
  auto* keep = app.add_option("--keep", s.keep, "state file: saved while training; if it exists, training resumes from it");
  support::number(app, "--every", s.every, "steps between saves of the state", {.least = 1})->needs(keep);
  app.add_flag("--dry-run", s.dry_run,
               "read the files, train three steps, print the time of the training and the memory, save nothing");
  support::number(app, "--seed", s.seed, "seed of all random numbers");
  support::threads_option(app, s.threads);
  support::number(app, "--log-every", s.log_every, "steps between log lines", {.least = 1});
  app.add_option(
         "--order", s.order,
         "of the training examples: shuffled; by-length: batches of similar length; balanced: every class equally often")
      ->check(CLI::IsMember({"shuffled", "by-length", "balanced"}));
  app.add_option("--precision", s.precision, "of the matrix products; the rest is f32")
      ->check(CLI::IsMember(precisions::trained));
  app.add_flag("--recompute", s.recompute, "recompute activations: less memory, slower, the same result");
  auto* augment = app.add_option("--augment", s.augment,
                                 "add copies of the training texts with a few words replaced, inserted, swapped or deleted, "
                                 "others in every epoch: eda, or eda:alpha=0.1,copies=4");
  auto* synonyms = app.add_option("--synonyms", s.synonyms, augmentation::synonyms_help)->needs(augment);
  augment->needs(synonyms);
  app.add_option("--words", s.words, augmentation::words_help)->needs(augment);
  app.add_flag("--new-head", s.new_head, "a new head even if the folder has one for the same labels");
  app.add_flag("--from-scratch", s.from_scratch, "random weights instead of the folder's, for comparison");
  app.add_option("--class-weights", s.class_weights, "classify, multilabel: balanced: rare classes weigh more")
      ->check(CLI::IsMember({"balanced"}));
  support::number(app, "--label-smoothing", s.label_smoothing, "classify: share of a label that is spread over all classes",
                  {.least = 0, .most = 0.9f});
  support::number(app, "--focal", s.focal, "classify: exponent of the focal loss; 0: none, 2 in its paper",
                  {.least = 0, .most = 100});
  app.add_option("--loss", s.loss,
                 "embed: multiple-negatives or triplet on pairs or triplets, cosent or cosine on scored pairs; "
                 "regress: mean_squared_error, mean_absolute_error or huber; rerank: binary_cross_entropy, list_softmax, "
                 "margin_mse or mean_squared_error; default: the first of them");
  app.add_option(
         "--pooling", s.pooling,
         "embed: of a text's tokens, mean, cls or max; classify: what the classifier reads, pooler, cls or mean; default: "
         "the folder's, else mean, and pooler")
      ->check(CLI::IsMember({"pooler", "cls", "mean", "max"}));
  app.add_option(
      "--dense", s.dense,
      "embed: a dense layer of so many dimensions behind the pooling, and its activation, such as 256 or 256:identity");
  app.add_option("--negative-column", s.negative_column, "embed: column of a text that is no match");
  support::number(app, "--score-range", s.score_range, "embed, rerank: scores are divided by it, 5 for STS-B",
                  {.least = 0, .above = true});
  app.add_option("--group-column", s.group_column,
                 "rerank: column of the same field for all texts of a query; default: the rows of a query follow each other");
  support::number(app, "--relevant", s.relevant, "rerank: least score of a relevant text, for mrr@10");
  support::number(app, "--step", s.step, "span: tokens from the start of a window to that of the next; 0: 128");
  support::number(app, "--max-question", s.max_question, "span: most tokens of a question", {.least = 1});
  app.callback([&] {
    // A passage needs longer sequences than a sentence.
    if (s.task == "span" && app["--max-tokens"]->empty()) s.columns.max_tokens = 384;
    if ((s.task == "embed" || s.task == "rerank") && s.columns.second_column.empty()) s.columns.pair = true;
    if (const bool embed = s.task == "embed"; !s.pooling.empty() && s.pooling == (embed ? "pooler" : "max"))
      throw CLI::ValidationError("--pooling", bert::cat("must be ", embed ? "mean, cls or max" : "pooler, cls or mean",
                                                        " for --task ", s.task, ", found \"", s.pooling, '"'));
    if (!s.pooling.empty() && s.task != "embed" && s.task != "classify")
      throw CLI::ValidationError("--pooling", "is of --task embed and classify, found --task " + s.task);
    if (!s.dense.empty() && s.task != "embed")
      throw CLI::ValidationError("--dense", "is of --task embed, found --task " + s.task);
    if (const auto losses = finetune::losses_of(s.task);
        !s.loss.empty() && std::find(losses.begin(), losses.end(), s.loss) == losses.end()) {
      std::string listed;
      for (const auto& name : losses) listed.append(listed.empty() ? "" : ", ").append(name);
      throw CLI::ValidationError(
          "--loss", losses.empty() ? "--task " + s.task + " has one loss, found \"" + s.loss + '"'
                                   : "must be one of " + listed + " for --task " + s.task + ", found \"" + s.loss + '"');
    }
  });
  s.command = argc > 0 ? argv[0] : "finetune";
  for (const std::string& argument : support::arguments(argc, argv)) s.command.append(" ").append(argument);
  return support::run(app, argc, argv, [&] { work(s); });
}
