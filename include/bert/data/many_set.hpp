// Tokenized texts with any number of labels each.
// Layer: data. Test: tests/unit/data/many_set_test.cpp
#ifndef BERT_DATA_MANY_SET_HPP
#define BERT_DATA_MANY_SET_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
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

/// A set whose examples have any number of labels: `values` of its batches is [S, L], 1 for each label that applies.
template <class Labels>
using many_set = labeled_set<Labels, target_list<bert::target::many, bert::target::value>>;

/// Builds such a set, text by text.
///
///     bert::data::many_set_builder<emotions, decltype(tokenizer)> notes(tokenizer, {}, 128);
///     notes.add("I laughed and cried", {}, {emotions::index<"joy">, emotions::index<"sadness">});
///     const auto set = std::move(notes).build();
template <labels::label_set Labels, tokenizing Tokenizer>
class many_set_builder : private labeled_set_builder<Labels, Tokenizer> {
  using base = labeled_set_builder<Labels, Tokenizer>;

 public:
  /// As of labeled_set_builder.
  many_set_builder(const Tokenizer& tokenizer, Labels set, int max_tokens) : base(tokenizer, std::move(set), max_tokens) {
    this->store_.width = static_cast<std::size_t>(this->names_.size());
  }

  /// Adds a text or pair to which the labels of these numbers apply. Throws bert::error for a label out of range.
  void add(std::string_view text, std::string_view second, std::span<const std::int32_t> labels) {
    const std::size_t first = this->store_.values.size();
    for (const auto label : labels)
      if (label < 0 || label >= this->names_.size())
        throw_error({"bert::data::many_set_builder", cat("labels of 0 to ", this->names_.size() - 1), cat(label), {}});
    this->append_sequence(text, second);
    this->store_.values.resize(first + this->store_.width, 0.0f);
    for (const auto label : labels) this->store_.values[first + static_cast<std::size_t>(label)] = 1.0f;
    this->content_.add(text).add(second);
    for (std::size_t l = first; l < this->store_.values.size(); ++l)
      if (this->store_.values[l] != 0) this->content_.add(std::uint64_t{l - first});
  }
  void add(std::string_view text, std::string_view second, std::initializer_list<std::int32_t> labels) {
    add(text, second, std::span<const std::int32_t>(labels.begin(), labels.size()));
  }

  using base::names;
  using base::note;
  using base::size;
  [[nodiscard]] many_set<Labels> build() && {
    return std::move(*this).template build_with<typename many_set<Labels>::targets>();
  }
};

}  // namespace bert::data

#endif  // BERT_DATA_MANY_SET_HPP
