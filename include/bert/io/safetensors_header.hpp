// Reads the header of a safetensors file by events, without a tree: memory and time are linear in its length.
// Layer: io. Test: tests/unit/io/safetensors_test.cpp, tests/unit/io/hostile_test.cpp
// Format: https://github.com/huggingface/safetensors#format
#ifndef BERT_IO_SAFETENSORS_HEADER_HPP
#define BERT_IO_SAFETENSORS_HEADER_HPP

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/io/byte_reader.hpp"
#include "bert/io/json_events.hpp"
#include "bert/io/stored_tensor.hpp"

namespace bert::inline BERT_ISA::io::detail {

/// Collects tensors and metadata; checks each tensor against `data` as soon as its entry ends. The caller checks for names
/// given twice and for bytes that overlap.
class safetensors_header final : public json_events {
 public:
  safetensors_header(std::span<const std::byte> data, const std::string& where) : data_(data), where_(where) {}

  std::vector<stored_tensor> tensors;
  std::map<std::string, std::string> metadata;

  void null() override { scalar("null"); }
  void boolean(bool) override { scalar("a boolean"); }
  void negative(std::int64_t value) override { scalar("a whole number", std::to_string(value)); }
  void fraction(double) override { scalar("a fraction"); }
  void whole(std::uint64_t value) override {
    if (level_ != level::numbers) return scalar("a whole number");
    if (numbers_.size() == most_numbers)
      throw_error({cat(location(), ", \"", key_, "\""), cat("at most ", most_numbers, " numbers"), "more", damaged});
    numbers_.push_back(value);
  }
  void text(std::string& value) override {
    if (level_ == level::metadata) {
      if (metadata.size() == most_metadata)
        throw_error({cat(where_, ", __metadata__"), cat("at most ", most_metadata, " entries"), "more", damaged});
      if (!metadata.emplace(key_, std::move(value)).second) duplicate(cat(where_, ", __metadata__"), key_);
    } else if (level_ == level::entry && key_ == "dtype" && skipped_ == 0) {
      if (std::exchange(seen_type_, true)) duplicate(location(), key_);
      type_ = std::move(value);
    } else {
      scalar("a string");
    }
  }
  void key(std::string& value) override { (level_ == level::top ? name_ : key_) = std::move(value); }

  void begin_object() override {
    if (level_ == level::outside) level_ = level::top;
    else if (level_ == level::top && name_ == "__metadata__") {
      if (std::exchange(seen_metadata_, true)) duplicate(where_, name_);
      level_ = level::metadata;
    } else if (level_ == level::top) {
      level_ = level::entry;
      seen_type_ = seen_shape_ = seen_offsets_ = false;
    } else {
      unknown("an object");
    }
  }
  void end_object() override {
    if (skipped_ != 0) --skipped_;
    else if (level_ == level::entry) finish_entry(), level_ = level::top;
    else if (level_ == level::metadata) level_ = level::top;
    else level_ = level::outside;
  }
  void begin_array() override {
    if (level_ == level::entry && skipped_ == 0 && (key_ == "shape" || key_ == "data_offsets")) {
      if (std::exchange(key_ == "shape" ? seen_shape_ : seen_offsets_, true)) duplicate(location(), key_);
      numbers_.clear();
      level_ = level::numbers;
    } else {
      unknown("an array");
    }
  }
  void end_array() override {
    if (skipped_ != 0) {
      --skipped_;
      return;
    }
    if (key_ == "shape") shape_.assign(numbers_.begin(), numbers_.end());
    else offsets_.assign(numbers_.begin(), numbers_.end());
    level_ = level::entry;
  }

 private:
  // Far beyond real files; they bound the memory that a hostile one takes for each of its bytes.
  static constexpr std::size_t most_numbers = 64, most_metadata = 10'000;

  enum class level : std::uint8_t { outside, top, metadata, entry, numbers };

  [[nodiscard]] std::string location() const { return cat(where_, ", tensor \"", name_, '"'); }
  [[noreturn]] static void duplicate(const std::string& where, const std::string& key) {
    throw_error({where, "every key once", cat('"', key, "\" twice"), "the file is damaged or hostile"});
  }

  // Throws for a value that is no object and no array, except under an unknown key.
  void scalar(const char* kind, const std::string& shown = {}) {
    if (skipped_ != 0) return;
    switch (level_) {
      case level::outside: throw_error({where_, "an object as header", kind, damaged});
      case level::top:
        if (name_ == "__metadata__") throw_error({cat(where_, ", __metadata__"), "an object", kind, damaged});
        throw_error({location(), "an object", kind, damaged});
      case level::metadata: throw_error({cat(where_, ", __metadata__, ", key_), "a string", kind, damaged});
      case level::numbers:
        throw_error({cat(location(), ", \"", key_, "\"[", numbers_.size(), ']'), "a whole number from 0 on",
                     shown.empty() ? kind : shown, damaged});
      case level::entry:
        if (key_ == "dtype") throw_error({cat(location(), ", \"dtype\""), "a string", kind, damaged});
        if (key_ == "shape" || key_ == "data_offsets")
          throw_error({cat(location(), ", \"", key_, '"'), "an array", kind, damaged});
    }
  }
  // An object or array that is not expected: throws as `scalar` does, or under an unknown key skips it with all that it holds.
  void unknown(const char* kind) {
    if (skipped_ == 0) scalar(kind);
    ++skipped_;
  }

  void finish_entry() {
    for (const auto& [seen, key] : {std::pair{seen_type_, "dtype"}, {seen_shape_, "shape"}, {seen_offsets_, "data_offsets"}})
      if (!seen) throw_error({location(), cat("the key \"", key, '"'), "none", damaged});
    const auto type = dtype_named(type_);
    if (!type) throw_error({location(), "a known type such as F32, F16 or BF16", type_, "convert the weights to one of these"});
    if (offsets_.size() != 2) throw_error({location(), "two data_offsets", cat(offsets_.size()), damaged});
    const std::uint64_t first = offsets_[0], last = offsets_[1];
    if (first > last || last > data_.size())
      throw_error(
          {location(), cat("bytes within the ", data_.size(), " of the file's data"), cat(first, " to ", last), damaged});
    const auto claimed = product(shape_, bytes_of(*type));
    if (claimed != last - first)
      throw_error({location(),
                   cat(claimed ? std::to_string(*claimed) : "more than 2^64", " bytes for ", type_, ' ', shape_text(shape_)),
                   cat(last - first), damaged});
    tensors.push_back({std::move(name_), *type, shape_,
                       data_.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first))});
  }

  static std::optional<std::uint64_t> product(std::span<const std::size_t> shape, std::uint64_t unit) noexcept {
    std::uint64_t n = unit;
    for (const std::size_t extent : shape) {
      std::uint64_t next = 0;
      if (!detail::multiply(n, extent, next)) return std::nullopt;
      n = next;
    }
    return n;
  }

  std::span<const std::byte> data_;
  const std::string& where_;
  level level_ = level::outside;
  std::size_t skipped_ = 0;  // open objects and arrays under an unknown key
  std::string name_, key_, type_;
  std::vector<std::uint64_t> numbers_, offsets_;
  std::vector<std::size_t> shape_;
  bool seen_type_ = false, seen_shape_ = false, seen_offsets_ = false, seen_metadata_ = false;
};

}  // namespace bert::io::detail

#endif  // BERT_IO_SAFETENSORS_HEADER_HPP
