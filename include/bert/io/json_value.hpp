// A JSON value of 16 bytes: null, boolean, number, text, array or object. Destroying one never allocates.
// Layer: io. Test: tests/unit/io/json_test.cpp
#ifndef BERT_IO_JSON_VALUE_HPP
#define BERT_IO_JSON_VALUE_HPP

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::io {

/// A JSON value. An object's keys are sorted, so that its text depends on the content alone.
///
///     json config = {{"model_type", "bert"}, {"hidden_size", 768}};   // pairs that start with a string: an object
///     config["architectures"] = std::vector<std::string>{"BertModel"};
///     if (const auto at = config.find("hidden_size"); at != config.end()) use(at->get<int>());
class json {
 public:
  using list = std::vector<json>;
  using members_map = std::map<std::string, json, std::less<>>;

  json() noexcept = default;
  json(std::nullptr_t) noexcept {}                                                               // NOLINT(*-explicit-*)
  json(std::same_as<bool> auto value) noexcept : kind_(kind::boolean) { value_.truth = value; }  // NOLINT(*-explicit-*)
  template <class T>
  // NOLINTNEXTLINE(google-explicit-constructor): a number is a value
  requires(std::integral<T> && !std::same_as<T, bool>) json(T value)
  noexcept {
    if (std::in_range<std::uint64_t>(value)) kind_ = kind::whole, value_.whole = static_cast<std::uint64_t>(value);
    else kind_ = kind::negative, value_.negative = static_cast<std::int64_t>(value);
  }
  json(std::floating_point auto value) noexcept : kind_(kind::fraction) {  // NOLINT(*-explicit-*)
    value_.fraction = static_cast<double>(value);
  }
  json(std::string value) : kind_(kind::text) { value_.text = new std::string(std::move(value)); }  // NOLINT(*-explicit-*)
  json(std::string_view value) : json(std::string(value)) {}                                        // NOLINT(*-explicit-*)
  json(const char* value) : json(std::string(value)) {}                                             // NOLINT(*-explicit-*)
  template <class T>
  json(const std::vector<T>& values) : json(array()) {  // NOLINT(*-explicit-*)
    for (const auto& value : values) push_back(json(value));
  }
  template <class T>
  json(const std::map<std::string, T>& values) : json(object()) {  // NOLINT(*-explicit-*)
    for (const auto& [key, value] : values) members().emplace(key, json(value));
  }
  /// An object if all values are pairs that start with a string, else an array.
  json(std::initializer_list<json> values) : json(array()) {
    const auto pair = [](const json& v) { return v.is_array() && v.size() == 2 && v[std::size_t{0}].is_string(); };
    if (std::all_of(values.begin(), values.end(), pair)) {
      *this = object();
      for (const json& v : values) members().insert_or_assign(v[std::size_t{0}].as_text(), v[std::size_t{1}]);
    } else {
      for (const json& v : values) push_back(v);
    }
  }
  [[nodiscard]] static json object() {
    json j;
    j.value_.members = new members_map();
    j.kind_ = kind::object;
    return j;
  }
  [[nodiscard]] static json array() {
    json j;
    j.value_.items = new list();
    j.kind_ = kind::array;
    return j;
  }

  [[nodiscard]] static json array(std::initializer_list<json> values) {
    json j = array();
    for (const json& v : values) j.push_back(v);
    return j;
  }
  /// `parse_json(text, "JSON")`.
  [[nodiscard]] static json parse(std::string_view text);

  json(const json& other) : value_(other.value_) {
    if (other.is_string()) value_.text = new std::string(*other.value_.text);
    else if (other.is_array()) value_.items = new list(*other.value_.items);
    else if (other.is_object()) value_.members = new members_map(*other.value_.members);
    kind_ = other.kind_;
  }
  json(json&& other) noexcept : kind_(std::exchange(other.kind_, kind::null)), value_(other.value_) {}
  json& operator=(json other) noexcept {
    std::swap(kind_, other.kind_);
    std::swap(value_, other.value_);
    return *this;
  }
  // Recursive, as deep as json_limits allow; cannot throw.
  ~json() {
    if (is_string()) delete value_.text;
    else if (is_array()) delete value_.items;
    else if (is_object()) delete value_.members;
  }

  [[nodiscard]] bool is_null() const noexcept { return kind_ == kind::null; }
  [[nodiscard]] bool is_boolean() const noexcept { return kind_ == kind::boolean; }
  [[nodiscard]] bool is_number() const noexcept { return is_number_integer() || is_number_float(); }
  [[nodiscard]] bool is_number_integer() const noexcept { return kind_ == kind::negative || kind_ == kind::whole; }
  [[nodiscard]] bool is_number_unsigned() const noexcept { return kind_ == kind::whole; }
  [[nodiscard]] bool is_number_float() const noexcept { return kind_ == kind::fraction; }
  [[nodiscard]] bool is_string() const noexcept { return kind_ == kind::text; }
  [[nodiscard]] bool is_array() const noexcept { return kind_ == kind::array; }
  [[nodiscard]] bool is_object() const noexcept { return kind_ == kind::object; }

  // Precondition: a value of that kind. `get`, `json_as` and `require` check it.
  [[nodiscard]] bool as_boolean() const noexcept { return value_.truth; }
  [[nodiscard]] std::uint64_t as_whole() const noexcept { return value_.whole; }
  [[nodiscard]] std::int64_t as_negative() const noexcept { return value_.negative; }
  [[nodiscard]] double as_number() const noexcept {
    return is_number_float()      ? value_.fraction
           : is_number_unsigned() ? static_cast<double>(value_.whole)
                                  : static_cast<double>(value_.negative);
  }
  [[nodiscard]] const std::string& as_text() const noexcept { return *value_.text; }
  /// The members of an object; null becomes an empty object. Throws bert::error for other kinds.
  [[nodiscard]] members_map& members() {
    if (is_null()) *this = object();
    expect(is_object(), "an object");
    return *value_.members;
  }

  /// The value as a T. Throws bert::error if it is of another kind.
  template <class T>
  [[nodiscard]] T get() const;

  /// Number of values in an array or an object, 0 for null, 1 for others.
  [[nodiscard]] std::size_t size() const noexcept {
    return is_array() ? value_.items->size() : is_object() ? value_.members->size() : is_null() ? 0 : 1;
  }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }

  /// Iterates over the values of an array or an object; over nothing for other kinds.
  class const_iterator {
   public:
    using value_type = json;
    using difference_type = std::ptrdiff_t;
    const_iterator() = default;
    explicit const_iterator(const json* at) noexcept : item_(at) {}
    explicit const_iterator(members_map::const_iterator at) noexcept : member_(at), in_object_(true) {}
    const json& operator*() const noexcept { return in_object_ ? member_->second : *item_; }
    const json* operator->() const noexcept { return &**this; }
    /// Only for an object's member.
    [[nodiscard]] const std::string& key() const noexcept { return member_->first; }
    [[nodiscard]] const json& value() const noexcept { return **this; }
    const_iterator& operator++() noexcept {
      if (in_object_) ++member_;
      else ++item_;
      return *this;
    }
    const_iterator operator++(int) noexcept {
      const_iterator old = *this;
      ++*this;
      return old;
    }
    friend bool operator==(const const_iterator& a, const const_iterator& b) noexcept {
      return a.in_object_ == b.in_object_ && (a.in_object_ ? a.member_ == b.member_ : a.item_ == b.item_);
    }

   private:
    const json* item_ = nullptr;
    members_map::const_iterator member_{};
    bool in_object_ = false;
  };
  [[nodiscard]] const_iterator begin() const noexcept {
    if (is_object()) return const_iterator(value_.members->begin());
    return const_iterator(is_array() ? value_.items->data() : nullptr);
  }
  [[nodiscard]] const_iterator end() const noexcept {
    if (is_object()) return const_iterator(value_.members->end());
    return const_iterator(is_array() ? value_.items->data() + value_.items->size() : nullptr);
  }
  /// The member of that name; `end()` if there is none, or if this is no object.
  [[nodiscard]] const_iterator find(std::string_view key) const noexcept {
    return is_object() ? const_iterator(value_.members->find(key)) : end();
  }
  [[nodiscard]] bool contains(std::string_view key) const noexcept { return find(key) != end(); }
  /// Pairs of key and value of an object, none for other kinds: `for (const auto& [key, value] : j.items())`.
  [[nodiscard]] const members_map& items() const noexcept {
    static const members_map none;
    return is_object() ? *value_.members : none;
  }

  /// The member of that name, added if there is none. Throws bert::error unless this is an object, or null, which becomes one.
  json& operator[](const std::string& key) { return members()[key]; }
  json& operator[](const char* key) { return members()[key]; }
  /// The member of that name. Throws bert::error if there is none.
  [[nodiscard]] const json& at(std::string_view key) const {
    const auto found = find(key);
    if (found == end()) throw_error({"a JSON value", cat("the key \"", key, '"'), "none", {}});
    return *found;
  }
  [[nodiscard]] const json& operator[](const char* key) const { return at(key); }
  [[nodiscard]] const json& operator[](const std::string& key) const { return at(key); }
  /// Value `i`. Throws bert::error unless this is an array of more than `i` values.
  [[nodiscard]] const json& operator[](std::size_t i) const {
    expect(is_array() && i < size(), "an array of more values");
    return (*value_.items)[i];
  }
  [[nodiscard]] json& operator[](std::size_t i) { return const_cast<json&>(std::as_const(*this)[i]); }
  std::size_t erase(const std::string& key) { return is_object() ? value_.members->erase(key) : 0; }
  /// Appends to an array and returns the new value; null becomes an array. Throws bert::error for other kinds.
  json& push_back(json value) {
    if (is_null()) *this = array();
    expect(is_array(), "an array");
    return value_.items->emplace_back(std::move(value));
  }

  /// The value as text, on one line or indented by `indent` spaces a level. Throws bert::error for strings that are not UTF-8.
  [[nodiscard]] std::string dump(int indent = -1) const {
    std::string out;
    write(out, indent, 0);
    return out;
  }

  friend bool operator==(const json& a, const json& b) noexcept {
    if (a.is_number() && b.is_number() && a.kind_ != b.kind_) return a.as_number() == b.as_number();
    if (a.kind_ != b.kind_) return false;
    switch (a.kind_) {
      case kind::null: return true;
      case kind::boolean: return a.value_.truth == b.value_.truth;
      case kind::negative: return a.value_.negative == b.value_.negative;
      case kind::whole: return a.value_.whole == b.value_.whole;
      case kind::fraction: return a.value_.fraction == b.value_.fraction;
      case kind::text: return *a.value_.text == *b.value_.text;
      case kind::array: return *a.value_.items == *b.value_.items;
      default: return *a.value_.members == *b.value_.members;
    }
  }

 private:
  enum class kind : std::uint8_t { null, boolean, negative, whole, fraction, text, array, object };
  union payload {
    bool truth;
    std::int64_t negative;
    std::uint64_t whole;
    double fraction;
    std::string* text;
    list* items;
    members_map* members;
  };

  static void expect(bool holds, const char* what) {
    if (!holds) throw_error({"a JSON value", what, "another", {}});
  }

  void write(std::string& out, int indent, int depth) const {
    const auto line = [&](int level) {
      if (indent >= 0) (out += '\n').append(static_cast<std::size_t>(indent) * static_cast<std::size_t>(level), ' ');
    };
    // Writes `values` between `open` and `close`, each by `value(v)`.
    const auto list_of = [&](char open, char close, const auto& values, const auto& value) {
      out += open;
      bool first = true;
      for (const auto& v : values) {
        if (!std::exchange(first, false)) out += ',';
        line(depth + 1);
        value(v);
      }
      if (!first) line(depth);
      out += close;
    };
    switch (kind_) {
      case kind::null: out += "null"; break;
      case kind::boolean: out += value_.truth ? "true" : "false"; break;
      case kind::negative: out += std::to_string(value_.negative); break;
      case kind::whole: out += std::to_string(value_.whole); break;
      case kind::fraction: write_fraction(out, value_.fraction); break;
      case kind::text: write_text(out, *value_.text); break;
      case kind::array: list_of('[', ']', *value_.items, [&](const json& v) { v.write(out, indent, depth + 1); }); break;
      case kind::object:
        list_of('{', '}', *value_.members, [&](const auto& member) {
          write_text(out, member.first);
          out += indent >= 0 ? ": " : ":";
          member.second.write(out, indent, depth + 1);
        });
        break;
    }
  }

  // The shortest digits that parse to the same number, with ".0" if it is whole.
  static void write_fraction(std::string& out, double x) {
    if (!std::isfinite(x)) {
      out += "null";  // JSON has no NaN and no infinity
      return;
    }
    std::array<char, 64> digits;
    const double size = std::abs(x);
    const auto format = x == 0 || (size >= 1e-4 && size < 1e15) ? std::chars_format::fixed : std::chars_format::scientific;
    const std::string_view text(
        digits.data(),
        static_cast<std::size_t>(std::to_chars(digits.data(), digits.data() + digits.size(), x, format).ptr - digits.data()));
    out += text;
    if (text.find_first_of(".e") == std::string_view::npos) out += ".0";
  }

  static void write_text(std::string& out, std::string_view text) {
    out += '"';
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t length = bert::utf8_length(text.substr(i));
      if (length == 0) throw_error({"a JSON text", "UTF-8", cat('"', text, "\", byte ", i), "give it in UTF-8"});
      const char c = text[i];
      constexpr std::string_view plain = "\b\t\n\f\r\"\\", named = "btnfr\"\\";
      if (const std::size_t at = plain.find(c); at != std::string_view::npos) {
        out += '\\';
        out += named[at];
      } else if (static_cast<unsigned char>(c) < 0x20) {
        out += "\\u00";
        out += static_cast<char>('0' + (c >> 4));
        out += "0123456789abcdef"[c & 15];
      } else {
        out += text.substr(i, length);
      }
      i += length;
    }
    out += '"';
  }

  kind kind_ = kind::null;
  payload value_{};
};

static_assert(sizeof(json) == 16);

}  // namespace bert::io

#endif  // BERT_IO_JSON_VALUE_HPP
