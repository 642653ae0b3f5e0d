#include "bert/data/labeled_set.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

#include "bert/labels/one_of.hpp"
#include "bert/text/tokenizer_options.hpp"
#include "support/toy_tokenizer.hpp"

namespace {

using namespace bert::data;  // NOLINT
using bert::training_batch;

struct parity : bert::labels::one_of<"even", "odd"> {};

static_assert(bert::batch_source<labeled_batches<targets_of<parity>>>);

labeled_set<parity> numbers(int count) {
  static const toy::tokenizer tokenizer;
  labeled_set_builder<parity, toy::tokenizer> set(tokenizer, {}, 16);
  for (int i = 0; i < count; ++i) {
    std::string text = "n" + std::to_string(i);
    for (int w = 0; w < i % 6; ++w) text += " w";
    set.add(text, {}, i % 2);
  }
  return std::move(set).build();
}

TEST_CASE("an epoch of shuffled batches has every example once, in its own order; any step can be loaded first") {
  const auto set = numbers(103);
  const auto batches = set.batches(10, {.seed = 4});
  REQUIRE(batches.batches_per_epoch() == 11);
  std::vector<std::uint64_t> order[2];
  training_batch b;
  for (std::uint64_t step = 22; step-- > 0;) {
    batches.load(step, b);
    CHECK(batches.capacity().holds(b.tokens.shape()));
    CHECK(b.epoch == step / 11);
    CHECK(b.tokens.sequences() == (step % 11 == 10 ? 3 : 10));
    for (std::size_t s = 0; s < b.keys.size(); ++s) {
      const auto example = static_cast<std::size_t>(b.keys[s]);
      order[b.epoch].push_back(example);
      CHECK(b.labels[s] == static_cast<int>(example % 2));
      CHECK(std::equal(b.tokens[s].begin(), b.tokens[s].end(), set[example].begin(), set[example].end()));
    }
    CHECK(b.parts.size() == b.tokens.tokens());
    CHECK(b.values.empty());
  }
  for (const auto& epoch : order) CHECK(std::set<std::uint64_t>(epoch.begin(), epoch.end()).size() == 103);
  CHECK(order[0] != order[1]);
}

TEST_CASE("sequential batches keep the order of the file") {
  const auto batches = numbers(25).batches(10, {.order = order::sequential});
  training_batch b;
  std::uint64_t next = 0;
  for (std::uint64_t step = 0; step < 3; ++step) {
    batches.load(step, b);
    for (const auto key : b.keys) CHECK(key == next++);
  }
  CHECK(next == 25);
}

TEST_CASE("batches by length and balanced batches keep to their capacity and order") {
  const auto [few, many] = numbers(400).split(0.5f);
  const auto by_length = few.batches(10, {.order = order::by_length, .seed = 1});
  training_batch b;
  std::set<std::uint64_t> seen;
  for (std::uint64_t step = 0; step < by_length.batches_per_epoch(); ++step) {
    by_length.load(step, b);
    CHECK(by_length.capacity().holds(b.tokens.shape()));
    seen.insert(b.keys.begin(), b.keys.end());
  }
  CHECK(seen.size() == few.size());

  static const toy::tokenizer tokenizer;
  labeled_set_builder<parity, toy::tokenizer> uneven(tokenizer, {}, 16);
  for (int i = 0; i < 41; ++i) uneven.add(i == 40 ? "n w w w w w w w" : "n", {}, i == 40 ? 1 : 0);
  const auto balanced = std::move(uneven).build().batches(10, {.order = order::balanced});
  int odd = 0;
  for (std::uint64_t step = 0; step < balanced.batches_per_epoch(); ++step) {
    balanced.load(step, b);
    CHECK(balanced.capacity().holds(b.tokens.shape()));
    for (const auto label : b.labels) odd += label;
  }
  CHECK(odd == 20);
  CHECK(by_length.fingerprint() != few.batches(10, {.seed = 1}).fingerprint());
}

TEST_CASE("the capacity is that of the longest examples together") {
  const auto shape = numbers(12).batches(2).capacity();
  CHECK(shape.longest == 8);  // [CLS], a number, five words, [SEP]
  CHECK(shape.tokens == 16);
}

TEST_CASE("the two sets of a split have every example once between them, and depend on the seed") {
  const auto set = numbers(100);
  const auto [train, test] = set.split(0.9f, {.seed = 7});
  CHECK(train.size() == 90);
  CHECK(test.size() == 10);
  std::multiset<bert::token_id> all;
  for (std::size_t i = 0; i < 90; ++i) all.insert(train[i][1]);
  for (std::size_t i = 0; i < 10; ++i) all.insert(test[i][1]);
  std::multiset<bert::token_id> whole;
  for (std::size_t i = 0; i < 100; ++i) whole.insert(set[i][1]);
  CHECK(all == whole);
  const auto [again, rest] = set.split(0.9f, {.seed = 7});
  CHECK(std::equal(again[0].begin(), again[0].end(), train[0].begin()));
  std::vector<bert::token_id> one, other;
  const auto [train8, test8] = set.split(0.9f, {.seed = 8});
  for (std::size_t i = 0; i < 10; ++i) {
    one.push_back(test[i][1]);
    other.push_back(test8[i][1]);
  }
  CHECK(one != other);
  CHECK_THROWS_AS((void)set.split(1.0f), bert::error);
  CHECK_THROWS_AS((void)set.split(0.001f), bert::error);
  CHECK_THROWS_AS((void)set.batches(0), bert::error);
}

TEST_CASE("a text that is too long is cut at its end; of a pair the longer text is cut first") {
  const toy::tokenizer tokenizer;
  labeled_set_builder<parity, toy::tokenizer> builder(tokenizer, {}, 10);
  builder.add("a b c d e f g h", {}, 0);  // fits exactly
  builder.add("a b c d e f g h i", {}, 0);
  builder.add("a b c d e f g h", "x y", 0);        // capacity 7: 5 + 2
  builder.add("x y", "a b c d e f g h", 0);        // 2 + 5
  builder.add("a b c d e f", "r s t u v w", 0);    // equal: 3 + 4
  builder.add("a b c d e f g", "r s t u v w", 0);  // 4 + 3
  const auto set = std::move(builder).build();
  CHECK(set.truncated() == 5);
  training_batch b;
  set.batches(6, {.order = order::sequential}).load(0, b);
  const auto lengths = [&](std::size_t s) {
    const auto ids = b.tokens[s];
    const auto first = static_cast<std::size_t>(std::find(ids.begin(), ids.end(), 2) - ids.begin());
    return std::pair{first - 1, ids.size() - first - 1};
  };
  CHECK(lengths(0) == std::pair<std::size_t, std::size_t>{8, 0});
  CHECK(lengths(1) == std::pair<std::size_t, std::size_t>{8, 0});
  CHECK(lengths(2) == std::pair<std::size_t, std::size_t>{5, 3});  // the second and its [SEP]
  CHECK(lengths(3) == std::pair<std::size_t, std::size_t>{2, 6});
  CHECK(lengths(4) == std::pair<std::size_t, std::size_t>{3, 5});
  CHECK(lengths(5) == std::pair<std::size_t, std::size_t>{4, 4});
  CHECK(b.tokens.segments(2)[6] == 0);
  CHECK(b.tokens.segments(2)[7] == 1);
}

TEST_CASE("an empty set is an error") { CHECK_THROWS_AS((labeled_set<parity>({}, {})), bert::error); }

TEST_CASE("the fingerprint of a source depends on examples, labels, batch size and order, and not on copies") {
  const auto set = [](const char* text, int label) {
    static const toy::tokenizer tokenizer;
    labeled_set_builder<parity, toy::tokenizer> b(tokenizer, {}, 16);
    b.add("one two", {}, 0);
    b.add(text, {}, label);
    return std::move(b).build();
  };
  const auto base = set("three", 1).batches(2, {.seed = 1}).fingerprint();
  CHECK(set("three", 1).batches(2, {.seed = 1}).fingerprint() == base);
  const auto differing = [&](const bert::named_facts& others) {
    std::string names;
    for (std::size_t i = 0; i < base.size(); ++i)
      if (others.at(i) != base[i]) names += base[i].first + ";";
    return names;
  };
  CHECK(differing(set("four", 1).batches(2, {.seed = 1}).fingerprint()) == "examples;");
  CHECK(differing(set("three", 0).batches(2, {.seed = 1}).fingerprint()) == "examples;");
  CHECK(differing(set("three", 1).batches(1, {.seed = 1}).fingerprint()) == "batch;");
  CHECK(differing(set("three", 1).batches(2, {.seed = 2}).fingerprint()) == "seed of the order;");
  CHECK(differing(set("three", 1).batches(2, {.order = order::sequential, .seed = 1}).fingerprint()) == "order;");
}

}  // namespace

TEST_CASE("a tokenizer that cuts at the left keeps the end of a text") {
  struct cuts_left : toy::tokenizer {
    struct settings {
      bert::text::side truncation_side = bert::text::side::left;
    };
    [[nodiscard]] settings options() const { return {}; }
  };
  const auto last_of = []<class Tokenizer>(const Tokenizer& tokenizer) {
    labeled_set_builder<parity, Tokenizer> builder(tokenizer, {}, 8);
    builder.add("a b c d e f g h", {}, 0);
    training_batch b;
    std::move(builder).build().batches(1, {.order = order::sequential}).load(0, b);
    const auto ids = b.tokens[0];
    return std::vector<bert::token_id>(ids.begin() + 1, ids.end() - 1);
  };
  const toy::tokenizer right;
  const auto piece = [&](const char* word) { return right.piece(word, false); };
  const std::vector<bert::token_id> all{piece("a"), piece("b"), piece("c"), piece("d"),
                                        piece("e"), piece("f"), piece("g"), piece("h")};
  CHECK(last_of(right) == std::vector<bert::token_id>(all.begin(), all.begin() + 6));
  CHECK(last_of(cuts_left{}) == std::vector<bert::token_id>(all.begin() + 2, all.end()));
}

TEST_CASE("batches without a seed have seed 0") { CHECK(batch_options{}.seed == 0); }
