// Options of `pack`: how a corpus becomes sequences.
// Layer: data. Test: tests/unit/data/pack_test.cpp
#ifndef BERT_DATA_PACK_OPTIONS_HPP
#define BERT_DATA_PACK_OPTIONS_HPP

#include <cstdint>
#include <filesystem>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::data {

/// What the two segments of a sequence are.
enum class pairing : std::uint8_t {
  next_sentence,   ///< [CLS] A [SEP] B [SEP]; label 0: B follows A, 1: B is from another document (Devlin et al. 2019)
  sentence_order,  ///< [CLS] A [SEP] B [SEP]; label 0: B follows A, 1: A follows B (Lan et al. 2020)
  none             ///< [CLS] A [SEP], A as much of a document as fits; no labels (Liu et al. 2019)
};

/// Whether each epoch draws its own sequences and pairs, or all share those of epoch 0. The order changes in every epoch.
enum class redraw : std::uint8_t { each_epoch, never };

struct pack_options {
  int tokens = 128;  ///< most of a sequence, with [CLS] and [SEP]; 8 to 32,767
  int batch = 32;    ///< sequences in a batch; the last one of an epoch may have fewer
  std::uint64_t seed = 0;
  pairing pairs = pairing::next_sentence;
  redraw pairs_drawn = redraw::each_epoch;
  float second_random = 0.5f;        ///< share of pairs whose label is 1
  float short_sequence_rate = 0.1f;  ///< share of sequences with a random shorter target length
  std::filesystem::path scratch{};   ///< folder of the temporary files; empty: the system's (TMPDIR)
};

}  // namespace bert::data

#endif  // BERT_DATA_PACK_OPTIONS_HPP
