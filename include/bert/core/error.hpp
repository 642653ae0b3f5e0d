// The one exception type of the library, and the four facts that it carries.
// Layer: core. Test: tests/unit/core/error_test.cpp
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "bert/core/isa.hpp"

namespace bert {

/// What every run-time failure of the library throws: at construction and on input only, never inside a kernel.
///
/// `what()` reads "where: expected …, found …; try …"; the parts stay readable one by one.
class error : public std::runtime_error {
 public:
  struct facts {
    std::string where;     ///< file, tensor, line or call in which it went wrong
    std::string expected;  ///< what would have been right
    std::string found;     ///< what was there
    std::string hint;      ///< what to try, as an imperative; may be empty
  };

  explicit error(facts f) : std::runtime_error(sentence(f)), facts_(std::move(f)) {}
  explicit error(const std::string& text) : std::runtime_error(text) { facts_.found = text; }

  [[nodiscard]] const std::string& where() const noexcept { return facts_.where; }
  [[nodiscard]] const std::string& expected() const noexcept { return facts_.expected; }
  [[nodiscard]] const std::string& found() const noexcept { return facts_.found; }
  [[nodiscard]] const std::string& hint() const noexcept { return facts_.hint; }

 private:
  static std::string sentence(const facts& f) {
    std::string text = f.where;
    if (!f.expected.empty()) text += ": expected " + f.expected;
    if (!f.found.empty()) text += (f.expected.empty() ? ": " : ", found ") + f.found;
    if (!f.hint.empty()) text += "; " + f.hint;
    return text;
  }

  facts facts_;
};

inline namespace BERT_ISA {

/// Joins its arguments into one string as `operator<<` would write them.
template <class... Parts>
[[nodiscard]] std::string cat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return std::move(out).str();
}

}  // namespace BERT_ISA
}  // namespace bert
