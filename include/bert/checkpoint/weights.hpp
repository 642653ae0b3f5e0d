// A model's weights from the tensors of files, and into model.safetensors, with the tensor names of transformers.
// Layer: checkpoint. Test: tests/unit/checkpoint/weights_test.cpp
#ifndef BERT_CHECKPOINT_WEIGHTS_HPP
#define BERT_CHECKPOINT_WEIGHTS_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/checkpoint/model_config.hpp"
#include "bert/checkpoint/tensor_names.hpp"
#include "bert/core/error.hpp"
#include "bert/core/finite.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/heads/dense.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/io/safetensors_writer.hpp"
#include "bert/io/stored_tensor.hpp"
#include "bert/io/tensor_source.hpp"
#include "bert/labels/label_set.hpp"
#include "bert/model/model.hpp"

namespace bert::inline BERT_ISA::pipelines {

template <class Model>
struct model_traits;

template <class A, class... Heads>
struct model_traits<model<A, Heads...>> {
  /// The parameter table for given sizes, without a model.
  static constexpr auto table(const open_sizes& sizes) { return resolve(parameter_table<A, Heads...>(), sizes); }

  static constexpr bool has(std::string_view stem) {
    for (const auto& p : parameter_table<A, Heads...>())
      if (p.stem == stem) return true;
    return false;
  }
  static constexpr bool open_labels = [] {
    for (const auto& p : parameter_table<A, Heads...>())
      if (p.rows == label_rows) return true;
    return false;
  }();

  /// "model_type" of config.json.
  static constexpr std::string_view model_type = model_type_of<A>;

  /// The name in a file of a parameter of the table.
  static std::string stored_name(const parameter& p) {
    return pipelines::stored_name(p.name(), model_type, has("classifier.weight") && model<A, Heads...>::reads_pooler);
  }

  /// The class names that are part of the type, in order; empty if it has none.
  static std::vector<std::string> static_labels() {
    std::vector<std::string> names;
    (
        [&] {
          if constexpr (requires { typename Heads::labels; }) {
            if constexpr (labels::static_label_set<typename Heads::labels>)
              for (int i = 0; i < Heads::labels::count; ++i) names.emplace_back(Heads::labels::name(i));
          }
        }(),
        ...);
    return names;
  }

  /// The class names of `m`: its type's, or its own where the type leaves them open.
  static std::vector<std::string> labels_of(const model<A, Heads...>& m) {
    return open_labels ? m.label_names() : static_labels();
  }

  /// The class of transformers that has these heads, as it is called for a BERT.
  static const char* transformers_class() {
    if (has(predictions_bias)) return has("cls.seq_relationship.weight") ? "BertForPreTraining" : "BertForMaskedLM";
    if (has("cls.seq_relationship.weight")) return "BertForNextSentencePrediction";
    if (has("qa_outputs.weight")) return "BertForQuestionAnswering";
    if (model_type == "electra" && has("discriminator_predictions.dense.weight")) return "BertForPreTraining";
    if (!has("classifier.weight")) return "BertModel";
    if (classifier_predicts<target::choice>()) return "BertForMultipleChoice";
    const bool of_sequences = (rows_of_classifier<Heads>() || ...);
    return of_sequences ? "BertForSequenceClassification" : "BertForTokenClassification";
  }

  /// "problem_type" of config.json; empty where transformers needs none.
  static const char* problem_type() { return classifier_predicts<target::many>() ? "multi_label_classification" : ""; }

  /// "classifier_pooling" of config.json: what the classifier reads; empty for the pooler.
  static std::string_view classifier_pooling() {
    std::string_view found;
    (
        [&] {
          if constexpr (requires { Heads::reading::pooling; })
            if (is_classifier<Heads>()) found = Heads::reading::pooling;
        }(),
        ...);
    return found;
  }

 private:
  /// Whether a head's tensor is that of transformers' classifiers.
  template <class Head>
  static constexpr bool is_classifier() {
    for (const auto& p : Head::template parameters<A>())
      if (p.stem == "classifier.weight") return true;
    return false;
  }
  template <class Target>
  static constexpr bool classifier_predicts() {
    return ((is_classifier<Heads>() && heads::predicts<Heads, Target>) || ... || false);
  }
  template <class Head>
  static constexpr bool rows_of_classifier() {
    return is_classifier<Head>() && heads::rows_of<Head> == heads::output_rows::sequences;
  }
};

namespace detail {

[[nodiscard]] inline bool is_floating(io::dtype type) noexcept {
  using enum io::dtype;
  return type == f32 || type == f16 || type == bf16 || type == f64;
}

/// Whether two tensors hold the same values, whatever their dtypes and orders.
[[nodiscard]] inline bool same_values(const io::stored_tensor& a, const io::stored_tensor& b) {
  if (a.shape != b.shape) return false;
  if (a.type != b.type && (!is_floating(a.type) || !is_floating(b.type))) return false;
  constexpr std::size_t block = 1u << 16;
  std::vector<std::byte> x(block * sizeof(double)), y(block * sizeof(double));
  const std::size_t count = a.size();
  for (std::size_t first = 0; first < count; first += block) {
    const std::size_t n = std::min(block, count - first);
    std::size_t bytes = n * io::bytes_of(a.type);
    if (a.type == b.type) {
      io::copy_elements(a, first, n, x.data());
      io::copy_elements(b, first, n, y.data());
    } else {
      bytes = n * sizeof(float);
      for (const auto& [t, to] : {std::pair{&a, &x}, std::pair{&b, &y}})
        io::detail::convert_elements(*t, first, {reinterpret_cast<float*>(to->data()), n});
      // -0 and +0 are the same value.
      for (auto* to : {&x, &y})
        for (float& v : std::span(reinterpret_cast<float*>(to->data()), n)) v += 0.0f;
    }
    if (!std::equal(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(bytes), y.begin())) return false;
  }
  return true;
}

/// The tensors of a file by canonical name; the first of two equal ones. Throws bert::error if two of one name differ.
[[nodiscard]] inline std::map<std::string, const io::stored_tensor*> by_canonical_name(const io::tensor_source& file,
                                                                                       std::string_view model_type = "bert") {
  std::map<std::string, const io::stored_tensor*> named;
  for (const io::stored_tensor& t : file.tensors())
    if (const auto [at, added] = named.emplace(canonical_name(t.name, model_type), &t); !added && !same_values(t, *at->second))
      throw_error({cat(file.where(), ", tensor \"", t.name, '"'), "one tensor for each parameter",
                   cat("also \"", at->second->name, "\", another name of the same"), "remove one of them"});
  return named;
}

inline void check_tensor(const io::tensor_source& file, const parameter& p, const io::stored_tensor& t) {
  std::vector<std::size_t> shape{static_cast<std::size_t>(p.rows)};
  if (p.cols != 0) shape.push_back(static_cast<std::size_t>(p.cols));
  const std::string where = cat(file.where(), ", tensor \"", t.name, '"');
  if (t.shape != shape)
    throw_error({where, io::shape_text(shape), io::shape_text(t.shape),
                 p.stem.starts_with("classifier.")
                     ? "the number of labels is that of \"id2label\" or \"num_labels\" in config.json"
                     : "load it as the model that it was saved from"});
  if (!is_floating(t.type))
    throw_error({where, "F32, F16, BF16 or F64", std::string(io::name_of(t.type)), "convert the weights to one of these"});
}

/// The error for a missing tensor. Points out a tensor of its name with an unknown prefix.
[[nodiscard]] inline error::facts missing_tensor(const io::tensor_source& file, const std::string& name,
                                                 std::string_view model_type) {
  const std::string encoder = std::string(model_type) + '.';
  error::facts f{file.where(), cat("a tensor \"", name, '"'), "none of that name",
                 name.starts_with(encoder) ? "is it the weights of another model?"
                                           : "the file lacks this head: load the encoder alone, or name another folder"};
  const std::string bare = name.starts_with(encoder) ? name.substr(encoder.size()) : name;
  for (const io::stored_tensor& t : file.tensors()) {
    if (t.name.size() <= bare.size() || !t.name.ends_with(bare)) continue;
    std::string_view prefix = std::string_view(t.name).substr(0, t.name.size() - bare.size());
    if (prefix.ends_with(encoder)) prefix.remove_suffix(encoder.size());
    if (prefix.empty()) continue;
    f.found += cat("; \"", t.name, "\" has the prefix \"", prefix, '"');
    f.hint = "save the model itself, not its wrapper";
    break;
  }
  return f;
}

/// Throws if `Model` reads a file's classifier without the file's CRF: its scores are emissions, whose softmax are no
/// probabilities of tags.
template <class Model, class Named>
void check_crf(const io::tensor_source& file, const Named& named) {
  if (!model_traits<Model>::has("classifier.weight") || model_traits<Model>::has("crf.transitions")) return;
  if (const auto t = named.find("crf.transitions"); t != named.end() && named.contains("classifier.weight"))
    throw_error({cat(file.where(), ", tensor \"", t->second->name, '"'),
                 "a classifier without a CRF, as the model's head has none", "a CRF over the classifier's scores",
                 "load it as a model with bert::heads::crf<Labels>"});
}

/// Throws unless a decoder that is stored beside the embeddings that it is tied to has their values.
inline void check_tied(const io::tensor_source& file, const io::stored_tensor& copy, const io::stored_tensor& of) {
  if (!same_values(copy, of))
    throw_error({cat(file.where(), ", tensor \"", copy.name, '"'), cat("the values of \"", of.name, "\", to which it is tied"),
                 "others", "a masked-LM head of its own decoder cannot be loaded"});
}

}  // namespace detail

/// The tensor of a file for each parameter of a model's table.
template <std::size_t N>
struct matched_weights {
  std::array<parameter, N> table;
  std::array<const io::stored_tensor*, N> sources{};  ///< nullptr for what may be missing and is
  bool pooler_missing = false;
  std::vector<std::string> skipped = {};  ///< tensors outside the encoder that no BERT has
};

/// Whether a file must have every head of a model, or may lack whole heads and the pooler.
enum class heads_in_file : std::uint8_t { all, some };

/// Finds every tensor of `Model`'s table in a file, under the rules of `load_weights`. A head of which the file has one tensor
/// must be whole, even where heads may be missing.
template <class Model>
[[nodiscard]] auto match_weights(const io::tensor_source& file, const open_sizes& sizes,
                                 heads_in_file wanted = heads_in_file::all) {
  using traits = model_traits<Model>;
  auto named = detail::by_canonical_name(file, traits::model_type);
  const auto find = [&](std::string_view name) -> const io::stored_tensor* {
    const auto at = named.find(std::string(name));
    return at == named.end() ? nullptr : at->second;
  };
  detail::check_crf<Model>(file, named);
  // A writer that stores shared tensors once may have kept the decoder's name.
  for (const auto& [tied, own] : {std::pair{decoder_weight, word_embeddings}, std::pair{decoder_bias, predictions_bias}})
    if (const auto* t = find(tied); t != nullptr && traits::has(predictions_bias)) {
      if (const auto* original = find(own)) detail::check_tied(file, *t, *original);
      else named[std::string(own)] = t;
    }

  const auto table = traits::table(sizes);
  matched_weights<table.size()> out{table};
  // Whether the file has none of the tensors of the module that tensor i belongs to.
  const auto lacks_module = [&](std::size_t i) {
    const auto [first, end] = Model::module_of(i);
    for (std::size_t k = first; k < end; ++k)
      if (find(table[k].name()) != nullptr) return false;
    return true;
  };
  for (std::size_t i = 0; i < table.size(); ++i) {
    const parameter& p = table[i];
    const auto* t = out.sources[i] = find(p.name());
    if (t != nullptr) detail::check_tensor(file, p, *t);
    else if (wanted == heads_in_file::some && (p.module == module_kind::head || p.module == module_kind::pooler) &&
             lacks_module(i))
      out.pooler_missing = out.pooler_missing || p.module == module_kind::pooler;
    else if (!Model::reads_pooler && p.stem.starts_with("bert.pooler.")) out.pooler_missing = true;
    else throw_error(detail::missing_tensor(file, traits::stored_name(p), traits::model_type));
  }
  for (const auto& [name, t] : named) {
    if (std::find(out.sources.begin(), out.sources.end(), t) != out.sources.end() || belongs_elsewhere(name)) continue;
    if (within_encoder(name))
      throw_error({cat(file.where(), ", tensor \"", t->name, '"'), "only tensors of a BERT of this size",
                   "one that it does not have", "load it as the model that it was saved from"});
    out.skipped.push_back(t->name);
  }
  return out;
}

/// A model from the tensors of a file.
///
/// Every tensor of `Model`'s table must exist, with its shape, in F32, F16, BF16 or F64. A pooler that no head reads may be
/// missing and is then initialized at random (standard deviation 0.02, seed 0). Skips other tensors outside the encoder, as
/// transformers does. Throws bert::error naming file, tensor, expected and found for a missing tensor, for one of another shape
/// or dtype, for an unknown name within the encoder, and for a weight that is not finite. `e` runs the conversion.
template <class Model, executor E = execution::serial>
[[nodiscard]] Model load_weights(const io::tensor_source& file, int vocab, const std::vector<std::string>& labels = {},
                                 const E& e = {}) {
  const auto found = match_weights<Model>(file, {.vocab = vocab, .labels = static_cast<int>(labels.size())});
  Model m = found.pooler_missing ? Model::random({.stddev = 0.02f, .seed = 0, .vocab = vocab, .labels = labels})
                                 : Model::blank(vocab, labels);
  for (std::size_t i = 0; i < found.table.size(); ++i)
    if (found.sources[i] != nullptr) io::to_checked_floats(*found.sources[i], file.where(), m.values(m.table()[i]), e);
  return m;
}

/// The same, but heads that the file lacks as a whole, and a pooler that it lacks, are initialized by `initial`; `lacked` gets
/// the names of their tensors. `initial.vocab` is the file's vocabulary.
template <class Model, executor E = execution::serial>
[[nodiscard]] Model load_or_initialize_weights(const io::tensor_source& file, const random_options& initial,
                                               std::vector<std::string>& lacked, const E& e = {}) {
  const auto found = match_weights<Model>(file, {.vocab = initial.vocab, .labels = static_cast<int>(initial.labels.size())},
                                          heads_in_file::some);
  const bool complete = std::all_of(found.sources.begin(), found.sources.end(), [](const auto* t) { return t != nullptr; });
  Model m = complete ? Model::blank(initial.vocab, initial.labels) : Model::random(initial);
  for (std::size_t i = 0; i < found.table.size(); ++i)
    if (found.sources[i] != nullptr) io::to_checked_floats(*found.sources[i], file.where(), m.values(m.table()[i]), e);
    else lacked.push_back(found.table[i].name());
  return m;
}

/// Throws bert::error naming the tensor and the element unless every weight is finite. `where` names the model in errors.
template <class Model>
void check_finite(const std::filesystem::path& where, const Model& m) {
  for (const parameter& p : m.table())
    if (const std::size_t i = first_not_finite(m.values(p)); i != all_finite)
      throw_error({cat(path_text(where), ", tensor \"", p.name(), '"'), "finite numbers",
                   cat(m.values(p)[i], " at ", i, ", to be written"), "the training went wrong; go back to an earlier state"});
}

/// A parameter of a model as a tensor of that name, without a copy.
template <class Model>
[[nodiscard]] io::stored_tensor stored_parameter(const Model& m, const parameter& p, const std::string& name) {
  std::vector<std::size_t> shape{static_cast<std::size_t>(p.rows)};
  if (p.cols != 0) shape.push_back(static_cast<std::size_t>(p.cols));
  return io::stored(name, m.values(p), std::move(shape));
}

/// Writes the weights in f32, directly from the model's memory, to a file that the caller commits. A model without heads gets
/// BertModel's names. The dense layer of sentence vectors has a file of its own (checkpoint/sentence_writer.hpp).
template <class Model>
void write_weights(io::atomic_file& file, const Model& m, const io::safetensors_metadata& metadata = {{"format", "pt"}}) {
  using traits = model_traits<Model>;
  const bool bare = std::string_view(traits::transformers_class()) == "BertModel";
  const std::string prefix = std::string(traits::model_type) + '.';
  std::vector<io::stored_tensor> tensors;
  for (const parameter& p : m.table()) {
    if (p.stem.starts_with(heads::sentence_dense_prefix)) continue;
    // BertModel alone has a pooler of its own; elsewhere it is a part of the classifier.
    if (traits::model_type != "bert" && !Model::reads_pooler && p.module == module_kind::pooler) continue;
    std::string name = traits::stored_name(p);
    if (bare && name.starts_with(prefix)) name.erase(0, prefix.size());
    tensors.push_back(stored_parameter(m, p, std::move(name)));
  }
  io::write_safetensors(file, tensors, metadata);
}

/// Writes the weights alone, atomically, without fingerprints of a folder. Throws bert::error for a weight that is not finite.
template <class Model>
void save_weights(const std::filesystem::path& path, const Model& m) {
  check_finite(path, m);
  io::atomic_file file(path);
  write_weights(file, m);
  file.commit();
}

}  // namespace bert::pipelines

#endif  // BERT_CHECKPOINT_WEIGHTS_HPP
