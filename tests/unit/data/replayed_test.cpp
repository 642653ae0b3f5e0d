#include "bert/data/replayed.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "bert/objectives/masking.hpp"
#include "support/allocation_count.hpp"
#include "support/temporary_file.hpp"
#include "support/toy_tokenizer.hpp"

namespace {

using namespace bert::data;  // NOLINT
using bert::training_batch;

static_assert(bert::batch_source<replayed>);

// Documents of sentences whose words all begin with `letter`.
std::string world(char letter, int documents) {
  bert::random_stream random(3, bert::draw::user, static_cast<std::uint64_t>(letter));
  std::string text;
  for (int d = 0; d < documents; ++d) {
    for (int s = 0; s < 4; ++s) {
      for (std::uint32_t w = 3 + random.below(8); w > 0; --w) text += letter + std::to_string(random.below(900)) + ' ';
      text += ".\n";
    }
    text += '\n';
  }
  return text;
}

struct texts {
  support::temporary_file domain_file{world('d', 60)}, general_file{world('g', 25)};
  corpus domain{domain_file.path()}, general{general_file.path()};
};

const toy::tokenizer tokenizer(6'000);
const pack_options options{.tokens = 32, .batch = 10, .seed = 4};

TEST_CASE("each batch is one of the domain, then the share of general text, as each corpus alone would give it") {
  const texts t;
  const auto both = replay(t.domain, t.general, 0.3f, tokenizer, options);
  auto seven = options, three = options;
  seven.batch = 7;
  three.batch = 3;
  const auto domain = pack(t.domain, tokenizer, seven), general = pack(t.general, tokenizer, three);
  CHECK(both.batches_per_epoch() == domain.batches_per_epoch());
  CHECK(both.capacity().sequences == 10);
  training_batch out, a, b;
  std::set<std::uint64_t> general_keys;
  for (std::uint64_t step = 0; step < 3 * both.batches_per_epoch(); ++step) {
    both.load(step, out);
    domain.load(step, a);
    general.load(step, b);
    REQUIRE(out.tokens.sequences() == a.tokens.sequences() + b.tokens.sequences());
    REQUIRE(out.parts.size() == out.tokens.tokens());
    CHECK(out.epoch == a.epoch);
    for (std::size_t s = 0; s < out.tokens.sequences(); ++s) {
      const bool first = s < a.tokens.sequences();
      const auto& from = first ? a : b;
      const std::size_t i = first ? s : s - a.tokens.sequences();
      CHECK(std::ranges::equal(out.tokens[s], from.tokens[i]));
      CHECK(std::ranges::equal(out.tokens.segments(s), from.tokens.segments(i)));
      CHECK(out.labels[s] == from.labels[i]);
      CHECK((out.keys[s] >> 63 != 0) == !first);
      if (first) CHECK(out.keys[s] == from.keys[i]);
      else if (i < 3 && b.tokens.sequences() == 3) general_keys.insert(out.keys[s]);
    }
  }
  CHECK(general_keys.size() > 2 * general.sequences());  // other keys in each epoch of the general text
}

TEST_CASE("where sequences are drawn once, a general sequence keeps its key, so that fixed masks stay") {
  const texts t;
  auto once = options;
  once.pairs_drawn = redraw::never;
  const auto both = replay(t.domain, t.general, 0.3f, tokenizer, once);
  std::map<std::uint64_t, std::vector<bert::token_id>> seen;
  training_batch out;
  bert::masked_batch masked;
  std::size_t again = 0;
  for (std::uint64_t step = 0; step < 3 * both.batches_per_epoch(); ++step) {
    both.load(step, out);
    bert::masking::fixed<bert::masking::token>{}(out, 1, masked);
    for (std::size_t s = 0; s < out.tokens.sequences(); ++s) {
      const std::vector<bert::token_id> ids(masked.tokens[s].begin(), masked.tokens[s].end());
      const auto [at, added] = seen.emplace(out.keys[s], ids);
      CHECK(at->second == ids);
      again += added ? 0 : 1;
    }
  }
  CHECK(again > 100);
}

TEST_CASE("loading allocates nothing after the first batches") {
  const texts t;
  const auto both = replay(t.domain, t.general, 0.3f, tokenizer, options);
  training_batch out;
  both.load(0, out);
  both.load(1, out);
  const std::size_t before = support::allocations;
  for (std::uint64_t step = 0; step < 2 * both.batches_per_epoch(); ++step) both.load(step, out);
  CHECK(support::allocations == before);
}

TEST_CASE("facts name both corpora") {
  const texts t;
  const auto facts = replay(t.domain, t.general, 0.3f, tokenizer, options).fingerprint();
  std::map<std::string, std::string> by_name(facts.begin(), facts.end());
  CHECK(by_name.at("corpus") != by_name.at("replayed corpus"));
  CHECK(by_name.at("batch") == "7");
  CHECK(by_name.at("replayed batch") == "3");
}

TEST_CASE("a share that leaves one of the texts no sequence is an error with the number") {
  const texts t;
  for (const float share : {0.0f, 0.04f, 0.96f, 1.0f, -0.5f})
    CHECK_THROWS_WITH_AS((void)replay(t.domain, t.general, share, tokenizer, options),
                         doctest::Contains("a batch of 10 sequences"), bert::error);
  auto none = options;
  none.pairs = pairing::none;
  CHECK_THROWS_WITH_AS(replayed(pack(t.domain, tokenizer, options), pack(t.general, tokenizer, none)),
                       doctest::Contains("the same .pairs"), bert::error);
}

}  // namespace
