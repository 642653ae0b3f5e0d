// Prints what a model folder is: type and sizes, weights, heads, tokenizer, sentence vectors, and the C++ type that opens it.
//   inspect all-MiniLM-L6-v2
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/checkpoint/sentence_writer.hpp"
#include "bert/pipeline/choose.hpp"
#include "support.hpp"

namespace {

using bert::cat;
namespace arch = bert::arch;

/// Every shape of the published models, by its first name.
using shapes = bert::choices<
    bert::named<"tiny", arch::tiny>, bert::named<"mini", arch::mini>, bert::named<"small", arch::small>,
    bert::named<"medium", arch::medium>, bert::named<"base_uncased", arch::base_uncased>,
    bert::named<"base_cased", arch::base_cased>, bert::named<"base_chinese", arch::base_chinese>,
    bert::named<"base_multilingual_cased", arch::base_multilingual_cased>,
    bert::named<"base_multilingual_uncased", arch::base_multilingual_uncased>,
    bert::named<"large_uncased", arch::large_uncased>, bert::named<"large_cased", arch::large_cased>,
    bert::named<"large_chinese", arch::large_chinese>, bert::named<"minilm_l6", arch::minilm_l6>,
    bert::named<"minilm_l12", arch::minilm_l12>, bert::named<"bge_small_zh", arch::bge_small_zh>,
    bert::named<"labse", arch::labse>, bert::named<"scibert_uncased", arch::scibert_uncased>,
    bert::named<"ms_marco_minilm_l2", arch::ms_marco_minilm_l2>, bert::named<"ms_marco_minilm_l4", arch::ms_marco_minilm_l4>,
    bert::named<"distilbert_base", arch::distilbert_base>, bert::named<"distilbert_base_cased", arch::distilbert_base_cased>,
    bert::named<"distilbert_base_multilingual", arch::distilbert_base_multilingual>,
    bert::named<"electra_base", arch::electra_base>, bert::named<"electra_large", arch::electra_large>>;

/// The architecture to write in a program, and its definition if no published one has these sizes.
struct written_type {
  std::string name, definition;
};

template <class... Named>
written_type type_of(const bert::model_config& c, bert::choices<Named...>) {
  written_type out;
  const auto take = [&](bool fits, std::string name) {
    if (fits && out.name.empty()) out.name = std::move(name);
  };
  (take(c.is<typename Named::type>(), cat("bert::arch::", Named::name)), ...);
  (take(c.is<bert::open_vocabulary<typename Named::type>>(), cat("bert::open_vocabulary<bert::arch::", Named::name, '>')), ...);
  if (!out.name.empty()) return out;
  out.name = "mine";
  const std::string base = c.model_type == "bert" ? "architecture" : c.model_type;
  const std::string layer = c.activation == "gelu_new" ? "gelu_tanh" : c.activation == "relu" ? "relu" : "";
  int exponent = 0;
  for (double e = c.norm_epsilon; e < 0.5 && exponent > -20; e *= 10) --exponent;
  out.definition =
      cat("struct mine : bert::", base, "_of<bert::dims{.vocab = ", c.vocab, ", .hidden = ", c.hidden, ", .layers = ", c.layers,
          ", .heads = ", c.heads, ", .intermediate = ", c.intermediate, ", .positions = ", c.positions,
          c.segments == 2 ? std::string() : cat(", .segments = ", c.segments),
          exponent == -12 ? std::string() : cat(", .norm_epsilon_exponent = ", exponent), "}",
          layer.empty() ? std::string() : cat(", bert::layers::post_norm<bert::activation::", layer, ">"), "> {};");
  return out;
}

void line(std::string_view name, const std::string& text) {
  std::cout << name << std::string(13 - std::min<std::size_t>(12, name.size()), ' ') << bert::printable(text) << '\n';
}

std::string listed(const std::vector<std::string>& names, std::size_t most = 12) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), most); ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > most ? cat(text, ", … (", names.size(), ")") : text;
}

/// Runs `work`, and prints its error as the line's text. Returns whether there was none.
template <class Work>
bool told(std::string_view name, const Work& work) {
  try {
    work();
    return true;
  } catch (const bert::error& e) {
    line(name, cat("cannot be opened: ", e.what()));
    return false;
  }
}

/// Prints the weights; returns the tensors' names in the table of parameters.
std::set<std::string> weights(const bert::checkpoint& files) {
  const bert::weight_files file(files.files());
  std::map<std::string_view, std::uint64_t> types;
  std::uint64_t bytes = 0, numbers = 0;
  std::set<std::string> names;
  for (const auto& t : file.tensors()) {
    types[bert::io::name_of(t.type)] += t.size();
    numbers += t.size();
    bytes += t.size() * bert::io::bytes_of(t.type);
    names.insert(bert::pipelines::canonical_name(t.name, files.config().model_type));
  }
  std::string kinds;
  for (const auto& [type, count] : types)
    kinds += cat(kinds.empty() ? "" : ", ", type, types.size() == 1 ? "" : cat(' ', count));
  line("weights",
       cat(file.where(), ": ", file.tensors().size(), " tensors, ", numbers, " numbers, ", bytes, " bytes, ", kinds));
  return names;
}

/// The C++ type of the folder's head; empty: none.
std::string head(const bert::model_config& c, const std::set<std::string>& names) {
  const auto is = [&](std::string_view name) {
    return std::find(c.architectures.begin(), c.architectures.end(), name) != c.architectures.end();
  };
  const std::string labels = "<bert::labels::dynamic_set>";
  if (names.contains("crf.transitions")) return "bert::heads::crf" + labels;
  if (names.contains("classifier.weight")) {
    if (is("BertForTokenClassification")) return "bert::heads::tag" + labels;
    if (is("BertForMultipleChoice")) return "bert::heads::choice";
    if (c.problem_type == "multi_label_classification") return "bert::heads::classify_many" + labels;
    if (c.problem_type == "regression" || c.labels.size() == 1) return "bert::heads::regress";
    if (c.classifier_pooling == "cls")
      return "bert::heads::classify<bert::labels::dynamic_set, bert::heads::reads::first_token>";
    if (c.classifier_pooling == "mean") return "bert::heads::classify<bert::labels::dynamic_set, bert::heads::reads::mean>";
    return "bert::heads::classify" + labels;
  }
  if (names.contains("qa_outputs.weight")) return "bert::heads::span";
  if (names.contains("cls.predictions.bias"))
    return names.contains("cls.seq_relationship.weight") ? "bert::heads::masked_lm, bert::heads::next_sentence"
                                                         : "bert::heads::masked_lm";
  return {};
}

void tokenizer(const bert::checkpoint& files) {
  bert::pipelines::reading_notes notes;
  const auto t = files.tokenizer(&notes);
  line("tokenizer", cat(t.size(), " pieces, ", t.lowercase() ? "lower case" : "cased", t.strip_accents() ? ", no accents" : "",
                        t.added().empty() ? std::string() : cat(", ", t.added().size(), " added tokens")));
  for (const auto& note : notes) line("", "note: " + note);
}

/// Prints how the folder embeds; returns the pooling to write, or nothing if it does not say.
std::string sentences(const bert::checkpoint& files) {
  const auto s = files.sentences();
  if (s.pooling_file.empty()) return {};
  line("sentences",
       cat("pooling ", s.pooling, ", ", bert::pipelines::dense_text(s), ", ", s.normalized ? "unit length" : "any length",
           ", similarity ", s.similarity.empty() ? "cosine" : s.similarity,
           s.max_tokens == 0 ? std::string() : cat(", at most ", s.max_tokens, " tokens")));
  for (const auto& [name, text] : s.prompts)
    line("prompt", cat(name, ": \"", text, '"', name == s.default_prompt ? ", the default" : ""));
  const bool simple = s.dense().empty() && (s.pooling == "mean" || s.pooling == "cls" || s.pooling == "max") && s.normalized;
  return simple ? s.pooling : "from_folder";
}

bool inspect(const std::string& folder) {
  const bert::checkpoint files(bert::path_from(folder));
  const auto& c = files.config();
  const auto type = type_of(c, shapes{});
  line("model", cat(c.model_type, c.architectures.empty() ? "" : ", " + listed(c.architectures)));
  line("sizes", cat("hidden ", c.hidden, ", layers ", c.layers, ", heads ", c.heads, ", intermediate ", c.intermediate,
                    ", vocabulary ", c.vocab, ", positions ", c.positions, ", ", c.activation));
  if (!c.labels.empty()) line("labels", listed(c.labels));
  std::set<std::string> names;
  std::string pooling;
  bool whole = told("weights", [&] { names = weights(files); });
  whole = told("tokenizer", [&] { tokenizer(files); }) && whole;
  whole = told("sentences", [&] { pooling = sentences(files); }) && whole;
  if (!type.definition.empty()) line("type", type.definition);
  const auto found = head(c, names);
  if (pooling.empty())
    line("open", cat("bert::checkpoint(folder).load<bert::model<", type.name, found.empty() ? "" : ", ", found, ">>()"));
  else line("open", cat("bert::embedder<", type.name, ", bert::pooling::", pooling, ">::open(folder)"));
  line("program", c.model_type != "bert"                         ? "one of your own, with that type"
                  : !pooling.empty() || found.empty()            ? "embed_sentences --model folder"
                  : found.find("masked_lm") != std::string::npos ? "fill_mask, finetune, predict --model folder"
                                                                 : "predict, evaluate --model folder");
  return whole;
}

}  // namespace

int main(int argc, char** argv) {
  std::string folder;
  bool whole = true;
  CLI::App app("Prints what a model folder is, and the C++ type that opens it.", "inspect");
  app.add_option("folder", folder, "a model folder of Hugging Face, sentence-transformers or Google")->required();
  const int status = support::run(app, argc, argv, [&] { whole = inspect(folder); });
  return status != 0 ? status : whole ? 0 : 1;
}
