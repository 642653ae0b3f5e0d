#include "bert/data/pack.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/temporary_file.hpp"
#include "support/toy_tokenizer.hpp"

namespace {

using namespace bert::data;  // NOLINT
using bert::training_batch;
using bert::word_part;

static_assert(bert::batch_source<packed>);

// Every word of `world` is its own index in the text, so that an id tells its document and sentence.
struct counting : toy::tokenizer {
  explicit counting(std::size_t pieces = 30'000) : toy::tokenizer(pieces) {}
  void append_ids(std::string_view text, std::vector<bert::token_id>& ids, std::vector<word_part>* parts) const {
    while (!text.empty()) {
      const std::size_t end = std::min(text.find(' '), text.size());
      ids.push_back(4 + static_cast<bert::token_id>(std::stoi(std::string(text.substr(0, end)))));
      if (parts != nullptr) parts->push_back(ids.back() % 5 == 3 ? word_part::continues : word_part::begins);
      text.remove_prefix(std::min(text.size(), end + 1));
    }
  }
};

struct world {
  std::string text;
  std::vector<int> document_of, sentence_of;  // by word

  explicit world(int documents, std::uint32_t longest_document = 30) {
    bert::random_stream random(17, bert::draw::user);
    int sentence = 0;
    for (int d = 0; d < documents; ++d) {
      for (std::uint32_t s = 1 + random.below(longest_document); s > 0; --s, ++sentence) {
        for (std::uint32_t w = 1 + random.below(20); w > 0; --w) {
          text += std::to_string(document_of.size()) + (w == 1 ? "\n" : " ");
          document_of.push_back(d);
          sentence_of.push_back(sentence);
        }
      }
      text += '\n';
    }
  }
};

// Words of segment A and of segment B.
std::pair<std::vector<int>, std::vector<int>> words(const training_batch& b, std::size_t s) {
  std::pair<std::vector<int>, std::vector<int>> out;
  for (std::size_t i = 0; i < b.tokens.length(s); ++i)
    if (b.parts[b.tokens.starts()[s] + i] != word_part::special)
      (b.tokens.segments(s)[i] == 0 ? out.first : out.second).push_back(b.tokens[s][i] - 4);
  return out;
}

bool contiguous(const std::vector<int>& w) {
  return std::adjacent_find(w.begin(), w.end(), [](int a, int b) { return b != a + 1; }) == w.end();
}

TEST_CASE(
    "a sequence is [CLS] A [SEP] B [SEP] within its length; A and B are runs of text; B follows A or is from another "
    "document") {
  const world w(150);
  REQUIRE(w.document_of.size() < 29'000);
  const support::temporary_file file(w.text);
  const auto batches = pack(corpus{file.path()}, counting{}, {.tokens = 64, .batch = 16, .seed = 3});
  training_batch b;
  std::size_t sequences = 0, negative = 0, full = 0;
  for (std::uint64_t step = 0; step < batches.batches_per_epoch(); ++step) {
    batches.load(step, b);
    CHECK(batches.capacity().holds(b.tokens.shape()));
    CHECK(b.epoch == 0);
    CHECK(b.vocabulary.mask == 3);
    CHECK(b.vocabulary.size == 30'000);
    REQUIRE(b.labels.size() == b.tokens.sequences());
    REQUIRE(b.keys.size() == b.tokens.sequences());
    REQUIRE(b.parts.size() == b.tokens.tokens());
    for (std::size_t s = 0; s < b.tokens.sequences(); ++s, ++sequences) {
      const auto ids = b.tokens[s];
      const auto segments = b.tokens.segments(s);
      CHECK(ids.front() == 1);
      CHECK(ids.back() == 2);
      CHECK(std::count(ids.begin(), ids.end(), 2) == 2);
      CHECK(std::is_sorted(segments.begin(), segments.end()));
      CHECK(segments.back() == 1);
      const auto [first, second] = words(b, s);
      REQUIRE_FALSE(first.empty());
      REQUIRE_FALSE(second.empty());
      CHECK(ids.size() == first.size() + second.size() + 3);
      CHECK(ids[first.size() + 1] == 2);
      CHECK(segments[first.size() + 1] == 0);
      CHECK(contiguous(first));
      CHECK(contiguous(second));
      const auto document = [&](int word) { return w.document_of[static_cast<std::size_t>(word)]; };
      CHECK(document(first.front()) == document(first.back()));
      CHECK(document(second.front()) == document(second.back()));
      if (b.labels[s] == 0) {
        CHECK(document(first.front()) == document(second.front()));
        CHECK(second.front() > first.back());
        if (ids.size() < 64)
          CHECK(w.sentence_of[static_cast<std::size_t>(second.front())] -
                    w.sentence_of[static_cast<std::size_t>(first.back())] <=
                1);
      } else {
        CHECK(document(first.front()) != document(second.front()));
      }
      negative += b.labels[s] == 1 ? 1u : 0u;
      full += ids.size() == 64 ? 1u : 0u;
      for (std::size_t i = 0; i < ids.size(); ++i)
        if (ids[i] > 3) CHECK((b.parts[b.tokens.starts()[s] + i] == word_part::continues) == (ids[i] % 5 == 3));
    }
  }
  CHECK(sequences == batches.sequences());
  CHECK(static_cast<double>(negative) / static_cast<double>(sequences) == doctest::Approx(0.5).epsilon(0.03));
  CHECK(static_cast<double>(full) / static_cast<double>(sequences) > 0.6);
}

TEST_CASE("an epoch uses nearly all of the text, its keys are all different, and its order is random") {
  const world w(150);
  const support::temporary_file file(w.text);
  for (const auto pairs : {pairing::next_sentence, pairing::sentence_order, pairing::none}) {
    const auto batches = pack(corpus{file.path()}, counting{}, {.tokens = 32, .batch = 8, .pairs = pairs});
    std::set<std::uint64_t> keys;
    std::set<int> seen;
    training_batch b;
    double rising = 0, steps = 0;
    std::uint64_t last = 0;
    for (std::uint64_t step = 0; step < batches.batches_per_epoch(); ++step) {
      batches.load(step, b);
      for (const auto key : b.keys) {
        rising += key > last ? 1 : 0;
        ++steps;
        last = key;
        keys.insert(key);
      }
      for (std::size_t s = 0; s < b.tokens.sequences(); ++s) {
        const auto [first, second] = words(b, s);
        seen.insert(first.begin(), first.end());
        seen.insert(second.begin(), second.end());
      }
    }
    CHECK(keys.size() == batches.sequences());
    CHECK(*keys.rbegin() == batches.sequences() - 1);
    CHECK(rising / steps == doctest::Approx(0.5).epsilon(0.15));
    const double share = static_cast<double>(seen.size()) / static_cast<double>(w.document_of.size());
    CHECK(share > (pairs == pairing::none ? 0.999 : 0.8));
  }
}

TEST_CASE("with sentence_order, label 1 swaps two adjacent runs") {
  const world w(150);
  const support::temporary_file file(w.text);
  const auto batches = pack(corpus{file.path()}, counting{}, {.tokens = 64, .batch = 64, .pairs = pairing::sentence_order});
  training_batch b;
  double negative = 0, all = 0;
  for (std::uint64_t step = 0; step < batches.batches_per_epoch(); ++step) {
    batches.load(step, b);
    for (std::size_t s = 0; s < b.tokens.sequences(); ++s) {
      const auto [first, second] = words(b, s);
      CHECK(w.document_of[static_cast<std::size_t>(first.front())] == w.document_of[static_cast<std::size_t>(second.front())]);
      CHECK((second.front() > first.back()) == (b.labels[s] == 0));
      negative += b.labels[s];
      ++all;
    }
  }
  CHECK(negative / all == doctest::Approx(0.5).epsilon(0.1));
}

TEST_CASE("without pairs a sequence is one run that ends at the end of a word, and there are no labels") {
  const world w(100);
  const support::temporary_file file(w.text);
  const auto batches =
      pack(corpus{file.path()}, counting{}, {.tokens = 32, .batch = 8, .pairs = pairing::none, .short_sequence_rate = 0});
  training_batch b;
  for (std::uint64_t step = 0; step < batches.batches_per_epoch(); ++step) {
    batches.load(step, b);
    CHECK(b.labels.empty());
    for (std::size_t s = 0; s < b.tokens.sequences(); ++s) {
      const auto [first, second] = words(b, s);
      CHECK(second.empty());
      CHECK(contiguous(first));
      CHECK(b.tokens.length(s) <= 32);
      const auto next = static_cast<std::size_t>(first.back()) + 1;
      const bool document_ends = next == w.document_of.size() || w.document_of[next] != w.document_of[next - 1];
      CHECK((document_ends || b.tokens.length(s) >= 31));
      CHECK((document_ends || (next + 4) % 5 != 3));
    }
  }
}

// All fields of a batch as one string, for comparisons.
std::string contents(const training_batch& b) {
  std::string out;
  const auto add = [&](const auto& v) {
    for (const auto x : v) out += std::to_string(static_cast<std::uint64_t>(x)) + ' ';
    out += '\n';
  };
  add(b.tokens.ids());
  add(b.tokens.segments());
  add(b.tokens.starts());
  add(b.labels);
  add(b.parts);
  add(b.keys);
  return out + std::to_string(b.epoch);
}

TEST_CASE("a batch depends on its step alone, not on earlier loads, on copies, or on the number of threads") {
  const world w(60);
  const support::temporary_file file(w.text);
  const pack_options options{.tokens = 32, .batch = 8, .seed = 9};
  const auto one = pack(corpus{file.path()}, counting{}, options);
  const auto two = pack(corpus{file.path()}, counting{}, options, bert::execution::threads{3});
  const std::uint64_t steps = 3 * one.batches_per_epoch();
  REQUIRE(two.batches_per_epoch() == one.batches_per_epoch());
  std::vector<std::string> forward;
  training_batch b;
  for (std::uint64_t step = 0; step < steps; ++step) {
    one.load(step, b);
    forward.push_back(contents(b));
  }
  const auto copy = two;
  for (std::uint64_t step = steps; step-- > 0;) {
    copy.load(step, b);
    CHECK(contents(b) == forward[step]);
  }
  CHECK(std::set<std::string>(forward.begin(), forward.end()).size() == steps);
}

TEST_CASE("threads that load different epochs at the same time get the batches that one thread gets") {
  const world w(60);
  const support::temporary_file file(w.text);
  const auto batches = pack(corpus{file.path()}, counting{}, {.tokens = 32, .batch = 8, .seed = 9});
  const std::uint64_t steps = 4 * batches.batches_per_epoch();
  std::vector<std::string> alone(steps), together(steps);
  training_batch b;
  for (std::uint64_t step = 0; step < steps; ++step) {
    batches.load(step, b);
    alone[step] = contents(b);
  }
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      training_batch mine;
      for (std::uint64_t step = t * steps / 3; step < (t + 1) * steps / 3; ++step) {
        batches.load(step, mine);
        together[step] = contents(mine);
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(alone == together);
}

TEST_CASE("with redraw::never every epoch has the same pairs with the same keys, in another order") {
  const world w(60);
  const support::temporary_file file(w.text);
  const auto batches = pack(corpus{file.path()}, counting{}, {.tokens = 32, .batch = 8, .pairs_drawn = redraw::never});
  std::map<std::uint64_t, std::vector<bert::token_id>> first;
  std::vector<std::uint64_t> order[2];
  training_batch b;
  for (std::uint64_t step = 0; step < 2 * batches.batches_per_epoch(); ++step) {
    batches.load(step, b);
    CHECK(b.epoch == step / batches.batches_per_epoch());
    for (std::size_t s = 0; s < b.keys.size(); ++s) {
      const std::vector<bert::token_id> ids(b.tokens[s].begin(), b.tokens[s].end());
      CHECK(first.try_emplace(b.keys[s], ids).first->second == ids);
      order[b.epoch].push_back(b.keys[s]);
    }
  }
  CHECK(first.size() == batches.sequences());
  CHECK(order[0] != order[1]);
}

TEST_CASE("the share of random pairs is second_random") {
  const world w(400, 60);
  const support::temporary_file file(w.text);
  for (const float share : {0.3f, 0.5f, 0.7f}) {
    const auto batches = pack(corpus{file.path()}, counting{500'000}, {.tokens = 64, .batch = 32, .second_random = share});
    double negative = 0, all = 0;
    training_batch b;
    for (std::uint64_t step = 0; step < 4 * batches.batches_per_epoch(); ++step) {
      batches.load(step, b);
      for (const auto label : b.labels) negative += label;
      all += static_cast<double>(b.labels.size());
    }
    CHECK(negative / all == doctest::Approx(share).epsilon(0.05));
  }
}

TEST_CASE("pack refuses faulty texts and options by name") {
  const support::temporary_file one("1 2 3\n4 5\n"), apart("1 2\n\n3 4\n\n5\n");
  CHECK_THROWS_AS((void)pack(corpus{one.path()}, counting{}), bert::error);
  CHECK_THROWS_AS((void)pack(corpus{apart.path()}, counting{}, {.pairs = pairing::sentence_order}), bert::error);
  CHECK_THROWS_WITH_AS((void)pack(corpus{apart.path()}, counting{}, {.tokens = 7}),
                       "bert::data::pack: expected .tokens of 8 to 32,767, found 7", bert::error);
  CHECK_THROWS_AS((void)pack(corpus{apart.path()}, counting{}, {.batch = 0}), bert::error);
  const auto fine = pack(corpus{one.path()}, counting{}, {.pairs = pairing::none});
  CHECK(fine.sequences() == 1);
  CHECK(fine.capacity().sequences == 1);
}

TEST_CASE("a corpus of one-sentence documents is refused, and negative_share shows a corpus with many of them") {
  std::string apart, mixed;
  for (int i = 0; i < 40; ++i) apart += "one two three.\n\n";
  for (int i = 0; i < 40; ++i) mixed += i % 10 == 0 ? "a b c.\nd e f.\ng h i.\n\n" : "one two three.\n\n";
  const support::temporary_file all(apart), most(mixed);
  CHECK_THROWS_WITH_AS((void)pack(corpus{all.path()}, toy::tokenizer{}, {.tokens = 16}),
                       doctest::Contains("found one sentence in each of 40 documents: all 40 pairs would be random"),
                       bert::error);
  CHECK(pack(corpus{all.path()}, toy::tokenizer{}, {.tokens = 16, .pairs = pairing::none}).negative_share() == 0);
  const double share = pack(corpus{most.path()}, toy::tokenizer{}, {.tokens = 16}).negative_share();
  CHECK(share > 0.7);
  CHECK(share < 1);
}

TEST_CASE("a corpus or an option that changes the batches changes one fact, and threads change none") {
  const support::temporary_file one("a b c.\nd e f.\n\ng h.\ni j.\n"), other("a b c.\nd e f.\n\ng h.\ni k.\n");
  const auto facts = [](const support::temporary_file& file, const pack_options& options, std::size_t threads = 1) {
    return pack(corpus{file.path()}, toy::tokenizer{}, options, bert::execution::threads{threads}).fingerprint();
  };
  const pack_options options{.tokens = 16, .batch = 2, .seed = 1};
  const auto base = facts(one, options);
  CHECK(facts(one, options, 3) == base);
  const auto differing = [&](const bert::named_facts& others) {
    std::string names;
    REQUIRE(others.size() == base.size());
    for (std::size_t i = 0; i < base.size(); ++i)
      if (others[i] != base[i]) names += (names.empty() ? "" : ",") + base[i].first;
    return names;
  };
  CHECK(differing(facts(other, options)) == "corpus");
  CHECK(differing(facts(one, {.tokens = 32, .batch = 2, .seed = 1})) == "tokens");
  CHECK(differing(facts(one, {.tokens = 16, .batch = 4, .seed = 1})) == "batch");
  CHECK(differing(facts(one, {.tokens = 16, .batch = 2, .seed = 2})) == "seed of the pairs");
  CHECK(differing(facts(one, {.tokens = 16, .batch = 2, .seed = 1, .pairs = pairing::none})) == "pairs");
  CHECK(differing(facts(one, {.tokens = 16, .batch = 2, .seed = 1, .pairs_drawn = redraw::never})) == "pairs drawn");
}

TEST_CASE("special tokens spelled out in the text stay special") {
  const support::temporary_file file("the [MASK] sat\n\nother words\n");
  const auto batches = pack(corpus{file.path()}, toy::tokenizer{}, {.pairs = pairing::none, .short_sequence_rate = 0});
  training_batch b;
  batches.load(0, b);
  CHECK(std::count(b.parts.begin(), b.parts.end(), word_part::special) == 2 * 2 + 1);
}

}  // namespace

TEST_CASE("a share of random seconds beyond 1 is refused") {
  const world w(40, 6);
  const support::temporary_file file(w.text);
  for (const float share : {-0.1f, 1.5f})
    CHECK_THROWS_WITH_AS((void)pack(corpus{file.path()}, counting{500'000}, {.tokens = 64, .batch = 4, .second_random = share}),
                         doctest::Contains("second_random"), bert::error);
}
