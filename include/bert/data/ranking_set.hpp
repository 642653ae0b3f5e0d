// Queries with texts and their relevances: tokenized, one sequence a text.
// Layer: data. Test: tests/unit/data/rankings_test.cpp
#ifndef BERT_DATA_RANKING_SET_HPP
#define BERT_DATA_RANKING_SET_HPP

#include <algorithm>
#include <cmath>
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

/// A set for rerankers, whose examples are queries: an example has a sequence [CLS] query [SEP] text [SEP] and a number, the
/// relevance, for each text. The text of the largest number is the first of its example, as objectives::margin_mse asks.
using ranking_set = labeled_set<labels::number, target_list<bert::target::group, bert::target::value>>;

/// Builds such a set, query by query.
///
///     bert::data::ranking_set_builder<decltype(tokenizer)> notes(tokenizer, 128);
///     notes.add("how do birds fly", std::array{"Wings lift them."sv, "Fish swim."sv}, std::array{1.0f, 0.0f});
///     const auto set = std::move(notes).build();
template <tokenizing Tokenizer>
class ranking_set_builder : private labeled_set_builder<labels::number, Tokenizer> {
  using base = labeled_set_builder<labels::number, Tokenizer>;

 public:
  /// As of labeled_set_builder.
  ranking_set_builder(const Tokenizer& tokenizer, int max_tokens) : base(tokenizer, {}, max_tokens) {
    this->store_.groups.push_back(0);
  }

  /// Adds a query with its texts and the relevance of each. Throws bert::error for no text, an empty one, another number of
  /// relevances, and one that is not finite.
  template <class Texts>
  void add(std::string_view query, const Texts& texts, std::span<const float> relevances) {
    constexpr const char* where = "bert::data::ranking_set_builder";
    const auto count = static_cast<std::size_t>(std::size(texts));
    if (count == 0 || relevances.size() != count)
      throw_error(
          {where, "one text or more, a relevance for each", cat(count, " texts, ", relevances.size(), " relevances"), {}});
    for (const float x : relevances)
      if (!std::isfinite(x)) throw_error({where, "finite relevances", cat(x), {}});
    for (const std::string_view text : texts)
      if (text.empty()) throw_error({where, "texts that are not empty", "an empty one", {}});
    const auto best = static_cast<std::size_t>(std::max_element(relevances.begin(), relevances.end()) - relevances.begin());
    this->content_.add(query);
    const auto put = [&](std::size_t i) {
      const std::string_view text = *std::next(std::begin(texts), static_cast<std::ptrdiff_t>(i));
      this->append_sequence(query, text);
      this->store_.values.push_back(relevances[i]);
      this->content_.add(text).add(std::to_string(relevances[i]));
    };
    put(best);
    for (std::size_t i = 0; i < count; ++i)
      if (i != best) put(i);
    this->content_.add(std::uint64_t{count});
    this->store_.groups.push_back(this->store_.values.size());
  }

  using base::note;
  using base::size;
  [[nodiscard]] ranking_set build() && { return std::move(*this).template build_with<ranking_set::targets>(); }
};

}  // namespace bert::data

#endif  // BERT_DATA_RANKING_SET_HPP
