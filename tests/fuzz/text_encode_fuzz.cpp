// Any bytes as text, any options: encoding never fails, and all encoding functions agree.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "bert/text.hpp"

namespace {

using namespace bert::text;

vocabulary pieces() {
  std::vector<std::string> list{"[PAD]", "[UNK]", "[CLS]", "[SEP]",  "[MASK]",       "the",
                                "##ing", "un",    "##aff", "##able", "\xE4\xB8\xAD", "\xCC\x81"};
  for (char c = 'a'; c <= 'z'; ++c) {
    list.emplace_back(1, c);
    list.push_back(std::string("##") + c);
  }
  for (char c = '!'; c <= '/'; ++c) list.emplace_back(1, c);
  return vocabulary(list);
}

void require(bool held) {
  if (!held) std::abort();
}

template <class Tokenizer>
void agree(const Tokenizer& t, std::string_view text) {
  std::vector<bert::token_id> ids, with_parts;
  std::vector<bert::word_part> parts;
  t.append_ids(text, ids);
  t.append_ids(text, with_parts, &parts);
  const auto e = t.template encode<offsets::bytes>(text, {.special_tokens = false});
  require(ids == with_parts && ids == e.ids && parts.size() == ids.size());
  for (std::size_t i = 0; i < e.size(); ++i) {
    require(e.ranges[i].first < e.ranges[i].last && e.ranges[i].last <= text.size());
    require((parts[i] == bert::word_part::continues) == (i > 0 && e.words[i] == e.words[i - 1]));
  }
  const auto points = t.template encode<offsets::code_points>(text, {.special_tokens = false});
  require(points.ids == ids);
  const std::size_t length = utf8::length(text);
  for (const auto& r : points.ranges) require(r.first < r.last && r.last <= length);
  const auto units = t.template encode<offsets::utf16>(text, {.special_tokens = false});
  encoding<offsets::utf16> again;
  t.encode_into(again, text, text);
  t.encode_into(again, text, {.special_tokens = false});
  require(again.ids == ids && again.ranges == units.ranges && again.words == e.words && again.cut == 0);
  for (std::size_t i = 0; i < e.size() && text.size() <= 512; ++i) {  // a quadratic check
    require(points.ranges[i].first == utf8::length(text.substr(0, e.ranges[i].first)));
    require(points.ranges[i].last == utf8::length(text.substr(0, e.ranges[i].last)));
    require(units.ranges[i].first >= points.ranges[i].first && units.ranges[i].last <= 2 * length);
  }
  (void)t.decode(ids);
  for (const auto& w : t.template windows<offsets::none>(text, {.max_tokens = 9, .stride = 2})) require(w.size() <= 9);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const vocabulary v = pieces();
  static const tokenizer lower(v), cased(v, {.lowercase = false}), stripped(v, {.lowercase = false, .strip_accents = true}),
      kept(v, {.strip_accents = false, .tokenize_chinese_chars = false}),
      shortest(v, {.strip_accents = false, .max_word_characters = 1}), raw(v, {.clean_text = false, .max_word_characters = 5}),
      added(v, {.added = {{.content = "x y", .id = static_cast<bert::token_id>(v.size()), .lstrip = true, .rstrip = true},
                          {.content = "\xC3\x89q",
                           .id = static_cast<bert::token_id>(v.size() + 1),
                           .single_word = true,
                           .normalized = true}}});
  static const google_tokenizer google(v);
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 8) {
    case 0: agree(lower, text); break;
    case 1: agree(cased, text); break;
    case 2: agree(stripped, text); break;
    case 3: agree(kept, text); break;
    case 4: agree(raw, text); break;
    case 5: agree(added, text); break;
    case 6: agree(shortest, text); break;
    default: agree(google, text); break;
  }
  std::size_t covered = 0;
  split_sentences(text, [&](std::string_view s) {
    require(!s.empty());
    covered += s.size();
  });
  require(covered <= text.size());
  return 0;
}
