// Masking policies: which positions a masked LM predicts, and which tokens replace them.
// Layer: objectives. Test: tests/unit/objectives/masking_test.cpp
// Papers: Devlin et al. 2019, "BERT", 3.1; Joshi et al. 2020, "SpanBERT"; Lan et al. 2020, "ALBERT" (n-grams).
// By word lists: masking_lexicon.hpp, masking_similar.hpp.
#ifndef BERT_OBJECTIVES_MASKING_HPP
#define BERT_OBJECTIVES_MASKING_HPP

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/tensor/training_batch.hpp"

namespace bert::inline BERT_ISA {

namespace masking {
/// Whether each masked piece draws its own replacement ([MASK], random, unchanged), as in the original BERT and ERNIE, or all
/// of a unit one: a word, an entry of a lexicon, a run of `ngram` or `span` (SpanBERT's "span").
enum class draws : std::uint8_t { each_piece, each_unit };
}  // namespace masking

/// A batch with masks, and the original tokens: `targets[i]` was at position `tokens.scored()[i]`.
struct masked_batch {
  token_batch tokens;
  std::vector<token_id> targets;

  struct scratch_memory {  ///< of the policies, reused from batch to batch
    std::vector<std::uint32_t> positions, units, order, chosen;
    std::vector<std::uint8_t> taken, joined, first;
  } scratch;

  /// Reserves capacity for any batch of `shape`, so that not even the first one allocates.
  void reserve(const batch_shape& shape) {
    tokens.reserve(shape);
    for (auto* v : {&scratch.positions, &scratch.units, &scratch.order, &scratch.chosen}) v->reserve(shape.tokens + 1);
    for (auto* v : {&scratch.taken, &scratch.joined, &scratch.first}) v->reserve(shape.tokens);
    targets.reserve(shape.tokens);
  }
};

/// `policy(in, seed, out)` writes `out.tokens` (the sequences of `in` with replacements; `scored()` increasing) and
/// `out.targets`. A sequence's masks depend on its ids and word parts, its key, `in.epoch` and `seed`, on nothing else in
/// the batch. `policy.max_scored(shape)` bounds the scored positions of any batch of that shape. Allocates nothing once
/// `out` has the capacity, from an earlier batch or `reserve`. Throws bert::error for a batch without word parts or keys.
template <class P>
concept masking_policy = std::copyable<P> &&
    requires(const P& policy, const training_batch& in, masked_batch& out, batch_shape shape) {
  policy(in, std::uint64_t{}, out);
  { policy.max_scored(shape) } -> std::same_as<std::size_t>;
};

/// What a policy's masks depend on: its name and options, else its fingerprint(), else nothing.
template <class P>
[[nodiscard]] named_facts masking_facts(const P& policy) {
  if constexpr (requires { std::string_view(P::name); }) {
    named_facts facts{{"masking", std::string(P::name)}};
    if constexpr (requires { policy.longest; }) facts.emplace_back("longest run", std::to_string(policy.longest));
    if constexpr (requires { policy.stop; }) facts.emplace_back("chance that a run stops", cat(policy.stop));
    if constexpr (requires { policy.drawn; })
      facts.emplace_back("replacements drawn", policy.drawn == masking::draws::each_unit ? "a unit" : "a piece");
    if constexpr (requires { policy.words.content(); }) facts.emplace_back("lexicon", policy.words.content().text());
    if constexpr (requires { policy.synonyms.content(); }) facts.emplace_back("synonyms", policy.synonyms.content().text());
    return facts;
  } else {
    return fingerprint_of(policy);
  }
}

namespace masking {

/// The share of positions to choose; of these, `mask` become [MASK], `random` become any piece, the rest is unchanged.
struct rates {
  float rate = 0.15f;
  float mask = 0.8f;
  float random = 0.1f;
};

/// Positions to choose in a sequence of `maskable` tokens that are not special: max(1, rate * maskable, rounded), 0 of 0.
[[nodiscard]] constexpr std::size_t wanted(float rate, std::size_t maskable) noexcept {
  const auto rounded = static_cast<std::size_t>(rate * static_cast<float>(maskable) + 0.5f);
  return std::min(maskable, std::max<std::size_t>(1, rounded));
}

/// Bounds the sum of `wanted` over the sequences of any batch of `shape`: each is at most rate * T + 1, and at most T.
[[nodiscard]] constexpr std::size_t most_wanted(float rate, const batch_shape& shape) noexcept {
  const auto share = static_cast<std::size_t>(static_cast<double>(rate) * 1.000001 * static_cast<double>(shape.tokens));
  return std::min(shape.tokens, share + 1 + shape.sequences);
}

/// What one replacement covers: a piece, a unit, or a run of units that were chosen together.
enum class covers : std::uint8_t { piece, unit, run };

/// [MASK], a random piece at each position, or nothing: one draw for the positions that it is given.
struct usual_replacement {
  rates how;

  void operator()(const training_batch& in, std::span<const std::uint32_t> positions, random_stream& random,
                  token_batch& out) const {
    const float u = random.uniform();
    for (const std::uint32_t position : positions)
      if (u < how.mask) out.ids()[position] = in.vocabulary.mask;
      else if (u < how.mask + how.random)
        out.ids()[position] = static_cast<token_id>(random.below(static_cast<std::uint32_t>(in.vocabulary.size)));
  }
};

/// Units of one token.
struct join_nothing {
  void operator()(std::span<const token_id>, std::span<const word_part>, std::span<std::uint8_t>) const noexcept {}
};
/// Units of whole words.
struct join_words {
  void operator()(std::span<const token_id>, std::span<const word_part> parts, std::span<std::uint8_t> joined) const noexcept {
    for (std::size_t i = 0; i < parts.size(); ++i) joined[i] = parts[i] == word_part::continues ? 1 : 0;
  }
};

/// The algorithm that all policies share.
///
/// `join(ids, parts, joined)` sets `joined` at each token of a sequence that is of the unit of the token before it; it is given
/// zeros. Visits the units in random order; each begins a run of `length(random)` adjacent units. A run ends early before a
/// unit that is chosen already, before a special token, or where `wanted` would be exceeded. `replace(in, positions, random,
/// tokens)` is called with the positions of each piece, unit or run, as `level` says, in order.
template <class Join, class Length, class Replace>
void choose(const training_batch& in, std::uint64_t seed, std::uint64_t epoch, float rate, const Join& join, Length length,
            covers level, const Replace& replace, masked_batch& out) {
  const std::size_t tokens = in.tokens.tokens(), sequences = in.tokens.sequences();
  if (in.parts.size() != tokens || in.keys.size() != sequences)
    throw_error({"bert::masking", cat(tokens, " word parts and ", sequences, " keys, one a token and one a sequence"),
                 cat(in.parts.size(), " and ", in.keys.size()), "use batches of bert::data, or fill both fields"});
  out.tokens.clear();
  out.targets.clear();
  const std::size_t bound = most_wanted(rate, in.tokens.shape());
  out.tokens.reserve({.sequences = sequences, .tokens = tokens, .scored = bound});
  out.targets.reserve(bound);
  auto& [positions, units, order, chosen, taken, joined, first_of] = out.scratch;
  for (std::size_t s = 0; s < sequences; ++s) {
    out.tokens.add(in.tokens[s], in.tokens.segments(s));
    const std::size_t begin = in.tokens.starts()[s], end = in.tokens.starts()[s + 1];
    joined.assign(end - begin, 0);
    join(in.tokens[s], std::span(in.parts).subspan(begin, end - begin), std::span(joined));
    // positions: what may be masked; units: where in `positions` each unit begins, and the end.
    positions.clear();
    units.clear();
    for (std::size_t i = begin; i < end; ++i) {
      if (in.parts[i] == word_part::special) continue;
      const bool same = joined[i - begin] != 0 && !positions.empty() && positions.back() + 1 == i;
      if (!same) units.push_back(static_cast<std::uint32_t>(positions.size()));
      positions.push_back(static_cast<std::uint32_t>(i));
    }
    const std::size_t count = units.size(), most = wanted(rate, positions.size());
    units.push_back(static_cast<std::uint32_t>(positions.size()));
    order.resize(count);
    for (std::size_t u = 0; u < count; ++u) order[u] = static_cast<std::uint32_t>(u);
    taken.assign(count, 0);
    first_of.assign(end - begin, level == covers::piece ? 1 : 0);  // whether a position is the first that a replacement covers
    chosen.clear();
    random_stream random(seed, draw::masking, in.keys[s], static_cast<std::uint32_t>(epoch));
    for (std::size_t i = 0; i < count && chosen.size() < most; ++i) {  // Fisher-Yates, as far as needed
      std::swap(order[i], order[i + random.below(static_cast<std::uint32_t>(count - i))]);
      const std::size_t first = order[i], longest = length(random);
      for (std::size_t u = first; u < std::min(count, first + longest); ++u) {
        const bool gap = u > first && positions[units[u]] != positions[units[u] - 1] + 1;
        if (taken[u] != 0 || gap || chosen.size() + (units[u + 1] - units[u]) > most) break;
        taken[u] = 1;
        if (level == covers::unit || u == first) first_of[positions[units[u]] - begin] = 1;
        for (std::uint32_t p = units[u]; p < units[u + 1]; ++p) chosen.push_back(positions[p]);
      }
    }
    std::sort(chosen.begin(), chosen.end());
    for (std::size_t i = 0; i < chosen.size();) {
      const std::size_t first = i;
      do {
        out.tokens.score(chosen[i]);
        out.targets.push_back(in.tokens.ids()[chosen[i++]]);
      } while (i < chosen.size() && first_of[chosen[i] - begin] == 0);
      replace(in, std::span<const std::uint32_t>(chosen).subspan(first, i - first), random, out.tokens);
    }
  }
}

/// The same with [MASK], random pieces and unchanged ones.
template <class Join, class Length>
void choose(const training_batch& in, std::uint64_t seed, std::uint64_t epoch, const rates& how, draws drawn, const Join& join,
            Length length, masked_batch& out) {
  choose(in, seed, epoch, how.rate, join, length, drawn == draws::each_unit ? covers::run : covers::piece,
         usual_replacement{how}, out);
}

/// Runs of one unit.
struct single {
  std::size_t operator()(random_stream&) const noexcept { return 1; }
};

/// A random n in [1, longest], with P(n) proportional to `share(n)`.
template <class Share>
[[nodiscard]] std::size_t run_length(int longest, Share share, random_stream& random) noexcept {
  float total = 0;
  for (int n = 1; n <= longest; ++n) total += share(n);
  float left = random.uniform() * total;
  int n = 1;
  while (n < longest && (left -= share(n)) >= 0) ++n;
  return static_cast<std::size_t>(n);
}

/// One token at a time, as in the original BERT.
struct token {
  static constexpr std::string_view name = "token";
  float rate = 0.15f;
  float mask = 0.8f;
  float random = 0.1f;

  void operator()(const training_batch& in, std::uint64_t seed, masked_batch& out) const { (*this)(in, seed, in.epoch, out); }
  void operator()(const training_batch& in, std::uint64_t seed, std::uint64_t epoch, masked_batch& out) const {
    choose(in, seed, epoch, {rate, mask, random}, draws::each_piece, join_nothing{}, single{}, out);
  }
  [[nodiscard]] constexpr std::size_t max_scored(const batch_shape& shape) const noexcept { return most_wanted(rate, shape); }
};

/// All pieces of a word or none. A sequence whose every word has more pieces than are wanted gets no mask.
struct whole_word {
  static constexpr std::string_view name = "whole_word";
  float rate = 0.15f;
  float mask = 0.8f;
  float random = 0.1f;
  draws drawn = draws::each_piece;

  void operator()(const training_batch& in, std::uint64_t seed, masked_batch& out) const { (*this)(in, seed, in.epoch, out); }
  void operator()(const training_batch& in, std::uint64_t seed, std::uint64_t epoch, masked_batch& out) const {
    choose(in, seed, epoch, {rate, mask, random}, drawn, join_words{}, single{}, out);
  }
  [[nodiscard]] constexpr std::size_t max_scored(const batch_shape& shape) const noexcept { return most_wanted(rate, shape); }
};

/// Runs of whole words, P(n words) = (1/n) / (1/1 + ... + 1/longest), as in ALBERT.
struct ngram {
  static constexpr std::string_view name = "ngram";
  float rate = 0.15f;
  float mask = 0.8f;
  float random = 0.1f;
  int longest = 3;
  draws drawn = draws::each_piece;

  void operator()(const training_batch& in, std::uint64_t seed, masked_batch& out) const { (*this)(in, seed, in.epoch, out); }
  void operator()(const training_batch& in, std::uint64_t seed, std::uint64_t epoch, masked_batch& out) const {
    const auto share = [](int n) { return 1.0f / static_cast<float>(n); };
    choose(
        in, seed, epoch, {rate, mask, random}, drawn, join_words{},
        [&](random_stream& r) { return run_length(longest, share, r); }, out);
  }
  [[nodiscard]] constexpr std::size_t max_scored(const batch_shape& shape) const noexcept { return most_wanted(rate, shape); }
};

/// Runs of whole words, P(n words) proportional to (1 - stop)^(n - 1) up to `longest`, as in SpanBERT (mean 3.8).
struct span {
  static constexpr std::string_view name = "span";
  float rate = 0.15f;
  float mask = 0.8f;
  float random = 0.1f;
  float stop = 0.2f;
  int longest = 10;
  draws drawn = draws::each_piece;

  void operator()(const training_batch& in, std::uint64_t seed, masked_batch& out) const { (*this)(in, seed, in.epoch, out); }
  void operator()(const training_batch& in, std::uint64_t seed, std::uint64_t epoch, masked_batch& out) const {
    const auto share = [this](int n) {
      float p = 1;
      while (--n > 0) p *= 1 - stop;
      return p;
    };
    choose(
        in, seed, epoch, {rate, mask, random}, drawn, join_words{},
        [&](random_stream& r) { return run_length(longest, share, r); }, out);
  }
  [[nodiscard]] constexpr std::size_t max_scored(const batch_shape& shape) const noexcept { return most_wanted(rate, shape); }
};

/// Static masking, the same masks in every epoch: `fixed<whole_word>`. The sequences must be the same too: pack with
/// .pairs_drawn = redraw::never. `Policy` must take an epoch, `policy(in, seed, epoch, out)`, as all above do.
template <class Policy>
struct fixed {
  Policy policy{};

  [[nodiscard]] named_facts fingerprint() const {
    named_facts facts = masking_facts(policy);
    for (auto& [name, value] : facts)
      if (name == "masking") value = "fixed " + value;
    return facts;
  }

  void operator()(const training_batch& in, std::uint64_t seed, masked_batch& out) const {
    policy(in, seed, std::uint64_t{0}, out);
  }
  [[nodiscard]] constexpr std::size_t max_scored(const batch_shape& shape) const noexcept { return policy.max_scored(shape); }
};
template <class Policy>
fixed(Policy) -> fixed<Policy>;

}  // namespace masking
}  // namespace bert

#endif  // BERT_OBJECTIVES_MASKING_HPP
