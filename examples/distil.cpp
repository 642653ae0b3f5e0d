// Distils a model into a smaller one: a classifier on its task, or a masked language model on plain text.
//   distil --teacher classifier --arch tiny --train train.tsv --dev dev.tsv --out small
//   distil --teacher bert --arch tiny --text corpus.txt --steps 3000 --relations 1 --out small
#include "bert/checkpoint/checkpoint.hpp"
#include "distil/settings.hpp"
#include "precisions.hpp"
#include "support.hpp"

namespace {

void work(const distil::settings& s) {
  if (s.from.empty() == s.arch.empty())
    throw bert::error({"the student", "--arch or --from, one of the two", s.arch.empty() ? "neither" : "both", {}});
  if (s.text.empty() && (s.train.empty() || s.dev.empty()))
    throw bert::error({"the examples", "--train and --dev, or --text", "neither", {}});
  bert::check_save(bert::path_from(s.out));  // fails now, not after the training, if the folder cannot be written
  const bert::checkpoint files{bert::path_from(s.teacher)};
  s.text.empty() ? distil::task(s, files) : distil::text(s, files);
}

}  // namespace

int main(int argc, char** argv) {
  distil::settings s;
  CLI::App app(
      "Distils a model into a smaller one. With --train and --dev, a classifier (a folder of finetune) teaches its classes; "
      "with "
      "--text, a masked language model (a folder of pretrain) teaches its predictions. Student and teacher have the teacher's "
      "vocabulary.\n"
      "Columns are numbers from 1 (-1 is the last) or names in the header, which is detected.",
      "distil");
  app.option_defaults()->always_capture_default();
  app.add_option("--teacher", s.teacher, "folder whose config.json is one of " + compiled::names())->required();
  app.add_option("--arch", s.arch, "the student's architecture, from random weights: " + compiled::names());
  app.add_option("--from", s.from, "the student's folder, instead of --arch");
  app.add_flag("--copy-layers", s.copy_layers, "start from the teacher's embeddings and every k-th of its layers");
  auto* train = app.add_option("--train", s.train, "labeled examples, a tab-separated file; the labels are the teacher's");
  app.add_option("--dev", s.dev, "examples to evaluate on")->needs(train);
  app.add_option("--text", s.text, "plain text: a paragraph a line, a blank line between documents")->excludes(train);
  app.add_option("--out", s.out, "folder of the student to write; transformers opens it")->required();
  s.columns.add_to(app);
  app.add_option("--teacher-precision", s.teacher_precision, "in which the teacher runs")
      ->check(CLI::IsMember(precisions::names));
  support::number(app, "--temperature", s.temperature, "of the soft labels", {.least = 0, .above = true});
  support::number(app, "--hard-weight", s.hard_weight, "--train: weight of the labels' loss; the teacher's has the rest",
                  {.least = 0, .most = 1});
  support::number(app, "--hidden", s.hidden, "--train: weight of the hidden states of all layers, by a projection",
                  {.least = 0});
  support::number(app, "--attention", s.attention, "--train: weight of the scores of attention; needs equally many heads",
                  {.least = 0});
  support::number(app, "--relations", s.relations, "weight of the last layer's relations between tokens (MiniLMv2)",
                  {.least = 0});
  support::number(app, "--relation-heads", s.relation_heads, "of --relations; 0: the teacher's number of heads");
  support::number(app, "--soft-weight", s.soft, "--text: weight of the teacher's predictions", {.least = 0});
  support::number(app, "--mlm-weight", s.mlm, "--text: weight of the masked pieces", {.least = 0});
  support::number(app, "--cosine-weight", s.cosine,
                  "--text: weight of the last hidden states' direction; -1: 1 where the sizes are equal", {.least = -1});
  support::number(app, "--epochs", s.epochs, "--train: passes over the examples", {.least = 1});
  support::number(app, "--steps", s.steps, "--text: training steps", {.least = 1});
  support::number(app, "--batch", s.batch, "examples or sequences per batch", {.least = 1});
  support::number(app, "--lr", s.lr, "peak learning rate", {.least = 0, .above = true});
  support::number(app, "--warmup", s.warmup, "share of the steps up to the peak", {.least = 0, .most = 1});
  support::number(app, "--dropout", s.dropout, "of the student", {.least = 0, .most = 0.9f});
  support::number(app, "--weight-decay", s.weight_decay, "applied to weights and embeddings", {.least = 0, .most = 1'000});
  app.add_flag("--best", s.best, "--train: save the epoch of the greatest accuracy on --dev");
  support::number(app, "--seed", s.seed, "seed of all random numbers");
  support::threads_option(app, s.threads);
  support::number(app, "--log-every", s.log_every, "steps between log lines", {.least = 1});
  return support::run(app, argc, argv, [&] { work(s); });
}
