// Pickles: the values of each instruction; nothing is called; hostile ones are errors within bounds.
// Layer: tests.
#include "bert/io/pickle.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <deque>
#include <string>

#include "scratch.hpp"
#include "support/checkpoint_writers.hpp"

using namespace bert::io;
using bert::testing::has;
using bert::testing::message_of;
using kind = pickle_value::kind;

namespace {

const std::string where = "file";
bool any(std::string_view, std::string_view) { return true; }
bool none(std::string_view, std::string_view) { return false; }

/// Keeps the bytes, of which texts are spans.
pickle read(const std::string& bytes, pickle::filter allowed = any) {
  static std::deque<std::string> kept;
  byte_reader in(support::bytes_of(kept.emplace_back(bytes)), where);
  return pickle(in, where, allowed);
}
std::string message(const std::string& bytes, pickle::filter allowed = any) {
  return message_of([&] { (void)read(bytes, allowed); });
}
std::int64_t number(const std::string& bytes) {
  const auto p = read(bytes + ".");
  CHECK(p.root().is == kind::integer);
  return p.root().number;
}

}  // namespace

TEST_CASE("every instruction that makes a number or a text gives its value") {
  CHECK(number("K\xff") == 255);
  CHECK(number("M\x01\x02") == 513);
  CHECK(number(std::string("J\xfe\xff\xff\xff", 5)) == -2);
  CHECK(number(std::string("\x8a\x00", 2)) == 0);
  CHECK(number("\x8a\x01\xff") == -1);
  CHECK(number(std::string("\x8a\x02\xff\x00", 4)) == 255);
  CHECK(number("\x8a\x08" + support::little(std::int64_t{-5'000'000'000})) == -5'000'000'000);
  const std::string large = "\x8a\x09" + std::string(9, '\x7f') + ".";
  CHECK(read(large).root().is == kind::long_bytes);
  CHECK(read(large).root().text.size() == 9);
  const std::string real = std::string("G\x3f\xf8\0\0\0\0\0\0.", 10);
  CHECK(std::bit_cast<double>(read(real).root().number) == 1.5);
  const std::string texts =
      "(" + support::opcode::text("one") + "U\x03two" + std::string("T\x05\0\0\0three", 10) + "\x8c\x04" + "fourt.";
  const auto p = read(texts);
  REQUIRE(p.root().items.size() == 4);
  CHECK(p[p.root().items[0]].text == "one");
  CHECK(p[p.root().items[1]].text == "two");
  CHECK(p[p.root().items[2]].text == "three");
  CHECK(p[p.root().items[3]].text == "four");
  CHECK(read("N.").root().is == kind::none);
  CHECK(read("\x88.").root().number == 1);
  CHECK(read("\x89.").root().is == kind::boolean);
}

TEST_CASE("tuples, lists, dictionaries and the memo hold what was put into them, in order") {
  const auto p = read(
      "\x80\x02]q\x01(K\x01K\x02"
      "eK\x03"
      "ah\x01\x86.");
  REQUIRE(p.root().is == kind::tuple);
  REQUIRE(p.root().items.size() == 2);
  CHECK(p.root().items[0] == p.root().items[1]);
  const pickle_value& list = p[p.root().items[0]];
  CHECK(list.is == kind::list);
  REQUIRE(list.items.size() == 3);
  CHECK(p[list.items[2]].number == 3);
  const auto d = read("}(K\x01K\x02K\x03K\x04uK\x05K\x06s.");
  REQUIRE(d.root().items.size() == 6);
  CHECK(d[d.root().items[5]].number == 6);
  CHECK(read(").").root().items.empty());
  CHECK(read("K\x01\x85.").root().items.size() == 1);
  CHECK(read("K\x01K\x01K\x01\x87.").root().items.size() == 3);
  const auto memo = read("]\x94K\x07\x94h\x01\x86.");
  CHECK(memo[memo.root().items[1]].number == 7);
}

TEST_CASE("a call stays a value: the callable's name and its arguments") {
  const auto p = read(support::opcode::global("os", "system") + support::opcode::text("true") + "\x85R}b.");
  REQUIRE(p.root().is == kind::call);
  CHECK(p[p.root().items[0]].text == "os");
  CHECK(p[p.root().items[0]].second == "system");
  CHECK(p[p[p.root().items[1]].items[0]].text == "true");
  CHECK(has(message(support::opcode::global("os", "system") + ".", none), "found \"os.system\""));
  CHECK(has(message("\x8c\x02os\x8c\x06system\x93.", none), "found \"os.system\""));
  CHECK(read("\x8c\x02os\x8c\x06system\x93.").root().second == "system");
  const auto id = read("K\x05Q.");
  CHECK(id.root().is == kind::persistent);
  CHECK(id[id.root().items[0]].number == 5);
}

TEST_CASE("an empty stack, a missing mark, a memo that was never put and other instructions are errors that name the byte") {
  for (const char* bytes :
       {".", "\x85.", "K\x01\x86.", "t.", "N(0", "q\x01.", "R.", "b.", "s.", "u.", "a.", "e.", "Q.", "\x93.", "((tt"})
    CHECK(has(message(bytes), "file, byte "));
  CHECK(has(message("h\x07."), "a memo that was put, found number 7"));
  CHECK(has(message("N(tR."), "a callable and a tuple"));
  CHECK(has(message("N(K\x01"
                    "e."),
            "items for a list"));
  CHECK(has(message("](K\x01K\x02u."), "keys and values for a dictionary"));
  CHECK(has(message("}(K\x01u."), "keys and values for a dictionary"));
  CHECK(has(message("K\x01K\x02\x93."), "a global's names"));
  CHECK(has(message("\x80\x01."), "protocol 2 to 5"));
  CHECK(has(message("i"), "instruction 105"));
  CHECK(has(message("cos\nsystem"), "a line"));
  CHECK(has(message(std::string("X\xff\xff\xff\xffx", 6)), "4294967295 bytes more"));
}

TEST_CASE("depth and length are bounded: lists in lists, two million instructions, keys of the memo") {
  std::string deep;
  for (int i = 0; i < 1'000'000; ++i) deep += ']';
  for (int i = 0; i < 999'999; ++i) deep += 'a';
  CHECK(message(deep + '.').empty());
  CHECK(has(message(std::string(pickle::most_instructions + 1, 'N')), "at most 2097152 instructions"));
  std::string memo = "N";
  for (std::uint32_t i = 0; i < 300'000; ++i) memo += 'r' + support::little(i * 126'271);  // a multiple of hash table sizes
  CHECK(message(memo + '.').empty());
}
