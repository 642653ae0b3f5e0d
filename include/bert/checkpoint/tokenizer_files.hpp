// A checkpoint's tokenizer: vocab.txt and tokenizer_config.json, or tokenizer.json where there is no vocab.txt.
// Layer: checkpoint. Test: tests/unit/checkpoint/tokenizer_files_test.cpp
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/io/atomic_folder.hpp"
#include "bert/io/json.hpp"
#include "bert/text/tokenizer.hpp"
#include "bert/text/wordpiece/vocabulary.hpp"

namespace bert::inline BERT_ISA::pipelines {

namespace detail {

// A token is a string, or an object that holds it with flags.
[[nodiscard]] inline std::string token_named(const io::json& config, const char* key, const std::string& where,
                                             std::string fallback) {
  const auto at = config.find(key);
  if (at == config.end() || at->is_null()) return fallback;
  return at->is_object() ? io::require<std::string>(*at, "content", cat(where, ", \"", key, '"'))
                         : io::json_as<std::string>(*at, cat(where, ", \"", key, '"'));
}

[[nodiscard]] inline text::added_token added_token_of(const io::json& j, token_id id, const std::string& where) {
  return {.content = io::require<std::string>(j, "content", where),
          .id = id,
          .single_word = io::value_or<bool>(j, "single_word", where, false),
          .lstrip = io::value_or<bool>(j, "lstrip", where, false),
          .rstrip = io::value_or<bool>(j, "rstrip", where, false),
          .normalized = io::value_or<bool>(j, "normalized", where, false),
          .special = io::value_or<bool>(j, "special", where, true)};
}

inline void read_tokenizer_config(const io::json& j, const std::string& where, text::tokenizer_options& o) {
  o.lowercase = io::value_or<bool>(j, "do_lower_case", where, o.lowercase);
  if (const auto at = j.find("strip_accents"); at != j.end() && !at->is_null())
    o.strip_accents = io::json_as<bool>(*at, where + ", \"strip_accents\"");
  o.tokenize_chinese_chars = io::value_or<bool>(j, "tokenize_chinese_chars", where, o.tokenize_chinese_chars);
  o.clean_text = io::value_or<bool>(j, "clean_text", where, o.clean_text);
  o.pad = token_named(j, "pad_token", where, o.pad);
  o.unk = token_named(j, "unk_token", where, o.unk);
  o.cls = token_named(j, "cls_token", where, o.cls);
  o.sep = token_named(j, "sep_token", where, o.sep);
  o.mask = token_named(j, "mask_token", where, o.mask);
  if (const auto added = j.find("added_tokens_decoder"); added != j.end() && added->is_object()) {
    o.added.clear();
    for (const auto& [key, token] : added->items()) {
      const std::string place = cat(where, ", \"added_tokens_decoder\", \"", key, '"');
      const auto id = io::json_as<token_id>(io::parse_json(key, place), place);
      o.added.push_back(added_token_of(token, id, place));
    }
  }
}

// The vocabulary and options of a WordPiece tokenizer.json.
[[nodiscard]] inline text::vocabulary read_tokenizer_json(const io::json& j, const std::string& where,
                                                          text::tokenizer_options& o) {
  const auto model = io::require<io::json>(j, "model", where);
  if (const auto type = io::value_or<std::string>(model, "type", where, "WordPiece"); type != "WordPiece")
    throw error({where, "a WordPiece model", type, "only BERT's tokenizer can be opened"});
  const std::string place = where + ", \"model\", \"vocab\"";
  const auto pieces = io::require<io::json>(model, "vocab", where + ", \"model\"");
  if (!pieces.is_object()) throw error({place, "an object", io::kind_of(pieces), {}});
  std::vector<std::string> list(pieces.size());
  std::vector<bool> seen(pieces.size());
  for (const auto& [piece, value] : pieces.items()) {
    const auto id = io::json_as<std::size_t>(value, cat(place, ", \"", piece, '"'));
    if (id >= list.size() || seen[id]) throw error({place, cat("each id from 0 to ", list.size() - 1, " once"), cat(id), {}});
    seen[id] = true;
    list[id] = piece;
  }
  o.unk = io::value_or<std::string>(model, "unk_token", where, o.unk);
  o.max_word_characters = io::value_or<std::size_t>(model, "max_input_chars_per_word", where, 0);
  const auto only = [&](const char* part, const char* kind) {  // another kind would split text in another way
    const auto at = j.find(part);
    if (at == j.end()) return;
    const std::string place_of = cat(where, ", \"", part, '"');
    const auto found = at->is_null() ? std::string("null") : io::require<std::string>(*at, "type", place_of);
    if (found != kind) throw error({place_of, kind, found, "only BERT's tokenizer can be opened"});
  };
  only("normalizer", "BertNormalizer");
  only("pre_tokenizer", "BertPreTokenizer");
  if (const auto prefix = io::value_or<std::string>(model, "continuing_subword_prefix", where, "##"); prefix != "##")
    throw error({where + ", \"continuing_subword_prefix\"", "##", prefix, "only BERT's tokenizer can be opened"});
  if (const auto normalizer = j.find("normalizer"); normalizer != j.end() && normalizer->is_object()) {
    o.lowercase = io::value_or<bool>(*normalizer, "lowercase", where, o.lowercase);
    if (const auto at = normalizer->find("strip_accents"); at != normalizer->end() && !at->is_null())
      o.strip_accents = io::json_as<bool>(*at, where + ", \"strip_accents\"");
    o.tokenize_chinese_chars = io::value_or<bool>(*normalizer, "handle_chinese_chars", where, o.tokenize_chinese_chars);
    o.clean_text = io::value_or<bool>(*normalizer, "clean_text", where, o.clean_text);
  }
  for (const io::json& token : io::value_or<std::vector<io::json>>(j, "added_tokens", where, {}))
    o.added.push_back(
        added_token_of(token, io::require<token_id>(token, "id", where + ", \"added_tokens\""), where + ", \"added_tokens\""));
  return text::vocabulary(list);
}

}  // namespace detail

/// The tokenizer of a folder. Without a tokenizer_config.json the defaults of an uncased BERT hold.
/// Throws bert::error if neither vocab.txt nor tokenizer.json is there, or naming file and key of what is wrong.
[[nodiscard]] inline text::tokenizer read_tokenizer(const std::filesystem::path& folder) {
  text::tokenizer_options options;
  const auto pieces = folder / "vocab.txt", whole = folder / "tokenizer.json", config = folder / "tokenizer_config.json";
  const bool listed = std::filesystem::exists(pieces);
  if (!listed && !std::filesystem::exists(whole))
    throw error({folder.string(), "a vocab.txt or a tokenizer.json", "neither", "is it the folder of a checkpoint?"});
  auto vocabulary =
      listed ? text::vocabulary::open(pieces) : detail::read_tokenizer_json(io::read_json(whole), whole.string(), options);
  if (std::filesystem::exists(config)) detail::read_tokenizer_config(io::read_json(config), config.string(), options);
  return text::tokenizer(std::move(vocabulary), std::move(options));
}

/// The longest sentence that sentence-transformers lets through, in tokens; 0 if the folder does not say.
[[nodiscard]] inline std::size_t read_max_tokens(const std::filesystem::path& folder) {
  const auto limits = folder / "sentence_bert_config.json";
  return std::filesystem::exists(limits)
             ? io::value_or<std::size_t>(io::read_json(limits), "max_seq_length", limits.string(), 0)
             : 0;
}

/// Writes vocab.txt and tokenizer_config.json into `out`, which puts them in place, and removes what would outvote them.
/// `positions` is the longest sequence of the model. Throws bert::error for a piece that vocab.txt cannot hold.
template <class Reference>
void write_tokenizer(io::atomic_folder& out, const text::basic_tokenizer<Reference>& tokenizer, int positions) {
  std::string pieces;
  for (std::size_t i = 0; i < tokenizer.size(); ++i) {
    const auto piece = tokenizer.vocabulary().piece(static_cast<token_id>(i));
    if (piece.find_first_of("\r\n") != std::string_view::npos)
      throw error({(out.path() / "vocab.txt").string(), "pieces without line breaks", cat("one in piece ", i),
                   "vocab.txt cannot hold it"});
    pieces.append(piece) += '\n';
  }
  const auto& o = tokenizer.options();
  io::json config = {{"tokenizer_class", "BertTokenizer"},
                     {"model_max_length", positions},
                     {"do_lower_case", o.lowercase},
                     {"strip_accents", nullptr},
                     {"tokenize_chinese_chars", o.tokenize_chinese_chars},
                     {"pad_token", o.pad},
                     {"unk_token", o.unk},
                     {"cls_token", o.cls},
                     {"sep_token", o.sep},
                     {"mask_token", o.mask}};
  if (o.strip_accents) config["strip_accents"] = *o.strip_accents;
  if (!o.clean_text) config["clean_text"] = false;
  for (const text::added_token& t : o.added)
    config["added_tokens_decoder"][std::to_string(t.id)] = {{"content", t.content},       {"single_word", t.single_word},
                                                            {"lstrip", t.lstrip},         {"rstrip", t.rstrip},
                                                            {"normalized", t.normalized}, {"special", t.special}};
  out.file("vocab.txt").write(pieces);
  out.file("tokenizer_config.json").write(io::to_text(config));
  for (const char* stale : {"tokenizer.json", "added_tokens.json", "special_tokens_map.json"}) out.remove(stale);
}

/// The same into a folder, as one act.
template <class Reference>
void write_tokenizer(const std::filesystem::path& folder, const text::basic_tokenizer<Reference>& tokenizer, int positions) {
  io::atomic_folder out(folder);
  write_tokenizer(out, tokenizer, positions);
  out.commit();
}

}  // namespace bert::pipelines
