// A folder's tokenizer: tokenizer.json or vocab.txt, with tokenizer_config.json, special_tokens_map.json, added_tokens.json.
// Layer: checkpoint. Test: tests/unit/checkpoint/tokenizer_files_test.cpp
#ifndef BERT_CHECKPOINT_TOKENIZER_FILES_HPP
#define BERT_CHECKPOINT_TOKENIZER_FILES_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/checkpoint/stale_files.hpp"
#include "bert/checkpoint/tokenizer_json.hpp"
#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/atomic_folder.hpp"
#include "bert/io/json.hpp"
#include "bert/text/tokenizer.hpp"
#include "bert/text/wordpiece/vocabulary.hpp"

namespace bert::inline BERT_ISA::pipelines {

namespace detail {

// A token is a string, or an object with the string and flags.
[[nodiscard]] inline std::string token_text(const io::json& token, const std::string& where) {
  return token.is_object() ? io::require<std::string>(token, "content", where) : io::json_as<std::string>(token, where);
}
[[nodiscard]] inline std::string token_named(const io::json& config, const char* key, const std::string& where,
                                             std::string fallback) {
  const auto at = config.find(key);
  return at == config.end() || at->is_null() ? std::move(fallback) : token_text(*at, cat(where, ", \"", key, '"'));
}

/// The id of a special token until the vocabulary is known, which then gives its id or the next after its last.
inline constexpr token_id unassigned = -1;

/// Reads the names of [PAD] and the like and of further special tokens in tokenizer_config.json or special_tokens_map.json.
inline void read_special_names(const io::json& j, const std::string& where, text::tokenizer_options& o) {
  if (!j.is_object()) throw_error({where, "an object", io::kind_of(j), {}});
  o.pad = token_named(j, "pad_token", where, o.pad);
  o.unk = token_named(j, "unk_token", where, o.unk);
  o.cls = token_named(j, "cls_token", where, o.cls);
  o.sep = token_named(j, "sep_token", where, o.sep);
  o.mask = token_named(j, "mask_token", where, o.mask);
  const auto add = [&](const io::json& token, const std::string& location) {
    text::added_token t{.content = token_text(token, location), .id = unassigned};
    if (token.is_object()) t = added_token_of(token, unassigned, location), t.special = true;
    const bool known = std::any_of(o.added.begin(), o.added.end(), [&](const auto& a) { return a.content == t.content; });
    if (!known && !t.content.empty()) o.added.push_back(std::move(t));
  };
  for (const char* key : {"bos_token", "eos_token"})
    if (const auto at = j.find(key); at != j.end() && !at->is_null()) add(*at, cat(where, ", \"", key, '"'));
  for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
    const auto at = j.find(key);
    if (at == j.end() || at->is_null()) continue;
    const std::string location = cat(where, ", \"", key, '"');
    if (!at->is_array() && !at->is_object()) throw_error({location, "a list", io::kind_of(*at), {}});
    for (const auto& token : *at) add(token, location);
  }
}

/// Reads the keys of tokenizer_config.json that affect tokens. Throws, naming the key, for settings beyond BERT's tokenizer.
inline void read_tokenizer_config(const io::json& j, const std::string& where, text::tokenizer_options& o,
                                  tokenizer_rule rule = tokenizer_rule::bert_class) {
  const auto refuse = [&](const char* key, const char* expected, const std::string& found) {
    throw_error({cat(where, ", \"", key, '"'), expected, found, only_bert});
  };
  if (rule == tokenizer_rule::bert_class) {
    o.lowercase = io::value_or<bool>(j, "do_lower_case", where, true);
    o.strip_accents.reset();
    if (const auto at = j.find("strip_accents"); at != j.end() && !at->is_null())
      o.strip_accents = io::json_as<bool>(*at, where + ", \"strip_accents\"");
    o.tokenize_chinese_chars = io::value_or<bool>(j, "tokenize_chinese_chars", where, true);
    o.clean_text = io::value_or<bool>(j, "clean_text", where, o.clean_text);
    if (const auto prefix = io::value_or<std::string>(j, "wordpieces_prefix", where, "##"); prefix != "##")
      refuse("wordpieces_prefix", "##", prefix);
  }
  for (const char* key : {"split_special_tokens", "add_bos_token", "add_eos_token"})
    if (io::value_or<bool>(j, key, where, false)) refuse(key, "false", "true");
  for (const auto& [key, basic] : {std::pair{"word_tokenizer_type", "basic"}, std::pair{"subword_tokenizer_type", "wordpiece"}})
    if (const auto type = io::value_or<std::string>(j, key, where, basic); type != basic) refuse(key, basic, type);
  if (const auto at = io::value_or<std::string>(j, "truncation_side", where, ""); !at.empty()) {
    if (at != "left" && at != "right") refuse("truncation_side", "left or right", at);
    o.truncation_side = at == "left" ? text::side::left : text::side::right;
  }
  const auto inputs = io::value_or<std::vector<std::string>>(j, "model_input_names", where, {});
  o.second_segment = inputs.empty() || std::find(inputs.begin(), inputs.end(), "token_type_ids") != inputs.end();
  if (const auto added = j.find("added_tokens_decoder"); added != j.end() && !added->is_null()) {
    const std::string list = where + ", \"added_tokens_decoder\"";
    if (!added->is_object()) throw_error({list, "an object", io::kind_of(*added), {}});
    for (const auto& [key, token] : added->items()) {
      const std::string location = cat(list, ", \"", key, '"');
      put_added(o.added, added_token_of(token, io::json_as<token_id>(io::parse_json(key, location), location), location));
    }
  }
  read_special_names(j, where, o);
}

/// Reads added_tokens.json: {"[E11]": 30522, …}. A token is special if another file says so.
inline void read_added_tokens(const io::json& j, const std::string& where, text::tokenizer_options& o) {
  if (!j.is_object()) throw_error({where, "an object", io::kind_of(j), {}});
  for (const auto& [key, value] : j.items()) {
    const std::string& content = key;  // clang 14 captures no structured binding
    const auto named = std::find_if(o.added.begin(), o.added.end(), [&](const auto& t) { return t.content == content; });
    const bool special = (named != o.added.end() && named->special) || content == o.pad || content == o.unk ||
                         content == o.cls || content == o.sep || content == o.mask;
    const auto number = io::json_as<token_id>(value, cat(where, ", \"", content, '"'));
    if (named != o.added.end()) named->id = number;
    else o.added.push_back({.content = content, .id = number, .normalized = !special, .special = special});
  }
}

/// The rule for a folder's tokenizer class. Classes that tokenize as BertTokenizer does are BERT's; throws for others.
[[nodiscard]] inline tokenizer_rule rule_of(const std::string& name, const std::string& where) {
  constexpr std::array same{"BertTokenizer",
                            "DistilBertTokenizer",
                            "ElectraTokenizer",
                            "MobileBertTokenizer",
                            "LayoutLMTokenizer",
                            "RetriBertTokenizer",
                            "ConvBertTokenizer",
                            "LxmertTokenizer",
                            "SqueezeBertTokenizer",
                            "DPRReaderTokenizer",
                            "RealmTokenizer",
                            "DPRContextEncoderTokenizer",
                            "DPRQuestionEncoderTokenizer"};
  if (name == "PreTrainedTokenizerFast" || name == "TokenizersBackend") return tokenizer_rule::tokenizer_json;
  const std::string_view bare = name.ends_with("Fast") ? std::string_view(name).substr(0, name.size() - 4) : name;
  if (name.empty() || std::find(same.begin(), same.end(), bare) != same.end()) return tokenizer_rule::bert_class;
  for (const std::string_view family :
       {"XLMRoberta", "Camembert", "Albert", "T5", "DebertaV2", "XLNet", "BertGeneration", "Barthez"})
    if (bare.starts_with(family))
      throw_error(
          {where + ", \"tokenizer_class\"", "BertTokenizer or PreTrainedTokenizerFast", name,
           "it cuts texts by SentencePiece, which is not supported, even if the encoder is a BERT, as multilingual-e5-small's "
           "is: the weights can be loaded without it, for ids that another tokenizer made"});
  throw_error({where + ", \"tokenizer_class\"", "BertTokenizer or PreTrainedTokenizerFast", name, only_bert});
}

/// Gives each token without an id the vocabulary's, else the next after all ids.
inline void assign_ids(const text::vocabulary& pieces, text::tokenizer_options& o) {
  auto next = static_cast<token_id>(pieces.size());
  for (const auto& t : o.added) next = std::max(next, t.id + 1);
  for (auto& t : o.added)
    if (t.id == unassigned) {
      const auto known = pieces.id(t.content);
      t.id = known ? *known : next++;
    }
}

/// The vocabulary with [CLS] and the like where they are added tokens that it lacks, at an id that is unused or beyond its
/// last.
[[nodiscard]] inline text::vocabulary with_special(text::vocabulary pieces, const text::tokenizer_options& o) {
  std::vector<std::string> all;
  for (const auto& t : o.added) {
    const bool needed =
        t.content == o.unk || t.content == o.cls || t.content == o.sep || t.content == o.pad || t.content == o.mask;
    if (!needed || pieces.id(t.content) || t.id < 0 || static_cast<std::size_t>(t.id) > pieces.size() + 65'536) continue;
    if (all.empty())
      for (std::size_t i = 0; i < pieces.size(); ++i) all.emplace_back(pieces.piece(static_cast<token_id>(i)));
    const auto id = static_cast<std::size_t>(t.id);
    if (id >= all.size()) all.resize(id + 1);
    if (all[id].empty()) all[id] = t.content;
  }
  return all.empty() ? std::move(pieces) : text::vocabulary(all).named(pieces.where());
}

/// Whether a piece of a vocabulary starts with A to Z: an uncased one has none. "[CLS]" and "<S>" do not start so.
[[nodiscard]] inline bool has_capitals(const text::vocabulary& pieces) {
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    auto piece = pieces.piece(static_cast<token_id>(i));
    if (piece.starts_with("##")) piece.remove_prefix(2);
    if (!piece.empty() && piece.front() >= 'A' && piece.front() <= 'Z') return true;
  }
  return false;
}

/// Throws if the two files give an id to different pieces: one of them is stale.
inline void check_same_pieces(const text::vocabulary& lines, const text::vocabulary& json) {
  for (std::size_t i = 0; i < std::min(lines.size(), json.size()); ++i) {
    const auto a = lines.piece(static_cast<token_id>(i)), b = json.piece(static_cast<token_id>(i));
    if (a != b && !b.empty())
      throw_error({cat(lines.where(), ", line ", i + 1), cat('"', b, "\", as ", json.where(), " has it"), cat('"', a, '"'),
                   "one of the two files belongs to another model; remove it"});
  }
}

}  // namespace detail

/// Guesses that were made when files were read, each a line for the user.
using reading_notes = std::vector<std::string>;

/// The tokenizer of a folder, as transformers 5 opens it; docs/folders.md lists every key. Without a tokenizer_config.json it
/// has the defaults of an uncased BERT; in a folder of Google's, bert_config.json and vocab.txt alone, it is cased if a piece
/// starts with a capital. Appends to `notes`, if given, which of two files was followed. Throws bert::error if
/// there is neither a vocab.txt nor a tokenizer.json, and, naming file and key, for what is wrong in them.
[[nodiscard]] inline text::tokenizer read_tokenizer(const std::filesystem::path& folder, reading_notes* notes = nullptr) {
  using detail::rule_of;
  const auto lines = folder / "vocab.txt", whole = folder / "tokenizer.json", settings = folder / "tokenizer_config.json";
  const bool listed = std::filesystem::exists(lines), described = std::filesystem::exists(whole);
  if (!listed && !described)
    throw_error({path_text(folder), "a vocab.txt or a tokenizer.json", "neither", "is it the folder of a checkpoint?"});
  const bool configured = std::filesystem::exists(settings);
  const io::json config = configured ? io::read_json(settings) : io::json::object();
  auto kind = io::value_or<std::string>(config, "tokenizer_class", path_text(settings), "");
  std::string kind_file = path_text(settings);
  if (const auto model = folder / "config.json"; kind.empty() && std::filesystem::exists(model)) {
    kind_file = path_text(model);
    kind = io::value_or<std::string>(io::read_json(model), "tokenizer_class", kind_file, "");
  }
  const auto rule =
      described ? rule_of(kind, kind_file) : (static_cast<void>(rule_of(kind, kind_file)), tokenizer_rule::bert_class);

  text::tokenizer_options o;
  const io::json json = described ? io::read_json(whole) : io::json();
  auto pieces = described ? detail::read_tokenizer_json(json, path_text(whole), o, rule) : text::vocabulary::open(lines);
  detail::read_tokenizer_config(config, path_text(settings), o, rule);
  if (!config.contains("added_tokens_decoder")) {  // as transformers wrote folders until 2023
    if (const auto map = folder / "special_tokens_map.json"; std::filesystem::exists(map))
      detail::read_special_names(io::read_json(map), path_text(map), o);
    if (const auto added = folder / "added_tokens.json"; std::filesystem::exists(added))
      detail::read_added_tokens(io::read_json(added), path_text(added), o);
  }
  if (described) detail::read_post_processor(json, path_text(whole), rule == tokenizer_rule::tokenizer_json, o);
  if (described && listed) {
    const auto other = text::vocabulary::open(lines);
    detail::check_same_pieces(other, pieces);
    if (notes != nullptr && other.size() != pieces.size())
      notes->push_back(
          cat(path_text(whole), " is followed, with ", pieces.size(), " pieces; ", path_text(lines), " has ", other.size()));
  }
  if (described && rule == tokenizer_rule::bert_class && notes != nullptr)
    if (const auto* normalizer =
            detail::only_component(json, "normalizer", "BertNormalizer", "normalizers", path_text(whole))) {
      text::tokenizer_options theirs;
      detail::read_normalizer(normalizer, path_text(whole), theirs);
      const auto strips = [](const text::tokenizer_options& x) { return x.strip_accents.value_or(x.lowercase); };
      if (theirs.lowercase != o.lowercase || strips(theirs) != strips(o))
        notes->push_back(cat("lower case: ", o.lowercase ? "yes" : "no", ", as ", path_text(settings),
                             configured ? "" : " would by default", " and not as ", path_text(whole),
                             " says; so does transformers"));
    }
  const auto exists = [&](const char* name) { return std::filesystem::exists(folder / name); };
  if (!described && !configured && !exists("config.json") && exists("bert_config.json")) {
    o.lowercase = !detail::has_capitals(pieces);
    if (notes != nullptr)
      notes->push_back(cat("lower case: ", o.lowercase ? "yes, as no piece of " : "no, as a piece of ", path_text(lines),
                           " starts with a capital", "; a tokenizer_config.json with do_lower_case would say so"));
  }
  detail::assign_ids(pieces, o);
  pieces = detail::with_special(std::move(pieces), o);
  return text::tokenizer(std::move(pieces), std::move(o));
}

/// Writes vocab.txt and tokenizer_config.json to `out`, which the caller commits, and removes files that would contradict them
/// (stale_tokenizer_files). `positions` is the longest sequence of the model. Throws bert::error for a piece with a line break.
template <class Reference>
void write_tokenizer(io::atomic_folder& out, const text::basic_tokenizer<Reference>& tokenizer, int positions) {
  std::string pieces;
  for (std::size_t i = 0; i < tokenizer.size(); ++i) {
    const auto piece = tokenizer.vocabulary().piece(static_cast<token_id>(i));
    if (piece.find_first_of("\r\n") != std::string_view::npos)
      throw_error({path_text(out.path() / "vocab.txt"), "pieces without line breaks", cat("one in piece ", i),
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
  if (o.truncation_side == text::side::left) config["truncation_side"] = "left";
  if (!o.second_segment) config["model_input_names"] = {"input_ids", "attention_mask"};
  for (const text::added_token& t : o.added)
    config["added_tokens_decoder"][std::to_string(t.id)] = {{"content", t.content},       {"single_word", t.single_word},
                                                            {"lstrip", t.lstrip},         {"rstrip", t.rstrip},
                                                            {"normalized", t.normalized}, {"special", t.special}};
  out.file("vocab.txt").write(pieces);
  out.file("tokenizer_config.json").write(io::to_text(config));
  for (const char* stale : stale_tokenizer_files) out.remove(stale);
}

/// Writes them to a folder, atomically.
template <class Reference>
void write_tokenizer(const std::filesystem::path& folder, const text::basic_tokenizer<Reference>& tokenizer, int positions) {
  io::atomic_folder out(folder);
  write_tokenizer(out, tokenizer, positions);
  out.commit();
}

}  // namespace bert::pipelines

#endif  // BERT_CHECKPOINT_TOKENIZER_FILES_HPP
