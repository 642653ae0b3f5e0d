// pretrain's model, its training and its evaluation, for one architecture and objective.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/data/cooccurrence.hpp"
#include "bert/data/pack.hpp"
#include "bert/distributed/agree.hpp"
#include "bert/model/extended.hpp"
#include "bert/text/extend_vocabulary.hpp"
#include "bert/training/measure.hpp"
#include "bert/training/trainer.hpp"
#include "dry_run.hpp"
#include "precisions.hpp"
#include "pretrain/objective.hpp"
#include "replicas.hpp"
#include "support.hpp"

namespace pretraining {

/// What the model begins from: the folder of --from, or nothing, and the pieces added to its vocabulary.
struct origin {
  std::string arch;
  std::optional<bert::checkpoint> files;
  std::optional<bert::text::vocabulary_extension> extension;
};

/// Held-out texts.
struct held_out {
  std::optional<bert::data::packed> valid, general;

  [[nodiscard]] bool any() const noexcept { return valid || general; }
  /// "valid mlm=4.1034 masked_accuracy=0.3120 nsp_accuracy=0.8610 general mlm=…"
  template <class Model, class Objective, class E>
  [[nodiscard]] std::string figures(const settings& s, const Model& model, const Objective& objective, const E& threads) const {
    std::ostringstream out;
    out << std::fixed << std::setprecision(4);
    const auto add = [&](const char* name, const std::optional<bert::data::packed>& text) {
      if (!text) return;
      const auto terms = bert::measure(model, objective, *text, {.seed = s.seed, .batches = s.evaluate_batches}, threads);
      out << (out.tellp() > 0 ? " " : "") << name << " mlm=" << terms["mlm"].mean()
          << " masked_accuracy=" << terms["mlm"].accuracy();
      for (const auto& term : terms)
        if (term.name != "mlm") out << ' ' << term.name << "_accuracy=" << term.accuracy();
    };
    add("valid", valid);
    add("general", general);
    return out.str();
  }
};

/// The folder's weights, with rows for pieces that were added, or random ones.
template <class Model>
Model begin_with(const settings& s, const origin& from, const bert::text::tokenizer& tokenizer) {
  if (!from.files)
    return Model::random({.stddev = s.stddev,
                          .seed = s.seed,
                          .vocab = static_cast<int>(tokenizer.vocabulary().size()),
                          .positions = s.positions == "normal" ? bert::position_initialization::normal
                                                               : bert::position_initialization::neighbors});
  bert::pipelines::reading_notes notes;
  auto model = from.files->load_or_initialize<Model>({.stddev = s.stddev, .seed = s.seed}, &notes);
  support::tell(notes, std::cout);
  if (!from.extension) return model;
  const int pieces = std::max(model.sizes().vocab, static_cast<int>(from.extension->pieces.size()));
  return bert::with_pieces(model, pieces, from.extension->added);
}

/// Trains as one of `ranks`, of which number 0 evaluates and saves.
template <class A, class Objective, class Ranks>
void train(const settings& s, const origin& from, batches source, const held_out& texts, const Objective& objective,
           const bert::text::tokenizer& tokenizer, const bert::execution::threads& threads, const Ranks& ranks) {
  using with_pairs = bert::model<A, bert::heads::masked_lm, bert::heads::next_sentence>;
  auto model = begin_with<bert::model_for<A, Objective>>(s, from, tokenizer);
  if (from.files && s.pairing() == bert::data::pairing::none && from.files->template holds<with_pairs>())
    support::tell(std::array{"the next-sentence head of " + s.from + " is not trained without pairs, and left out"}, std::cout);
  if (s.embeddings == "cooccurrence") {
    const auto begin = std::chrono::steady_clock::now();
    const auto words = model.values(model.table()[0]);
    bert::data::embed_by_cooccurrence(source.domain().store(), {words.data(), words.size() / std::size_t{A::hidden}, A::hidden},
                                      {.seed = s.seed}, threads);
    std::cout << "word embeddings from the text's cooccurrences in "
              << std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() << " s\n";
  }
  std::cout << "model " << from.arch << ' ' << model.count() << " parameters"
            << (from.files ? ", from " + s.from : std::string()) << '\n';
  source.origin = {{"initial weights",
                    bert::hash64()
                        .add(std::string_view(reinterpret_cast<const char*>(model.block().data()), model.block().size_bytes()))
                        .text()},
                   {"gradients sent as", s.wire}};
  const bool evaluates = texts.any() && ranks.rank() == 0;
  if (s.dry_run) {
    const double epochs = static_cast<double>(s.steps * s.accumulate) / static_cast<double>(source.batches_per_epoch());
    const auto* general = source.general();
    const auto tokens = static_cast<double>(source.domain().tokens() + (general != nullptr ? general->tokens() : 0));
    precisions::training(s.recompute, s.precision, [&](auto kept, auto p) {
      support::dry_run(s.steps, epochs * tokens, model, objective, source,
                       bert::training_options{.accumulate = s.accumulate, .leaves = s.leaves}, threads, kept, p, ranks);
    });
    return;
  }
  precisions::training(s.recompute, s.precision, [&](auto kept, auto p) {
    bert::trainer trainer{model,
                          objective,
                          bert::optim::adamw{.beta2 = s.beta2, .weight_decay = s.weight_decay, .clip_norm = 1.0f},
                          bert::schedules::warmup_linear{.peak = s.lr, .warmup = s.warmup, .total = s.steps},
                          bert::training_options{.seed = s.seed,
                                                 .dropout = s.dropout,
                                                 .attention_dropout = s.dropout,
                                                 .accumulate = s.accumulate,
                                                 .leaves = s.leaves},
                          threads,
                          kept,
                          p,
                          ranks};
    if (!s.keep.empty()) trainer.keep(bert::path_from(s.keep), {.every = s.every});
    auto run = trainer.over(source);  // throws if the state is of another run
    bert::named_facts facts = source.fingerprint();
    bert::append(facts, bert::fingerprint_of(objective));
    bert::append(facts, {{"step to go on from", std::to_string(trainer.done())}});
    bert::distributed::agree(ranks, facts);
    if (trainer.done() != 0) std::cout << "resumed at step " << trainer.done() << '\n';
    else if (s.evaluate_every != 0 && evaluates)
      std::cout << "step 0 " << texts.figures(s, model, objective, threads) << std::endl;

    const auto start = std::chrono::steady_clock::now();
    support::progress bar("pretrain");
    const support::signals signals;
    int stopped_by = 0;
    for (const auto& step : run) {
      const bool due = s.evaluate_every != 0 && evaluates && step.index % s.evaluate_every == 0 && step.index != s.steps;
      if (step.index % s.log_every == 0 || step.index == s.steps || due) {
        bar.clear();
        std::cout << step << std::endl;
      }
      if (due) std::cout << "step " << step.index << ' ' << texts.figures(s, model, objective, threads) << std::endl;
      bar.show(step.index, s.steps, bert::cat("loss ", step.loss));
      stopped_by = support::received_by_any(ranks);
      if (stopped_by != 0) trainer.request_stop();
    }
    bar.clear();
    if constexpr (requires { ranks.times(); }) {
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      if (ranks.size() > 1)
        std::cout << "trained " << seconds << " s, sums over " << ranks.size() << " ranks " << ranks.times().all
                  << " s, waited for " << ranks.times().exposed << " s\n";
    }
    bert::distributed::meet(ranks);  // the state is written, before a rank ends the program
    if (stopped_by != 0 && trainer.done() < s.steps)
      throw support::stopped(stopped_by,
                             bert::cat("stopped by ", signals.name(stopped_by), " after step ", trainer.done(),
                                       s.keep.empty() ? "; nothing was kept, as --keep was not given"
                                                      : "; the state is in " + s.keep + ", the same command goes on from it"));
  });
  if (ranks.rank() != 0) return;
  bert::save(bert::path_from(s.out), model, tokenizer);
  std::cout << "saved " << s.out << '\n';
  if (texts.any()) std::cout << texts.figures(s, model, objective, threads) << '\n';
}

}  // namespace pretraining
