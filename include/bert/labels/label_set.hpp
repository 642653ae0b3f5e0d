// The concepts of label sets, with names known at compile time or only at run time.
// Layer: labels. Test: tests/unit/labels/dynamic_set_test.cpp
#ifndef BERT_LABELS_LABEL_SET_HPP
#define BERT_LABELS_LABEL_SET_HPP

#include <concepts>
#include <optional>
#include <string>
#include <string_view>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::labels {

/// Names numbered from 0: `one_of<…>`, `bio<…>`, `dynamic_set`.
template <class L>
concept label_set = requires(const L& set, int number, std::string_view text) {
  { set.size() } -> std::convertible_to<int>;
  { set.name(number) } -> std::convertible_to<std::string_view>;
  { set.parse(text) } -> std::same_as<std::optional<int>>;
};

/// A label set whose names are part of its type: `L::count` names, no object needed.
template <class L>
concept static_label_set = label_set<L> && requires {
  { L::count } -> std::convertible_to<int>;
  requires(L::count > 0);
};

/// Used instead of a label set where the target is a number (regression).
struct number {};

/// All names of a set, quoted, for a message; the first dozen if there are more.
template <label_set L>
[[nodiscard]] std::string listed(const L& set) {
  std::string text;
  for (int i = 0; i < set.size() && i < 12; ++i) text.append(i == 0 ? "\"" : ", \"").append(set.name(i)).append("\"");
  if (set.size() > 12) text += ", …";
  return text;
}

}  // namespace bert::labels

#endif  // BERT_LABELS_LABEL_SET_HPP
