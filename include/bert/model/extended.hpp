// A model for a larger vocabulary, whose new pieces start from the mean of the pieces that they were before.
// Layer: model. Test: tests/unit/model/extended_test.cpp
#ifndef BERT_MODEL_EXTENDED_HPP
#define BERT_MODEL_EXTENDED_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/model/model.hpp"

namespace bert::inline BERT_ISA {

/// x[id,:] = mean of x[p,:] over p in `parts`, for each added piece and each tensor with a row a piece
///
/// Returns `m` with rows for `vocab` pieces. `added` is a range of objects with `id`, the row of a piece in the result, and
/// `parts`, the ids of the pieces of `m` that it starts from, one or more. An `id` may be a row of `m`, such as that of
/// [unused5], which is replaced. All other rows are those of `m`; rows beyond, which no piece is given, are zero. The token
/// embeddings are such a tensor, and the masked-LM head's bias; a decoder that is tied to the embeddings follows them.
///
///     const auto extension = bert::text::extend_vocabulary(tokenizer, words);
///     auto wider = bert::with_pieces(model, static_cast<int>(extension.pieces.size()), extension.added);
///
/// Throws bert::error for fewer pieces than `m` has, for another number of pieces than the architecture fixes, and for an `id`
/// or a part out of range.
template <class A, class... Heads, class Added>
[[nodiscard]] model<A, Heads...> with_pieces(const model<A, Heads...>& m, int vocab, const Added& added) {
  const int before = m.sizes().vocab;
  if (A::vocab != dynamic && vocab != A::vocab)
    throw_error({"bert::with_pieces", cat("a vocabulary of ", A::vocab, " pieces, which the architecture fixes"), cat(vocab),
                 "use only [unused] rows, or load the model as one of bert::open_vocabulary<…>"});
  if (vocab < before)
    throw_error({"bert::with_pieces", cat("a vocabulary of at least ", before, " pieces, as the model has"), cat(vocab), {}});
  for (const auto& piece : added) {
    if (piece.id < 0 || piece.id >= vocab)
      throw_error({"bert::with_pieces", cat("the id of an added piece below ", vocab), cat(piece.id), {}});
    if (piece.parts.empty())
      throw_error({"bert::with_pieces", "pieces that an added piece starts from", cat("none for the id ", piece.id), {}});
    for (const auto part : piece.parts)
      if (part < 0 || part >= before)
        throw_error({"bert::with_pieces", cat("parts of an added piece below ", before), cat(part), {}});
  }
  auto out = model<A, Heads...>::blank(A::vocab == dynamic ? vocab : 0, m.label_names());
  constexpr auto open = parameter_table<A, Heads...>();
  std::vector<double> sum;
  for (std::size_t i = 0; i < open.size(); ++i) {
    const auto from = m.values(m.table()[i]);
    const auto to = out.values(out.table()[i]);
    std::copy(from.begin(), from.end(), to.begin());
    const std::size_t width = open[i].cols == 0 ? 1 : static_cast<std::size_t>(open[i].cols);
    if (open[i].rows != vocabulary_rows) continue;
    for (const auto& piece : added) {
      sum.assign(width, 0.0);
      for (const auto part : piece.parts)
        for (std::size_t c = 0; c < width; ++c) sum[c] += static_cast<double>(from[static_cast<std::size_t>(part) * width + c]);
      for (std::size_t c = 0; c < width; ++c)
        to[static_cast<std::size_t>(piece.id) * width + c] =
            static_cast<float>(sum[c] / static_cast<double>(std::size(piece.parts)));
    }
  }
  return out;
}

}  // namespace bert

#endif  // BERT_MODEL_EXTENDED_HPP
