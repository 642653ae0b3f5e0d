// The one exception type of the library, and the four facts that it carries.
// Layer: core. Test: tests/unit/core/error_test.cpp
#ifndef BERT_CORE_ERROR_HPP
#define BERT_CORE_ERROR_HPP

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "bert/core/isa.hpp"

namespace bert {

inline namespace BERT_ISA {

/// Length in bytes of the UTF-8 code point that `text` starts with; 0 if it starts with none. `text` is not empty.
[[nodiscard]] constexpr std::size_t utf8_length(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(text[i])); };
  const unsigned a = byte(0);
  if (a < 0x80) return 1;
  const std::size_t length = a < 0xC2 || a > 0xF4 ? 0 : a < 0xE0 ? 2 : a < 0xF0 ? 3 : 4;
  if (length == 0 || length > text.size()) return 0;
  // The second byte's range excludes overlong forms, surrogates and everything beyond U+10FFFF.
  const unsigned low = a == 0xE0 ? 0xA0u : a == 0xF0 ? 0x90u : 0x80u, high = a == 0xED ? 0x9Fu : a == 0xF4 ? 0x8Fu : 0xBFu;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if ((byte(i) & 0xC0u) != 0x80u) return 0;
  return length;
}

/// Longest fact in a message, in bytes: the longest path fits, a file's content does not.
inline constexpr std::size_t longest_fact = 1024;

/// `text` as one printable line: control characters and bytes that are not UTF-8 become C escapes. A text longer than
/// `longest_fact` is reduced to its start and its end.
[[nodiscard]] inline std::string printable(std::string_view text) {
  std::string out;
  const auto put = [&out](std::string_view part) {
    constexpr const char* digits = "0123456789abcdef";
    while (!part.empty()) {
      const std::size_t length = utf8_length(part);
      const auto c = static_cast<unsigned char>(part.front());
      const bool c1 = length == 2 && c == 0xC2 && static_cast<unsigned char>(part[1]) < 0xA0;  // U+0080 to U+009F
      if (length != 0 && c >= 0x20 && c != 0x7F && !c1) {
        out += part.substr(0, length);
        part.remove_prefix(length);
        continue;
      }
      if (c == '\n') out += "\\n";
      else if (c == '\r') out += "\\r";
      else if (c == '\t') out += "\\t";
      else {
        out += "\\x";
        out += digits[c >> 4];
        out += digits[c & 15u];
      }
      part.remove_prefix(1);
    }
  };
  if (text.size() <= longest_fact) {
    put(text);
    return out;
  }
  // Do not cut within a code point, whose later bytes are 10xxxxxx.
  const auto trails = [&](std::size_t i) { return (static_cast<unsigned char>(text[i]) & 0xC0u) == 0x80u; };
  std::size_t first = longest_fact / 2, last = text.size() - longest_fact / 2;
  for (int i = 0; i < 3 && trails(first); ++i) --first;
  for (int i = 0; i < 3 && trails(last); ++i) ++last;
  put(text.substr(0, first));
  out += " [...] ";
  put(text.substr(last));
  return out;
}

}  // namespace BERT_ISA

/// The exception of every run-time failure: thrown at construction and on input only, never inside a kernel.
///
/// `what()` reads "where: expected …, found …; try …" in one line (see printable). The four facts remain available one by one,
/// unchanged.
class error : public std::runtime_error {
 public:
  struct facts {
    std::string where;     ///< file, tensor, line or call that failed
    std::string expected;  ///< what would have been valid
    std::string found;     ///< what was there
    std::string hint;      ///< what to try, as an imperative; may be empty
  };

  explicit error(facts f) : std::runtime_error(sentence(f)), facts_(std::move(f)) {}
  explicit error(const std::string& text) : std::runtime_error(printable(text)) { facts_.found = text; }

  [[nodiscard]] const std::string& where() const noexcept { return facts_.where; }
  [[nodiscard]] const std::string& expected() const noexcept { return facts_.expected; }
  [[nodiscard]] const std::string& found() const noexcept { return facts_.found; }
  [[nodiscard]] const std::string& hint() const noexcept { return facts_.hint; }

 private:
  static std::string sentence(const facts& f) {
    std::string text = printable(f.where);
    if (!f.expected.empty()) text += ": expected " + printable(f.expected);
    if (!f.found.empty()) text += (f.expected.empty() ? ": " : ", found ") + printable(f.found);
    if (!f.hint.empty()) text += "; " + printable(f.hint);
    return text;
  }

  facts facts_;
};

/// What ends a program that is compiled without exceptions; it must not return. Unless it is set, the message goes to standard
/// error and the program aborts. One for the whole program.
using error_handler_type = void (*)(const error&);
[[nodiscard]] inline std::atomic<error_handler_type>& error_handler() noexcept {
  static std::atomic<error_handler_type> handler{nullptr};
  return handler;
}

inline namespace BERT_ISA {

/// Throws bert::error; without exceptions, calls error_handler().
[[noreturn, gnu::noinline, gnu::cold]] inline void throw_error(error::facts facts) {
#if BERT_EXCEPTIONS
  throw error(std::move(facts));
#else
  const error e(std::move(facts));
  if (const error_handler_type handler = error_handler().load(); handler != nullptr) handler(e);
  std::fprintf(stderr, "%s\n", e.what());
  std::abort();
#endif
}

namespace detail {

/// A part of a text, and how it is written: calls of `cat` share the code for a type, so that messages are cheap to compile.
struct text_part {
  const void* value;
  void (*write)(std::ostream&, const void*);
};
template <class T>
[[gnu::cold]] void write_part(std::ostream& out, const void* value) {
  out << *static_cast<const T*>(value);
}
[[gnu::cold]] inline void write_chars(std::ostream& out, const void* value) { out << static_cast<const char*>(value); }
template <class T>
[[nodiscard]] text_part part_of(const T& x) noexcept {
  return {&x, write_part<T>};
}
template <std::size_t N>
[[nodiscard]] text_part part_of(const char (&x)[N]) noexcept {
  return {x, write_chars};
}
[[nodiscard, gnu::noinline, gnu::cold]] inline std::string joined(const text_part* parts, std::size_t count) {
  std::ostringstream out;
  for (std::size_t i = 0; i < count; ++i) parts[i].write(out, parts[i].value);
  return std::move(out).str();
}

}  // namespace detail

/// Joins its arguments into one string as `operator<<` would write them.
template <class... Parts>
[[nodiscard]] std::string cat(const Parts&... parts) {
  const detail::text_part all[] = {detail::part_of(parts)...};
  return detail::joined(all, sizeof...(Parts));
}

}  // namespace BERT_ISA
}  // namespace bert

#endif  // BERT_CORE_ERROR_HPP
