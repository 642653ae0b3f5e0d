// Entity tags with ends as a type: O, then B-, I-, E- and S- of each entity type, and which tag may follow which.
// Layer: labels. Test: tests/unit/labels/bioes_test.cpp
// Papers: Ratinov and Roth 2009, "Design challenges and misconceptions in named entity recognition" (BILOU); Xue 2003, "Chinese
// word segmentation as character tagging" (BMES).
#ifndef BERT_LABELS_BIOES_HPP
#define BERT_LABELS_BIOES_HPP

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "bert/core/ensure.hpp"
#include "bert/core/fixed_string.hpp"
#include "bert/core/isa.hpp"
#include "bert/labels/one_of.hpp"

namespace bert::inline BERT_ISA::labels {

/// The tags O, B-X, `Inside`-X, E-X, S-X of each type X: the base of `bioes` and `bmes`.
///
/// An entity of one word is S-X; one of more is B-X, any number of `Inside`-X, E-X. So a sequence starts outside an entity and
/// ends outside one.
template <char Inside, fixed_string... Types>
struct entities_with_ends {
  static_assert(ensure<(sizeof...(Types) >= 1), facts<names<Types...>>>, "a tag set has at least one entity type; add one");

  static constexpr int types = static_cast<int>(sizeof...(Types));
  static constexpr int count = 4 * types + 1;
  static constexpr int outside = 0;

 private:
  static constexpr std::array<char, 4> letters{'B', Inside, 'E', 'S'};

  template <fixed_string Type, std::size_t Letter>
  struct spelled {
    static constexpr std::size_t length = Type.view().size() + 2;
    static constexpr std::array<char, length> text = [] {
      std::array<char, length> t{letters[Letter], '-'};
      for (std::size_t i = 2; i < length; ++i) t[i] = Type.view()[i - 2];
      return t;
    }();
    static constexpr std::string_view view{text.data(), length};
  };

  static constexpr std::array<std::string_view, static_cast<std::size_t>(count)> spell() noexcept {
    std::array<std::string_view, static_cast<std::size_t>(count)> tags{"O"};
    std::size_t next = 1;
    ((tags[next] = spelled<Types, 0>::view, tags[next + 1] = spelled<Types, 1>::view, tags[next + 2] = spelled<Types, 2>::view,
      tags[next + 3] = spelled<Types, 3>::view, next += 4),
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
                  "no such tag in this set; write \"O\", or one of the set's letters, '-' and one of the types listed in the "
                  "facts");
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

  /// Whether the tag is an entity's first word: B or S.
  [[nodiscard]] static constexpr bool begins(int tag) noexcept {
    return tag != outside && ((tag - 1) % 4 == 0 || tag % 4 == 0);
  }
  /// Whether the tag is a word of an entity after its first: `Inside` or E.
  [[nodiscard]] static constexpr bool continues(int tag) noexcept { return tag != outside && !begins(tag); }
  /// Whether the tag is an entity's last word: E or S.
  [[nodiscard]] static constexpr bool ends(int tag) noexcept { return tag != outside && (tag - 1) % 4 >= 2; }
  /// The type of a tag other than O, in [0, types).
  [[nodiscard]] static constexpr int type(int tag) noexcept { return (tag - 1) / 4; }

  /// Whether the tag `to` may follow the tag `from`: within an entity only its own `Inside` or E, after it anything else.
  [[nodiscard]] static constexpr bool may_follow(int from, int to) noexcept {
    const bool within = from != outside && !ends(from);
    return within ? continues(to) && type(from) == type(to) : !continues(to);
  }
  /// Whether a sequence may start with `tag`.
  [[nodiscard]] static constexpr bool may_start(int tag) noexcept { return !continues(tag); }
  /// Whether a sequence may end with `tag`.
  [[nodiscard]] static constexpr bool may_end(int tag) noexcept { return tag == outside || ends(tag); }

  /// `allows<"B-PER", "E-PER">`; a tag that is not in the set does not compile.
  template <fixed_string From, fixed_string To>
  static constexpr bool allows = may_follow(index<From>, index<To>);
};

/// `struct entities : bert::labels::bioes<"PER", "ORG"> {};` has the tags O, B-PER, I-PER, E-PER, S-PER, B-ORG, …, from 0 on.
template <fixed_string... Types>
struct bioes : entities_with_ends<'I', Types...> {};

}  // namespace bert::labels

#endif  // BERT_LABELS_BIOES_HPP
