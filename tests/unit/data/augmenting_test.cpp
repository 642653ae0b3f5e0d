// Labeled sets with variants of their examples, and a source that is another in every epoch.
#include "bert/data/augmenting.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "bert/data/by_epoch.hpp"
#include "bert/data/conll.hpp"
#include "bert/data/tsv.hpp"
#include "bert/data/tsv_many.hpp"
#include "bert/labels/bio.hpp"
#include "bert/labels/one_of.hpp"
#include "support/temporary_file.hpp"
#include "support/toy_tokenizer.hpp"

namespace {
namespace data = bert::data;
struct mood : bert::labels::one_of<"bad", "good"> {};
struct tokenizer_of_words : toy::tokenizer {
  [[nodiscard]] static bert::token_id unk_id() noexcept { return 1; }
};
struct places : bert::labels::bio<"LOC"> {};

data::eda swapping(std::uint64_t seed = 1) {
  return data::eda({}, {.replace = 0, .insert = 0, .swap = 0.5f, .remove = 0, .seed = seed});
}
template <class Set>
std::vector<bert::token_id> ids(const Set& set, std::size_t i) {
  return {set[i].begin(), set[i].end()};
}
}  // namespace

TEST_CASE("each example comes first as it is, then as its variants, all with its label, and others in the next epoch") {
  const support::temporary_file file("a b c d e f\tgood\nb c d e f a\tbad\n");
  const auto tokenizer = tokenizer_of_words();
  const auto plain = data::tsv(file.path(), tokenizer, mood{}, {});
  const auto augment = swapping();
  const auto read = [&](unsigned epoch) {
    data::with_variants more(augment, {.copies = 3, .epoch = epoch});
    return data::tsv(file.path(), tokenizer, mood{}, {}, more);
  };
  const auto first = read(0), again = read(0), second = read(1);
  REQUIRE(first.size() == 8);
  std::size_t changed = 0, moved = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    CHECK(first.label(i) == plain.label(i / 4));
    CHECK(ids(first, i) == ids(again, i));
    if (i % 4 == 0) CHECK(ids(first, i) == ids(plain, i / 4));
    else changed += ids(first, i) != ids(plain, i / 4) ? 1 : 0;
    moved += ids(first, i) != ids(second, i) ? 1 : 0;
  }
  CHECK(changed == 6);
  CHECK(moved > 2);
}

TEST_CASE("pairs, numbers and several labels are augmented, too") {
  const auto tokenizer = tokenizer_of_words();
  const auto augment = swapping();
  const support::temporary_file pairs("a b c d\te f a b\t2.5\n"), many("a b c d\tgood,bad\n");
  data::with_variants more(augment, {.copies = 5}), more_many(augment, {.copies = 5});
  const auto numbers = data::tsv<bert::labels::number>(pairs.path(), tokenizer, {.text_column = 0, .second_column = 1}, more);
  REQUIRE(numbers.size() == 6);
  CHECK(numbers.label(5) == 2.5f);
  const auto several = data::tsv_many(many.path(), tokenizer, mood{}, {}, more_many);
  REQUIRE(several.size() == 6);
  CHECK(several.applies(5)[0] == 1.0f);
}

TEST_CASE("the tags of augmented sentences stay at their words, after the words of each tag were learned") {
  const support::temporary_file file("a B-LOC\nb I-LOC\nc O\nd O\n\nd B-LOC\ne O\nf O\n");
  const auto tokenizer = tokenizer_of_words();
  data::eda augment({}, {.replace = 0.5f, .insert = 0, .swap = 0, .remove = 0, .seed = 1});
  const auto plain = data::conll(file.path(), tokenizer, places{}, {}, data::learning_tags(augment));
  data::with_variants more(augment, {.copies = 20});
  const auto set = data::conll(file.path(), tokenizer, places{}, {}, more);
  REQUIRE(set.size() == 42);
  std::size_t changed = 0;
  for (std::size_t i = 0; i < set.size(); ++i) {
    const std::size_t from = i / 21;
    CHECK(std::vector<std::int32_t>(set.tags(i).begin(), set.tags(i).end()) ==
          std::vector<std::int32_t>(plain.tags(from).begin(), plain.tags(from).end()));
    changed += ids(set, i) != ids(plain, from) ? 1 : 0;
  }
  CHECK(changed > 5);
}

TEST_CASE("a source by epoch has each source's batches in its epochs, and the facts of one that is alone") {
  const support::temporary_file file("a b c d e f\tgood\nb c d e f a\tbad\na a a\tbad\n");
  const auto tokenizer = tokenizer_of_words();
  const auto augment = swapping();
  std::vector<data::labeled_batches<data::targets_of<mood>>> sources;
  for (unsigned epoch = 0; epoch < 2; ++epoch) {
    data::with_variants more(augment, {.copies = 1, .epoch = epoch});
    sources.push_back(data::tsv(file.path(), tokenizer, mood{}, {}, more).batches(2));
  }
  const data::by_epoch both(sources);
  const data::by_epoch one(std::vector{sources[0]});
  CHECK(both.batches_per_epoch() == 3);
  bert::training_batch a, b;
  for (std::uint64_t step = 0; step < 12; ++step) {
    both.load(step, a);
    sources[step / 3 % 2].load(step, b);
    CHECK(a.epoch == step / 3);
    REQUIRE(a.tokens.tokens() == b.tokens.tokens());
    CHECK(std::equal(a.tokens.ids().begin(), a.tokens.ids().end(), b.tokens.ids().begin()));
    CHECK(both.capacity().holds(a.tokens.shape()));
  }
  CHECK(one.fingerprint() == sources[0].fingerprint());
  CHECK(both.fingerprint().size() == 2 * one.fingerprint().size());
  auto uneven = sources;
  uneven.push_back(data::tsv(file.path(), tokenizer, mood{}, {}).batches(3));
  CHECK_THROWS_WITH_AS(data::by_epoch(std::move(uneven)), doctest::Contains("3 batches"), bert::error);
  CHECK_THROWS_AS(data::by_epoch(decltype(sources){}), bert::error);
}
