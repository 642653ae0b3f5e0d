// The command line of pretrain.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "bert/core/cores.hpp"
#include "bert/data/corpus.hpp"
#include "bert/data/pack_options.hpp"

namespace pretraining {

struct settings {
  std::string text, valid, general, replay, from, arch, vocab, out, keep, synonyms,
      masking = "token", draws = "piece", masks = "dynamic", pairs = "next_sentence", objective = "masked_lm",
      documents = "blank-line", general_documents = "blank-line", positions = "neighbors", embeddings = "random",
      precision = "f32", wire = "f32";
  std::vector<std::string> lexicons;
  std::size_t vocab_size = 8192, extend = 0, show = 0;
  int batch = 32, tokens = 128;
  std::uint64_t steps = 1000, warmup = 100, seed = 42, every = 500, log_every = 50, evaluate_every = 0, evaluate_batches = 0,
                extend_least = 5;
  std::size_t threads = bert::execution::available_cores();
  float lr = 5e-4f, dropout = 0.1f, weight_decay = 0.01f, beta2 = 0.999f, stddev = 0.02f, mask_rate = 0.15f,
        replay_share = 0.1f, replaced_weight = 50;
  unsigned accumulate = 1, leaves = 1;
  bool static_masks = false, no_nsp = false, cased = false, recompute = false, replace_invalid = false, dry_run = false,
       no_overlap = false;

  [[nodiscard]] bool fixed_masks() const { return static_masks || masks == "fixed"; }
  [[nodiscard]] bert::data::pairing pairing() const {
    using enum bert::data::pairing;
    return no_nsp || pairs == "none" ? none : pairs == "sentence_order" ? sentence_order : next_sentence;
  }
  [[nodiscard]] bert::data::pack_options packing() const {
    return {.tokens = tokens,
            .batch = batch,
            .seed = seed,
            .pairs = pairing(),
            .pairs_drawn = fixed_masks() ? bert::data::redraw::never : bert::data::redraw::each_epoch};
  }
  /// A corpus whose documents end as `ends` says: "blank-line" or "line".
  [[nodiscard]] bert::data::corpus corpus(const std::filesystem::path& path, const std::string& ends) const {
    using bert::data::document_end;
    using bert::data::invalid_utf8;
    return bert::data::corpus(path, {.documents = ends == "line" ? document_end::every_line : document_end::blank_line,
                                     .invalid = replace_invalid ? invalid_utf8::replace : invalid_utf8::refuse});
  }
};

}  // namespace pretraining
