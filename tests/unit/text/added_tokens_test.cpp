#include "bert/text/added_tokens.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using namespace bert::text;

namespace {
// Tokens in angle brackets, text unchanged, joined by '|'.
std::string split(const added_tokens& tokens, std::string_view text) {
  std::string out;
  const auto part = [&](const std::string& s) { out += (out.empty() ? "" : "|") + s; };
  tokens.split(
      text.data(), text.data() + text.size(), [&](const char* a, const char* b) { part(std::string(a, b)); },
      [&](const added_token& t, const char* a, const char* b) { part("<" + t.content + ":" + std::string(a, b) + ">"); });
  return out;
}
}  // namespace

TEST_CASE("The leftmost token matches, and of those that begin there the longest") {
  const added_tokens t({{.content = "ab", .id = 1}, {.content = "abc", .id = 2}, {.content = "bcd", .id = 3}});
  CHECK(split(t, "xabcd") == "x|<abc:abc>|d");
  CHECK(split(t, "abab") == "<ab:ab>|<ab:ab>");
  CHECK(split(t, "") == "");
  CHECK(split(added_tokens(), "ab") == "ab");
}

TEST_CASE("lstrip and rstrip take white space, once") {
  const added_tokens t({{.content = "[L]", .id = 1, .lstrip = true}, {.content = "[R]", .id = 2, .rstrip = true}});
  CHECK(split(t, "a  [L] b") == "a|<[L]:  [L]>| b");
  CHECK(split(t, "a [R] \t b") == "a |<[R]:[R] \t >|b");
  CHECK(split(t, "[R]  [L]") == "<[R]:[R]  >|<[L]:[L]>");
  CHECK(split(t, "a\xC2\xA0[L]") == "a|<[L]:\xC2\xA0[L]>");
  CHECK(split(t, "a\xC2\x85[L]") == "a|<[L]:\xC2\x85[L]>");
}

TEST_CASE("single_word matches only without an adjoining letter, mark, digit or underscore") {
  const added_tokens t({{.content = "yes", .id = 1, .single_word = true}});
  CHECK(split(t, "yes") == "<yes:yes>");
  CHECK(split(t, "yes!") == "<yes:yes>|!");
  CHECK(split(t, "yes_") == "yes_");
  CHECK(split(t, "yesyes") == "yesyes");
  CHECK(split(t, "\xC3\xA9yes") == "\xC3\xA9yes");
  CHECK(split(t, "yes\xCC\x81") == "yes\xCC\x81");
}

TEST_CASE("Bytes past the end of a text neither complete a token nor adjoin one") {
  const added_tokens t({{.content = "yes", .id = 1, .single_word = true}, {.content = "no", .id = 2}});
  CHECK(split(t, std::string_view("xyno").substr(0, 2)) == "xy");
  CHECK(split(t, std::string_view("yesno").substr(0, 4)) == "yesn");
  CHECK(split(t, std::string_view("yesno").substr(0, 3)) == "<yes:yes>");
}

TEST_CASE("A token without content is refused") { CHECK_THROWS_AS(added_tokens({{.content = "", .id = 1}}), bert::error); }
