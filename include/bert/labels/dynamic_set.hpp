// A label set whose names are known only at run time, from a file or a checkpoint.
// Layer: labels. Test: tests/unit/labels/dynamic_set_test.cpp
#ifndef BERT_LABELS_DYNAMIC_SET_HPP
#define BERT_LABELS_DYNAMIC_SET_HPP

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::labels {

/// Names in a given order, numbered from 0. Throws bert::error for an empty set, an empty name or a name given twice.
class dynamic_set {
 public:
  explicit dynamic_set(std::vector<std::string> names) : names_(std::move(names)) {
    if (names_.empty()) throw_error({"bert::labels::dynamic_set", "at least one name", "none", {}});
    numbers_.reserve(names_.size());
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (names_[i].empty())
        throw_error({"bert::labels::dynamic_set", "names that are not empty", cat("an empty one at ", i), {}});
      if (!numbers_.emplace(names_[i], static_cast<int>(i)).second)
        throw_error(
            {"bert::labels::dynamic_set", "names that all differ", cat('"', names_[i], "\" twice"), "name each class once"});
    }
  }
  dynamic_set(std::initializer_list<std::string_view> names)
      : dynamic_set(std::vector<std::string>(names.begin(), names.end())) {}

  [[nodiscard]] int size() const noexcept { return static_cast<int>(names_.size()); }
  [[nodiscard]] const std::vector<std::string>& names() const noexcept { return names_; }
  /// `number` in [0, size()).
  [[nodiscard]] std::string_view name(int number) const noexcept { return names_[static_cast<std::size_t>(number)]; }
  [[nodiscard]] std::optional<int> parse(std::string_view text) const {
    const auto found = numbers_.find(std::string(text));
    return found == numbers_.end() ? std::nullopt : std::optional(found->second);
  }
  [[nodiscard]] bool operator==(const dynamic_set& other) const noexcept { return names_ == other.names_; }

 private:
  std::vector<std::string> names_;
  std::unordered_map<std::string, int> numbers_;
};

}  // namespace bert::labels

#endif  // BERT_LABELS_DYNAMIC_SET_HPP
