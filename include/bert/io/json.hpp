// JSON in and out, every failure a bert::error. The one file that includes nlohmann-json.
// Layer: io. Test: tests/unit/io/json_test.cpp
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/io/mapped_file.hpp"

// A few kilobytes of JSON are read once: g++ need not spend a sixth of a program's compile time on their speed.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("O1")
#endif
#include <nlohmann/json.hpp>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

namespace bert::inline BERT_ISA::io {

/// An object's keys are kept sorted, so that what is written depends on the content alone.
using json = nlohmann::json;

/// Deeper nesting than any file of a checkpoint has; bounds what a hostile file can make the parser hold.
inline constexpr int json_depth = 256;

namespace detail {

/// Refuses, while parsing, what a document object would hide: a key given twice, and bottomless nesting.
class json_guard {
 public:
  explicit json_guard(std::string where) : where_(std::move(where)) {}

  bool operator()(int depth, json::parse_event_t event, json& parsed) {
    if (depth > json_depth)
      throw error(
          {where_, cat("JSON at most ", json_depth, " levels deep"), "deeper nesting", "the file is damaged or hostile"});
    if (event == json::parse_event_t::object_start) keys_.emplace_back();
    else if (event == json::parse_event_t::object_end) keys_.pop_back();
    else if (event == json::parse_event_t::key && !keys_.back().insert(parsed.get<std::string>()).second)
      throw error(
          {where_, "every key once", cat('"', parsed.get<std::string>(), "\" twice"), "the file is damaged or hostile"});
    return true;
  }

 private:
  std::string where_;
  std::vector<std::set<std::string>> keys_;
};

/// Up to 24 printable bytes from `byte` on, for a message.
[[nodiscard]] inline std::string excerpt(std::string_view text, std::size_t byte) {
  std::string shown(text.substr(std::min(byte, text.size()), 24));
  for (char& c : shown)
    if (c < ' ' || c == '\x7f') c = ' ';
  return shown;
}

}  // namespace detail

/// Parses a whole document. Throws bert::error saying `where`, the byte, line and column of the fault, and what stands there.
[[nodiscard]] inline json parse_json(std::string_view text, const std::string& where) {
  try {
    detail::json_guard guard(where);
    return json::parse(text,
                       [&guard](int depth, json::parse_event_t event, json& parsed) { return guard(depth, event, parsed); });
  } catch (const nlohmann::json::parse_error& e) {
    const std::size_t byte = e.byte == 0 ? 0 : std::min(e.byte - 1, text.size());
    const std::string_view before = text.substr(0, byte);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const std::size_t newline = before.rfind('\n');
    const std::size_t column = byte - (newline == std::string_view::npos ? 0 : newline + 1) + 1;
    throw error({where, "JSON",
                 byte == text.size() ? cat("the end of the text at byte ", byte, " (line ", line, ", column ", column, ")")
                                     : cat("a fault at byte ", byte, " (line ", line, ", column ", column, ") near \"",
                                           detail::excerpt(text, byte), '"'),
                 "the file is damaged or no JSON"});
  } catch (const nlohmann::json::exception& e) {
    throw error({where, "JSON", e.what(), "the file is damaged or no JSON"});
  }
}

/// Reads and parses a file.
[[nodiscard]] inline json read_json(const std::filesystem::path& path) {
  const mapped_file file(path);
  return parse_json(file.text(), path.string());
}

/// What kind of value it is, in words, for messages.
[[nodiscard]] inline std::string kind_of(const json& value) {
  if (value.is_number_float()) return "a fraction";
  if (value.is_number()) return "a whole number";
  if (value.is_null()) return "null";
  if (value.is_object()) return "an object";
  return std::string(value.is_array() ? "an " : "a ") + value.type_name();
}

/// `value` as a T: bool, any integer (range checked, never rounded), any floating type, std::string, json as it is, or a vector
/// of these. `where` names the value in the error.
template <class T>
[[nodiscard]] T json_as(const json& value, const std::string& where) {
  if constexpr (std::same_as<T, bool>) {
    if (value.is_boolean()) return value.get<bool>();
    throw error({where, "true or false", kind_of(value), {}});
  } else if constexpr (std::integral<T>) {
    if (value.is_number_unsigned()) {
      if (const auto n = value.get<std::uint64_t>(); n <= static_cast<std::uint64_t>(std::numeric_limits<T>::max()))
        return static_cast<T>(n);
    } else if (value.is_number_integer()) {
      if (const auto n = value.get<std::int64_t>(); std::in_range<T>(n)) return static_cast<T>(n);
    }
    throw error({where,
                 cat("a whole number from ", +std::numeric_limits<T>::min(), " to ", +std::numeric_limits<T>::max()),
                 value.is_number() ? value.dump() : kind_of(value),
                 {}});
  } else if constexpr (std::floating_point<T>) {
    if (value.is_number()) return value.get<T>();
    throw error({where, "a number", kind_of(value), {}});
  } else if constexpr (std::same_as<T, std::string>) {
    if (value.is_string()) return value.get<std::string>();
    throw error({where, "a string", kind_of(value), {}});
  } else if constexpr (std::same_as<T, json>) {
    return value;
  } else {
    if (!value.is_array()) throw error({where, "an array", kind_of(value), {}});
    T list;
    for (const json& item : value) list.push_back(json_as<typename T::value_type>(item, cat(where, '[', list.size(), ']')));
    return list;
  }
}

/// `object[key]` as a T. Throws bert::error naming `where` and the key if it is absent or of another type.
template <class T>
[[nodiscard]] T require(const json& object, std::string_view key, const std::string& where) {
  if (!object.is_object()) throw error({where, "an object", kind_of(object), {}});
  const auto found = object.find(key);
  if (found == object.end()) throw error({where, cat("the key \"", key, '"'), "none", {}});
  return json_as<T>(*found, cat(where, ", \"", key, '"'));
}

/// As `require`, but `fallback` when the key is absent or null.
template <class T>
[[nodiscard]] T value_or(const json& object, std::string_view key, const std::string& where, T fallback) {
  if (!object.is_object()) throw error({where, "an object", kind_of(object), {}});
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return fallback;
  return json_as<T>(*found, cat(where, ", \"", key, '"'));
}

/// Text of a document, indented by two spaces, with a last newline. Bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] inline std::string to_text(const json& value) {
  return value.dump(2, ' ', false, json::error_handler_t::replace) + '\n';
}

}  // namespace bert::io
