// Prints training samples as text: the pair and its label, what the model is given, and what it is to predict.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "bert/text/tokenizer.hpp"
#include "pretrain/objective.hpp"

namespace pretraining {

/// Prints the first `count` sequences of the training, as its steps will read them.
inline void show(const settings& s, const batches& source, const chosen_masking& masking,
                 const bert::text::tokenizer& tokenizer, std::size_t count) {
  const auto piece = [&](bert::token_id id) { return std::string(tokenizer.vocabulary().piece(id)); };
  bert::training_batch batch;
  bert::masked_batch hidden;
  std::size_t shown = 0;
  for (std::uint64_t step = 0; shown < count; ++step) {
    source.load(step, batch);
    masking(batch, s.seed, hidden);
    std::size_t next = 0;  // of the scored positions
    for (std::size_t i = 0; i < batch.tokens.sequences() && shown < count; ++i) {
      std::cout << "sample " << ++shown << ": batch " << step + 1 << ", epoch " << batch.epoch + 1;
      if (source.general() != nullptr) std::cout << (batch.keys[i] >> 63 != 0 ? ", general text" : ", text");
      if (!batch.labels.empty())
        std::cout << ", label " << batch.labels[i] << ": "
                  << (batch.labels[i] == 0                                 ? "B follows A"
                      : s.pairing() == bert::data::pairing::sentence_order ? "A follows B"
                                                                           : "B is from another document");
      std::cout << '\n';
      const auto ids = batch.tokens[i];
      const auto segments = batch.tokens.segments(i);
      for (int part = 0; part < (batch.labels.empty() ? 1 : 2); ++part) {
        std::vector<bert::token_id> of_part;
        for (std::size_t t = 0; t < ids.size(); ++t)
          if (segments[t] == part && ids[t] != tokenizer.cls_id() && ids[t] != tokenizer.sep_id()) of_part.push_back(ids[t]);
        std::cout << "  "
                  << (batch.labels.empty() ? "text"
                      : part == 0          ? "A   "
                                           : "B   ")
                  << "    " << tokenizer.decode(of_part, {.skip_special = false}) << '\n';
      }
      std::cout << "  input  ";
      for (const auto id : hidden.tokens[i]) std::cout << ' ' << piece(id);
      std::cout << "\n  targets";
      const std::size_t begin = batch.tokens.starts()[i], end = batch.tokens.starts()[i + 1];
      const auto scored = hidden.tokens.scored();
      while (next < scored.size() && scored[next] < begin) ++next;
      std::size_t targets = 0;
      for (; next < scored.size() && scored[next] < end; ++next, ++targets) {
        const auto now = hidden.tokens.ids()[scored[next]], was = hidden.targets[next];
        std::cout << (targets == 0 ? " " : ", ") << scored[next] - begin << ' ' << piece(was)
                  << (now == was                     ? " unchanged"
                      : now == batch.vocabulary.mask ? " masked"
                                                     : " as " + piece(now));
      }
      std::cout << (targets == 0 ? " none" : "") << " (" << targets << " of " << ids.size() << " tokens)\n";
    }
  }
}

}  // namespace pretraining
