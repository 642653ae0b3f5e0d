// The files of sentence-transformers: how a folder's encoder makes sentence vectors.
// Layer: checkpoint. Test: tests/unit/checkpoint/sentence_files_test.cpp
#ifndef BERT_CHECKPOINT_SENTENCE_FILES_HPP
#define BERT_CHECKPOINT_SENTENCE_FILES_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/heads/pooling_modes.hpp"
#include "bert/io/json.hpp"

namespace bert::inline BERT_ISA {

/// The activation of a Dense module: its name here and its class in PyTorch.
struct dense_activation {
  std::string_view name, module;
};
/// The first is the default of sentence-transformers.
inline constexpr std::array<dense_activation, 5> dense_activations{{{"tanh", "torch.nn.modules.activation.Tanh"},
                                                                    {"identity", "torch.nn.modules.linear.Identity"},
                                                                    {"relu", "torch.nn.modules.activation.ReLU"},
                                                                    {"gelu", "torch.nn.modules.activation.GELU"},
                                                                    {"sigmoid", "torch.nn.modules.activation.Sigmoid"}}};

/// The prompt of a name. Throws bert::error, listing the names, if there is none; `where` is the folder.
[[nodiscard]] inline const std::string& prompt_named(const std::map<std::string, std::string>& prompts, const std::string& name,
                                                     const std::string& where) {
  if (const auto at = prompts.find(name); at != prompts.end()) return at->second;
  std::string names;
  for (const auto& [key, text] : prompts) names += (names.empty() ? "" : ", ") + key;
  throw_error({where + ", \"prompts\"", "a prompt of the name " + name, names.empty() ? "none" : names, {}});
}

/// A module behind the pooling: Normalize, or Dense: z = f(W y + b).
struct sentence_module {
  enum class kind : std::uint8_t { normalize, dense } what = kind::normalize;
  std::filesystem::path folder = {};    ///< Dense: where its config.json and weights are
  std::size_t inputs = 0, outputs = 0;  ///< Dense: W [outputs, inputs]
  bool bias = true;                     ///< Dense: whether there is b
  std::string activation = {};          ///< Dense: f, "tanh", "identity", "relu", "gelu" or "sigmoid"
};

/// The settings in modules.json, 1_Pooling/config.json, 2_Dense/config.json, sentence_bert_config.json,
/// config_sentence_transformers.json and, for max_tokens, tokenizer_config.json; docs/folders.md lists every key.
struct sentence_settings {
  std::string pooling = "mean";                                 ///< "mean", "cls", "max", …, or several: "cls+max"
  std::vector<pooling::mode> poolings = {pooling::mode::mean};  ///< the same; their vectors are put end to end
  std::string pooling_file;    ///< the file that names the pooling; empty: none, and mean is sentence-transformers' default
  std::size_t dimension = 0;   ///< of a token's vector, in pooling_file; 0: not given
  std::size_t max_tokens = 0;  ///< longer texts are cut; 0: the model's positions
  bool lowercase = false;      ///< texts are lowercased before they are tokenized
  bool pools_prompt = true;    ///< the prompt's tokens are pooled too
  std::vector<sentence_module> modules;        ///< behind the pooling, in order
  bool normalized = false;                     ///< vectors have unit length, as the last of them is a Normalize
  std::string similarity;                      ///< "cosine", "dot", "euclidean", "manhattan"; empty: not given
  std::map<std::string, std::string> prompts;  ///< prefixes of a text, by name
  std::string default_prompt;                  ///< the name of the prompt of every text; empty: none

  /// The Dense modules, in order.
  [[nodiscard]] std::vector<sentence_module> dense() const {
    std::vector<sentence_module> found;
    for (const auto& m : modules)
      if (m.what == sentence_module::kind::dense) found.push_back(m);
    return found;
  }

  /// The text of a prompt, of the default one if `name` is empty. Throws bert::error for a name that the folder does not have.
  [[nodiscard]] std::string prompt(const std::string& name, const std::string& where) const {
    const std::string& wanted = name.empty() ? default_prompt : name;
    if (wanted.empty()) return {};
    return prompt_named(prompts, wanted, where);
  }
};

namespace pipelines {

namespace detail {

struct listed_module {
  std::string kind, path;
};

/// The modules of modules.json in order, their kinds without the Python package; empty if there is no such file.
[[nodiscard]] inline std::vector<listed_module> read_modules(const std::filesystem::path& folder) {
  std::vector<listed_module> modules;
  const auto file = folder / "modules.json";
  if (!std::filesystem::exists(file)) return modules;
  const auto list = io::read_json(file);
  const std::string where = path_text(file);
  if (!list.is_array()) throw_error({where, "a list of modules", io::kind_of(list), {}});
  for (const auto& item : list) {
    auto kind = io::require<std::string>(item, "type", where);
    if (const auto dot = kind.rfind('.'); dot != std::string::npos) kind.erase(0, dot + 1);
    auto path = io::value_or<std::string>(item, "path", where, "");
    const std::filesystem::path relative = path_from(path);
    if (relative.has_root_path() || std::find(relative.begin(), relative.end(), "..") != relative.end())
      throw_error({where + ", \"path\"", "a folder within this one", path, {}});
    modules.push_back({std::move(kind), std::move(path)});
  }
  return modules;
}

[[nodiscard]] inline bool is_encoder(const std::string& kind) { return kind == "Transformer" || kind == "BERT"; }

inline void read_pooling(const std::filesystem::path& file, sentence_settings& s) {
  const auto j = io::read_json(file);
  const std::string where = path_text(file);
  if (!j.is_object()) throw_error({where, "an object", io::kind_of(j), {}});
  std::vector<std::string> modes;
  const auto one = j.find("pooling_mode");
  if (one != j.end() && one->is_string()) {
    modes.push_back(one->get<std::string>());
  } else if (one != j.end() && one->is_array()) {
    modes = io::json_as<std::vector<std::string>>(*one, where + ", \"pooling_mode\"");
  } else {
    for (const auto& [key, value] : j.items()) {
      if (!key.starts_with("pooling_mode")) continue;
      if (io::json_as<bool>(value, cat(where, ", \"", key, '"')))
        modes.push_back(key.substr(std::min<std::size_t>(13, key.size())));
    }
    if (!j.contains("pooling_mode_mean_tokens")) modes.emplace_back("mean");  // the default of its class
  }
  s.poolings.clear();
  for (const auto& name : modes) {
    const auto mode = pooling::mode_named(name);
    if (!mode) {
      std::string names;
      for (const auto known : pooling::mode_names) names += cat(names.empty() ? "" : ", ", known);
      throw_error({where + ", \"pooling_mode_" + name + '"', "a pooling mode of " + names, name, "it is not supported"});
    }
    s.poolings.push_back(*mode);
  }
  if (s.poolings.empty()) throw_error({where, "a pooling mode", "none", {}});
  std::sort(s.poolings.begin(), s.poolings.end());
  s.pooling.clear();
  for (const auto mode : s.poolings) s.pooling += cat(s.pooling.empty() ? "" : "+", pooling::name_of(mode));
  s.pooling_file = where;
  s.pools_prompt = io::value_or<bool>(j, "include_prompt", where, true);
  s.dimension = io::value_or<std::size_t>(j, "word_embedding_dimension", where, 0);
}

[[nodiscard]] inline sentence_module read_dense(const std::filesystem::path& folder) {
  const auto file = folder / "config.json";
  const auto j = io::read_json(file);
  const std::string where = path_text(file);
  sentence_module m{.what = sentence_module::kind::dense, .folder = folder};
  for (const auto& [key, to] : {std::pair{"in_features", &m.inputs}, {"out_features", &m.outputs}}) {
    *to = io::require<std::size_t>(j, key, where);
    if (*to < 1 || *to > 1u << 24) throw_error({cat(where, ", \"", key, '"'), "1 to 16777216", cat(*to), {}});
  }
  m.bias = io::value_or<bool>(j, "bias", where, true);
  const auto name = io::value_or<std::string>(j, "activation_function", where, std::string(dense_activations.front().module));
  for (const auto& known : dense_activations)
    if (name.substr(name.rfind('.') + 1) == std::string_view(known.module).substr(known.module.rfind('.') + 1))
      m.activation = known.name;
  if (m.activation.empty()) {
    std::string names;
    for (const auto& known : dense_activations) names += (names.empty() ? "" : ", ") + std::string(known.module);
    throw_error({where + ", \"activation_function\"", "one of " + names, name, "it is not supported"});
  }
  for (const char* key : {"module_input_name", "module_output_name"})
    if (const auto of = io::value_or<std::string>(j, key, where, "sentence_embedding"); of != "sentence_embedding")
      throw_error({cat(where, ", \"", key, '"'), "sentence_embedding", of, "a layer on tokens is not supported"});
  return m;
}

inline void read_limits(const std::filesystem::path& folder, sentence_settings& s) {
  for (const char* name : {"sentence_bert_config.json", "sentence_roberta_config.json", "sentence_distilbert_config.json"}) {
    const auto file = folder / name;
    if (!std::filesystem::exists(file)) continue;
    const auto j = io::read_json(file);
    s.max_tokens = io::value_or<std::size_t>(j, "max_seq_length", path_text(file), 0);
    s.lowercase = io::value_or<bool>(j, "do_lower_case", path_text(file), false);
    for (const char* key : {"model_args", "tokenizer_args", "config_args"})
      if (const auto at = j.find(key); at != j.end() && !at->empty())
        throw_error({cat(path_text(file), ", \"", key, '"'), "none", at->dump(), "settings of transformers are not supported"});
    break;
  }
  const auto tokenizer = folder / "tokenizer_config.json";
  if (s.max_tokens != 0 || !std::filesystem::exists(tokenizer)) return;
  const double most = io::value_or<double>(io::read_json(tokenizer), "model_max_length", path_text(tokenizer), 0);
  if (most >= 1 && most < 1e9) s.max_tokens = static_cast<std::size_t>(most);  // 1e30: no limit
}

inline void read_use(const std::filesystem::path& file, sentence_settings& s) {
  if (!std::filesystem::exists(file)) return;
  const auto j = io::read_json(file);
  const std::string where = path_text(file);
  if (const auto kind = io::value_or<std::string>(j, "model_type", where, "SentenceTransformer"); kind != "SentenceTransformer")
    throw_error({where + ", \"model_type\"", "SentenceTransformer", kind, "other kinds are not supported"});
  if (const auto prompts = j.find("prompts"); prompts != j.end() && !prompts->is_null()) {
    if (!prompts->is_object()) throw_error({where + ", \"prompts\"", "an object", io::kind_of(*prompts), {}});
    for (const auto& [name, text] : prompts->items())
      s.prompts[name] = io::json_as<std::string>(text, cat(where, ", \"prompts\", \"", name, '"'));
  }
  s.default_prompt = io::value_or<std::string>(j, "default_prompt_name", where, "");
  if (!s.default_prompt.empty() && !s.prompts.contains(s.default_prompt))
    throw_error({where + ", \"default_prompt_name\"", "a name in \"prompts\"", s.default_prompt, {}});
  s.similarity = io::value_or<std::string>(j, "similarity_fn_name", where, "");
  constexpr std::array known{"", "cosine", "dot", "euclidean", "manhattan"};
  if (std::find(known.begin(), known.end(), s.similarity) == known.end())
    throw_error({where + ", \"similarity_fn_name\"", "cosine, dot, euclidean or manhattan", s.similarity, {}});
}

}  // namespace detail

/// The folder of config.json and weights: `folder` itself, or the one that modules.json names (0_Transformer).
[[nodiscard]] inline std::filesystem::path transformer_folder(const std::filesystem::path& folder) {
  for (const auto& m : detail::read_modules(folder))
    if (detail::is_encoder(m.kind)) return m.path.empty() ? folder : folder / path_from(m.path);
  return folder;
}

/// The settings with which sentence-transformers would embed. Throws bert::error naming file, key or module for those that are
/// not supported.
[[nodiscard]] inline sentence_settings read_sentence_settings(const std::filesystem::path& folder) {
  sentence_settings s;
  const auto modules = detail::read_modules(folder);
  const std::string where = path_text(folder / "modules.json");
  std::size_t encoders = 0, poolings = 0;
  for (const auto& m : modules) {
    if (detail::is_encoder(m.kind)) ++encoders;
    else if (m.kind == "Pooling" && encoders == 1 && poolings++ == 0)
      detail::read_pooling(folder / path_from(m.path) / "config.json", s);
    else if (m.kind == "Normalize" && poolings == 1) s.modules.push_back({});
    else if (m.kind == "Dense" && poolings == 1) s.modules.push_back(detail::read_dense(folder / path_from(m.path)));
    else if (m.kind != "Dropout")  // has no effect in inference
      throw_error({where, "the modules Transformer, Pooling, and behind them Dense and Normalize",
                   cat(m.kind, m.path.empty() ? "" : " (" + m.path + ")"),
                   "it is not supported, and without it vectors would differ"});
  }
  if (!modules.empty() && (encoders != 1 || poolings != 1))
    throw_error({where, "one Transformer and one Pooling", cat(encoders, " and ", poolings), {}});
  s.normalized = !s.modules.empty() && s.modules.back().what == sentence_module::kind::normalize;
  detail::read_limits(transformer_folder(folder), s);
  detail::read_use(folder / "config_sentence_transformers.json", s);
  return s;
}

/// "Dense, 384 to 256, tanh".
[[nodiscard]] inline std::string dense_text(std::size_t inputs, std::size_t outputs, std::string_view activation) {
  return cat("Dense, ", inputs, " to ", outputs, ", ", activation);
}
/// The Dense modules of a folder, or "no Dense".
[[nodiscard]] inline std::string dense_text(const sentence_settings& s) {
  std::string text;
  for (const auto& m : s.dense())
    text += cat(text.empty() ? "" : "; ", dense_text(m.inputs, m.outputs, m.activation), m.bias ? "" : " without bias");
  return text.empty() ? "no Dense" : text;
}

/// Throws bert::error, naming the file, unless vectors without Dense, brought to unit length, are compared as the folder says.
inline void check_unit_vectors(const sentence_settings& s, const std::filesystem::path& folder, const std::string& hint) {
  if (!s.dense().empty())
    throw_error({path_text(folder / "modules.json"), "no Dense, as the embedder's type says", dense_text(s), hint});
  if (!s.normalized && !s.similarity.empty() && s.similarity != "cosine")
    throw_error({path_text(folder / "config_sentence_transformers.json") + ", \"similarity_fn_name\"",
                 "cosine, where modules.json has no Normalize", s.similarity,
                 "vectors of unit length would change that measure; " + hint});
}

}  // namespace pipelines
}  // namespace bert

#endif  // BERT_CHECKPOINT_SENTENCE_FILES_HPP
