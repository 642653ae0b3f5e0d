#include "bert/objectives/masking.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

namespace {

using namespace bert;  // NOLINT

static_assert(masking_policy<masking::token> && masking_policy<masking::whole_word>);
static_assert(masking_policy<masking::ngram> && masking_policy<masking::span>);
static_assert(masking_policy<masking::fixed<masking::whole_word>>);
static_assert(masking::wanted(0.15f, 0) == 0 && masking::wanted(0.15f, 3) == 1 && masking::wanted(0.15f, 10) == 2);
static_assert(masking::wanted(0.15f, 100) == 15 && masking::wanted(1.0f, 7) == 7);

constexpr token_id mask = 3, pieces = 5'000;

// `sequences` of [CLS] words [SEP], words of 1 to 4 pieces, random ids.
training_batch example(std::size_t sequences, std::size_t length, std::uint64_t epoch = 0, std::uint64_t first_key = 0) {
  training_batch batch;
  for (std::size_t s = 0; s < sequences; ++s) {
    std::vector<token_id> ids{1};
    std::vector<word_part> parts{word_part::special};
    random_stream random(99, draw::user, first_key + s);
    while (ids.size() < length - 1) {
      const std::uint32_t word = 1 + random.below(4) * random.below(2);
      for (std::uint32_t p = 0; p < word && ids.size() < length - 1; ++p) {
        ids.push_back(static_cast<token_id>(10 + random.below(4'000)));
        parts.push_back(p == 0 ? word_part::begins : word_part::continues);
      }
    }
    ids.push_back(2);
    parts.push_back(word_part::special);
    batch.tokens.add(ids);
    batch.parts.insert(batch.parts.end(), parts.begin(), parts.end());
    batch.keys.push_back(first_key + s);
  }
  batch.epoch = epoch;
  batch.vocabulary = {.mask = mask, .size = pieces};
  return batch;
}

std::vector<std::uint32_t> scored(const masked_batch& b) { return {b.tokens.scored().begin(), b.tokens.scored().end()}; }

template <class Policy>
masked_batch apply(const Policy& policy, const training_batch& in, std::uint64_t seed = 5) {
  masked_batch out;
  policy(in, seed, out);
  return out;
}

TEST_CASE_TEMPLATE("targets are the original tokens of the scored positions, and nothing else changes", Policy, masking::token,
                   masking::whole_word, masking::ngram, masking::span) {
  const auto in = example(50, 100);
  const auto out = apply(Policy{}, in);
  REQUIRE(out.targets.size() == out.tokens.scored().size());
  REQUIRE(out.tokens.tokens() == in.tokens.tokens());
  std::size_t next = 0;
  for (std::uint32_t i = 0; i < in.tokens.tokens(); ++i) {
    if (next < out.targets.size() && out.tokens.scored()[next] == i) {
      CHECK(out.targets[next++] == in.tokens.ids()[i]);
      CHECK(in.parts[i] != word_part::special);
    } else {
      CHECK(out.tokens.ids()[i] == in.tokens.ids()[i]);
    }
  }
  CHECK(next == out.targets.size());
  CHECK(out.targets.size() <= Policy{}.max_scored(in.tokens.shape()));
}

TEST_CASE("token masking chooses max(1, 15 % rounded) positions of every sequence, each equally often") {
  for (const std::size_t length : {3u, 6u, 13u, 64u, 128u}) {
    const auto in = example(400, length);
    const auto out = apply(masking::token{}, in);
    CHECK(out.targets.size() == 400 * masking::wanted(0.15f, length - 2));
    std::vector<double> hits(length);
    for (const auto p : out.tokens.scored()) ++hits[p % length];
    CHECK(hits.front() == 0);
    CHECK(hits.back() == 0);
    const double mean = static_cast<double>(out.targets.size()) / static_cast<double>(length - 2);
    for (std::size_t i = 1; i + 1 < length; ++i) CHECK(std::abs(hits[i] - mean) < 5 * std::sqrt(mean));
  }
}

TEST_CASE_TEMPLATE("of the chosen positions 80 % become [MASK], 10 % a random piece, 10 % stay", Policy, masking::token,
                   masking::whole_word, masking::ngram, masking::span) {
  const auto in = example(2'000, 128);
  const auto out = apply(Policy{}, in);
  double masked = 0, same = 0, other = 0, upper_half = 0;
  for (std::size_t i = 0; i < out.targets.size(); ++i) {
    const token_id now = out.tokens.ids()[out.tokens.scored()[i]];
    if (now == mask) ++masked;
    else if (now == out.targets[i]) ++same;
    else {
      ++other;
      if (now >= pieces / 2) ++upper_half;
      CHECK(now >= 0);
      CHECK(now < pieces);
    }
  }
  const auto n = static_cast<double>(out.targets.size());
  CHECK(n / (2'000.0 * 126) / 0.15 == doctest::Approx(1).epsilon(0.01));
  // About 38,000 draws: a standard deviation is 0.002 at 0.8, 0.0015 at 0.1.
  CHECK(masked / n == doctest::Approx(0.8).epsilon(0.01));
  CHECK(same / n / 0.1 == doctest::Approx(1).epsilon(0.04));
  CHECK(other / n / 0.1 == doctest::Approx(1).epsilon(0.04));
  CHECK(upper_half / other == doctest::Approx(0.5).epsilon(0.06));
}

TEST_CASE_TEMPLATE("whole-word policies never split a word and never exceed the number wanted", Policy, masking::whole_word,
                   masking::ngram, masking::span) {
  const auto in = example(300, 77);
  const auto out = apply(Policy{}, in);
  std::vector<bool> chosen(in.tokens.tokens());
  for (const auto p : out.tokens.scored()) chosen[p] = true;
  for (std::size_t i = 0; i < chosen.size(); ++i)
    if (in.parts[i] == word_part::continues) CHECK(chosen[i] == chosen[i - 1]);
  for (std::size_t s = 0; s < 300; ++s) {
    std::size_t n = 0;
    for (std::size_t i = in.tokens.starts()[s]; i < in.tokens.starts()[s + 1]; ++i) n += chosen[i] ? 1u : 0u;
    CHECK(n <= masking::wanted(0.15f, 75));
  }
}

TEST_CASE("a run of continuing pieces after a special token counts as a word of its own") {
  training_batch in;
  in.tokens.add(std::vector<token_id>{1, 50, 51, 2, 52, 53, 2});
  using enum word_part;
  in.parts = {special, continues, continues, special, continues, continues, special};
  in.keys = {0};
  in.vocabulary = {.mask = mask, .size = pieces};
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto out = apply(masking::whole_word{.rate = 0.5f}, in, seed);
    const auto at = scored(out);
    CHECK((at == std::vector<std::uint32_t>{1, 2} || at == std::vector<std::uint32_t>{4, 5}));
    CHECK(scored(apply(masking::span{.rate = 1.0f}, in, seed)).size() == 4);
  }
}

TEST_CASE("masks differ by epoch and seed; fixed ones are those of epoch 0") {
  const masking::whole_word dynamic{};
  const masking::fixed statics{dynamic};
  const auto first = apply(dynamic, example(8, 64, 0));
  CHECK(scored(apply(dynamic, example(8, 64, 0))) == scored(first));
  CHECK(scored(apply(dynamic, example(8, 64, 1))) != scored(first));
  CHECK(scored(apply(dynamic, example(8, 64, 0), 6)) != scored(first));
  for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
    const auto out = apply(statics, example(8, 64, epoch));
    CHECK(scored(out) == scored(first));
    CHECK(std::equal(out.tokens.ids().begin(), out.tokens.ids().end(), first.tokens.ids().begin()));
  }
}

TEST_CASE_TEMPLATE("the masks of a sequence do not depend on the rest of its batch", Policy, masking::token,
                   masking::whole_word, masking::ngram, masking::span) {
  const auto all = apply(Policy{}, example(10, 90));
  for (std::uint64_t s = 0; s < 10; ++s) {
    const auto alone = apply(Policy{}, example(1, 90, 0, s));
    const auto in_batch = all.tokens[static_cast<std::size_t>(s)];
    CHECK(std::equal(in_batch.begin(), in_batch.end(), alone.tokens[0].begin()));
  }
}

TEST_CASE("runs of SpanBERT are 3.8 words long on average, runs of ALBERT 3 / (1 + 1/2 + 1/3)") {
  random_stream random(1, draw::user);
  double spans = 0, ngrams = 0;
  std::array<int, 11> seen{};
  for (int i = 0; i < 100'000; ++i) {
    const auto n = masking::run_length(
        10, [](int k) { return std::pow(0.8f, static_cast<float>(k - 1)); }, random);
    ++seen.at(n);
    spans += static_cast<double>(n);
    ngrams += static_cast<double>(masking::run_length(
        3, [](int k) { return 1.0f / static_cast<float>(k); }, random));
  }
  CHECK(seen[0] == 0);
  CHECK(seen[10] > 0);
  CHECK(spans / 1e5 == doctest::Approx(3.797).epsilon(0.01));
  CHECK(ngrams / 1e5 == doctest::Approx(3 / (1 + 1 / 2.0 + 1 / 3.0)).epsilon(0.01));
}

TEST_CASE("max_scored bounds every batch, with a slack of at most a few tokens a sequence") {
  for (const float rate : {0.01f, 0.15f, 0.4f, 1.0f})
    for (const std::size_t length : {3u, 5u, 9u, 17u, 40u, 128u}) {
      const auto in = example(33, length);
      const masking::token policy{.rate = rate};
      const auto bound = policy.max_scored(in.tokens.shape());
      const auto out = apply(policy, in);
      CHECK(out.targets.size() <= bound);
      CHECK(bound <= out.targets.size() + static_cast<std::size_t>(rate * 2 * 33) + 2 * 33 + 2);
    }
}

TEST_CASE("masking a batch without word parts is an error that says so") {
  auto in = example(2, 10);
  in.parts.clear();
  masked_batch out;
  CHECK_THROWS_WITH_AS(
      masking::token{}(in, 1, out),
      "bert::masking: expected 20 word parts and 2 keys, one a token and one a sequence, found 0 and 2; use batches of "
      "bert::data, or fill both fields",
      bert::error);
}

TEST_CASE("a sequence of special tokens alone gets no masks") {
  auto in = example(1, 2);
  CHECK(apply(masking::token{}, in).targets.empty());
  CHECK(apply(masking::span{}, in).targets.empty());
}

TEST_CASE_TEMPLATE("a reused masked_batch gets the same masks as a new one", Policy, masking::token, masking::whole_word,
                   masking::ngram, masking::span) {
  masked_batch out;
  Policy{}(example(9, 70, 0, 50), 5, out);
  Policy{}(example(4, 60), 5, out);
  const auto fresh = apply(Policy{}, example(4, 60));
  CHECK(out.targets == fresh.targets);
  CHECK(scored(out) == scored(fresh));
}

TEST_CASE_TEMPLATE("every bit of the seed and of the epoch counts", Policy, masking::token, masking::whole_word, masking::ngram,
                   masking::span) {
  const auto first = scored(apply(Policy{}, example(8, 64, 1), 5));
  for (const int bit : {0, 7, 31, 32, 63})
    CHECK(scored(apply(Policy{}, example(8, 64, 1), 5 ^ std::uint64_t{1} << bit)) != first);
  for (const int bit : {0, 7, 31}) CHECK(scored(apply(Policy{}, example(8, 64, 1 ^ std::uint64_t{1} << bit), 5)) != first);
}

TEST_CASE("a sequence whose every word has more pieces than are wanted gets no mask") {
  training_batch in;
  std::vector<token_id> ids;
  for (token_id i = 0; i < 12; ++i) ids.push_back(10 + i);
  in.tokens.add(ids);
  for (int i = 0; i < 12; ++i) in.parts.push_back(i % 4 == 0 ? word_part::begins : word_part::continues);
  in.keys = {0};
  in.vocabulary = {.mask = mask, .size = pieces};
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    CHECK(apply(masking::whole_word{}, in, seed).targets.empty());
    CHECK(apply(masking::span{}, in, seed).targets.empty());
    CHECK(apply(masking::token{}, in, seed).targets.size() == 2);
  }
}

TEST_CASE("adjacent words are masked together as often as the policy draws them, and never across a special token") {
  training_batch in;
  in.vocabulary = {.mask = mask, .size = pieces};
  for (std::uint64_t s = 0; s < 40; ++s) {
    in.tokens.add(std::vector<token_id>(1'000, 10));
    in.parts.insert(in.parts.end(), 1'000, word_part::begins);
    in.keys.push_back(s);
  }
  // At a rate of 2 % runs seldom meet. The standard deviation of span's run length is 2.7 words.
  const auto mean_run = [&](const auto& policy) {
    const auto at = scored(apply(policy, in));
    double runs = 0;
    for (std::size_t i = 0; i < at.size(); ++i) runs += i == 0 || at[i] != at[i - 1] + 1 ? 1 : 0;
    return static_cast<double>(at.size()) / runs;
  };
  CHECK(mean_run(masking::whole_word{.rate = 0.02f}) == doctest::Approx(1.02).epsilon(0.03));
  CHECK(mean_run(masking::ngram{.rate = 0.02f}) == doctest::Approx(1.67).epsilon(0.06));
  CHECK(mean_run(masking::span{.rate = 0.02f}) == doctest::Approx(3.6).epsilon(0.12));
  for (std::size_t i = 3; i < in.parts.size(); i += 4) in.parts[i] = word_part::special;
  const auto out = apply(masking::span{.rate = 0.5f}, in);
  for (const auto p : out.tokens.scored()) CHECK(in.parts[p] != word_part::special);
  CHECK(mean_run(masking::span{.rate = 0.02f}) < 2.2);  // three words between two special tokens
}

}  // namespace

TEST_CASE("a share of the positions is rounded to the nearest number") {
  for (std::size_t n = 1; n < 200; ++n) {
    const double share = 0.15 * static_cast<double>(n);
    if (std::abs(share - std::floor(share) - 0.5) < 1e-3) continue;
    CHECK(masking::wanted(0.15f, n) == std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(share))));
  }
}

TEST_CASE("the policies' runs are those of ALBERT and SpanBERT, and a run's facts name them") {
  CHECK(masking::ngram{}.longest == 3);
  CHECK(masking::span{}.longest == 10);
  CHECK(masking::span{}.stop == 0.2f);
  const auto facts = bert::masking_facts(masking::span{.stop = 0.25f, .longest = 7});
  CHECK(facts ==
        bert::named_facts{
            {"masking", "span"}, {"longest run", "7"}, {"chance that a run stops", "0.25"}, {"replacements drawn", "a piece"}});
  CHECK(bert::masking_facts(masking::token{}) == bert::named_facts{{"masking", "token"}});
}

TEST_CASE("fixed masks say so in the facts of a run") {
  const auto value = [](const bert::named_facts& facts) {
    for (const auto& [name, what] : facts)
      if (name == "masking") return std::string(what);
    return std::string();
  };
  const std::string drawn = value(bert::masking_facts(masking::whole_word{}));
  CHECK(!drawn.empty());
  CHECK(value(masking::fixed<masking::whole_word>{}.fingerprint()) == "fixed " + drawn);
}
