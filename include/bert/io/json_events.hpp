// JSON as a sequence of events, for untrusted files. The only header that includes nlohmann-json.
// Layer: io. Test: tests/unit/io/json_test.cpp, tests/fuzz/json_fuzz.cpp
#ifndef BERT_IO_JSON_EVENTS_HPP
#define BERT_IO_JSON_EVENTS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"

// -O1, as the parser's speed does not matter: at higher levels g++ spends a sixth of a program's compile time on it.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("O1")
#endif
#include <nlohmann/json.hpp>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

namespace bert::inline BERT_ISA::io {

/// Limits of a document: they and the length of the text bound the reader's memory.
struct json_limits {
  std::size_t bytes = std::size_t{1} << 28;   ///< of the text: 256 MB
  std::size_t depth = 256;                    ///< levels of nesting; files of a checkpoint have fewer than ten
  std::size_t values = std::size_t{1} << 23;  ///< in all; the largest vocabularies of BERTs have half a million
};

/// Receives a document in order. Handlers may move from texts and keys. An exception of a handler ends the reading.
class json_events {
 public:
  virtual ~json_events() = default;
  virtual void null() = 0;
  virtual void boolean(bool value) = 0;
  virtual void negative(std::int64_t value) = 0;  ///< a whole number below 0
  virtual void whole(std::uint64_t value) = 0;    ///< a whole number of 0 or more
  virtual void fraction(double value) = 0;        ///< a number with a point or an exponent, or beyond 64 bits
  virtual void text(std::string& value) = 0;
  virtual void begin_object() = 0;
  virtual void key(std::string& value) = 0;
  virtual void end_object() = 0;
  virtual void begin_array() = 0;
  virtual void end_array() = 0;
};

namespace detail {

/// nlohmann's handler: checks the limits and forwards each event to a json_events.
class json_bridge {
 public:
  json_bridge(std::string_view text, const std::string& where, json_events& out, const json_limits& limits)
      : text_(text), where_(where), out_(out), limits_(limits) {}

  bool null() { return counted(), out_.null(), true; }
  bool boolean(bool value) { return counted(), out_.boolean(value), true; }
  bool number_integer(std::int64_t value) { return counted(), out_.negative(value), true; }
  bool number_unsigned(std::uint64_t value) { return counted(), out_.whole(value), true; }
  bool number_float(double value, const std::string&) { return counted(), out_.fraction(value), true; }
  bool string(std::string& value) { return counted(), out_.text(value), true; }
  template <class Binary>
  bool binary(Binary&) {
    return false;  // JSON has no binary values
  }
  bool start_object(std::size_t) { return enter(), out_.begin_object(), true; }
  bool key(std::string& value) { return out_.key(value), true; }
  bool end_object() { return --depth_, out_.end_object(), true; }
  bool start_array(std::size_t) { return enter(), out_.begin_array(), true; }
  bool end_array() { return --depth_, out_.end_array(), true; }

  template <class Exception>
  [[noreturn]] bool parse_error(std::size_t position, const std::string&, const Exception&) {
    const std::size_t byte = position == 0 ? 0 : std::min(position - 1, text_.size());
    const std::string_view before = text_.substr(0, byte);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const std::size_t newline = before.rfind('\n');
    const std::size_t column = byte - (newline == std::string_view::npos ? 0 : newline + 1) + 1;
    throw_error({where_, "JSON",
                 byte == text_.size() ? cat("the end of the text at byte ", byte, " (line ", line, ", column ", column, ")")
                                      : cat("a fault at byte ", byte, " (line ", line, ", column ", column, ") near \"",
                                            text_.substr(byte, 24), '"'),
                 "the file is damaged or no JSON"});
  }

 private:
  void counted() {
    if (++values_ > limits_.values)
      throw_error({where_, cat("JSON of at most ", limits_.values, " values"), "more", "the file is damaged or hostile"});
  }
  void enter() {
    counted();
    if (++depth_ > limits_.depth)
      throw_error(
          {where_, cat("JSON at most ", limits_.depth, " levels deep"), "deeper nesting", "the file is damaged or hostile"});
  }

  std::string_view text_;
  const std::string& where_;
  json_events& out_;
  const json_limits& limits_;
  std::size_t depth_ = 0, values_ = 0;
};

}  // namespace detail

/// Reads a document into `out`, in one pass. Throws bert::error with `where`, and the byte, line and column of a fault and the
/// text there, or the limit that the document exceeds.
inline void read_events(std::string_view text, const std::string& where, json_events& out, const json_limits& limits = {}) {
  if (text.size() > limits.bytes)
    throw_error({where, cat("JSON of at most ", limits.bytes, " bytes"), cat(text.size()), "is this the right file?"});
  detail::json_bridge bridge(text, where, out, limits);
  // json::sax_parse would also compile nlohmann's readers of five binary formats: 3 of a program's 14 seconds.
  auto input = nlohmann::detail::input_adapter(text.data(), text.data() + text.size());
  nlohmann::detail::parser<nlohmann::json, decltype(input)> parser(
      std::move(input));  // NOLINT(performance-move-const-arg): it takes an rvalue
  parser.sax_parse(&bridge, true);
}

}  // namespace bert::io

#endif  // BERT_IO_JSON_EVENTS_HPP
