// Facts compared over replicas, which are threads here.
// Layer: tests.
#include "bert/distributed/agree.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <vector>

#include "support/in_process.hpp"

namespace {

using bert::named_facts;
using support::in_process;
using support::in_replicas;

/// What `agree` throws in each replica, given each one's facts; empty where it does not.
std::vector<std::string> refusals(const std::vector<named_facts>& facts) {
  std::vector<std::string> texts(facts.size());
  in_replicas(facts.size(), [&](const in_process& mine) {
    try {
      bert::distributed::agree(mine, facts[mine.rank()]);
    } catch (const bert::error& e) {
      texts[mine.rank()] = e.what();
    }
  });
  return texts;
}

}  // namespace

TEST_CASE("every replica gets the texts of all, whatever their lengths") {
  const std::vector<std::string> given{"", "a", "eight ch", std::string(1000, 'x') + '\0' + "end"};
  for (const std::size_t n : {1u, 2u, 4u})
    in_replicas(n, [&](const in_process& mine) {
      const auto texts = bert::distributed::gathered_texts(mine, given[mine.rank()]);
      CHECK(texts == std::vector<std::string>(given.begin(), given.begin() + static_cast<std::ptrdiff_t>(n)));
    });
  CHECK(bert::distributed::gathered_texts(bert::training::alone{}, "alone") == std::vector<std::string>{"alone"});
}

TEST_CASE("what is true in one replica is true for all") {
  for (std::size_t one = 0; one < 5; ++one)  // 4: in none
    in_replicas(4, [&](const in_process& mine) { CHECK(bert::distributed::any(mine, mine.rank() == one) == (one < 4)); });
  CHECK(bert::distributed::any(bert::training::alone{}, true));
  CHECK_FALSE(bert::distributed::any(bert::training::alone{}, false));
}

TEST_CASE("replicas with the same facts agree") {
  const named_facts facts{{"seed", "42"}, {"3:corpus", "0:7"}, {"empty", ""}};
  CHECK(refusals({facts, facts, facts, facts}) == std::vector<std::string>(4));
  CHECK(refusals({{}, {}}) == std::vector<std::string>(2));
}

TEST_CASE("all replicas refuse, in the same words, one with another fact, by its rank and the fact's name") {
  const named_facts common{{"seed", "42"}, {"corpus", "9c3f"}}, other{{"seed", "43"}, {"corpus", "9c3f"}};
  const auto texts = refusals({common, common, other, other});
  CHECK(texts[0].find("rank 2 of 4: expected seed 42, as rank 0 has, found seed 43") == 0);
  CHECK(texts[0].find("corpus") == std::string::npos);
  for (const auto& text : texts) CHECK(text == texts[0]);
}

TEST_CASE("a fact that one replica lacks is refused, in either direction, and so is another order") {
  const named_facts one{{"seed", "42"}}, two{{"seed", "42"}, {"--keep", "given"}};
  CHECK(refusals({one, two})[0].find("expected --keep not given, as rank 0 has, found --keep given") != std::string::npos);
  CHECK(refusals({two, one})[1].find("expected --keep given, as rank 0 has, found --keep not given") != std::string::npos);
  CHECK_FALSE(refusals({two, {two[1], two[0]}})[0].empty());
}
