// The scanner's sink for ids alone, and for which pieces begin or continue a word.
// Layer: text. Test: tests/unit/text/tokenizer_test.cpp
#ifndef BERT_TEXT_TOKEN_SINKS_HPP
#define BERT_TEXT_TOKEN_SINKS_HPP

#include <cstddef>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/tensor/token_batch.hpp"
#include "bert/text/added_tokens.hpp"
#include "bert/text/scanner.hpp"

namespace bert::inline BERT_ISA::text::detail {

/// Appends ids to `ids`, and their word_part to `parts` if given. Buffers 256 ids, as growing a vector id by id costs as much
/// as finding the id.
class id_sink {
 public:
  static constexpr bool tracks = false;
  explicit id_sink(std::vector<token_id>& ids, std::vector<word_part>* parts = nullptr) : ids_(ids), parts_(parts) {}
  id_sink(const id_sink&) = delete;
  id_sink& operator=(const id_sink&) = delete;

  void operator()(const scanned_word& w) {
    if (w.count > capacity - size_) {
      flush();
      if (w.count > capacity) {
        ids_.insert(ids_.end(), w.ids, w.ids + w.count);
        if (parts_ != nullptr) note(w.count);
        return;
      }
    }
    buffer_[size_] = w.ids[0];
    for (std::size_t i = 1; i < w.count; ++i) buffer_[size_ + i] = w.ids[i];
    size_ += w.count;
    if (parts_ != nullptr) note(w.count);
  }
  void special(const added_token& t, const char*, const char*) {
    if (size_ == capacity) flush();
    buffer_[size_++] = t.id;
    if (parts_ != nullptr) parts_->push_back(word_part::special);
  }
  /// Appends the buffered ids; call it last.
  [[gnu::noinline]] void flush() {
    ids_.insert(ids_.end(), buffer_, buffer_ + size_);
    size_ = 0;
  }

 private:
  static constexpr std::size_t capacity = 256;

  [[gnu::noinline]] void note(std::size_t pieces) {
    parts_->push_back(word_part::begins);
    parts_->insert(parts_->end(), pieces - 1, word_part::continues);
  }

  std::vector<token_id>& ids_;
  std::vector<word_part>* parts_;
  std::size_t size_ = 0;
  token_id buffer_[capacity];
};

}  // namespace bert::text::detail

#endif  // BERT_TEXT_TOKEN_SINKS_HPP
