// What a run was made from: named facts, and a 64-bit hash for facts too long to write out.
// Layer: core. Test: tests/unit/core/fingerprint_test.cpp
#ifndef BERT_CORE_FINGERPRINT_HPP
#define BERT_CORE_FINGERPRINT_HPP

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA {

/// Facts by name: {"batch", "32"}, {"corpus", "9c3f…"}. Two runs agree if the facts that both name are equal.
using named_facts = std::vector<std::pair<std::string, std::string>>;

/// A 64-bit hash of everything that was added, in order; the same on every machine. It tells files apart and is not
/// cryptographic.
class hash64 {
 public:
  /// Adds the bytes and their number, so that "ab", "c" differs from "a", "bc".
  hash64& add(std::string_view bytes) noexcept {
    mix(bytes.size());
    for (std::size_t i = 0; i < bytes.size(); i += 8) {
      std::uint64_t word = 0;
      const std::size_t count = bytes.size() - i < 8 ? bytes.size() - i : 8;
      if constexpr (std::endian::native == std::endian::little) std::memcpy(&word, bytes.data() + i, count);
      else
        for (std::size_t b = 0; b < count; ++b) word |= std::uint64_t{static_cast<unsigned char>(bytes[i + b])} << 8 * b;
      mix(word);
    }
    return *this;
  }
  hash64& add(std::uint64_t number) noexcept {
    mix(number);
    return *this;
  }

  [[nodiscard]] std::uint64_t value() const noexcept {
    std::uint64_t h = state_ ^ state_ >> 29;
    h *= 0xBF58476D1CE4E5B9u;  // the finalizer of SplitMix64
    return h ^ h >> 32;
  }
  /// 16 hexadecimal digits.
  [[nodiscard]] std::string text() const {
    std::string digits(16, '0');
    std::uint64_t h = value();
    for (std::size_t i = digits.size(); i-- > 0; h >>= 4) digits[i] = "0123456789abcdef"[h & 15u];
    return digits;
  }

 private:
  void mix(std::uint64_t word) noexcept {
    state_ = (state_ ^ word) * 0xD6E8FEB86659FD93u;
    state_ ^= state_ >> 32;
  }
  std::uint64_t state_ = 0x9E3779B97F4A7C15u;
};

/// `component.fingerprint()` if the type has it, else no facts. A batch source, tokenizer, objective or masking policy may name
/// what determines its results, and nothing that does not (threads, ranks).
template <class T>
[[nodiscard]] named_facts fingerprint_of(const T& component) {
  if constexpr (requires { named_facts(component.fingerprint()); }) return component.fingerprint();
  else return {};
}

/// Appends `more` to `facts`.
inline void append(named_facts& facts, named_facts more) {
  for (auto& fact : more) facts.push_back(std::move(fact));
}

}  // namespace bert

#endif  // BERT_CORE_FINGERPRINT_HPP
