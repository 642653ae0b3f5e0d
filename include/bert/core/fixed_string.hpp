// A string that can be a template argument: names of labels and parameters.
// Layer: core. Test: tests/unit/core/fixed_string_test.cpp
#ifndef BERT_CORE_FIXED_STRING_HPP
#define BERT_CORE_FIXED_STRING_HPP

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace bert {

/// `N` counts the terminating zero, as in the literal it is deduced from.
template <std::size_t N>
struct fixed_string {
  char text[N]{};

  constexpr fixed_string(const char (&literal)[N]) noexcept { std::copy_n(literal, N, text); }  // NOLINT: implicit by design

  [[nodiscard]] constexpr std::string_view view() const noexcept { return {text, N - 1}; }
  [[nodiscard]] constexpr operator std::string_view() const noexcept { return view(); }  // NOLINT

  template <std::size_t M>
  [[nodiscard]] constexpr bool operator==(const fixed_string<M>& other) const noexcept {
    return view() == other.view();
  }
};

}  // namespace bert

#endif  // BERT_CORE_FIXED_STRING_HPP
