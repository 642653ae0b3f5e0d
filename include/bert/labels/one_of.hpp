// A set of class names as a type, for single-label classification.
// Layer: labels. Test: tests/unit/labels/one_of_test.cpp
#ifndef BERT_LABELS_ONE_OF_HPP
#define BERT_LABELS_ONE_OF_HPP

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include "bert/core/ensure.hpp"
#include "bert/core/fixed_string.hpp"
#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::labels {

#if defined(__clang__)
/// clang 14 prints a fixed_string as numbers, `{{117, 114, …}}`, but a `char` as a character: `spelled<'u', 'r', …>`.
template <char... Characters>
struct spelled {};
namespace detail {
template <fixed_string Name, std::size_t... I>
spelled<Name.text[I]...> spell(std::index_sequence<I...>);
}
template <fixed_string Name>
using label = decltype(detail::spell<Name>(std::make_index_sequence<Name.view().size()>{}));
template <class... Names>
struct names_spelled {};
template <fixed_string... Names>
using names = names_spelled<label<Names>...>;
#else
/// A name as a fact in a diagnostic: `label<"urgnet">`.
template <fixed_string Name>
struct label {};

/// All names of a set as one fact: `names<"routine", "soon", "urgent">`.
template <fixed_string... Names>
struct names {};
#endif

/// The index of `text` in `all`, -1 if it is not there.
template <std::size_t N>
[[nodiscard]] constexpr int find(const std::array<std::string_view, N>& all, std::string_view text) noexcept {
  for (std::size_t i = 0; i < N; ++i)
    if (all[i] == text) return static_cast<int>(i);
  return -1;
}

/// `struct urgency : bert::labels::one_of<"routine", "soon", "urgent"> {};` numbers its names 0, 1, 2.
template <fixed_string... Names>
struct one_of {
  static_assert(ensure<(sizeof...(Names) >= 2), facts<names<Names...>>>, "a label set has at least two names; add one");

  static constexpr int count = static_cast<int>(sizeof...(Names));
  static constexpr std::array<std::string_view, sizeof...(Names)> all{Names.view()...};

 private:
  static constexpr bool all_differ() noexcept {
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i].empty() || find(all, all[i]) != static_cast<int>(i)) return false;
    return true;
  }
  static_assert(ensure<all_differ(), facts<names<Names...>>>,
                "the names of a label set are not empty and all different; rename one");

  template <fixed_string Name>
  static constexpr int checked() noexcept {
    constexpr int found = find(all, Name.view());
    static_assert(ensure<(found >= 0), facts<label<Name>, names<Names...>>>,
                  "no such label in this set; write one of the names listed in the facts");
    return found;
  }

 public:
  /// The index of a name; one that is not in the set does not compile.
  template <fixed_string Name>
  static constexpr int index = checked<Name>();

  [[nodiscard]] static constexpr int size() noexcept { return count; }
  /// `number` in [0, count).
  [[nodiscard]] static constexpr std::string_view name(int number) noexcept { return all[static_cast<std::size_t>(number)]; }
  [[nodiscard]] static constexpr std::optional<int> parse(std::string_view text) noexcept {
    const int found = find(all, text);
    return found < 0 ? std::nullopt : std::optional(found);
  }
};

}  // namespace bert::labels

#endif  // BERT_LABELS_ONE_OF_HPP
