// Pretrains a BERT on a text file by masked LM and next-sentence prediction; trains a vocabulary or reads one.
//   pretrain --text corpus.txt --arch mini --vocab-size 8192 --steps 3000 --batch 32 --tokens 128 --lr 1e-3 --warmup 300 --out
//   folder
#include <cmath>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <optional>
#include <string>

#include "architectures.hpp"
#include "bert/checkpoint/checkpoint.hpp"
#include "bert/data/corpus.hpp"
#include "bert/data/pack.hpp"
#include "bert/objectives/joint.hpp"
#include "bert/objectives/masked_lm.hpp"
#include "bert/objectives/next_sentence.hpp"
#include "bert/text/wordpiece/train_wordpiece.hpp"
#include "bert/training/measure.hpp"
#include "bert/training/trainer.hpp"
#include "dry_run.hpp"
#include "precisions.hpp"
#include "support.hpp"

namespace {

struct settings {
  std::string text, valid, arch = "mini", vocab, out, keep, masking = "token", positions = "neighbors", precision = "f32";
  std::size_t vocab_size = 8192;
  int batch = 32, tokens = 128;
  std::uint64_t steps = 1000, warmup = 100, seed = 42, every = 500, log_every = 50;
  std::size_t threads = bert::execution::available_cores();
  float lr = 5e-4f, dropout = 0.1f, weight_decay = 0.01f, beta2 = 0.999f, stddev = 0.02f;
  unsigned accumulate = 1;
  bool static_masks = false, no_nsp = false, cased = false, recompute = false, replace_invalid = false, dry_run = false;
};

/// A masking policy that selects one of the library's by command line.
struct chosen_masking {
  float rate = 0.15f, mask = 0.8f, random = 0.1f;
  static inline bool whole_words = false, fixed = false;  // set once, before any training

  void operator()(const bert::training_batch& in, std::uint64_t seed, bert::masked_batch& out) const {
    const auto apply = [&](auto policy) {
      if (fixed) bert::masking::fixed<decltype(policy)>{policy}(in, seed, out);
      else policy(in, seed, out);
    };
    if (whole_words) apply(bert::masking::whole_word{rate, mask, random});
    else apply(bert::masking::token{rate, mask, random});
  }
  [[nodiscard]] bert::named_facts fingerprint() const {
    return {{"masking", std::string(fixed ? "fixed " : "") + (whole_words ? "whole_word" : "token")}};
  }
  [[nodiscard]] std::size_t max_scored(const bert::batch_shape& shape) const {
    return bert::masking::token{rate, mask, random}.max_scored(shape);
  }
};

bert::data::corpus corpus_of(const settings& s, const std::string& path) {
  return bert::data::corpus(
      path, {.invalid = s.replace_invalid ? bert::data::invalid_utf8::replace : bert::data::invalid_utf8::refuse});
}

using masked = bert::objectives::masked_lm<chosen_masking>;

template <class A, class Objective>
void pretrain(const settings& s, const bert::data::corpus& text, const bert::text::tokenizer& tokenizer) {
  const auto threads = support::start_threads(s.threads);
  const bert::data::pack_options packing{
      .tokens = s.tokens,
      .batch = s.batch,
      .seed = s.seed,
      .pairs = s.no_nsp ? bert::data::pairing::none : bert::data::pairing::next_sentence,
      .pairs_drawn = s.static_masks ? bert::data::redraw::never : bert::data::redraw::each_epoch};
  const auto batches = bert::data::pack(text, tokenizer, packing, threads);
  std::cout << "corpus " << batches.documents() << " documents " << batches.tokens() << " tokens " << batches.sequences()
            << " sequences\n";
  if (!s.no_nsp && std::abs(batches.negative_share() - static_cast<double>(packing.second_random)) > 0.1)
    std::cout << "note: " << s.text << ": " << static_cast<int>(100 * batches.negative_share())
              << " % of the pairs are random instead of 50 %: most documents have one sentence; --no-nsp trains "
                 "without pairs\n";
  if (10 * batches.unknown() > batches.tokens())
    std::cout << "note: " << s.text << ": " << 100 * batches.unknown() / batches.tokens()
              << " % of the tokens are [UNK]; does the vocabulary have this language and case?\n";
  std::optional<bert::data::packed> valid;
  if (!s.valid.empty()) valid = bert::data::pack(corpus_of(s, s.valid), tokenizer, packing, threads);

  auto model =
      bert::model_for<A, Objective>::random({.stddev = s.stddev,
                                             .seed = s.seed,
                                             .vocab = static_cast<int>(tokenizer.vocabulary().size()),
                                             .positions = s.positions == "normal" ? bert::position_initialization::normal
                                                                                  : bert::position_initialization::neighbors});
  std::cout << "model " << s.arch << ' ' << model.count() << " parameters\n";
  if (s.dry_run) {
    const double epochs = static_cast<double>(s.steps * s.accumulate) / static_cast<double>(batches.batches_per_epoch());
    precisions::training(s.recompute, s.precision, [&](auto kept, auto p) {
      support::dry_run(s.steps, epochs * static_cast<double>(batches.tokens()), model, Objective{}, batches,
                       bert::training_options{.accumulate = s.accumulate}, threads, kept, p);
    });
    return;
  }
  precisions::training(s.recompute, s.precision, [&](auto kept, auto p) {
    bert::trainer trainer{model,
                          Objective{},
                          bert::optim::adamw{.beta2 = s.beta2, .weight_decay = s.weight_decay, .clip_norm = 1.0f},
                          bert::schedules::warmup_linear{.peak = s.lr, .warmup = s.warmup, .total = s.steps},
                          bert::training_options{
                              .seed = s.seed, .dropout = s.dropout, .attention_dropout = s.dropout, .accumulate = s.accumulate},
                          threads,
                          kept,
                          p};
    if (!s.keep.empty()) trainer.keep(s.keep, {.every = s.every});
    auto run = trainer.over(batches);  // throws if the state is of another run
    if (trainer.done() != 0) std::cout << "resumed at step " << trainer.done() << '\n';

    support::progress bar("pretrain");
    const support::signals signals;
    for (const auto& step : run) {
      if (step.index % s.log_every == 0 || step.index == s.steps) {
        bar.clear();
        std::cout << step << std::endl;
      }
      bar.show(step.index, s.steps, bert::cat("loss ", step.loss));
      if (signals.received() != 0) trainer.request_stop();
    }
    bar.clear();
    if (signals.received() != 0 && trainer.done() < s.steps)
      throw support::stopped(signals.received(),
                             bert::cat("stopped by ", signals.name(), " after step ", trainer.done(),
                                       s.keep.empty() ? "; nothing was kept, as --keep was not given"
                                                      : "; the state is in " + s.keep + ", the same command goes on from it"));
  });
  bert::save(s.out, model, tokenizer);
  std::cout << "saved " << s.out << '\n';
  if (valid) {
    const auto terms = bert::measure(model, Objective{}, *valid, {.seed = s.seed}, threads);
    std::cout << std::fixed << std::setprecision(4) << "valid mlm=" << terms["mlm"].mean()
              << " masked_accuracy=" << terms["mlm"].accuracy() << " nsp_accuracy=" << terms["nsp"].accuracy() << '\n';
  }
}

void work(const settings& s) {
  chosen_masking::whole_words = s.masking == "whole_word";
  chosen_masking::fixed = s.static_masks;
  // Fails now, not after a vocabulary is learned or a model trained.
  published::by_name(s.arch, [&]<class A>(std::type_identity<A>) {
    if (s.tokens > A::positions)
      throw bert::error(
          {"--tokens", bert::cat("at most ", A::positions, ", the architecture's positions"), bert::cat(s.tokens), {}});
  });
  bert::check_save(s.out);
  if (!s.keep.empty()) bert::io::check_output_file(s.keep);
  const bert::data::corpus text = corpus_of(s, s.text);  // opened once, as it may be a pipe
  const bert::text::tokenizer_options reading{.lowercase = !s.cased};
  // Training a vocabulary is deterministic, so a resumed run has the same one.
  const auto tokenizer =
      s.vocab.empty() ? bert::text::train_wordpiece(text, {.vocab = s.vocab_size, .lowercase = !s.cased, .threads = s.threads})
                      : bert::text::tokenizer(bert::text::vocabulary::open(s.vocab), reading);
  std::cout << "vocabulary " << tokenizer.vocabulary().size() << " pieces\n";
  published::by_name(s.arch, [&]<class A>(std::type_identity<A>) {
    if (s.no_nsp) pretrain<A, masked>(s, text, tokenizer);
    else pretrain<A, bert::objectives::joint<masked, bert::objectives::next_sentence>>(s, text, tokenizer);
  });
}

}  // namespace

int main(int argc, char** argv) {
  settings s;
  CLI::App app("Pretrains a BERT on a text file: one paragraph per line, a blank line between documents.", "pretrain");
  app.option_defaults()->always_capture_default();
  app.add_option("--text", s.text, "the corpus")->required();
  app.add_option("--valid", s.valid, "text to evaluate on at the end");
  app.add_option("--arch", s.arch, "one of " + published::names());
  auto* vocab = app.add_option("--vocab", s.vocab, "a vocab.txt to use");
  support::number(app, "--vocab-size", s.vocab_size, "size of the vocabulary to train", {.least = 100, .most = 1'000'000})
      ->excludes(vocab);
  app.add_flag("--cased", s.cased, "keep upper case and accents");
  support::number(app, "--steps", s.steps, "steps of the optimizer", {.least = 1});
  support::number(app, "--batch", s.batch, "sequences per batch", {.least = 1});
  support::number(app, "--tokens", s.tokens, "most tokens per sequence", {.least = 8, .most = 32'767});
  support::number(app, "--accumulate", s.accumulate, "batches per step", {.least = 1});
  support::number(app, "--lr", s.lr, "peak learning rate", {.least = 0, .above = true});
  support::number(app, "--warmup", s.warmup, "steps up to the peak");
  support::number(app, "--dropout", s.dropout, "rate for hidden states and attention probabilities",
                  {.least = 0, .most = 0.9f});
  support::number(app, "--weight-decay", s.weight_decay, "applied to weights and embeddings", {.least = 0, .most = 1'000});
  support::number(app, "--beta2", s.beta2, "AdamW's decay of the second moment; 0.98 suits short runs",
                  {.least = 0, .most = 0.99999f});
  support::number(app, "--init-std", s.stddev, "standard deviation of the initial weights; 0.02 suits hidden sizes from 768",
                  {.least = 0, .most = 100, .above = true});
  app.add_option("--init-positions", s.positions,
                 "initial position embeddings: random, or such that some heads attend to neighbors")
      ->check(CLI::IsMember({"normal", "neighbors"}));
  support::number(app, "--seed", s.seed, "seed of all random numbers");
  support::threads_option(app, s.threads);
  app.add_option("--out", s.out, "folder of the model to write")->required();
  auto* keep = app.add_option("--keep", s.keep, "state file: saved while training; if it exists, training resumes from it");
  support::number(app, "--every", s.every, "steps between saves of the state", {.least = 1})->needs(keep);
  support::number(app, "--log-every", s.log_every, "steps between log lines", {.least = 1});
  app.add_flag("--dry-run", s.dry_run, "train three steps, print the time of the training and the memory, save nothing");
  app.add_option("--masking", s.masking, "unit of masking")->check(CLI::IsMember({"token", "whole_word"}));
  app.add_option("--precision", s.precision, "of the matrix products; the rest is f32")
      ->check(CLI::IsMember(precisions::trained));
  app.add_flag("--recompute", s.recompute, "recompute activations: less memory, slower, the same result");
  app.add_flag("--static-masks", s.static_masks, "use the same masks in every epoch");
  app.add_flag("--replace-invalid", s.replace_invalid, "replace invalid UTF-8 by U+FFFD instead of refusing the text");
  app.add_flag("--no-nsp", s.no_nsp, "masked LM only, on sequences of running text");
  return support::run(app, argc, argv, [&] { work(s); });
}
