#include "bert/text/tokenizer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <ctime>
#include <string>
#include <vector>

#include "bert/core/execution.hpp"
#include "support/allocations.hpp"

using namespace bert::text;
using bert::token_id;
using bert::word_part;
using strings = std::vector<std::string>;

namespace {

vocabulary small() {
  return vocabulary(strings{"[PAD]", "[UNK]",       "[CLS]",  "[SEP]", "[MASK]", "the", "cat",  "sat",
                            "un",    "##aff",       "##able", ".",     "[",      "]",   "mask", "\xE4\xB8\xAD",
                            "cafe",  "Caf\xC3\xA9", "Cat",    "a",     "##a",    "!"});
}
std::string complaint(auto&& f) {
  try {
    f();
  } catch (const bert::error& e) {
    return e.what();
  }
  return "";
}
bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
std::size_t allocations_during(auto&& f) {
  const std::size_t before = support::allocations;
  f();
  return support::allocations - before;
}
std::vector<token_id> ids_of(const bert::token_batch& b, std::size_t s = 0) { return {b[s].begin(), b[s].end()}; }

}  // namespace

TEST_CASE("A pair becomes CLS a SEP b SEP with segments 0 and 1, and MASK is scored") {
  const tokenizer t(small());
  const auto batch = t.encode("The [MASK] sat.", "unaffable");
  CHECK(ids_of(batch) == std::vector<token_id>{2, 5, 4, 7, 11, 3, 8, 9, 10, 3});
  const std::vector<bert::segment_id> segments(batch.segments().begin(), batch.segments().end());
  CHECK(segments == std::vector<bert::segment_id>{0, 0, 0, 0, 0, 0, 1, 1, 1, 1});
  REQUIRE(batch.scored().size() == 1);
  CHECK(batch.scored()[0] == 2);
}

TEST_CASE("An encoding of a pair has segments 0 and 1 like a batch, unless both are to have 0") {
  const auto segments = [](const tokenizer& t) {
    const auto e = t.encode<offsets::bytes>("The cat sat.", "unaffable");
    return std::vector<int>(e.segments.begin(), e.segments.end());
  };
  CHECK(segments(tokenizer(small())) == std::vector<int>{0, 0, 0, 0, 0, 0, 1, 1, 1, 1});
  CHECK(segments(tokenizer(small(), {.second_segment = false})) == std::vector<int>(10, 0));
}

TEST_CASE("An encoding of a pair says how many tokens of both texts were cut") {
  const tokenizer t(small());
  const auto cut = [&](std::size_t most, truncation how) {
    return t.encode<offsets::bytes>("The cat sat the cat", "unaffable", {.max_tokens = most, .truncate = how}).cut;
  };
  CHECK(cut(11, truncation::longest_first) == 0);
  CHECK(cut(9, truncation::longest_first) == 2);  // of the first
  CHECK(cut(7, truncation::longest_first) == 4);  // three of the first, one of the second
  CHECK(cut(9, truncation::only_second) == 2);
}

TEST_CASE("Many texts become one batch, the same on several threads as on one") {
  const tokenizer t(small());
  strings texts;
  for (int i = 0; i < 100; ++i) texts.push_back(i % 3 == 0 ? "the cat" : i % 3 == 1 ? "unaffable [MASK]" : "");
  const auto alone = t.encode(texts);
  const auto shared = t.encode(texts, {}, bert::execution::threads(2));
  CHECK(alone.sequences() == 100);
  CHECK(std::ranges::equal(alone.ids(), shared.ids()));
  CHECK(std::ranges::equal(alone.starts(), shared.starts()));
  CHECK(std::ranges::equal(alone.scored(), shared.scored()));
}

TEST_CASE("An error on a thread is thrown by the call") {
  const tokenizer t(small());
  const strings texts{"the", "the cat sat"};
  CHECK_THROWS_AS((void)t.encode(texts, {.max_tokens = 3, .truncate = truncation::none}, bert::execution::threads(2)),
                  bert::error);
}

TEST_CASE("`parts` says which pieces begin a word, and tokens found in the text are special") {
  const tokenizer t(small());
  std::vector<token_id> ids;
  std::vector<word_part> parts;
  t.append_ids("unaffable [MASK] dog", ids, &parts);
  CHECK(ids == std::vector<token_id>{8, 9, 10, 4, 1});
  CHECK(parts == std::vector<word_part>{word_part::begins, word_part::continues, word_part::continues, word_part::special,
                                        word_part::begins});
}

TEST_CASE("Accents are stripped if text is lower-cased, unless strip_accents says otherwise") {
  const std::string text = "Caf\xC3\xA9 Cat";
  CHECK(tokenizer(small()).tokens(text) == strings{"cafe", "cat"});
  CHECK(tokenizer(small(), {.lowercase = false}).tokens(text) == strings{"Caf\xC3\xA9", "Cat"});
  CHECK(tokenizer(small(), {.lowercase = true, .strip_accents = false}).tokens(text) == strings{"[UNK]", "cat"});
}

TEST_CASE("Truncation keeps what the reference keeps and returns how much it cut") {
  const tokenizer t(small());
  bert::token_batch b;
  CHECK(t.encode_into(b, "the cat sat", {.max_tokens = 4}) == 1);
  CHECK(ids_of(b, 0) == std::vector<token_id>{2, 5, 6, 3});
  CHECK(t.encode_into(b, "the cat sat", {.max_tokens = 4, .truncate_side = side::left}) == 1);
  CHECK(ids_of(b, 1) == std::vector<token_id>{2, 6, 7, 3});
  CHECK(t.encode_into(b, "the cat sat", "a", {.max_tokens = 6}) == 1);
  CHECK(ids_of(b, 2) == std::vector<token_id>{2, 5, 6, 3, 19, 3});
  CHECK(t.encode_into(b, "the cat sat", "the cat sat", {.max_tokens = 8}) == 1);
  CHECK(ids_of(b, 3) == std::vector<token_id>{2, 5, 6, 3, 5, 6, 7, 3});
  CHECK(t.encode_into(b, "the cat sat", "the cat sat", {.max_tokens = 8, .truncate = truncation::only_second}) == 1);
  CHECK(ids_of(b, 4) == std::vector<token_id>{2, 5, 6, 7, 3, 5, 6, 3});
  CHECK(says(complaint([&] { t.encode_into(b, "the cat", {.max_tokens = 3, .truncate = truncation::none}); }),
             "at most 3 tokens, found 4"));
  CHECK(says(complaint([&] { t.encode_into(b, "the cat", {.max_tokens = 1}); }), "special tokens"));
  CHECK(b.sequences() == 5);
  CHECK(t.encode_into(b, "the cat sat", "the cat", {.max_tokens = 7}) == 1);
  CHECK(ids_of(b, 5) == std::vector<token_id>{2, 5, 6, 3, 5, 6, 3});
  CHECK(t.encode_into(b, "the cat sat the", "the cat sat", {.max_tokens = 7}) == 3);  // an even capacity is halved
  CHECK(ids_of(b, 6) == std::vector<token_id>{2, 5, 6, 3, 5, 6, 3});
  const auto too_short = [&](truncation which) {
    return complaint([&] { t.encode_into(b, "the cat", "the cat", {.max_tokens = 5, .truncate = which}); });
  };
  CHECK(says(too_short(truncation::only_first), "cutting the first text"));
  CHECK(says(too_short(truncation::only_second), "cutting the second text"));
}

TEST_CASE("If both texts are cut, the odd token goes to the longer, as the reference compares them") {
  const tokenizer t(small());
  const auto kept = [&](const std::string& a, const std::string& b, const encode_options& options) {
    bert::token_batch batch;
    t.encode_into(batch, a, b, options);
    return ids_of(batch);
  };
  const std::string nine = "the the the the the the the the the";  // compared up to the sixth
  const std::vector<token_id> first{2, 6, 6, 3, 5, 3}, second{2, 6, 3, 5, 5, 3};
  CHECK(kept("cat cat cat cat cat unaffable", nine, {.max_tokens = 6}) == first);
  CHECK(kept("cat cat cat cat cat cat cat cat cat cat", nine, {.max_tokens = 6}) == second);  // as long as the other
  CHECK(kept("cat cat cat cat cat [MASK] cat", nine, {.max_tokens = 6}) == first);            // no word ends at [MASK]
  CHECK(kept("cat cat cat cat cat zzz cat", nine, {.max_tokens = 6}) == second);              // the [UNK] of a word
  CHECK(kept("unaffable cat cat cat cat cat", nine, {.max_tokens = 6, .truncate_side = side::left}) == first);
  const auto w = t.windows<offsets::none>("cat cat cat cat cat unaffable", nine, {.max_tokens = 6});
  CHECK(w[0].ids == first);
}

TEST_CASE("Windows share their stride and lose nothing") {
  const tokenizer t(small());
  const auto w = t.windows<offsets::bytes>("the cat sat . a", {.max_tokens = 5, .stride = 1});
  REQUIRE(w.size() == 2);
  CHECK(w[0].ids == std::vector<token_id>{2, 5, 6, 7, 3});
  CHECK(w[1].ids == std::vector<token_id>{2, 7, 11, 19, 3});
  CHECK(w[1].words == std::vector<std::int32_t>{-1, 2, 3, 4, -1});
  CHECK(w[0].cut == 2);
  CHECK(says(complaint([&] { (void)t.windows<offsets::none>("the cat sat . a", {.max_tokens = 5, .stride = 3}); }), "stride"));
}

TEST_CASE("Offsets are in bytes, code points or UTF-16 units of the input") {
  const tokenizer t(small());
  const std::string text = "\xC3\xA9\xF0\x9F\x98\x80 Cafe\xCC\x81!";
  const auto last_two = [&](const auto& e) { return std::vector<text_range>(e.ranges.end() - 3, e.ranges.end() - 1); };
  CHECK(last_two(t.encode<offsets::bytes>(text)) == std::vector<text_range>{{7, 11}, {13, 14}});
  CHECK(last_two(t.encode<offsets::code_points>(text)) == std::vector<text_range>{{3, 7}, {8, 9}});
  CHECK(last_two(t.encode<offsets::utf16>(text)) == std::vector<text_range>{{4, 8}, {9, 10}});
  CHECK(t.encode<offsets::none>(text).ranges.empty());
}

TEST_CASE("An encoding that is reused equals a new one and allocates nothing") {
  const tokenizer t(small());
  const std::string text = "The [MASK] unaffable! Caf\xC3\xA9 \xE4\xB8\xAD zork", other = "the cat sat";
  const auto check = [&](auto unit, const encode_options& options) {
    using encoded = encoding<decltype(unit)>;
    encoded again;
    for (int i = 0; i < 40; ++i) t.encode_into(again, text + text, other, {});
    const auto same = [&](const encoded& fresh) {
      CHECK(again.ids == fresh.ids);
      CHECK(again.segments == fresh.segments);
      CHECK(again.ranges == fresh.ranges);
      CHECK(again.words == fresh.words);
      CHECK(again.special == fresh.special);
      CHECK(again.cut == fresh.cut);
    };
    CHECK(allocations_during([&] { t.encode_into(again, text, other, options); }) == 0);
    same(t.encode<decltype(unit)>(text, other, options));
    CHECK(allocations_during([&] { t.encode_into(again, other, options); }) == 0);
    same(t.encode<decltype(unit)>(other, options));
  };
  for (const encode_options& options :
       {encode_options{}, encode_options{.max_tokens = 6}, encode_options{.max_tokens = 5, .truncate_side = side::left},
        encode_options{.special_tokens = false}}) {
    check(offsets::none{}, options);
    check(offsets::bytes{}, options);
    check(offsets::code_points{}, options);
    check(offsets::utf16{}, options);
  }
}

TEST_CASE("An encoding equals the first of its windows, offsets and words included") {
  const tokenizer t(small());
  std::string text;  // more tokens than a list's first capacity
  for (int i = 0; i < 300; ++i) text += "unaffable caf\xC3\xA9 ";
  for (const side from : {side::right, side::left}) {
    const encode_options options{.max_tokens = 100, .truncate_side = from};
    const auto e = t.encode<offsets::code_points>(text, options);
    const auto w = t.windows<offsets::code_points>(text, options);
    CHECK(e.ids == w[0].ids);
    CHECK(e.ranges == w[0].ranges);
    CHECK(e.words == w[0].words);
    CHECK(e.cut == 1102);
    std::size_t tokens = 0;
    for (const auto& one : w) tokens += one.size() - 2;
    CHECK(tokens == 1200);
  }
  CHECK(t.encode<offsets::code_points>(text).ranges[1200] == text_range{300 * 15 - 5, 300 * 15 - 1});
}

TEST_CASE("A zero byte in a word or in a piece is a character like others") {
  using namespace std::string_literals;
  strings pieces{"[UNK]", "[CLS]", "[SEP]", "ab", "ab\0"s, "c\0d"s, "\0"s};
  const tokenizer t(vocabulary(pieces), {.clean_text = false});
  std::vector<token_id> ids;
  t.append_ids("ab ab\0 c\0d \0 c\0 ab\0\0"s, ids);
  CHECK(ids == std::vector<token_id>{3, 4, 5, 6, 0, 0});
}

TEST_CASE("A word whose first letter alone has too many characters has its offsets") {
  const tokenizer t(small(), {.strip_accents = false, .max_word_characters = 1});
  const auto e = t.encode<offsets::bytes>("a \xC4\xB0 a", {.special_tokens = false});  // U+0130 becomes i and a combining dot
  CHECK(e.ids == std::vector<token_id>{19, 1, 19});
  CHECK(e.ranges == std::vector<text_range>{{0, 1}, {2, 4}, {5, 6}});
}

TEST_CASE("Added tokens beyond the vocabulary encode and decode, and are no pieces of words") {
  const tokenizer t(
      small(), {.added = {{.content = "<x>", .id = 22}, {.content = "zork", .id = 23, .single_word = true, .special = false}}});
  CHECK(t.size() == 24);
  CHECK(t.tokens("<x>the zork zorks") == strings{"<x>", "the", "zork", "[UNK]"});
  CHECK(t.decode(std::vector<token_id>{22, 5, 23}) == "the zork");
  CHECK(t.decode(std::vector<token_id>{22, 5}, {.skip_special = false}) == "<x> the");
  CHECK(says(complaint([] { tokenizer bad(small(), {.added = {{.content = "<x>", .id = 5}}}); }),
             "an id that no other token has"));
  CHECK(says(complaint([] { tokenizer bad(small(), {.added = {{.content = "<x>", .id = 1'000'000}}}); }), "an id from 0 to"));
  CHECK(says(complaint([] { tokenizer bad(small(), {.added = {{.content = "<x>", .id = -2}}}); }), "the id -2"));
}

TEST_CASE("Ids between added tokens stay unused") {
  const tokenizer t(small(), {.added = {{.content = "<x>", .id = 30}}});
  CHECK(t.size() == 31);
  CHECK(t.encode("<x>").ids()[1] == 30);
  CHECK(t.vocabulary().piece(25).empty());
}

TEST_CASE("The fingerprint's entry of a setting changes with that setting and no other does") {
  const auto base = tokenizer(small()).fingerprint();
  const auto differing = [&](const bert::named_facts& others) {
    std::string names;
    for (std::size_t i = 0; i < base.size(); ++i)
      if (others.at(i) != base[i]) names += base[i].first + ";";
    return names;
  };
  CHECK(differing(tokenizer(small()).fingerprint()).empty());
  CHECK(differing(tokenizer(small(), {.strip_accents = false}).fingerprint()) == "accents stripped;");
  CHECK(differing(tokenizer(small(), {.lowercase = false, .strip_accents = true}).fingerprint()) == "lower case;");
  CHECK(differing(tokenizer(small(), {.added = {{.content = "the", .id = 5}}}).fingerprint()) == "added tokens;");
  CHECK(differing(tokenizer(small(), {.second_segment = false}).fingerprint()) == "second text's segment;");
  CHECK(differing(google_tokenizer(small()).fingerprint()).find("tokenizer's reference;") != std::string::npos);
}

TEST_CASE("Added tokens that differ in one of their flags have different fingerprints") {
  std::vector<std::string> seen;
  for (unsigned flags = 0; flags < 16; ++flags) {
    const added_token token{.content = "the",
                            .id = 5,
                            .single_word = (flags & 1) != 0,
                            .lstrip = (flags & 2) != 0,
                            .rstrip = (flags & 4) != 0,
                            .normalized = (flags & 8) != 0};
    for (const auto& [name, value] : tokenizer(small(), {.added = {token}}).fingerprint())
      if (name == "added tokens") seen.push_back(value);
  }
  CHECK(seen.size() == 16);
  std::sort(seen.begin(), seen.end());
  CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
}

TEST_CASE("A single word is matched in normalized text beside a Chinese character, which is a word of its own") {
  const tokenizer t(small(), {.added = {{.content = "zork", .id = 22, .single_word = true, .normalized = true}}});
  CHECK(t.tokens("zork\xE4\xB8\xAD") == strings{"zork", "\xE4\xB8\xAD"});
  CHECK(t.tokens("\xE4\xB8\xADzork") == strings{"\xE4\xB8\xAD", "zork"});
  CHECK(t.tokens("zorka") == strings{"[UNK]"});
}

TEST_CASE("A word may have more pieces than a buffer of ids holds") {
  const tokenizer t(small(), {.max_word_characters = 700});
  std::vector<token_id> ids;
  std::vector<word_part> parts;
  t.append_ids("the " + std::string(600, 'a') + " cat", ids, &parts);
  std::vector<token_id> expected(602, 20);  // ##a
  expected[0] = 5, expected[1] = 19, expected.back() = 6;
  CHECK(ids == expected);
  CHECK(parts.size() == 602);
  CHECK(std::count(parts.begin(), parts.end(), word_part::begins) == 3);
}

TEST_CASE("A token matched in normalized text has its range in the input") {
  const tokenizer t(small(), {.added = {{.content = "Z\xC3\xB6rk", .id = 22, .normalized = true}}});
  const auto ranges = [&](const std::string& text) {
    const auto e = t.encode<offsets::bytes>(text, {.special_tokens = false});
    CHECK(std::vector<token_id>(e.ids.begin(), e.ids.end()) == std::vector<token_id>{5, 22, 8, 9, 10});
    return e.ranges;
  };
  using places = std::vector<text_range>;
  // Without control characters and accents, normalized text is shorter than the input.
  CHECK(ranges("the zorkunaffable") == places{{0, 3}, {4, 8}, {8, 10}, {10, 13}, {13, 17}});
  CHECK(ranges("\x01"
               "th\xC3\xA9 Z\xC3\xB6RK un\xC3\xA1"
               "ffabl\xC3\xA9") == places{{1, 5}, {6, 11}, {12, 14}, {14, 18}, {18, 23}});
  CHECK(ranges("the zorkunaffable") ==
        places{{0, 3}, {4, 8}, {8, 10}, {10, 13}, {13, 17}});  // nothing remains of the text before
  CHECK(t.tokens("zork\xE4\xB8\xADzork") == strings{"Z\xC3\xB6rk", "\xE4\xB8\xAD", "Z\xC3\xB6rk"});
}

TEST_CASE("google's tokenizer splits special tokens, keeps private use characters and accepts longer words") {
  const google_tokenizer t(small());
  CHECK(t.tokens("[MASK]") == strings{"[", "mask", "]"});
  CHECK(t.tokens(std::string(150, 'a')).size() == 150);
  CHECK(tokenizer(small()).tokens(std::string(150, 'a')) == strings{"[UNK]"});
  CHECK(t.tokens("\xEE\x80\x80") == strings{"[UNK]"});
  CHECK(tokenizer(small()).tokens("\xEE\x80\x80").empty());
}

TEST_CASE("Decoded text has its punctuation without spaces before it") {
  const tokenizer t(small());
  CHECK(t.decode(t.encode("The cat, unaffable. [MASK]").ids()) == "the cat unaffable.");
  CHECK(t.decode(std::vector<token_id>{5, 6, 11}, {.clean_up = false}) == "the cat .");
  const tokenizer odd(vocabulary(strings{"[UNK]", "[CLS]", "[SEP]", "a . b . c"}));
  CHECK(odd.decode(std::vector<token_id>{3}) == "a. b. c");
  CHECK_THROWS_AS((void)t.decode(std::vector<token_id>{22}), bert::error);
}

TEST_CASE("A vocabulary without a required token is an error that names it") {
  CHECK(says(complaint([] { tokenizer t(vocabulary(strings{"[UNK]", "[CLS]"})); }), "[SEP]"));
  const tokenizer t(vocabulary(strings{"[UNK]", "[CLS]", "[SEP]"}));
  CHECK(says(complaint([&] { (void)t.mask_id(); }), "[MASK]"));
  CHECK(says(complaint([&] { (void)t.pad_id(); }), "[PAD]"));
}

TEST_CASE("Encoding into a batch of sufficient capacity allocates nothing, whatever the text") {
  const tokenizer t(small(), {.added = {{.content = "zork", .id = 22, .normalized = true}}});
  const google_tokenizer g(small());
  const std::string text =
      "The [MASK] unaffable! Caf\xC3\xA9 \xE4\xB8\xAD zork \xF0\x9D\x85\xA5\xCC\x81 \xCE\xA3\xCC\x81 \xFF" +
      std::string(300, 'a');
  std::string other;
  for (int i = 0; i < 20; ++i) other += text;
  bert::token_batch batch;
  const auto encode = [&](const auto& with) {
    with.encode_into(batch, text);
    with.encode_into(batch, other, text, {.max_tokens = 12});
    with.encode_into(batch, other, other, {.max_tokens = 12, .truncate_side = side::left});
  };
  encode(t);
  encode(g);
  batch.clear();
  CHECK(allocations_during([&] {
          encode(t);
          encode(g);
        }) == 0);
}

TEST_CASE("Time is linear in the length of the text, whatever it consists of") {
  const tokenizer t(small());
  const auto repeat = [](const std::string& unit, std::size_t bytes) {
    std::string out;
    while (out.size() < bytes) out += unit;
    return out;
  };
  // An endless word, marks to drop, marks to sort, incomplete special tokens, sigmas, invalid UTF-8.
  for (const std::string unit : {"a", "\xCC\x81", "\xF0\x9D\x85\xA5\xCC\x81", "[MASK", "[", "\xCE\xA3\xCC\x81", "\xF0\x9F\x98",
                                 "a\xCC\x81", "\xE4\xB8\xAD"}) {
    const auto seconds = [&](std::size_t bytes) {
      const std::string text = repeat(unit, bytes);
      const std::clock_t start = std::clock();  // of the processor: others may be at work on it
      std::vector<token_id> ids;
      t.append_ids(text, ids);
      return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    };
    CAPTURE(unit);
    CHECK(seconds(1 << 20) < 2.0);  // a quadratic pass over a megabyte takes minutes
  }
}
