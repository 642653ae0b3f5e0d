// What a reader of labeled texts may do with each example beside taking it as it is (as_read.hpp): add variants of it.
// Layer: data. Test: tests/unit/data/augmenting_test.cpp
#ifndef BERT_DATA_AUGMENTING_HPP
#define BERT_DATA_AUGMENTING_HPP

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/data/eda.hpp"

namespace bert::inline BERT_ISA::data {

/// Has `eda` learn the words of each tag, and takes each sentence as it is.
class learning_tags {
 public:
  explicit learning_tags(eda& to) noexcept : eda_(&to) {}

  template <class Labels, class Add>
  void operator()(const Labels& names, std::span<const std::string_view> words, std::span<const std::int32_t> tags,
                  const Add& add) const {
    std::vector<std::string> texts(words.begin(), words.end()), named;
    for (const auto tag : tags) named.emplace_back(names.name(tag));
    eda_->learn(texts, named);
    add(words, tags);
  }

 private:
  eda* eda_;
};

struct variant_options {
  unsigned copies = 4;
  unsigned epoch = 0;
};

/// Takes each example as it is, then `copies` variants of it, others in every epoch:
///
///     bert::data::with_variants more(augment, {.copies = 4, .epoch = 2});
///     const auto train = bert::data::tsv("train.tsv", tokenizer, names, {}, more);
///
/// Of a pair both texts are changed. Keeps a reference to `augment`, an `eda` or a `rewriter`. An example's key is its index
/// among those read.
template <class Augment>
class with_variants {
 public:
  with_variants(const Augment& augment, const variant_options& o) noexcept : augment_(&augment), options_(o) {}

  template <class Add>
  void operator()(std::string_view text, std::string_view second, const Add& add) {
    add(text, second);
    for (unsigned copy = 0; copy < options_.copies; ++copy) {
      const std::string a = (*augment_)(text, {2 * key_, round(copy)});
      const std::string b = second.empty() ? std::string() : (*augment_)(second, {2 * key_ + 1, round(copy)});
      add(a, b);
    }
    ++key_;
  }
  template <class Labels, class Add>
  void operator()(const Labels& names, std::span<const std::string_view> words, std::span<const std::int32_t> tags,
                  const Add& add) {
    add(words, tags);
    for (unsigned copy = 0; copy < options_.copies; ++copy) {
      std::vector<std::string> texts(words.begin(), words.end()), named;
      for (const auto tag : tags) named.emplace_back(names.name(tag));
      augment_->tagged(texts, named, {2 * key_, round(copy)});
      const std::vector<std::string_view> views(texts.begin(), texts.end());
      std::vector<std::int32_t> parsed;
      for (const auto& tag : named) parsed.push_back(names.parse(tag).value());
      add(views, parsed);
    }
    ++key_;
  }

 private:
  [[nodiscard]] std::uint32_t round(unsigned copy) const noexcept { return options_.epoch * options_.copies + copy; }

  const Augment* augment_;
  variant_options options_;
  std::uint64_t key_ = 0;
};

}  // namespace bert::data

#endif  // BERT_DATA_AUGMENTING_HPP
