// How a corpus becomes sequences.
// Layer: data. Test: tests/unit/data/pack_test.cpp
#pragma once

#include <cstdint>
#include <filesystem>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::data {

/// What the two segments of a sequence are.
enum class pairing : std::uint8_t {
  next_sentence,   ///< [CLS] A [SEP] B [SEP]; label 0: B follows A, 1: B is from another document (Devlin et al. 2019)
  sentence_order,  ///< [CLS] A [SEP] B [SEP]; label 0: B follows A, 1: A follows B (Lan et al. 2020)
  none             ///< [CLS] A [SEP], A being as much of a document as fits; no labels (Liu et al. 2019)
};

/// Whether sequences are cut and paired anew in each epoch, or once; the order of the sequences always changes.
enum class redraw : std::uint8_t { each_epoch, never };

struct pack_options {
  int tokens = 128;  ///< of a sequence at most, [CLS] and [SEP] among them; 8 to 32,767
  int batch = 32;    ///< sequences in a batch; the last one of an epoch may have fewer
  std::uint64_t seed = 0;
  pairing pairs = pairing::next_sentence;
  redraw pairs_drawn = redraw::each_epoch;
  float second_random = 0.5f;        ///< share of pairs whose label is 1
  float short_sequence_rate = 0.1f;  ///< share of sequences that aim at a random shorter length
  std::filesystem::path scratch{};   ///< folder of the temporary files; empty: the system's (TMPDIR)
};

}  // namespace bert::data
