// tokenizer.json: the vocabulary, normalizer, added tokens and template of a WordPiece tokenizer of Hugging Face.
// Layer: checkpoint. Test: tests/unit/checkpoint/tokenizer_files_test.cpp
#ifndef BERT_CHECKPOINT_TOKENIZER_JSON_HPP
#define BERT_CHECKPOINT_TOKENIZER_JSON_HPP

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/io/json.hpp"
#include "bert/text/tokenizer_options.hpp"
#include "bert/text/wordpiece/vocabulary.hpp"

namespace bert::inline BERT_ISA::pipelines {

/// Which file decides about lower case, accents and the tokens around a text, as in transformers 5. BERT's tokenizer classes
/// follow tokenizer_config.json and its defaults, and take only vocabulary and added tokens from tokenizer.json;
/// PreTrainedTokenizerFast follows tokenizer.json.
enum class tokenizer_rule : std::uint8_t { bert_class, tokenizer_json };

namespace detail {

inline constexpr const char* only_bert = "only BERT's tokenizer can be opened";

[[nodiscard]] inline text::added_token added_token_of(const io::json& j, token_id id, const std::string& where) {
  return {.content = io::require<std::string>(j, "content", where),
          .id = id,
          .single_word = io::value_or<bool>(j, "single_word", where, false),
          .lstrip = io::value_or<bool>(j, "lstrip", where, false),
          .rstrip = io::value_or<bool>(j, "rstrip", where, false),
          .normalized = io::value_or<bool>(j, "normalized", where, false),
          .special = io::value_or<bool>(j, "special", where, true)};
}

/// Adds `token`, or replaces the one of the same content.
inline void put_added(std::vector<text::added_token>& added, text::added_token token) {
  const auto at =
      std::find_if(added.begin(), added.end(), [&](const text::added_token& t) { return t.content == token.content; });
  if (at == added.end()) added.push_back(std::move(token));
  else *at = std::move(token);
}

/// The component `key` of tokenizer.json, nullptr if it is null or absent. It must be of type `kind`, or a Sequence whose
/// `list` has one such: another type would split text differently.
[[nodiscard]] inline const io::json* only_component(const io::json& j, const char* key, const char* kind, const char* list,
                                                    const std::string& where) {
  const auto at = j.find(key);
  if (at == j.end() || at->is_null()) return nullptr;
  const std::string location = cat(where, ", \"", key, '"');
  const io::json* one = &*at;
  auto type = io::require<std::string>(*one, "type", location);
  if (type == "Sequence") {
    const auto items = one->find(list);
    if (items == one->end() || !items->is_array()) throw_error({location, cat("a list \"", list, '"'), "none", {}});
    if (items->size() != 1) throw_error({location, cat(kind, " alone"), cat("a Sequence of ", items->size()), only_bert});
    one = &*items->begin();
    type = io::require<std::string>(*one, "type", location);
  }
  if (type != kind) throw_error({location, kind, type, only_bert});
  return one;
}

/// The vocabulary of a tokenizer.json; an id without a piece gets the empty piece.
[[nodiscard]] inline text::vocabulary read_json_vocabulary(const io::json& model, const std::string& where) {
  const std::string location = where + ", \"model\", \"vocab\"";
  const auto pieces = model.find("vocab");
  if (pieces == model.end()) throw_error({where + ", \"model\"", "the key \"vocab\"", "none", {}});
  if (!pieces->is_object()) throw_error({location, "an object", io::kind_of(*pieces), {}});
  const std::size_t most = 2 * pieces->size() + 65'536;  // of ids; a file with more unused ones is damaged
  std::vector<std::string> list(pieces->size());
  std::vector<bool> seen(pieces->size());
  for (const auto& [piece, value] : pieces->items()) {
    const auto id = io::json_as<std::size_t>(value, cat(location, ", \"", piece, '"'));
    if (id >= most || (id < list.size() && seen[id]))
      throw_error({cat(location, ", \"", piece, '"'), cat("each id from 0 to ", most - 1, " at most once"), cat(id), {}});
    if (id >= list.size()) {
      list.resize(id + 1);
      seen.resize(id + 1);
    }
    seen[id] = true;
    list[id] = piece;
  }
  return text::vocabulary(list).named(where);
}

/// Reads the options of the normalizer.
inline void read_normalizer(const io::json* normalizer, const std::string& where, text::tokenizer_options& o) {
  if (normalizer == nullptr) {  // text is not normalized
    o.lowercase = o.tokenize_chinese_chars = o.clean_text = false;
    o.strip_accents = false;
    return;
  }
  const std::string location = where + ", \"normalizer\"";
  o.lowercase = io::value_or<bool>(*normalizer, "lowercase", location, true);
  o.strip_accents.reset();
  if (const auto at = normalizer->find("strip_accents"); at != normalizer->end() && !at->is_null())
    o.strip_accents = io::json_as<bool>(*at, location + ", \"strip_accents\"");
  o.tokenize_chinese_chars = io::value_or<bool>(*normalizer, "handle_chinese_chars", location, true);
  o.clean_text = io::value_or<bool>(*normalizer, "clean_text", location, true);
}

/// One step of a template: a text ("A", "B") or a token, and its segment.
struct template_step {
  std::string name;
  int segment = 0;
  bool token = false;
  friend bool operator==(const template_step&, const template_step&) = default;
};

[[nodiscard]] inline std::vector<template_step> template_steps(const io::json& j, const char* key, const std::string& where) {
  std::vector<template_step> steps;
  const std::string location = cat(where, ", \"", key, '"');
  for (const auto& item : io::require<std::vector<io::json>>(j, key, where)) {
    const bool token = item.is_object() && item.contains("SpecialToken");
    const auto step = io::require<io::json>(item, token ? "SpecialToken" : "Sequence", location);
    steps.push_back({io::require<std::string>(step, "id", location), io::value_or<int>(step, "type_id", location, 0), token});
  }
  return steps;
}

/// Throws unless the post-processor gives [CLS] A [SEP] and [CLS] A [SEP] B [SEP], with B and its [SEP] in segment 1. With
/// `names` writes its [CLS] and [SEP] to `o`, else they must be those of `o`.
inline void read_post_processor(const io::json& j, const std::string& where, bool names, text::tokenizer_options& o) {
  const std::string location = where + ", \"post_processor\"";
  const io::json* one = nullptr;
  if (const auto at = j.find("post_processor"); at != j.end() && !at->is_null()) one = &*at;
  if (one == nullptr) {
    if (names)  // PreTrainedTokenizerFast would add no tokens around a text
      throw_error({location, "a template that puts [CLS] and [SEP] around a text", "null", only_bert});
    return;
  }
  auto type = io::require<std::string>(*one, "type", location);
  if (type == "Sequence") {
    const auto list = one->find("processors");
    if (list == one->end() || !list->is_array() || list->size() != 1)
      throw_error({location, "BertProcessing or TemplateProcessing alone", "a Sequence", only_bert});
    one = &*list->begin();
    type = io::require<std::string>(*one, "type", location);
  }
  std::string cls, sep;
  const auto fail = [&](const std::string& found) {
    throw_error({location, cat(o.cls, " A ", o.sep, " for a text and ", o.cls, " A ", o.sep, " B ", o.sep, " for a pair"),
                 found, only_bert});
  };
  if (type == "BertProcessing") {
    const auto name = [&](const char* key) {
      const auto pair = io::require<std::vector<io::json>>(*one, key, location);
      if (pair.empty()) fail(cat("an empty \"", key, '"'));
      return io::json_as<std::string>(pair.front(), cat(location, ", \"", key, '"'));
    };
    cls = name("cls");
    sep = name("sep");
  } else if (type == "TemplateProcessing") {
    const auto single = template_steps(*one, "single", location), pair = template_steps(*one, "pair", location);
    if (single.size() != 3 || !single[0].token || !single[2].token) fail("another template for a text");
    cls = single[0].name;
    sep = single[2].name;
    if (single != std::vector<template_step>{{cls, 0, true}, {"A", 0, false}, {sep, 0, true}})
      fail("another template for a text");
    if (pair != std::vector<template_step>{{cls, 0, true}, {"A", 0, false}, {sep, 0, true}, {"B", 1, false}, {sep, 1, true}})
      fail("another template for a pair");
  } else {
    fail(type);
  }
  if (names) {
    o.cls = cls;
    o.sep = sep;
  } else if (cls != o.cls || sep != o.sep) {
    fail(cat(cls, " and ", sep));
  }
}

/// Vocabulary and options of a WordPiece tokenizer.json. `rule` says which of its options apply.
[[nodiscard]] inline text::vocabulary read_tokenizer_json(const io::json& j, const std::string& where,
                                                          text::tokenizer_options& o,
                                                          tokenizer_rule rule = tokenizer_rule::tokenizer_json) {
  if (!j.is_object()) throw_error({where, "an object", io::kind_of(j), {}});
  const auto model = j.find("model");
  if (model == j.end()) throw_error({where, "the key \"model\"", "none", {}});
  if (const auto type = io::value_or<std::string>(*model, "type", where + ", \"model\"", "WordPiece"); type != "WordPiece")
    throw_error({where + ", \"model\"", "a WordPiece model", type, only_bert});
  if (const auto prefix = io::value_or<std::string>(*model, "continuing_subword_prefix", where, "##"); prefix != "##")
    throw_error({where + ", \"continuing_subword_prefix\"", "##", prefix, only_bert});
  const io::json* normalizer = only_component(j, "normalizer", "BertNormalizer", "normalizers", where);
  const io::json* splitter = only_component(j, "pre_tokenizer", "BertPreTokenizer", "pretokenizers", where);
  if (rule == tokenizer_rule::tokenizer_json) {
    if (splitter == nullptr && j.contains("pre_tokenizer"))
      throw_error({where + ", \"pre_tokenizer\"", "BertPreTokenizer", "null", only_bert});
    read_normalizer(normalizer, where, o);
    o.unk = io::value_or<std::string>(*model, "unk_token", where, o.unk);
    o.max_word_characters = io::value_or<std::size_t>(*model, "max_input_chars_per_word", where, 0);
  }
  if (const auto cut = j.find("truncation"); cut != j.end() && cut->is_object())
    o.truncation_side = io::value_or<std::string>(*cut, "direction", where + ", \"truncation\"", "Right") == "Left"
                            ? text::side::left
                            : text::side::right;
  const std::string location = where + ", \"added_tokens\"";
  for (const io::json& token : io::value_or<std::vector<io::json>>(j, "added_tokens", where, {}))
    put_added(o.added, added_token_of(token, io::require<token_id>(token, "id", location), location));
  return read_json_vocabulary(*model, where);
}

}  // namespace detail
}  // namespace bert::pipelines

#endif  // BERT_CHECKPOINT_TOKENIZER_JSON_HPP
