// What replicas must have in common before they train: facts compared by name, and a question that one of them answers for all.
// Layer: distributed. Test: tests/unit/distributed/agree_test.cpp
#ifndef BERT_DISTRIBUTED_AGREE_HPP
#define BERT_DISTRIBUTED_AGREE_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/training/reduction.hpp"

namespace bert::inline BERT_ISA::distributed {

/// all[r] = the `value` of replica r. Every replica calls it.
template <training::reduction R>
[[nodiscard]] std::vector<std::uint64_t> gathered(const R& replicas, std::uint64_t value) {
  const std::array<std::uint64_t, 1> mine{value};
  std::vector<std::uint64_t> all(replicas.size(), value);
  replicas.gather(mine, all);
  return all;
}

/// Whether `value` is true in any replica: the same answer in all of them. Every replica calls it, as for `any_of` a signal.
template <training::reduction R>
[[nodiscard]] bool any(const R& replicas, bool value) {
  const auto all = gathered(replicas, value ? 1 : 0);
  return std::any_of(all.begin(), all.end(), [](std::uint64_t v) { return v != 0; });
}

/// Returns when every replica has called it.
template <training::reduction R>
void meet(const R& replicas) {
  (void)gathered(replicas, 0);
}

/// all[r] = the `text` of replica r, of any length. Every replica calls it.
template <training::reduction R>
[[nodiscard]] std::vector<std::string> gathered_texts(const R& replicas, std::string_view text) {
  constexpr std::size_t width = sizeof(std::uint64_t);
  const auto lengths = gathered(replicas, text.size());
  const std::size_t words = (*std::max_element(lengths.begin(), lengths.end()) + width - 1) / width;
  std::vector<std::uint64_t> mine(words), all(words * replicas.size());
  if (!text.empty()) std::memcpy(mine.data(), text.data(), text.size());
  if (replicas.size() == 1) all = mine;
  replicas.gather(mine, all);
  std::vector<std::string> texts;
  for (std::size_t r = 0; r < replicas.size(); ++r)
    texts.emplace_back(reinterpret_cast<const char*>(all.data() + words * r), lengths[r]);
  return texts;
}

namespace detail {

/// Facts as one text and back: each name and value behind its length, so that they may have any characters.
inline std::string as_text(const named_facts& facts) {
  std::string text;
  for (const auto& [name, value] : facts)
    for (const std::string& part : {name, value}) text += std::to_string(part.size()) + ':' + part;
  return text;
}
inline named_facts as_facts(std::string_view text) {
  named_facts facts;
  const auto part = [&] {
    const std::size_t colon = text.find(':');
    const std::size_t length = std::stoul(std::string(text.substr(0, colon)));
    std::string out(text.substr(colon + 1, length));
    text.remove_prefix(colon + 1 + length);
    return out;
  };
  while (!text.empty()) {
    std::string name = part();
    facts.emplace_back(std::move(name), part());
  }
  return facts;
}

inline const std::string* value_of(const named_facts& facts, std::string_view name) {
  const auto found = std::find_if(facts.begin(), facts.end(), [&](const auto& fact) { return fact.first == name; });
  return found == facts.end() ? nullptr : &found->second;
}

}  // namespace detail

/// Throws bert::error, with the same text in every replica, unless all of them have the same facts: the message names the first
/// replica that differs from number 0, and all facts in which it does. Every replica calls it, before the first step.
template <training::reduction R>
void agree(const R& replicas, const named_facts& mine) {
  if (replicas.size() == 1) return;
  const auto texts = gathered_texts(replicas, detail::as_text(mine));
  for (std::size_t r = 1; r < texts.size(); ++r) {
    if (texts[r] == texts[0]) continue;
    const named_facts first = detail::as_facts(texts[0]), other = detail::as_facts(texts[r]);
    named_facts names = first;
    for (const auto& fact : other)
      if (detail::value_of(first, fact.first) == nullptr) names.push_back(fact);
    std::string expected, found;
    const auto list = [](std::string& out, const std::string& name, const std::string* value) {
      out += (out.empty() ? "" : ", ") + name + ' ' + (value == nullptr ? std::string("not given") : *value);
    };
    for (const auto& [name, ignored] : names) {
      const std::string *a = detail::value_of(first, name), *b = detail::value_of(other, name);
      if (a != nullptr && b != nullptr && *a == *b) continue;
      list(expected, name, a);
      list(found, name, b);
    }
    throw_error({cat("rank ", r, " of ", texts.size()),
                 expected.empty() ? "facts in another order" : expected + ", as rank 0 has",
                 found.empty() ? "this order" : found, "start all ranks with the same program, files and options"});
  }
}

}  // namespace bert::distributed

#endif  // BERT_DISTRIBUTED_AGREE_HPP
