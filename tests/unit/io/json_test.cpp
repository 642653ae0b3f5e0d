// JSON: values that are read, and the error of each fault.
// Layer: tests.
#include "bert/io/json.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <utility>

#include "scratch.hpp"

using namespace bert::io;
using bert::testing::has;
using bert::testing::message_of;
using bert::testing::scratch;

TEST_CASE("a fault in JSON is an error that names file, byte, line and column") {
  const scratch dir;
  const auto path = dir.file("config.json", "{\n  \"a\": 1,\n  \"b\": oops\n}");
  const auto message = message_of([&] { (void)read_json(path); });
  CHECK(has(message, "config.json"));
  CHECK(has(message, "byte 19 (line 3, column 8)"));
  CHECK(has(message, "near \"oops"));
  CHECK(has(message_of([&] { (void)parse_json("{\"a\": [1, 2", "x"); }), "the end of the text at byte 11"));
  CHECK(has(message_of([&] { (void)parse_json("", "x"); }), "the end of the text at byte 0"));
  CHECK(has(message_of([&] { (void)parse_json("{} {}", "x"); }), "byte 3"));
  CHECK(has(message_of([&] { (void)parse_json("{\"a\": 1e999}", "x"); }), "x: expected JSON"));
  CHECK(has(message_of([&] { (void)parse_json("[\"\xff\xfe\"]", "x"); }), "x: expected JSON"));
}

TEST_CASE("a key given twice in one object is an error at any depth, in different objects it is not") {
  CHECK(has(message_of([&] { (void)parse_json(R"({"a": 1, "a": 2})", "x"); }), "\"a\" twice"));
  CHECK(has(message_of([&] { (void)parse_json(R"({"b": [{"a": 1, "a": 2}]})", "x"); }), "\"a\" twice"));
  CHECK(parse_json(R"({"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]})", "x").size() == 2);
}

TEST_CASE("a million open brackets are an error and do not crash") {
  CHECK(has(message_of([&] { (void)parse_json(std::string(1'000'000, '['), "x"); }), "levels deep"));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  CHECK(has(message_of([&] { (void)parse_json(objects, "x"); }), "levels deep"));
}

TEST_CASE("typed access returns the value or throws, naming the kind that was found") {
  const json j = parse_json(
      R"({"n": 12, "x": 1e-12, "s": "gelu", "b": true, "list": [1, 2], "neg": -1, "big": 18446744073709551615, "none": null})",
      "x");
  CHECK(require<int>(j, "n", "c") == 12);
  CHECK(require<double>(j, "x", "c") == 1e-12);
  CHECK(require<float>(j, "n", "c") == 12.0f);
  CHECK(require<std::string>(j, "s", "c") == "gelu");
  CHECK(require<bool>(j, "b", "c"));
  CHECK(require<std::vector<int>>(j, "list", "c") == std::vector<int>{1, 2});
  CHECK(require<std::uint64_t>(j, "big", "c") == 18446744073709551615u);
  CHECK(value_or<int>(j, "absent", "c", 7) == 7);
  CHECK(value_or<int>(j, "none", "c", 7) == 7);
  CHECK(value_or<int>(j, "n", "c", 7) == 12);
  CHECK(has(message_of([&] { (void)require<int>(j, "absent", "config.json"); }), "config.json: expected the key \"absent\""));
  CHECK(has(message_of([&] { (void)require<int>(j, "s", "c"); }), "found a string"));
  CHECK(has(message_of([&] { (void)require<int>(j, "x", "c"); }), "a whole number"));
  CHECK(has(message_of([&] { (void)require<unsigned>(j, "neg", "c"); }), "from 0 to 4294967295, found -1"));
  CHECK(has(message_of([&] { (void)require<std::int64_t>(j, "big", "c"); }), "found 18446744073709551615"));
  CHECK(has(message_of([&] { (void)require<bool>(j, "n", "c"); }), "true or false"));
  CHECK(has(message_of([&] { (void)require<std::string>(j, "n", "c"); }), "a string, found a whole number"));
  CHECK(has(message_of([&] { (void)value_or<std::string>(j, "n", "c", "z"); }), "a string"));
  CHECK(
      has(message_of([&] { (void)require<std::vector<int>>(parse_json(R"({"list": [1, "2"]})", "x"), "list", "c"); }), "[1]"));
  CHECK(
      has(message_of([&] { (void)require<int>(parse_json("[1]", "x"), "a", "c"); }), "c: expected an object, found an array"));
}

TEST_CASE("a written document reads back equal, with sorted keys") {
  const scratch dir;
  json j;
  j["b"] = "é";
  j["a"] = 1;
  CHECK(to_text(j) == "{\n  \"a\": 1,\n  \"b\": \"é\"\n}\n");
  CHECK(read_json(dir.file("j.json", to_text(j))) == j);
}

TEST_CASE("values can be copied, moved, compared and changed independently") {
  json a = {{"n", 1}, {"list", {1, 2.5, "x", nullptr, true}}, {"o", {{"k", -3}}}};
  json b = a;
  CHECK(b == a);
  b["o"]["k"] = 4;
  CHECK(a["o"]["k"].get<int>() == -3);
  CHECK_FALSE(b == a);
  const json c = std::move(b);
  CHECK(c.at("o").at("k").get<int>() == 4);
  a = c["o"];
  CHECK(a.dump() == R"({"k":4})");
  CHECK(a.erase("k") == 1);
  CHECK(a.empty());
  json list;
  list.push_back(1u);
  list.push_back(json::object());
  CHECK(list.dump() == "[1,{}]");
  CHECK(list[std::size_t{0}].is_number_unsigned());
  CHECK_THROWS_AS((void)list[std::size_t{2}], bert::error);
  CHECK_THROWS_AS((void)c.at("none"), bert::error);
  CHECK_THROWS_AS((void)c.at("n").get<std::string>(), bert::error);
  CHECK_THROWS_AS(list["key"] = 1, bert::error);
  CHECK(c.find("none") == c.end());
  CHECK(list.find("none") == list.end());
  CHECK(c.contains("n"));
  std::string keys;
  for (const auto& [key, value] : c.items()) keys += key + std::to_string(value.size());
  CHECK(keys == "list5n1o1");
  int values = 0;
  for (const json& value : c.at("list")) values += value.is_null() ? 100 : 1;
  CHECK(values == 104);
}

TEST_CASE("numbers are written with the fewest digits that parse to the same number, and fractions stay fractions") {
  const auto text = [](double x) { return json(x).dump(); };
  CHECK(text(1e-12) == "1e-12");
  CHECK(text(0.1) == "0.1");
  CHECK(text(1.0) == "1.0");
  CHECK(text(-0.0) == "-0.0");
  CHECK(text(1e-5) == "1e-05");
  CHECK(text(0.0001) == "0.0001");
  CHECK(text(1e20) == "1e+20");
  CHECK(text(123456.75) == "123456.75");
  CHECK(text(std::numeric_limits<double>::infinity()) == "null");
  CHECK(json(18446744073709551615u).dump() == "18446744073709551615");
  CHECK(json(-9223372036854775807 - 1).dump() == "-9223372036854775808");
}

TEST_CASE("strings are escaped so that they read back equal, and strings that are not UTF-8 are errors") {
  for (const std::string& text :
       {std::string("\0\x01\x1f\x7f", 4), std::string("\b\f\n\r\t\"\\/"), std::string("é日\xf0\x9f\x98\x80")})
    CHECK(parse_json(json(text).dump(), "x").get<std::string>() == text);
  CHECK(json("\x01\n").dump() == R"("\u0001\n")");
  CHECK(has(message_of([] { (void)json("caf\xe9").dump(); }), "expected UTF-8"));
  CHECK(has(message_of([] { (void)to_text({{"caf\xe9", 1}}); }), "expected UTF-8"));
}
