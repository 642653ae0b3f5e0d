// A ragged batch of token sequences: stored end to end with offsets, without padding.
// Layer: tensor. Test: tests/unit/tensor/token_batch_test.cpp
#ifndef BERT_TENSOR_TOKEN_BATCH_HPP
#define BERT_TENSOR_TOKEN_BATCH_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA {

using token_id = std::int32_t;
using segment_id = std::uint8_t;

/// A token's role in its word. Masking never selects `special`; whole-word masking keeps `begins` and `continues` together.
enum class word_part : std::uint8_t { special, begins, continues };

/// The size of a batch, or the capacity of a session or tape.
struct batch_shape {
  std::size_t sequences = 0;
  std::size_t tokens = 0;           ///< of all sequences together
  std::size_t scored = unlimited;   ///< positions scored by a head such as masked LM; as a capacity, `unlimited` means `tokens`
  std::size_t longest = unlimited;  ///< tokens of the longest sequence; as a capacity, `unlimited` means the model's limit
  std::size_t leaves = 1;           ///< in training: greatest number of groups of sequences over which gradients are summed
  std::size_t parts = 1;            ///< in training: bf16 parts of the numbers in products, 3 with precision::bf16x6

  static constexpr std::size_t unlimited = static_cast<std::size_t>(-1);

  /// Whether a batch of shape `other` fits into this capacity.
  [[nodiscard]] constexpr bool holds(const batch_shape& other) const noexcept {
    return other.sequences <= sequences && other.tokens <= tokens && other.scored <= scored && other.longest <= longest;
  }
};

/// Consecutive sequences of a batch: ids, segments, and the offset in the batch at which each starts, with one more entry for
/// the end.
struct token_run {
  std::span<const token_id> ids;
  std::span<const segment_id> segments;
  std::span<const std::size_t> starts;
  std::span<const std::int32_t> marks = {};  ///< empty if no sequence of the batch has any
};

/// Sequences of token ids with their segments, and the flat positions that a masked-LM head scores.
class token_batch {
 public:
  /// Appends one sequence, all of segment 0. Throws bert::error if it is empty.
  void add(std::span<const token_id> ids) { add(ids, {}); }

  /// Appends one sequence; `segments` is empty (all 0) or as long as `ids`. `marks`, one per token or none (all 0), are for an
  /// attention policy of your own: a token's branch in a tree, for example.
  void add(std::span<const token_id> ids, std::span<const segment_id> segments, std::span<const std::int32_t> marks = {}) {
    if (ids.empty())
      throw_error({"bert::token_batch::add", "at least one token", "an empty sequence", "leave it out or add [CLS] [SEP]"});
    if (!segments.empty() && segments.size() != ids.size())
      throw_error({"bert::token_batch::add", cat(ids.size(), " segments, one per token"), cat(segments.size()),
                   "give none for all zero"});
    if (!marks.empty() && marks.size() != ids.size())
      throw_error(
          {"bert::token_batch::add", cat(ids.size(), " marks, one per token"), cat(marks.size()), "give none for all zero"});
    if (!marks.empty() || !marks_.empty()) {
      marks_.resize(ids_.size(), 0);
      marks_.insert(marks_.end(), marks.begin(), marks.end());
      marks_.resize(ids_.size() + ids.size(), 0);
    }
    ids_.insert(ids_.end(), ids.begin(), ids.end());
    if (segments.empty()) segments_.resize(ids_.size(), segment_id{0});
    else segments_.insert(segments_.end(), segments.begin(), segments.end());
    starts_.push_back(ids_.size());
  }

  /// Appends all sequences of another batch, with its scored positions.
  void append(const token_batch& other) {
    const std::size_t base = ids_.size();
    if (!marks_.empty() || !other.marks_.empty()) {
      marks_.resize(base, 0);
      marks_.insert(marks_.end(), other.marks_.begin(), other.marks_.end());
      marks_.resize(base + other.ids_.size(), 0);
    }
    ids_.insert(ids_.end(), other.ids_.begin(), other.ids_.end());
    segments_.insert(segments_.end(), other.segments_.begin(), other.segments_.end());
    for (std::size_t s = 1; s < other.starts_.size(); ++s) starts_.push_back(base + other.starts_[s]);
    for (const std::uint32_t position : other.scored_) scored_.push_back(static_cast<std::uint32_t>(base + position));
  }

  /// Adds flat position `position` to the scored ones; positions must increase.
  void score(std::size_t position) {
    if (position >= ids_.size() || (!scored_.empty() && position <= scored_.back()))
      throw_error(
          {"bert::token_batch::score", cat("a position below ", ids_.size(), ", in increasing order"), cat(position), {}});
    scored_.push_back(static_cast<std::uint32_t>(position));
  }
  /// Replaces the scored positions by those at which the token is `id`.
  void score_each(token_id id) {
    scored_.clear();
    for (std::size_t i = 0; i < ids_.size(); ++i)
      if (ids_[i] == id) scored_.push_back(static_cast<std::uint32_t>(i));
  }

  /// Removes the sequences, keeps the memory.
  void clear() noexcept {
    ids_.clear();
    segments_.clear();
    marks_.clear();
    scored_.clear();
    starts_.resize(1);
  }
  void reserve(const batch_shape& shape) {
    ids_.reserve(shape.tokens);
    segments_.reserve(shape.tokens);
    starts_.reserve(shape.sequences + 1);
    scored_.reserve(std::min(shape.scored, shape.tokens));
  }

  [[nodiscard]] std::size_t sequences() const noexcept { return starts_.size() - 1; }
  [[nodiscard]] std::size_t tokens() const noexcept { return ids_.size(); }
  [[nodiscard]] bool empty() const noexcept { return ids_.empty(); }
  [[nodiscard]] std::size_t length(std::size_t sequence) const noexcept { return starts_[sequence + 1] - starts_[sequence]; }
  [[nodiscard]] std::size_t longest() const noexcept {
    std::size_t n = 0;
    for (std::size_t s = 0; s < sequences(); ++s) n = std::max(n, length(s));
    return n;
  }
  [[nodiscard]] batch_shape shape() const noexcept { return {sequences(), tokens(), scored_.size(), longest()}; }

  [[nodiscard]] std::span<const token_id> ids() const noexcept { return ids_; }
  [[nodiscard]] std::span<token_id> ids() noexcept { return ids_; }
  [[nodiscard]] std::span<const segment_id> segments() const noexcept { return segments_; }
  /// One per token, or none.
  [[nodiscard]] std::span<const std::int32_t> marks() const noexcept { return marks_; }
  /// The offset at which each sequence starts; one more entry than sequences, the last is `tokens()`.
  [[nodiscard]] std::span<const std::size_t> starts() const noexcept { return starts_; }
  [[nodiscard]] std::span<const std::uint32_t> scored() const noexcept { return scored_; }

  /// Sequences [first, last).
  [[nodiscard]] token_run run(std::size_t first, std::size_t last) const noexcept {
    const std::size_t from = starts_[first], count = starts_[last] - from;
    return {ids().subspan(from, count), segments().subspan(from, count), starts().subspan(first, last - first + 1),
            marks_.empty() ? marks() : marks().subspan(from, count)};
  }
  /// All of them.
  operator token_run() const noexcept { return run(0, sequences()); }  // NOLINT(google-explicit-constructor)
  /// The ids of one sequence.
  [[nodiscard]] std::span<const token_id> operator[](std::size_t sequence) const noexcept {
    return ids().subspan(starts_[sequence], length(sequence));
  }
  [[nodiscard]] std::span<const segment_id> segments(std::size_t sequence) const noexcept {
    return segments().subspan(starts_[sequence], length(sequence));
  }

 private:
  std::vector<token_id> ids_;
  std::vector<segment_id> segments_;
  std::vector<std::int32_t> marks_;
  std::vector<std::size_t> starts_{0};
  std::vector<std::uint32_t> scored_;
};

}  // namespace bert

#endif  // BERT_TENSOR_TOKEN_BATCH_HPP
