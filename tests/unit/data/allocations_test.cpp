#include "support/allocations.hpp"

#include <doctest/doctest.h>

#include <string>

#include "bert/core/random.hpp"
#include "bert/data/labeled_set.hpp"
#include "bert/data/pack.hpp"
#include "bert/data/pairs.hpp"
#include "bert/data/twice.hpp"
#include "bert/data/word_lists.hpp"
#include "bert/labels/one_of.hpp"
#include "bert/objectives/masking.hpp"
#include "bert/objectives/masking_lexicon.hpp"
#include "bert/objectives/masking_similar.hpp"
#include "support/temporary_file.hpp"
#include "support/toy_tokenizer.hpp"

namespace {

struct parity : bert::labels::one_of<"even", "odd"> {};

std::string world() {
  std::string text;
  bert::random_stream random(2, bert::draw::user);
  for (int line = 0; line < 2'000; ++line) {
    for (std::uint32_t words = random.below(25); words > 0; --words) text += "word" + std::to_string(random.below(5'000)) + ' ';
    text += '\n';
  }
  return text;
}

// Loads and masks all batches of `epochs` epochs. Returns the allocations after the first batch.
template <class Source, class Policy>
std::size_t allocated(const Source& source, const Policy& policy, std::uint64_t epochs) {
  bert::training_batch batch;
  bert::masked_batch masked;
  auto room = source.capacity();
  room.scored = policy.max_scored(room);
  masked.reserve(room);
  source.load(0, batch);
  const std::size_t before = support::allocations;
  for (std::uint64_t step = 0; step < epochs * source.batches_per_epoch(); ++step) {
    source.load(step, batch);
    policy(batch, 1, masked);
  }
  return support::allocations - before;
}

TEST_CASE("after the first batch neither loading nor masking allocates, new epochs included") {
  const support::temporary_file file(world()), list("word1 word2\nword3 word4 word5\n"), same("word1\tword2\n");
  const auto words = bert::data::lexicon(list.path(), toy::tokenizer(6'000));
  const auto synonyms = bert::data::synonyms(same.path(), toy::tokenizer(6'000));
  for (const auto pairs :
       {bert::data::pairing::next_sentence, bert::data::pairing::sentence_order, bert::data::pairing::none}) {
    const auto batches =
        bert::data::pack(bert::data::corpus{file.path()}, toy::tokenizer(6'000), {.tokens = 64, .batch = 7, .pairs = pairs});
    REQUIRE(batches.batches_per_epoch() > 10);
    CHECK(allocated(batches, bert::masking::token{}, 4) == 0);
    CHECK(allocated(batches, bert::masking::whole_word{}, 4) == 0);
    CHECK(allocated(batches, bert::masking::span{}, 2) == 0);
    CHECK(allocated(batches, bert::masking::lexicon{.longest = 3, .words = words}, 2) == 0);
    CHECK(allocated(batches, bert::masking::similar_word{.synonyms = synonyms, .words = words}, 2) == 0);
  }
}

TEST_CASE("after the first batch a labeled set allocates nothing") {
  const toy::tokenizer tokenizer;
  bert::data::labeled_set_builder<parity, toy::tokenizer> builder(tokenizer, {}, 32);
  bert::random_stream random(3, bert::draw::user);
  for (int i = 0; i < 501; ++i) {
    std::string text = "n";
    for (std::uint32_t w = random.below(40); w > 0; --w) text += " w";
    builder.add(text, {}, i % 2);
  }
  const auto set = std::move(builder).build();
  CHECK(allocated(set.batches(16), bert::masking::token{}, 3) == 0);
}

TEST_CASE("after the first batch neither distinct batches nor doubled ones allocate, new epochs included") {
  const toy::tokenizer tokenizer;
  bert::data::text_groups_builder<bert::data::text_pairs, toy::tokenizer> builder(tokenizer, 32);
  bert::random_stream random(3, bert::draw::user);
  for (int i = 0; i < 501; ++i) {
    std::string text = "n" + std::to_string(i % 90);
    for (std::uint32_t w = random.below(20); w > 0; --w) text += " w";
    builder.add({text, "other " + text});
  }
  const auto set = std::move(builder).build();
  CHECK(allocated(set.distinct_batches(16), bert::masking::token{}, 3) == 0);
  CHECK(allocated(bert::data::twice(set.batches(16)), bert::masking::token{}, 3) == 0);
}

}  // namespace
