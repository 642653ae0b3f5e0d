// Named facts, and the hash that replaces long ones.
// Layer: tests.
#include "bert/core/fingerprint.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace bert;

namespace {
struct silent {};
struct telling {
  named_facts fingerprint() const { return {{"batch", "4"}}; }
};
}  // namespace

TEST_CASE("a hash tells apart texts of different bytes, lengths and boundaries") {
  const std::string zeros(3, '\0');
  const std::set<std::string> all{hash64().text(),
                                  hash64().add("").text(),
                                  hash64().add("a").text(),
                                  hash64().add("b").text(),
                                  hash64().add("ab").text(),
                                  hash64().add("a").add("b").text(),
                                  hash64().add(zeros).text(),
                                  hash64().add(zeros + zeros).text(),
                                  hash64().add("12345678").text(),
                                  hash64().add("123456789").text(),
                                  hash64().add(std::uint64_t{1}).text()};
  CHECK(all.size() == 11);
  CHECK(all.begin()->size() == 16);
}

TEST_CASE("a hash is the same number on every machine, the one that Python computes by the formula") {
  CHECK(hash64().add("the cat").add(std::uint64_t{7}).text() == "ed5d110546f25a7e");
}

TEST_CASE("a component without fingerprint() has no facts, and one with it has its own") {
  CHECK(fingerprint_of(silent{}).empty());
  named_facts all = fingerprint_of(telling{});
  append(all, {{"tokens", "8"}});
  CHECK(all == named_facts{{"batch", "4"}, {"tokens", "8"}});
}
