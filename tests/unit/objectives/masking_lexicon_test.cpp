#include "bert/objectives/masking_lexicon.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <vector>

#include "bert/objectives/masked_lm.hpp"
#include "bert/objectives/masking_similar.hpp"

namespace {

using namespace bert;  // NOLINT
using ids = std::vector<token_id>;

static_assert(masking_policy<masking::lexicon> && masking_policy<masking::similar_word>);
static_assert(masking_policy<masking::fixed<masking::lexicon>>);

constexpr token_id mask = 700, pieces = 500;  // no random piece is [MASK] by chance

// `sequences` of [CLS], `length` random single-piece words, [SEP].
training_batch example(std::size_t sequences, std::size_t length, token_id words, std::uint64_t epoch = 0) {
  training_batch batch;
  for (std::size_t s = 0; s < sequences; ++s) {
    random_stream random(1, draw::user, s);
    ids text{1};
    for (std::size_t i = 0; i < length; ++i)
      text.push_back(10 + static_cast<token_id>(random.below(static_cast<std::uint32_t>(words))));
    text.push_back(2);
    batch.tokens.add(text);
    batch.parts.push_back(word_part::special);
    batch.parts.insert(batch.parts.end(), length, word_part::begins);
    batch.parts.push_back(word_part::special);
    batch.keys.push_back(s);
  }
  batch.epoch = epoch;
  batch.vocabulary = {.mask = mask, .size = pieces};
  return batch;
}

template <class Policy>
masked_batch apply(const Policy& policy, const training_batch& in, std::uint64_t seed = 5) {
  masked_batch out;
  policy(in, seed, out);
  return out;
}

std::vector<std::uint32_t> scored(const masked_batch& b) { return {b.tokens.scored().begin(), b.tokens.scored().end()}; }

token_lexicon some_words() {
  token_lexicon_builder builder;
  for (const auto& entry : std::vector<ids>{{10, 11}, {10, 11, 12}, {13, 10}, {14, 14, 14, 14}, {12, 15}}) builder.add(entry);
  return std::move(builder).build();
}

TEST_CASE("entries are masked whole or not at all, leftmost and longest first, by a scan of its own") {
  const auto words = some_words();
  const auto in = example(400, 60, 6);
  const auto out = apply(masking::lexicon{.words = words}, in);
  std::vector<bool> chosen(in.tokens.tokens());
  for (const auto p : out.tokens.scored()) chosen[p] = true;
  std::size_t units = 0, masked_units = 0;
  const std::vector<ids> entries{{14, 14, 14, 14}, {10, 11, 12}, {10, 11}, {13, 10}, {12, 15}};  // longest first
  for (std::size_t s = 0; s < in.tokens.sequences(); ++s) {
    const auto text = in.tokens[s];
    for (std::size_t i = 1; i + 1 < text.size();) {
      std::size_t length = 1;
      for (const auto& e : entries)
        if (length == 1 && i + e.size() < text.size() &&
            std::equal(e.begin(), e.end(), text.begin() + static_cast<std::ptrdiff_t>(i)))
          length = e.size();
      const std::size_t at = in.tokens.starts()[s] + i;
      for (std::size_t k = 1; k < length; ++k) CHECK(chosen[at + k] == chosen[at]);
      units += length > 1 ? 1 : 0;
      masked_units += length > 1 && chosen[at] ? 1 : 0;
      i += length;
    }
  }
  CHECK(units > 1'500);
  // A unit of several tokens is taken less often near the end of the budget; 15 % of the tokens are masked.
  CHECK(static_cast<double>(masked_units) / static_cast<double>(units) == doctest::Approx(0.15).epsilon(0.15));
  CHECK(out.targets.size() == doctest::Approx(0.15 * 400 * 60).epsilon(0.03));
}

TEST_CASE("without entries the masks are those of whole words, to the bit") {
  const auto in = example(20, 60, 6);
  const auto a = apply(masking::lexicon{}, in), b = apply(masking::whole_word{}, in);
  CHECK(a.targets == b.targets);
  CHECK(std::ranges::equal(a.tokens.ids(), b.tokens.ids()));
  const auto c = apply(masking::lexicon{.longest = 3}, in), d = apply(masking::ngram{}, in);
  CHECK(std::ranges::equal(c.tokens.ids(), d.tokens.ids()));
}

TEST_CASE("an entry is not found across a special token, nor where its last word goes on") {
  const auto words = some_words();
  using enum word_part;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    training_batch in;
    in.tokens.add(ids{10, 2, 11, 10, 11, 16});
    in.parts = {begins, special, begins, begins, begins, continues};
    in.keys = {seed};
    in.vocabulary = {.mask = mask, .size = pieces};
    const auto at = scored(apply(masking::lexicon{.rate = 0.2f, .words = words}, in));
    REQUIRE(at.size() <= 1);  // never 3 and 4 together: 10 is a word alone
    if (!at.empty()) CHECK((at[0] == 0 || at[0] == 2 || at[0] == 3));
  }
}

TEST_CASE_TEMPLATE("with draws::each_unit all pieces of a unit are treated alike, and units 80/10/10", Policy, masking::lexicon,
                   masking::whole_word, masking::ngram, masking::span) {
  training_batch in = example(1'000, 90, 300);
  for (std::size_t i = 0; i < in.parts.size(); ++i)  // words of three pieces
    if (const std::size_t in_sequence = i % 92; in_sequence != 0 && in_sequence != 91 && in_sequence % 3 != 1)
      in.parts[i] = word_part::continues;
  Policy policy{};
  policy.drawn = masking::draws::each_unit;
  const auto out = apply(policy, in);
  double words = 0, masked = 0, same = 0;
  for (std::size_t i = 0; i + 2 < out.targets.size(); i += 3) {
    std::array<bool, 3> hidden{}, kept{};
    for (std::size_t k = 0; k < 3; ++k) {
      const token_id now = out.tokens.ids()[out.tokens.scored()[i + k]];
      hidden[k] = now == mask;
      kept[k] = now == out.targets[i + k];
    }
    CHECK(hidden[0] == hidden[1]);
    CHECK(hidden[1] == hidden[2]);
    ++words;
    masked += hidden[0] ? 1 : 0;
    same += kept[0] && kept[1] && kept[2] ? 1 : 0;
  }
  CHECK(words > 3'500);
  CHECK(masked / words == doctest::Approx(0.8).epsilon(0.04));
  CHECK(same / words / 0.1 == doctest::Approx(1).epsilon(0.2));
  // By default pieces differ within a word: all three [MASK] in 0.8^3 of them.
  const auto mixed = apply(Policy{}, in);
  double whole = 0;
  for (std::size_t i = 0; i + 2 < mixed.targets.size(); i += 3) {
    bool all = true;
    for (std::size_t k = 0; k < 3; ++k) all = all && mixed.tokens.ids()[mixed.tokens.scored()[i + k]] == mask;
    whole += all ? 1 : 0;
  }
  CHECK(whole / static_cast<double>(mixed.targets.size()) * 3 == doctest::Approx(0.512).epsilon(0.08));
}

TEST_CASE("a span is one unit of draws::each_unit") {
  const auto in = example(500, 120, 300);
  const auto out = apply(masking::span{.rate = 0.05f, .drawn = masking::draws::each_unit}, in);
  const auto at = scored(out);
  double inside = 0, alike = 0;
  for (std::size_t i = 1; i < at.size(); ++i)
    if (at[i] == at[i - 1] + 1) {
      ++inside;
      alike += (out.tokens.ids()[at[i]] == mask) == (out.tokens.ids()[at[i - 1]] == mask) ? 1 : 0;
    }
  CHECK(inside > 1'000);
  CHECK(alike / inside > 0.97);  // two spans seldom meet; by piece it would be 0.68
}

TEST_CASE("similar words: 80 % a synonym where there is one, else a word of the list; 10 % such a word; 10 % unchanged") {
  token_synonyms_builder builder;
  for (token_id w = 10; w < 30; ++w) {  // words of one piece: 10..29 have synonyms 100 + w and 200 + w, 30..39 none
    builder.add(ids{w}, ids{100 + w});
    builder.add(ids{w}, ids{200 + w});
  }
  builder.add(ids{40, 41}, ids{140, 141});
  builder.add(ids{42, 43}, ids{142, 143});
  const auto synonyms = std::move(builder).build();
  auto in = example(3'000, 100, 30);
  for (std::size_t s = 0; s < 3'000; ++s)  // two entries of two pieces in each
    for (const auto& [where, id] : std::map<std::size_t, token_id>{{20, 40}, {21, 41}, {60, 42}, {61, 43}})
      in.tokens.ids()[s * 102 + where] = id;
  const masking::similar_word policy{.synonyms = synonyms};
  const auto out = apply(policy, in);
  double with = 0, synonym = 0, listed = 0, same = 0, without = 0, kept = 0, first = 0, pair = 0, pair_synonym = 0;
  const auto at = scored(out);
  for (std::size_t i = 0; i < at.size(); ++i) {
    const token_id was = out.targets[i], now = out.tokens.ids()[at[i]];
    CHECK(now != mask);
    if (was >= 40) {
      if (was % 2 != 0) continue;
      REQUIRE(i + 1 < at.size());
      CHECK(at[i + 1] == at[i] + 1);  // both pieces
      const token_id next = out.tokens.ids()[at[i + 1]];
      CHECK(next == now + 1);  // a word of the list of two pieces, or the same
      ++pair;
      pair_synonym += now == was + 100 ? 1 : 0;
    } else if (was < 30) {
      ++with;
      same += now == was ? 1 : 0;
      synonym += now == was + 100 || now == was + 200 ? 1 : 0;
      first += now == was + 100 ? 1 : 0;
    } else {
      ++without;
      kept += now == was ? 1 : 0;
      listed += synonyms.words().find(ids{now}) != token_lexicon::none ? 1 : 0;
    }
  }
  CHECK(with > 25'000);
  CHECK(synonym / with == doctest::Approx(0.8 + 0.1 * 2 / 60).epsilon(0.01));  // a random word may be a synonym by chance
  CHECK(first / synonym == doctest::Approx(0.5).epsilon(0.03));
  CHECK(same / with / (0.1 + 0.1 / 60) == doctest::Approx(1).epsilon(0.05));
  CHECK(kept / without / 0.1 == doctest::Approx(1).epsilon(0.08));
  CHECK(listed / without == doctest::Approx(0.9).epsilon(0.01));
  CHECK(pair > 500);
  CHECK(pair_synonym / pair == doctest::Approx(0.8 + 0.1 / 4).epsilon(0.05));
}

TEST_CASE("MacBERT's runs have one to four words, 40, 30, 20 and 10 %") {
  random_stream random(1, draw::user);
  std::array<double, 5> seen{};
  const auto share = [](int n) { return static_cast<float>(5 - n); };
  for (int i = 0; i < 100'000; ++i) ++seen.at(masking::run_length(masking::similar_word{}.longest, share, random));
  for (std::size_t n = 1; n <= 4; ++n)
    CHECK(seen[n] / 1e5 == doctest::Approx(0.5 - 0.1 * static_cast<double>(n)).epsilon(0.03));
  // As the policy draws them: at a rate of 2 % of 1,000 words runs seldom meet; the mean is 2.
  auto in = example(60, 1'000, 300);
  token_synonyms_builder builder;
  builder.add(ids{10}, ids{11});
  const auto at = scored(apply(masking::similar_word{.rate = 0.02f, .synonyms = std::move(builder).build()}, in));
  double runs = 0;
  for (std::size_t i = 0; i < at.size(); ++i) runs += i == 0 || at[i] != at[i - 1] + 1 ? 1 : 0;
  CHECK(static_cast<double>(at.size()) / runs == doctest::Approx(2).epsilon(0.06));
}

TEST_CASE("a word of a length that the list does not have becomes random pieces") {
  token_synonyms_builder builder;
  builder.add(ids{400}, ids{401});
  auto in = example(200, 60, 100);
  for (std::size_t i = 0; i < in.parts.size(); ++i)
    if (in.parts[i] == word_part::begins && i % 62 % 2 == 0) in.parts[i] = word_part::continues;
  const auto out = apply(masking::similar_word{.synonyms = std::move(builder).build()}, in);
  double same = 0;
  for (std::size_t i = 0; i < out.targets.size(); ++i)
    same += out.tokens.ids()[out.tokens.scored()[i]] == out.targets[i] ? 1 : 0;
  CHECK(same / static_cast<double>(out.targets.size()) / 0.1 == doctest::Approx(1).epsilon(0.2));
}

TEST_CASE("an objective takes the policy with its lists, the rates are its own, and a run's facts name the lists") {
  const auto words = some_words();
  const objectives::masked_lm<masking::lexicon> objective{.rate = 0.3f, .masking = {.rate = 0.01f, .words = words}};
  CHECK(objective.policy().rate == 0.3f);
  CHECK(objective.policy().words.size() == words.size());
  const auto fact = [](const named_facts& facts, const std::string& name) {
    for (const auto& [key, value] : facts)
      if (key == name) return value;
    return std::string();
  };
  CHECK(fact(objective.fingerprint(), "lexicon") == words.content().text());
  CHECK(fact(objective.fingerprint(), "masking") == "lexicon");
  const objectives::masked_lm<masking::fixed<masking::lexicon>> fixed{.masking = {{.words = words}}};
  CHECK(fact(fixed.fingerprint(), "masking") == "fixed lexicon");
  CHECK(fact(fixed.fingerprint(), "lexicon") == words.content().text());
  CHECK(fixed.policy().policy.words.size() == words.size());
  const objectives::masked_lm<masking::similar_word> similar{};
  CHECK(!fact(similar.fingerprint(), "synonyms").empty());
}

}  // namespace
