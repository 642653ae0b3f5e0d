// Opens model folders, of Hugging Face or of Google's BERT, and writes those of Hugging Face.
// Layer: checkpoint. Test: tests/unit/checkpoint/checkpoint_test.cpp; against transformers: tools/checkpoint_parity/run
#ifndef BERT_CHECKPOINT_CHECKPOINT_HPP
#define BERT_CHECKPOINT_CHECKPOINT_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/checkpoint/decoding_settings.hpp"
#include "bert/checkpoint/fingerprint.hpp"
#include "bert/checkpoint/model_config.hpp"
#include "bert/checkpoint/sentence_files.hpp"
#include "bert/checkpoint/sentence_writer.hpp"
#include "bert/checkpoint/stored_parameters.hpp"
#include "bert/checkpoint/tokenizer_files.hpp"
#include "bert/checkpoint/weight_files.hpp"
#include "bert/checkpoint/weights.hpp"
#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/atomic_folder.hpp"
#include "bert/io/json.hpp"
#include "bert/io/safetensors.hpp"
#include "bert/model/model.hpp"

namespace bert::inline BERT_ISA {

/// A folder with a BERT: of Hugging Face, or of Google with bert_config.json and bert_model.ckpt. Opening it reads the
/// configuration alone; weights are mapped when a model is loaded (weight_files lists their forms).
///
///     const bert::checkpoint files{"bert-base-uncased"};
///     const auto model = files.load<bert::model<bert::arch::base_uncased, bert::heads::masked_lm>>();
class checkpoint {
 public:
  /// Throws bert::error if the folder or its configuration cannot be read, or if that is no BERT's.
  explicit checkpoint(std::filesystem::path folder)
      : folder_(std::move(folder)), files_(files_of(folder_)), config_(model_config::read(pipelines::config_file(files_))) {}

  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_; }
  /// The folder of configuration, weights and tokenizer: `folder()`, or the folder in it that modules.json names.
  [[nodiscard]] const std::filesystem::path& files() const noexcept { return files_; }
  [[nodiscard]] const model_config& config() const noexcept { return config_; }
  /// Throws bert::error if the folder has no vocabulary, a damaged one, or not the one that was saved with its weights. Appends
  /// the guesses that were made to `notes`, if given.
  [[nodiscard]] text::tokenizer tokenizer(pipelines::reading_notes* notes = nullptr) const {
    auto t = pipelines::read_tokenizer(files_, notes);
    pipelines::check_vocabulary(files_, t.vocabulary());
    return t;
  }
  /// The folder's settings for sentence vectors. Throws bert::error naming file and key for settings that are not supported.
  [[nodiscard]] sentence_settings sentences() const { return pipelines::read_sentence_settings(folder_); }

  /// Whether the weights have every tensor of a `Model`, its heads included. Throws as `load` does for files that cannot be
  /// read.
  template <class Model>
  [[nodiscard]] bool holds() const {
    const auto file = open_weights<Model>();
    const auto named = pipelines::detail::by_canonical_name(file, pipelines::model_traits<Model>::model_type);
    const auto table = pipelines::model_traits<Model>::table({.vocab = config_.vocab, .labels = 1});
    return std::all_of(table.begin(), table.end(), [&](const parameter& p) {
      return named.contains(p.name()) ||
             (p.stem == pipelines::word_embeddings && named.contains(std::string(pipelines::decoder_weight))) ||
             (p.stem == pipelines::predictions_bias && named.contains(std::string(pipelines::decoder_bias)));
    });
  }
  /// Tensors that `load<Model>` skips or initializes at random, each a line for the user. Throws as `load` does.
  template <class Model>
  [[nodiscard]] pipelines::reading_notes notes() const {
    const auto labels = labels_of<Model>();
    const auto file = open_weights<Model>();
    const auto found =
        pipelines::match_weights<Model>(file, {.vocab = config_.vocab, .labels = static_cast<int>(labels.size())});
    pipelines::reading_notes out;
    if (found.pooler_missing && config_.model_type == "bert")
      out.push_back(file.where() + " has no pooler; it is initialized at random");
    for (const auto& name : found.skipped)
      out.push_back(cat(file.where(), ", tensor \"", name, "\": no part of a BERT, not used"));
    return out;
  }

  /// The class names of a `Model` of this checkpoint: its type's, or config.json's if the type leaves them open. Throws as
  /// `load` does.
  template <class Model>
  [[nodiscard]] std::vector<std::string> label_names() const {
    auto open = labels_of<Model>();
    return pipelines::model_traits<Model>::open_labels ? std::move(open) : pipelines::model_traits<Model>::static_labels();
  }

  /// The weights as a `Model`. Throws bert::error unless config.json agrees with its architecture, the class names with its
  /// labels, and every tensor with its table (see load_weights). `e` runs the conversion.
  template <class Model, executor E = execution::serial>
  [[nodiscard]] Model load(const E& e = {}) const {
    const auto labels = labels_of<Model>();
    return pipelines::load_weights<Model>(open_weights<Model>(), config_.vocab, labels, e);
  }

  /// The same for weights to go on with: a head that the folder lacks as a whole, and a pooler that it lacks, are initialized
  /// by `initial`; each is a line of `notes`, if given. Throws as `load` does, for a tensor that lacks in a head that is there,
  /// too.
  ///
  ///     auto model = files.load_or_initialize<bert::model_for<arch, objective>>({.seed = 42}, &notes);
  template <class Model, executor E = execution::serial>
  [[nodiscard]] Model load_or_initialize(random_options initial, pipelines::reading_notes* notes = nullptr,
                                         const E& e = {}) const {
    initial.vocab = config_.vocab;
    initial.labels = labels_of<Model>();
    const auto file = open_weights<Model>();
    std::vector<std::string> lacked;
    Model m = pipelines::load_or_initialize_weights<Model>(file, initial, lacked, e);
    if (notes != nullptr)
      for (const auto& name : lacked)
        notes->push_back(cat(file.where(), " has no tensor \"", name, "\"; it is initialized, with the seed ", initial.seed));
    return m;
  }

  /// The bits of `bert::freeze<Precision>(load<Model>())`, packed directly from the mapped file, without the model in between.
  /// Throws as `load` does. `e` runs reading and packing.
  ///
  ///     const auto fast = files.freeze<masked_bert>(bert::execution::threads{2});
  template <class Model, class Precision = precision::f32, executor E = execution::serial>
  [[nodiscard]] frozen<Model, Precision> freeze(const E& e = {}) const {
    const auto labels = labels_of<Model>();
    return pipelines::freeze_weights<Model, Precision>(open_weights<Model>(),
                                                       {.vocab = config_.vocab, .labels = static_cast<int>(labels.size())}, e);
  }

 private:
  /// The class names of config.json if the type of `Model` leaves them open, else none. Throws unless type and config.json
  /// agree.
  template <class Model>
  [[nodiscard]] std::vector<std::string> labels_of() const {
    using traits = pipelines::model_traits<Model>;
    config_.check<typename Model::architecture>();
    check_use(traits::transformers_class(), traits::open_labels || !traits::static_labels().empty(), traits::problem_type());
    if (traits::has("classifier.weight")) check_pooling(traits::classifier_pooling());
    check_sentences(static_cast<const Model*>(nullptr));
    if constexpr (traits::open_labels) {
      return config_.labels.empty() ? std::vector<std::string>{"LABEL_0", "LABEL_1"} : config_.labels;
    } else {
      check_labels(traits::static_labels());
      return {};
    }
  }

  static std::filesystem::path files_of(const std::filesystem::path& folder) {
    if (!std::filesystem::is_directory(folder))
      throw_error({path_text(folder), "the folder of a checkpoint",
                   std::filesystem::exists(folder) ? "no folder" : "nothing of that name",
                   "name the folder that holds config.json and the weights"});
    return pipelines::transformer_folder(folder);
  }

  template <class Model>
  [[nodiscard]] weight_files open_weights() const {
    weight_files weights(files_);
    pipelines::check_config(weights, config_, folder_);
    if constexpr (pipelines::model_traits<Model>::has(heads::sentence_dense_weight)) {
      const auto dense = sentences().dense();
      if (dense.size() == 1) weights.add(dense.front().folder, heads::sentence_dense_prefix);
    }
    return weights;
  }

  template <class A, class... Heads>
  void check_sentences(const model<A, Heads...>*) const {
    using head = typename pipelines::first_saved_embedding<Heads...>::type;
    if constexpr (!std::is_void_v<head>) pipelines::check_sentence_head<head, A>(sentences(), folder_);
  }

  // Classifiers of one tensor name are of several classes of transformers; config.json says which.
  void check_use(std::string_view wanted, bool has_labels, std::string_view problem) const {
    constexpr std::array<std::string_view, 3> classifiers{"BertForSequenceClassification", "BertForTokenClassification",
                                                          "BertForMultipleChoice"};
    if (std::find(classifiers.begin(), classifiers.end(), wanted) == classifiers.end()) return;
    const auto& listed = config_.architectures;
    if (std::find(listed.begin(), listed.end(), wanted) == listed.end())
      for (const auto other : classifiers)
        if (std::find(listed.begin(), listed.end(), other) != listed.end())
          throw_error({config_.where + ", \"architectures\"", std::string(wanted), std::string(other),
                       "its classifier is of another kind"});
    if (wanted == "BertForMultipleChoice") return;
    if (!problem.empty()) {
      if (config_.problem_type != problem)
        throw_error({config_.where + ", \"problem_type\"", cat(problem, ", any number of labels a text"),
                     config_.problem_type.empty() ? "none" : config_.problem_type,
                     "load a classifier of one label a text with heads::classify, or set \"problem_type\""});
    } else if (wanted == "BertForTokenClassification" || !has_labels) {
      if (wanted == "BertForSequenceClassification" && !config_.problem_type.empty() && config_.problem_type != "regression")
        throw_error({config_.where + ", \"problem_type\"", "regression, as the model has one score", config_.problem_type, {}});
    } else {
      if (!config_.problem_type.empty() && config_.problem_type != "single_label_classification")
        throw_error({config_.where + ", \"problem_type\"", "single_label_classification, one class of several a text",
                     config_.problem_type, "a classifier's softmax would give other scores"});
      if (config_.labels.size() == 1)
        throw_error({config_.where + ", \"id2label\"", "two classes or more",
                     "one label: the model gives one score, as a "
                     "regression or a cross-encoder does",
                     "load it as one with a regression head"});
    }
    if (has_labels && !config_.label_fault.empty())
      throw_error({config_.where + ", \"id2label\"", "a name of its own for each class, from \"0\" on", config_.label_fault,
                   "name the classes in config.json"});
  }

  void check_pooling(std::string_view wanted) const {
    if (config_.classifier_pooling == wanted) return;
    const auto said = [](std::string_view name) { return name.empty() ? "none, the pooler" : std::string(name); };
    throw_error({config_.where + ", \"classifier_pooling\"", said(wanted), said(config_.classifier_pooling),
                 "load it with the reading that it was trained with: heads::classify<labels, heads::reads::…>"});
  }

  // The order of the classes is known by their names alone, so names must agree. "LABEL_0", … are no names.
  void check_labels(const std::vector<std::string>& wanted) const {
    const auto listed = [](const std::vector<std::string>& names) {
      std::string text;
      for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
      return text;
    };
    bool unnamed = true;
    for (std::size_t i = 0; i < config_.labels.size(); ++i)
      unnamed = unnamed && config_.labels[i] == "LABEL_" + std::to_string(i);
    if (!wanted.empty() && !unnamed && wanted != config_.labels)
      throw_error({config_.where + ", \"id2label\"", listed(wanted), listed(config_.labels),
                   "give the label set these names in this order"});
  }

  std::filesystem::path folder_, files_;
  model_config config_;
};

namespace pipelines::detail {

// Finds every fault of the content before a file is changed.
template <class A, class... Heads>
void write_model(io::atomic_folder& out, const model<A, Heads...>& m, const decoding_settings& decoding,
                 io::safetensors_metadata facts) {
  using traits = model_traits<model<A, Heads...>>;
  auto config = model_config::of<A>(m.sizes().vocab, traits::labels_of(m));
  config.architectures = {traits::transformers_class()};
  config.problem_type = traits::problem_type();
  config.classifier_pooling = traits::classifier_pooling();
  config.decoding = decoding;
  for (const char* stale : stale_weight_files) out.remove(stale);
  auto j = config.to_json();
  for (const parameter& p : m.table())
    if (p.stem == "classifier.weight" && p.rows == 1 && config.labels.empty() &&
        config.architectures.front() != "BertForMultipleChoice") {
      // Tells transformers that the head has one output.
      j["id2label"]["0"] = "LABEL_0";
      j["label2id"]["LABEL_0"] = 0;
    }
  facts[sizes_key] = sizes_fingerprint(config);
  facts[labels_key] = labels_fingerprint(config.labels);
  out.file("config.json").write(io::to_text(j));
  write_sentence_files(out, m);
  write_weights(out.file("model.safetensors"), m, facts);
}

}  // namespace pipelines::detail

/// Throws what `save` would throw for `folder`, as far as it can be known before: no permission, or a path that is no regular
/// file. For programs that check their output before hours of work. Changes nothing.
inline void check_save(const std::filesystem::path& folder) {
  io::check_output_folder(folder);
  std::error_code ignored;
  if (std::filesystem::is_directory(folder, ignored))
    for (const char* name : {"config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"})
      io::check_output_file(folder / name);
}

/// Writes a folder that bert::checkpoint and transformers both open, atomically (see io::atomic_folder): an error leaves the
/// folder unchanged. Makes the folder if it does not exist. The weights' metadata name the vocabulary and sizes that they were
/// saved with, and bert::checkpoint refuses others. `decoding` holds settings that are kept with the model.
///
/// Throws bert::error if a file cannot be written, if the vocabulary has more pieces than the model, if a weight is not finite,
/// or if a label is not UTF-8.
template <class A, class... Heads, class Reference>
void save(const std::filesystem::path& folder, const model<A, Heads...>& m, const text::basic_tokenizer<Reference>& tokenizer,
          const decoding_settings& decoding = {}) {
  if (tokenizer.size() > static_cast<std::size_t>(m.sizes().vocab))
    throw_error({path_text(folder), cat("a vocabulary of at most ", m.sizes().vocab, " pieces, as the model has"),
                 cat(tokenizer.size()), "save the model with its own tokenizer"});
  pipelines::check_finite(folder / "model.safetensors", m);
  io::atomic_folder out(folder);
  pipelines::write_tokenizer(out, tokenizer, A::positions);
  pipelines::detail::write_model(
      out, m, decoding,
      {{"format", "pt"}, {pipelines::vocabulary_key, pipelines::vocabulary_fingerprint(tokenizer.vocabulary())}});
  out.commit();
}

/// The same without a tokenizer: config.json and model.safetensors.
template <class A, class... Heads>
void save(const std::filesystem::path& folder, const model<A, Heads...>& m) {
  pipelines::check_finite(folder / "model.safetensors", m);
  io::atomic_folder out(folder);
  pipelines::detail::write_model(out, m, {}, {{"format", "pt"}});
  out.commit();
}

}  // namespace bert

#endif  // BERT_CHECKPOINT_CHECKPOINT_HPP
