// The program pretrain, for one process (pretrain.cpp) or for several ranks (pretrain_mpi.cpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iostream>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "architectures.hpp"
#include "bert/checkpoint/checkpoint.hpp"
#include "bert/data/pack.hpp"
#include "bert/data/replayed.hpp"
#include "bert/distributed/agree.hpp"
#include "bert/text/extend_vocabulary.hpp"
#include "bert/text/wordpiece/train_wordpiece.hpp"
#include "bert/training/reduction.hpp"
#include "pretrain/objective.hpp"
#include "pretrain/replaced_token.hpp"
#include "pretrain/settings.hpp"
#include "pretrain/show.hpp"
#include "pretrain/training.hpp"
#include "replicas.hpp"
#include "support.hpp"

namespace pretraining {

/// The name of the first architecture with the sizes of `config`.
template <class... Named>
std::string name_of(const bert::model_config& config, bert::choices<Named...>) {
  std::string name;
  (void)((config.is<typename Named::type>() && (name = Named::name, true)) || ...);
  return name;
}

/// The architecture of --arch, or of --from. Throws bert::error if the two disagree, or for one that no program has.
inline std::string choose_architecture(const settings& s, const std::optional<bert::checkpoint>& files) {
  if (!files) {
    const std::string arch = s.arch.empty() ? "mini" : s.arch;
    published::by_name(arch, [](auto) {});
    return arch;
  }
  const auto& config = files->config();
  if (s.arch.empty()) published::by_config(config, [](auto) {});  // throws if there is none
  const std::string fits = name_of(config, published{});
  if (s.arch.empty()) return fits;
  published::by_name(s.arch, [&]<class A>(std::type_identity<A>) {
    std::string differ;
    for (const auto& key : config.differences<A>()) differ += (differ.empty() ? "" : ", ") + key;
    if (!differ.empty())
      throw bert::error(
          {"--arch", "an architecture of the sizes that " + config.where + " has",
           s.arch + ", from which that differs: " + differ,
           fits.empty() ? "name the one that the folder was made with" : "leave --arch out; the folder is a " + fits});
  });
  return s.arch;
}

/// The vocabulary: of --from, of --vocab, or trained on the text. Training is deterministic, so a resumed run has the same one.
inline bert::text::tokenizer choose_tokenizer(const settings& s, const bert::data::corpus& text, origin& from) {
  auto tokenizer = [&]() -> bert::text::tokenizer {
    if (from.files) {
      bert::pipelines::reading_notes notes;
      auto t = from.files->tokenizer(&notes);
      support::tell(notes, std::cout);
      return t;
    }
    if (s.vocab.empty())
      return bert::text::train_wordpiece(text, {.vocab = s.vocab_size, .lowercase = !s.cased, .threads = s.threads});
    return bert::text::tokenizer(bert::text::vocabulary::open(bert::path_from(s.vocab)), {.lowercase = !s.cased});
  }();
  if (s.extend == 0) {
    std::cout << "vocabulary " << tokenizer.size() << " pieces\n";
    return tokenizer;
  }
  const auto words = bert::text::cut_words(text, tokenizer, {.most = s.extend, .least_count = s.extend_least},
                                           bert::execution::threads{s.threads});
  from.extension = bert::text::extend_vocabulary(tokenizer, words);
  std::uint64_t spared = 0;
  for (const auto& word : words) spared += word.count * (word.parts.size() - 1);
  std::cout << "vocabulary " << from.extension->pieces.size() << " pieces, " << words.size() << " of them new, "
            << from.extension->reused << " in rows [unused…]; they spare " << spared << " tokens of the text";
  for (std::size_t i = 0; i < std::min<std::size_t>(words.size(), 10); ++i)
    std::cout << (i == 0 ? ": " : ", ") << words[i].text;
  std::cout << (words.size() > 10 ? ", …\n" : "\n");
  if (words.size() < s.extend)
    std::cout << "note: " << s.text << ": only " << words.size() << " words of several pieces occur " << s.extend_least
              << " times or more\n";
  return bert::text::tokenizer(from.extension->pieces, tokenizer.options());
}

/// The batches, and what is to be said about the text.
inline batches pack(const settings& s, const bert::data::corpus& text, const bert::text::tokenizer& tokenizer,
                    const bert::execution::threads& threads) {
  const auto options = s.packing();
  batches source = s.replay.empty() ? batches(bert::data::pack(text, tokenizer, options, threads))
                                    : batches(bert::data::replay(text, s.corpus(bert::path_from(s.replay), s.general_documents),
                                                                 s.replay_share, tokenizer, options, threads));
  const auto& domain = source.domain();
  std::cout << "corpus " << domain.documents() << " documents " << domain.tokens() << " tokens " << domain.sequences()
            << " sequences\n";
  if (const auto* general = source.general())
    std::cout << "replay " << general->documents() << " documents " << general->tokens() << " tokens, "
              << general->options().batch << " of " << s.batch << " sequences of a batch\n";
  if (options.pairs == bert::data::pairing::next_sentence &&
      std::abs(domain.negative_share() - static_cast<double>(options.second_random)) > 0.1)
    std::cout << "note: " << s.text << ": " << static_cast<int>(100 * domain.negative_share())
              << " % of the pairs are random instead of 50 %: most documents have one sentence; --pairs none trains "
                 "without pairs\n";
  if (10 * domain.unknown() > domain.tokens())
    std::cout << "note: " << s.text << ": " << 100 * domain.unknown() / domain.tokens()
              << " % of the tokens are [UNK]; does the vocabulary have this language and case?\n";
  return source;
}

/// Trains as `s` says, as one of `ranks`.
template <class Ranks>
void work(const settings& s, const Ranks& ranks) {
  // Fails now, not after a vocabulary is learned or a model trained.
  origin from;
  if (!s.from.empty()) from.files.emplace(bert::path_from(s.from));
  from.arch = choose_architecture(s, from.files);
  published::by_name(from.arch, [&]<class A>(std::type_identity<A>) {
    if (s.tokens > A::positions)
      throw bert::error(
          {"--tokens", bert::cat("at most ", A::positions, ", the architecture's positions"), bert::cat(s.tokens), {}});
  });
  if (!s.out.empty()) bert::check_save(bert::path_from(s.out));
  if (!s.keep.empty()) bert::io::check_output_file(bert::path_from(s.keep));
  const auto text = s.corpus(bert::path_from(s.text), s.documents);  // opened once, as it may be a pipe
  const auto tokenizer = choose_tokenizer(s, text, from);
  const auto masking = read_masking(s, tokenizer);
  const auto threads = support::start_threads(s.threads);
  auto source = pack(s, text, tokenizer, threads);
  if (s.show != 0) return show(s, source, masking, tokenizer, s.show);
  held_out texts;
  if (!s.valid.empty())
    texts.valid = bert::data::pack(s.corpus(bert::path_from(s.valid), s.documents), tokenizer, s.packing(), threads);
  if (!s.general.empty())
    texts.general =
        bert::data::pack(s.corpus(bert::path_from(s.general), s.general_documents), tokenizer, s.packing(), threads);

  const masked words{.rate = s.mask_rate, .masking = masking};
  if constexpr (std::same_as<Ranks, bert::training::alone>) {
    if (s.objective == "replaced_token")
      return train_replaced_token(s, from, std::move(source), texts, words, tokenizer, threads);
  }
  published::by_name(from.arch, [&]<class A>(std::type_identity<A>) {
    if (s.pairing() == bert::data::pairing::none) {
      train<A>(s, from, std::move(source), texts, words, tokenizer, threads, ranks);
    } else {
      pair_objective pairs;
      if (s.pairing() == bert::data::pairing::sentence_order) pairs.name = "sop";
      const bert::objectives::joint<masked, pair_objective> both(words, pairs);
      train<A>(s, from, std::move(source), texts, both, tokenizer, threads, ranks);
    }
  });
}

/// Parses the command line and trains as one of `ranks`. `s` has the defaults of what is not given; `exchange(s, ranks)` is the
/// reduction that sums gradients. Returns the exit status.
template <class Ranks, class Exchange>
int run(const char* name, settings s, int argc, char** argv, const Ranks& ranks, const Exchange& exchange) {
  CLI::App app("Pretrains a BERT on a text file: one paragraph per line, a blank line between documents.", name);
  app.option_defaults()->always_capture_default();
  const auto one_of = [](std::initializer_list<const char*> names) {
    return CLI::IsMember(std::vector<std::string>(names.begin(), names.end()));
  };
  app.add_option("--text", s.text, "the corpus")->required();
  app.add_option("--documents", s.documents, "where a document of --text and --valid ends")
      ->check(one_of({"blank-line", "line"}));
  app.add_option("--valid", s.valid, "text to evaluate on at the end");
  auto* from = app.add_option("--from", s.from, "folder to go on from: its weights and vocabulary; what it lacks is new");
  app.add_option("--arch", s.arch, "one of " + published::names() + "; left out: mini, or that of --from");
  auto* vocab = app.add_option("--vocab", s.vocab, "a vocab.txt to use")->excludes(from);
  support::number(app, "--vocab-size", s.vocab_size, "size of the vocabulary to train", {.least = 100, .most = 1'000'000})
      ->excludes(vocab)
      ->excludes(from);
  app.add_flag("--cased", s.cased, "keep upper case and accents")->excludes(from);
  auto* extend =
      support::number(app, "--extend", s.extend,
                      "new pieces for the words of --text that the folder's vocabulary cuts into several", {.most = 1'000'000});
  extend->needs(from);
  support::number(app, "--extend-least", s.extend_least, "least count of a word to become a piece", {.least = 1})
      ->needs(extend);
  app.add_option("--general", s.general, "held-out general text: its loss stands beside that of --valid");
  auto* replay = app.add_option("--replay", s.replay, "general text to mix in, so that less is forgotten");
  support::number(app, "--replay-share", s.replay_share, "share of each batch's sequences that are of --replay",
                  {.least = 0, .most = 0.99f, .above = true})
      ->needs(replay);
  app.add_option("--general-documents", s.general_documents, "where a document of --general and --replay ends")
      ->check(one_of({"blank-line", "line"}));
  support::number(app, "--steps", s.steps, "steps of the optimizer", {.least = 1});
  support::number(app, "--batch", s.batch, "sequences per batch", {.least = 1});
  support::number(app, "--tokens", s.tokens, "most tokens per sequence", {.least = 8, .most = 32'767});
  support::number(app, "--accumulate", s.accumulate, "batches per step", {.least = 1});
  support::number(app, "--lr", s.lr, "peak learning rate; 2e-5 to 5e-5 suit --from a model pretrained for days",
                  {.least = 0, .above = true});
  support::number(app, "--warmup", s.warmup, "steps up to the peak");
  support::number(app, "--dropout", s.dropout, "rate for hidden states and attention probabilities",
                  {.least = 0, .most = 0.9f});
  support::number(app, "--weight-decay", s.weight_decay, "applied to weights and embeddings", {.least = 0, .most = 1'000});
  support::number(app, "--beta2", s.beta2, "AdamW's decay of the second moment; 0.98 suits short runs",
                  {.least = 0, .most = 0.99999f});
  support::number(app, "--init-std", s.stddev, "standard deviation of the initial weights; 0.02 suits hidden sizes from 768",
                  {.least = 0, .most = 100, .above = true});
  app.add_option("--init-embeddings", s.embeddings,
                 "initial word embeddings: random, or such that pieces with like neighbors in the text are alike")
      ->check(one_of({"random", "cooccurrence"}))
      ->excludes(from);
  app.add_option("--init-positions", s.positions,
                 "initial position embeddings: random, or such that some heads attend to neighbors")
      ->check(one_of({"normal", "neighbors"}))
      ->excludes(from);
  support::number(app, "--seed", s.seed, "seed of all random numbers");
  support::leaves_option(app, s.leaves);
  if constexpr (!std::same_as<Ranks, bert::training::alone>) {
    app.add_option("--wire", s.wire, "as what gradients are sent; with bf16 the result depends on the number of ranks")
        ->check(one_of({"f32", "bf16"}));
    app.add_flag("--no-overlap", s.no_overlap, "exchange gradients after the backward pass, to measure: the same result");
  }
  support::threads_option(app, s.threads);
  auto* out = app.add_option("--out", s.out, "folder of the model to write");
  auto* keep = app.add_option("--keep", s.keep, "state file: saved while training; if it exists, training resumes from it");
  support::number(app, "--every", s.every, "steps between saves of the state", {.least = 1})->needs(keep);
  support::number(app, "--log-every", s.log_every, "steps between log lines", {.least = 1});
  support::number(app, "--evaluate-every", s.evaluate_every,
                  "steps between evaluations on the held-out texts; 0: at the end only");
  support::number(app, "--evaluate-batches", s.evaluate_batches, "most batches of each held-out text; 0: all");
  app.add_flag("--dry-run", s.dry_run, "train three steps, print the time of the training and the memory, save nothing");
  support::number(app, "--show", s.show, "print so many training samples as text, train nothing", {.most = 1'000'000});
  app.add_option("--masking", s.masking, "unit of masking")
      ->check(one_of({"token", "whole_word", "ngram", "span", "lexicon", "similar_word"}));
  support::number(app, "--mask-rate", s.mask_rate, "share of the tokens that are predicted",
                  {.least = 0, .most = 1, .above = true});
  app.add_option("--draws", s.draws, "[MASK], random or unchanged: drawn for each piece, or once a unit")
      ->check(one_of({"piece", "unit"}));
  app.add_option("--lexicon", s.lexicons, "word list, one entry a line, for --masking lexicon or similar_word; several files")
      ->take_all();
  app.add_option("--synonyms", s.synonyms, "word, tab, synonyms separated by tabs, for --masking similar_word");
  auto* masks =
      app.add_option("--masks", s.masks, "drawn in each epoch, or the same in all")->check(one_of({"dynamic", "fixed"}));
  auto* pairs = app.add_option("--pairs", s.pairs, "what the second text of a sequence is")
                    ->check(one_of({"next_sentence", "sentence_order", "none"}));
  app.add_option(
         "--objective", s.objective,
         "masked_lm; or replaced_token (ELECTRA): a generator fills the masks, the model tells what is not the original")
      ->check(one_of({"masked_lm", "replaced_token"}));
  auto* weight = support::number(app, "--replaced-weight", s.replaced_weight,
                                 "--objective replaced_token: weight of the model's loss beside the generator's",
                                 {.least = 0, .above = true});
  app.add_option("--precision", s.precision, "of the matrix products; the rest is f32")
      ->check(CLI::IsMember(precisions::trained));
  app.add_flag("--recompute", s.recompute, "recompute activations: less memory, slower, the same result");
  app.add_flag("--static-masks", s.static_masks, "the same as --masks fixed")->excludes(masks);
  app.add_flag("--replace-invalid", s.replace_invalid, "replace invalid UTF-8 by U+FFFD instead of refusing the text");
  app.add_flag("--no-nsp", s.no_nsp, "the same as --pairs none: masked LM only, on sequences of running text")->excludes(pairs);
  app.final_callback([&] {
    if (s.out.empty() && s.show == 0 && !s.dry_run) throw CLI::RequiredError(out->get_name());
    if (s.objective == "replaced_token") {
      if (!std::same_as<Ranks, bert::training::alone> || s.leaves > 1)
        throw CLI::ValidationError("--objective", "must be masked_lm for several ranks or leaves, found replaced_token");
      if (pairs->count() != 0 && s.pairs != "none")
        throw CLI::ValidationError("--pairs", "must be none with --objective replaced_token, found " + s.pairs);
      s.pairs = "none";
    } else if (weight->count() != 0) {
      throw CLI::ValidationError("--replaced-weight", "is for --objective replaced_token, found " + s.objective);
    }
    if (s.masking == "lexicon" && s.lexicons.empty()) throw CLI::RequiredError("--lexicon, for --masking lexicon,");
    if (s.masking == "similar_word" && s.synonyms.empty()) throw CLI::RequiredError("--synonyms, for --masking similar_word,");
    if (!s.lexicons.empty() && s.masking != "lexicon" && s.masking != "similar_word")
      throw CLI::ValidationError("--lexicon", "is for --masking lexicon or similar_word, found " + s.masking);
    if (!s.synonyms.empty() && s.masking != "similar_word")
      throw CLI::ValidationError("--synonyms", "is for --masking similar_word, found " + s.masking);
    if (s.draws == "unit" && (s.masking == "token" || s.masking == "similar_word"))
      throw CLI::ValidationError("--draws", "of a unit is for masks of words, found --masking " + s.masking);
  });
  return support::run(app, argc, argv, [&] {
    bert::training::check_options({.leaves = s.leaves}, ranks.size());  // before the corpus is read
    bert::distributed::agree(ranks, support::given_options(app, {"--text", "--valid", "--general", "--replay", "--from",
                                                                 "--vocab", "--lexicon", "--synonyms", "--out", "--keep"}));
    work(s, exchange(s, ranks));
  });
}

}  // namespace pretraining
