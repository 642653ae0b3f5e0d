// Entity tags as a type: O, then B- and I- of each entity type, and which tag may follow which.
// Layer: labels. Test: tests/unit/labels/bio_test.cpp. Paper: Ramshaw and Marcus 1995, "Text chunking using
// transformation-based learning".
#ifndef BERT_LABELS_BIO_HPP
#define BERT_LABELS_BIO_HPP

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "bert/core/ensure.hpp"
#include "bert/core/fixed_string.hpp"
#include "bert/core/isa.hpp"
#include "bert/labels/one_of.hpp"

namespace bert::inline BERT_ISA::labels {

/// `struct entities : bert::labels::bio<"PER", "ORG"> {};` has the tags O, B-PER, I-PER, B-ORG, I-ORG, numbered 0 to 4.
///
/// I-X continues an entity, so it may follow only B-X or I-X; every other tag may follow any tag.
template <fixed_string... Types>
struct bio {
  static_assert(ensure<(sizeof...(Types) >= 1), facts<names<Types...>>>, "a tag set has at least one entity type; add one");

  static constexpr int types = static_cast<int>(sizeof...(Types));
  static constexpr int count = 2 * types + 1;
  static constexpr int outside = 0;

 private:
  template <fixed_string Type>
  struct spelled {
    static constexpr std::size_t length = Type.view().size() + 2;
    static constexpr std::array<char, length> with(char prefix) noexcept {
      std::array<char, length> text{prefix, '-'};
      for (std::size_t i = 2; i < length; ++i) text[i] = Type.view()[i - 2];
      return text;
    }
    static constexpr std::array<char, length> begin = with('B'), inside = with('I');
  };

  static constexpr std::array<std::string_view, static_cast<std::size_t>(count)> spell() noexcept {
    std::array<std::string_view, static_cast<std::size_t>(count)> tags{"O"};
    std::size_t next = 1;
    ((tags[next] = {spelled<Types>::begin.data(), spelled<Types>::length},
      tags[next + 1] = {spelled<Types>::inside.data(), spelled<Types>::length}, next += 2),
     ...);
    return tags;
  }

 public:
  static constexpr std::array<std::string_view, static_cast<std::size_t>(count)> all = spell();
  static constexpr std::array<std::string_view, sizeof...(Types)> type_names{Types.view()...};

 private:
  template <fixed_string Tag>
  static constexpr int checked() noexcept {
    constexpr int found = find(all, Tag.view());
    static_assert(ensure<(found >= 0), facts<label<Tag>, names<Types...>>>,
                  "no such tag in this set; write \"O\", or \"B-\" or \"I-\" and one of the types listed in the facts");
    return found;
  }

 public:
  template <fixed_string Tag>
  static constexpr int index = checked<Tag>();

  [[nodiscard]] static constexpr int size() noexcept { return count; }
  [[nodiscard]] static constexpr std::string_view name(int tag) noexcept { return all[static_cast<std::size_t>(tag)]; }
  [[nodiscard]] static constexpr std::optional<int> parse(std::string_view text) noexcept {
    const int found = find(all, text);
    return found < 0 ? std::nullopt : std::optional(found);
  }

  [[nodiscard]] static constexpr bool begins(int tag) noexcept { return tag % 2 == 1; }
  [[nodiscard]] static constexpr bool continues(int tag) noexcept { return tag != outside && tag % 2 == 0; }
  /// The type of a tag other than O, in [0, types).
  [[nodiscard]] static constexpr int type(int tag) noexcept { return (tag - 1) / 2; }

  /// Whether the tag `to` may follow the tag `from`.
  [[nodiscard]] static constexpr bool may_follow(int from, int to) noexcept {
    return !continues(to) || (from != outside && type(from) == type(to));
  }
  /// Whether a sequence may start with `tag`.
  [[nodiscard]] static constexpr bool may_start(int tag) noexcept { return !continues(tag); }

  /// `allows<"B-PER", "I-PER">`; a tag that is not in the set does not compile.
  template <fixed_string From, fixed_string To>
  static constexpr bool allows = may_follow(index<From>, index<To>);
};

}  // namespace bert::labels

#endif  // BERT_LABELS_BIO_HPP
