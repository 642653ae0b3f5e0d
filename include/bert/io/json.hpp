// JSON: parses text into values under limits, typed access, and text again. Every failure is a bert::error.
// Layer: io. Test: tests/unit/io/json_test.cpp, tests/fuzz/json_fuzz.cpp
#ifndef BERT_IO_JSON_HPP
#define BERT_IO_JSON_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/json_events.hpp"
#include "bert/io/json_value.hpp"
#include "bert/io/mapped_file.hpp"

namespace bert::inline BERT_ISA::io {

namespace detail {

/// Builds the tree. The open containers are a path from the root, and no open container moves.
class json_builder final : public json_events {
 public:
  explicit json_builder(const std::string& where) : where_(where) {}

  [[nodiscard]] json take() { return std::move(root_); }

  void null() override { put(json()); }
  void boolean(bool value) override { put(json(value)); }
  void negative(std::int64_t value) override { put(json(value)); }
  void whole(std::uint64_t value) override { put(json(value)); }
  void fraction(double value) override { put(json(value)); }
  void text(std::string& value) override { put(json(std::move(value))); }
  void begin_object() override { open_.push_back(&put(json::object())); }
  void begin_array() override { open_.push_back(&put(json::array())); }
  void end_object() override { open_.pop_back(); }
  void end_array() override { open_.pop_back(); }
  void key(std::string& value) override {
    const auto [at, added] = open_.back()->members().try_emplace(std::move(value));
    if (!added) throw_error({where_, "every key once", cat('"', at->first, "\" twice"), "the file is damaged or hostile"});
    next_ = &at->second;
  }

 private:
  json& put(json value) {
    if (open_.empty()) return root_ = std::move(value);
    if (open_.back()->is_object()) return *next_ = std::move(value);
    return open_.back()->push_back(std::move(value));
  }

  const std::string& where_;
  json root_;
  json* next_ = nullptr;
  std::vector<json*> open_;
};

}  // namespace detail

/// Parses a document. Throws bert::error with `where`, the byte, line and column of a fault and the text there; for a key given
/// twice; and for a document beyond `limits`.
[[nodiscard]] inline json parse_json(std::string_view text, const std::string& where, const json_limits& limits = {}) {
  detail::json_builder builder(where);
  read_events(text, where, builder, limits);
  return builder.take();
}

inline json json::parse(std::string_view text) { return parse_json(text, "JSON"); }

/// Reads and parses a file.
[[nodiscard]] inline json read_json(const std::filesystem::path& path, const json_limits& limits = {}) {
  const mapped_file file(path);
  return parse_json(file.text(), path_text(path), limits);
}

/// The kind of a value in words, for messages.
[[nodiscard]] inline std::string kind_of(const json& value) {
  if (value.is_null()) return "null";
  if (value.is_boolean()) return "a boolean";
  if (value.is_number_float()) return "a fraction";
  if (value.is_number()) return "a whole number";
  if (value.is_string()) return "a string";
  return value.is_array() ? "an array" : "an object";
}

/// `value` as a T: bool, any integer type (range checked, never rounded), any floating type, std::string, json, or a vector of
/// these. `where` names the value in the error.
template <class T>
[[nodiscard]] T json_as(const json& value, const std::string& where) {
  if constexpr (std::same_as<T, bool>) {
    if (value.is_boolean()) return value.as_boolean();
    throw_error({where, "true or false", kind_of(value), {}});
  } else if constexpr (std::integral<T>) {
    if (value.is_number_unsigned()) {
      if (std::in_range<T>(value.as_whole())) return static_cast<T>(value.as_whole());
    } else if (value.is_number_integer()) {
      if (std::in_range<T>(value.as_negative())) return static_cast<T>(value.as_negative());
    }
    throw_error({where,
                 cat("a whole number from ", +std::numeric_limits<T>::min(), " to ", +std::numeric_limits<T>::max()),
                 value.is_number() ? value.dump() : kind_of(value),
                 {}});
  } else if constexpr (std::floating_point<T>) {
    if (value.is_number()) return static_cast<T>(value.as_number());
    throw_error({where, "a number", kind_of(value), {}});
  } else if constexpr (std::same_as<T, std::string>) {
    if (value.is_string()) return value.as_text();
    throw_error({where, "a string", kind_of(value), {}});
  } else if constexpr (std::same_as<T, json>) {
    return value;
  } else {
    if (!value.is_array()) throw_error({where, "an array", kind_of(value), {}});
    T list;
    for (const json& item : value) list.push_back(json_as<typename T::value_type>(item, cat(where, '[', list.size(), ']')));
    return list;
  }
}

/// `object[key]` as a T. Throws bert::error naming `where` and the key if it is absent or of another type.
template <class T>
[[nodiscard]] T require(const json& object, std::string_view key, const std::string& where) {
  if (!object.is_object()) throw_error({where, "an object", kind_of(object), {}});
  const auto found = object.find(key);
  if (found == object.end()) throw_error({where, cat("the key \"", key, '"'), "none", {}});
  return json_as<T>(*found, cat(where, ", \"", key, '"'));
}

/// As `require`, but `fallback` when the key is absent or null.
template <class T>
[[nodiscard]] T value_or(const json& object, std::string_view key, const std::string& where, T fallback) {
  if (!object.is_object()) throw_error({where, "an object", kind_of(object), {}});
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return fallback;
  return json_as<T>(*found, cat(where, ", \"", key, '"'));
}

template <class T>
T json::get() const {
  return json_as<T>(*this, "a JSON value");
}

/// The document as text, indented by two spaces, with a last newline. Throws bert::error for strings that are not UTF-8.
[[nodiscard]] inline std::string to_text(const json& value) { return value.dump(2) + '\n'; }

}  // namespace bert::io

#endif  // BERT_IO_JSON_HPP
