// Questions with choices: tokenized, one sequence a choice, one of them right.
// Layer: data. Test: tests/unit/data/choice_set_test.cpp
#ifndef BERT_DATA_CHOICE_SET_HPP
#define BERT_DATA_CHOICE_SET_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/data/labeled_set.hpp"
#include "bert/data/tokenizing.hpp"
#include "bert/labels/label_set.hpp"

namespace bert::inline BERT_ISA::data {

/// A set whose examples are texts with choices: an example has one sequence [CLS] text [SEP] choice [SEP] a choice.
using choice_set = labeled_set<labels::number, target_list<bert::target::choice>>;

/// Builds such a set, text by text.
///
///     bert::data::choice_set_builder<decltype(tokenizer)> notes(tokenizer, 128);
///     notes.add("The man turned on the faucet.", std::array{"Water flowed."sv, "The toilet filled."sv}, 0);
///     const auto set = std::move(notes).build();
template <tokenizing Tokenizer>
class choice_set_builder : private labeled_set_builder<labels::number, Tokenizer> {
  using base = labeled_set_builder<labels::number, Tokenizer>;

 public:
  /// As of labeled_set_builder.
  choice_set_builder(const Tokenizer& tokenizer, int max_tokens) : base(tokenizer, {}, max_tokens) {
    this->store_.groups.push_back(0);
  }

  /// Adds a text with its choices, of which that of index `answer` is right. Examples may have different numbers of choices.
  /// Throws bert::error for fewer than two choices, an empty one, and an answer out of range.
  template <class Choices>
  void add(std::string_view text, const Choices& choices, std::size_t answer) {
    const auto count = static_cast<std::size_t>(std::size(choices));
    if (count < 2 || answer >= count)
      throw_error({"bert::data::choice_set_builder",
                   "two choices or more, the answer the index of one",
                   cat(count, " choices, answer ", answer),
                   {}});
    for (const std::string_view choice : choices)
      if (choice.empty()) throw_error({"bert::data::choice_set_builder", "choices with a text", "an empty one", {}});
    std::size_t i = 0;
    this->content_.add(text);
    for (const std::string_view choice : choices) {
      this->append_sequence(text, choice);
      this->store_.labels.push_back(i++ == answer ? 1 : 0);
      this->content_.add(choice);
    }
    this->content_.add(std::uint64_t{answer});
    this->store_.groups.push_back(this->store_.labels.size());
  }

  using base::note;
  using base::size;
  [[nodiscard]] choice_set build() && { return std::move(*this).template build_with<target_list<bert::target::choice>>(); }
};

}  // namespace bert::data

#endif  // BERT_DATA_CHOICE_SET_HPP
