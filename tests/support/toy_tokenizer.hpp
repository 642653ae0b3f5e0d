// A tokenizer for tests: words apart at spaces, words of more than six letters in pieces of four, ids by hashing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "bert/tensor/training_batch.hpp"

namespace toy {

struct vocabulary {
  std::size_t pieces;
  [[nodiscard]] std::size_t size() const noexcept { return pieces; }
};

class tokenizer {
 public:
  tokenizer() : tokenizer(1'000) {}
  explicit tokenizer(std::size_t pieces) : vocabulary_{pieces} {}

  void append_ids(std::string_view text, std::vector<bert::token_id>& ids,
                  std::vector<bert::word_part>* parts = nullptr) const {
    while (!text.empty()) {
      const std::size_t end = text.find(' ') == std::string_view::npos ? text.size() : text.find(' ');
      std::string_view word = text.substr(0, end);
      text.remove_prefix(end == text.size() ? end : end + 1);
      const std::size_t step = word.size() > 6 ? 4 : 6;
      for (std::size_t i = 0; i < word.size(); i += step) {
        ids.push_back(piece(word.substr(i, step), i > 0));
        if (parts != nullptr) parts->push_back(i > 0 ? bert::word_part::continues : bert::word_part::begins);
      }
    }
  }
  [[nodiscard]] bert::token_id piece(std::string_view letters, bool continues) const noexcept {
    if (letters == "[MASK]") return mask_id();
    std::uint32_t hash = continues ? 7u : 2'166'136'261u;
    for (const char c : letters) hash = (hash ^ static_cast<unsigned char>(c)) * 16'777'619u;
    return static_cast<bert::token_id>(4 + hash % (vocabulary_.pieces - 4));
  }
  [[nodiscard]] static bert::token_id pad_id() noexcept { return 0; }
  [[nodiscard]] static bert::token_id cls_id() noexcept { return 1; }
  [[nodiscard]] static bert::token_id sep_id() noexcept { return 2; }
  [[nodiscard]] static bert::token_id mask_id() noexcept { return 3; }
  [[nodiscard]] const toy::vocabulary& vocabulary() const noexcept { return vocabulary_; }

 private:
  toy::vocabulary vocabulary_;
};

}  // namespace toy
