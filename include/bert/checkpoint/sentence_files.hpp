// The files of sentence-transformers: how a folder's encoder makes sentence vectors.
// Layer: checkpoint. Test: tests/unit/checkpoint/sentence_files_test.cpp
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/io/json.hpp"

namespace bert::inline BERT_ISA {

/// The settings in modules.json, 1_Pooling/config.json, sentence_bert_config.json, config_sentence_transformers.json and, for
/// max_tokens, tokenizer_config.json; docs/folders.md lists every key.
struct sentence_settings {
  std::string pooling = "mean";  ///< "mean", "cls" or "max"
  std::string pooling_file;      ///< the file that names the pooling; empty: none, and mean is sentence-transformers' default
  std::size_t dimension = 0;     ///< of a token's vector, in pooling_file; 0: not given
  std::size_t max_tokens = 0;    ///< longer texts are cut; 0: the model's positions
  bool lowercase = false;        ///< texts are lowercased before they are tokenized
  bool pools_prompt = true;      ///< the prompt's tokens are pooled too
  bool normalized = false;       ///< a Normalize module makes vectors of unit length
  std::string similarity;        ///< "cosine", "dot", "euclidean", "manhattan"; empty: not given
  std::map<std::string, std::string> prompts;  ///< prefixes of a text, by name
  std::string default_prompt;                  ///< the name of the prompt of every text; empty: none

  /// The text of a prompt, of the default one if `name` is empty. Throws bert::error for a name that the folder does not have.
  [[nodiscard]] std::string prompt(const std::string& name, const std::string& where) const {
    const std::string& wanted = name.empty() ? default_prompt : name;
    if (wanted.empty()) return {};
    if (const auto at = prompts.find(wanted); at != prompts.end()) return at->second;
    std::string names;
    for (const auto& [key, text] : prompts) names += (names.empty() ? "" : ", ") + key;
    throw error({where + ", \"prompts\"", "a prompt of the name " + wanted, names.empty() ? "none" : names, {}});
  }
};

namespace pipelines {

namespace detail {

struct sentence_module {
  std::string kind, path;
};

/// The modules of modules.json in order, their kinds without the Python package; empty if there is no such file.
[[nodiscard]] inline std::vector<sentence_module> read_modules(const std::filesystem::path& folder) {
  std::vector<sentence_module> modules;
  const auto file = folder / "modules.json";
  if (!std::filesystem::exists(file)) return modules;
  const auto list = io::read_json(file);
  const std::string where = file.string();
  if (!list.is_array()) throw error({where, "a list of modules", io::kind_of(list), {}});
  for (const auto& item : list) {
    auto kind = io::require<std::string>(item, "type", where);
    if (const auto dot = kind.rfind('.'); dot != std::string::npos) kind.erase(0, dot + 1);
    auto path = io::value_or<std::string>(item, "path", where, "");
    const std::filesystem::path relative(path);
    if (relative.is_absolute() || std::find(relative.begin(), relative.end(), "..") != relative.end())
      throw error({where + ", \"path\"", "a folder within this one", path, {}});
    modules.push_back({std::move(kind), std::move(path)});
  }
  return modules;
}

[[nodiscard]] inline bool is_encoder(const std::string& kind) { return kind == "Transformer" || kind == "BERT"; }

inline void read_pooling(const std::filesystem::path& file, sentence_settings& s) {
  const auto j = io::read_json(file);
  const std::string where = file.string();
  if (!j.is_object()) throw error({where, "an object", io::kind_of(j), {}});
  std::vector<std::string> modes;
  const auto one = j.find("pooling_mode");
  if (one != j.end() && one->is_string()) {
    modes.push_back(one->get<std::string>());
  } else {
    for (const auto& [key, value] : j.items()) {
      if (!key.starts_with("pooling_mode")) continue;
      if (io::json_as<bool>(value, cat(where, ", \"", key, '"')))
        modes.push_back(key.substr(std::min<std::size_t>(13, key.size())));
    }
    if (!j.contains("pooling_mode_mean_tokens")) modes.emplace_back("mean");  // the default of its class
  }
  std::string listed;
  for (const auto& mode : modes) listed += (listed.empty() ? "" : " and ") + mode;
  if (modes.size() != 1)
    throw error({where, "one pooling mode of mean, cls, max", modes.empty() ? "none" : listed,
                 "concatenated poolings are not supported"});
  const auto& mode = modes.front();
  // sum / sqrt(T) has the direction of the mean, and vectors are normalized to unit length.
  if (mode == "mean_tokens" || mode == "mean" || mode == "mean_sqrt_len_tokens") s.pooling = "mean";
  else if (mode == "cls_token" || mode == "cls") s.pooling = "cls";
  else if (mode == "max_tokens" || mode == "max") s.pooling = "max";
  else throw error({where + ", \"pooling_mode_" + mode + '"', "a pooling mode of mean, cls, max", mode, "it is not supported"});
  s.pooling_file = where;
  s.pools_prompt = io::value_or<bool>(j, "include_prompt", where, true);
  s.dimension = io::value_or<std::size_t>(j, "word_embedding_dimension", where, 0);
}

inline void read_limits(const std::filesystem::path& folder, sentence_settings& s) {
  for (const char* name : {"sentence_bert_config.json", "sentence_roberta_config.json", "sentence_distilbert_config.json"}) {
    const auto file = folder / name;
    if (!std::filesystem::exists(file)) continue;
    const auto j = io::read_json(file);
    s.max_tokens = io::value_or<std::size_t>(j, "max_seq_length", file.string(), 0);
    s.lowercase = io::value_or<bool>(j, "do_lower_case", file.string(), false);
    for (const char* key : {"model_args", "tokenizer_args", "config_args"})
      if (const auto at = j.find(key); at != j.end() && !at->empty())
        throw error({cat(file.string(), ", \"", key, '"'), "none", at->dump(), "settings of transformers are not supported"});
    break;
  }
  const auto tokenizer = folder / "tokenizer_config.json";
  if (s.max_tokens != 0 || !std::filesystem::exists(tokenizer)) return;
  const double most = io::value_or<double>(io::read_json(tokenizer), "model_max_length", tokenizer.string(), 0);
  if (most >= 1 && most < 1e9) s.max_tokens = static_cast<std::size_t>(most);  // 1e30: no limit
}

inline void read_use(const std::filesystem::path& file, sentence_settings& s) {
  if (!std::filesystem::exists(file)) return;
  const auto j = io::read_json(file);
  const std::string where = file.string();
  if (const auto kind = io::value_or<std::string>(j, "model_type", where, "SentenceTransformer"); kind != "SentenceTransformer")
    throw error({where + ", \"model_type\"", "SentenceTransformer", kind, "other kinds are not supported"});
  if (const auto prompts = j.find("prompts"); prompts != j.end() && !prompts->is_null()) {
    if (!prompts->is_object()) throw error({where + ", \"prompts\"", "an object", io::kind_of(*prompts), {}});
    for (const auto& [name, text] : prompts->items())
      s.prompts[name] = io::json_as<std::string>(text, cat(where, ", \"prompts\", \"", name, '"'));
  }
  s.default_prompt = io::value_or<std::string>(j, "default_prompt_name", where, "");
  if (!s.default_prompt.empty() && !s.prompts.contains(s.default_prompt))
    throw error({where + ", \"default_prompt_name\"", "a name in \"prompts\"", s.default_prompt, {}});
  s.similarity = io::value_or<std::string>(j, "similarity_fn_name", where, "");
  constexpr std::array known{"", "cosine", "dot", "euclidean", "manhattan"};
  if (std::find(known.begin(), known.end(), s.similarity) == known.end())
    throw error({where + ", \"similarity_fn_name\"", "cosine, dot, euclidean or manhattan", s.similarity, {}});
  // Vectors have unit length here, so that dot equals cosine; for other lengths these measures would rank differently.
  if (!s.normalized && !s.similarity.empty() && s.similarity != "cosine")
    throw error({where + ", \"similarity_fn_name\"", "cosine, where modules.json has no Normalize", s.similarity,
                 "vectors are brought to unit length, which would change this measure"});
}

}  // namespace detail

/// The folder of config.json and weights: `folder` itself, or the one that modules.json names (0_Transformer).
[[nodiscard]] inline std::filesystem::path transformer_folder(const std::filesystem::path& folder) {
  for (const auto& m : detail::read_modules(folder))
    if (detail::is_encoder(m.kind)) return m.path.empty() ? folder : folder / m.path;
  return folder;
}

/// The settings with which sentence-transformers would embed. Throws bert::error naming file, key or module for those that are
/// not supported: Dense, weighted and last-token pooling, several poolings at once.
[[nodiscard]] inline sentence_settings read_sentence_settings(const std::filesystem::path& folder) {
  sentence_settings s;
  const auto modules = detail::read_modules(folder);
  const std::string where = (folder / "modules.json").string();
  std::size_t encoders = 0, poolings = 0;
  for (const auto& m : modules) {
    if (detail::is_encoder(m.kind)) ++encoders;
    else if (m.kind == "Pooling" && encoders == 1 && poolings++ == 0) detail::read_pooling(folder / m.path / "config.json", s);
    else if (m.kind == "Normalize" && poolings == 1) s.normalized = true;
    else if (m.kind != "Dropout")  // has no effect in inference
      throw error({where, "the modules Transformer, Pooling and at most Normalize, in this order",
                   cat(m.kind, m.path.empty() ? "" : " (" + m.path + ")"),
                   "it is not supported, and without it vectors would differ"});
  }
  if (!modules.empty() && (encoders != 1 || poolings != 1))
    throw error({where, "one Transformer and one Pooling", cat(encoders, " and ", poolings), {}});
  detail::read_limits(transformer_folder(folder), s);
  detail::read_use(folder / "config_sentence_transformers.json", s);
  return s;
}

}  // namespace pipelines
}  // namespace bert
