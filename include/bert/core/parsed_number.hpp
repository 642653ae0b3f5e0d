// Reads a floating-point number from text, the same in every locale and standard library.
// Layer: core. Test: tests/unit/core/parsed_number_test.cpp
#ifndef BERT_CORE_PARSED_NUMBER_HPP
#define BERT_CORE_PARSED_NUMBER_HPP

#include <charconv>
#include <concepts>
#include <optional>
#include <string_view>
#include <system_error>
#include <version>

#if !defined(__cpp_lib_to_chars)  // libc++ before 20 reads no floating-point numbers
#include <locale>
#include <sstream>
#include <string>
#endif

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA {

/// `text` as a number, rounded to the nearest; nothing if it is none, is out of range, or has anything before or after it,
/// blanks and a plus included.
template <std::floating_point T>
[[nodiscard]] std::optional<T> parsed_number(std::string_view text) {
  T value = 0;
#if defined(__cpp_lib_to_chars)
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
#else
  if (text.find_first_not_of("0123456789.eE+-") != std::string_view::npos || text.starts_with('+')) return std::nullopt;
  std::istringstream stream{std::string(text)};
  stream.imbue(std::locale::classic());
  stream >> value;
  if (!stream || stream.peek() != std::istringstream::traits_type::eof()) return std::nullopt;
#endif
  return value;
}

}  // namespace bert

#endif  // BERT_CORE_PARSED_NUMBER_HPP
