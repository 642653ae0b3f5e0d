// A Hugging Face folder, opened and written: config.json, model.safetensors, vocab.txt, tokenizer_config.json.
// Layer: checkpoint. Test: tests/unit/checkpoint/checkpoint_test.cpp; against transformers: tools/checkpoint_parity/run
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "bert/checkpoint/fingerprint.hpp"
#include "bert/checkpoint/model_config.hpp"
#include "bert/checkpoint/stored_parameters.hpp"
#include "bert/checkpoint/tokenizer_files.hpp"
#include "bert/checkpoint/weights.hpp"
#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/io/atomic_folder.hpp"
#include "bert/io/json.hpp"
#include "bert/io/safetensors.hpp"
#include "bert/model/model.hpp"

namespace bert::inline BERT_ISA {

/// A folder that holds a BERT. Opening it reads config.json alone; weights are mapped when a model is loaded.
///
///     const bert::checkpoint files{"bert-base-uncased"};
///     const auto model = files.load<bert::model<bert::arch::base_uncased, bert::heads::masked_lm>>();
class checkpoint {
 public:
  /// Throws bert::error if the folder or its config.json cannot be read, or names no BERT.
  explicit checkpoint(std::filesystem::path folder) : folder_(std::move(folder)), config_(open_config(folder_)) {}

  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_; }
  [[nodiscard]] const model_config& config() const noexcept { return config_; }
  /// Throws bert::error if the folder holds no vocabulary, a damaged one, or not the one that was saved with its weights.
  [[nodiscard]] text::tokenizer tokenizer() const {
    auto t = pipelines::read_tokenizer(folder_);
    pipelines::check_vocabulary(folder_, t.vocabulary());
    return t;
  }

  /// The class names of a `Model` of this checkpoint: its type's, or config.json's where that leaves them open. Throws as
  /// `load` does.
  template <class Model>
  [[nodiscard]] std::vector<std::string> label_names() const {
    auto open = labels_of<Model>();
    return pipelines::model_traits<Model>::open_labels ? std::move(open) : pipelines::model_traits<Model>::static_labels();
  }

  /// The weights as a `Model`. Throws bert::error unless config.json agrees with its architecture, the class names with its
  /// labels, and every tensor with its table (see load_weights). `e` runs the copying.
  template <class Model, executor E = execution::serial>
  [[nodiscard]] Model load(const E& e = {}) const {
    const auto labels = labels_of<Model>();
    return pipelines::load_weights<Model>(open_weights(), config_.vocab, labels, e);
  }

  /// `bert::freeze<Precision>(load<Model>())`, the same bits, without the model in between: packed straight from the
  /// mapped file. Throws as `load` does. `e` runs reading and packing.
  ///
  ///     const auto fast = files.freeze<masked_bert>(bert::execution::threads{2});
  template <class Model, class Precision = precision::f32, executor E = execution::serial>
  [[nodiscard]] frozen<Model, Precision> freeze(const E& e = {}) const {
    const auto labels = labels_of<Model>();
    return pipelines::freeze_weights<Model, Precision>(open_weights(),
                                                       {.vocab = config_.vocab, .labels = static_cast<int>(labels.size())}, e);
  }

 private:
  /// The class names of a `Model` of this checkpoint where its type leaves them open. Throws unless type and config.json agree.
  template <class Model>
  [[nodiscard]] std::vector<std::string> labels_of() const {
    using traits = pipelines::model_traits<Model>;
    config_.check<typename Model::architecture>();
    if constexpr (traits::open_labels) {
      return config_.labels.empty() ? std::vector<std::string>{"LABEL_0", "LABEL_1"} : config_.labels;
    } else {
      check_labels(traits::static_labels());
      return {};
    }
  }

  static model_config open_config(const std::filesystem::path& folder) {
    if (!std::filesystem::is_directory(folder))
      throw error({folder.string(), "the folder of a checkpoint",
                   std::filesystem::exists(folder) ? "no folder" : "nothing of that name",
                   "name the folder that holds config.json and model.safetensors"});
    return model_config::read(folder / "config.json");
  }

  [[nodiscard]] io::safetensors open_weights() const {
    const auto path = folder_ / "model.safetensors";
    if (!std::filesystem::exists(path))
      throw error({folder_.string(), "model.safetensors",
                   std::filesystem::exists(folder_ / "pytorch_model.bin") ? "pytorch_model.bin alone" : "no weights",
                   "open it in transformers and save_pretrained() it, which writes model.safetensors"});
    io::safetensors weights(path);
    pipelines::check_config(weights, config_, folder_);
    return weights;
  }

  // Numbers say nothing of their order, so names that differ mean that the classes do. "LABEL_0", … are no names.
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
      throw error({config_.where + ", \"id2label\"", listed(wanted), listed(config_.labels),
                   "give the label set these names in this order"});
  }

  std::filesystem::path folder_;
  model_config config_;
};

namespace pipelines::detail {

// Everything that can be wrong with the content is found here, before a file is touched.
template <class A, class... Heads>
void write_model(io::atomic_folder& out, const model<A, Heads...>& m, io::safetensors_metadata facts) {
  using traits = model_traits<model<A, Heads...>>;
  auto config = model_config::of<A>(m.sizes().vocab, traits::labels_of(m));
  config.architectures = {traits::transformers_class()};
  auto j = config.to_json();
  for (const parameter& p : m.table())
    if (p.stem == "classifier.weight" && p.rows == 1 && config.labels.empty()) {
      // What makes transformers give the head one output.
      j["id2label"]["0"] = "LABEL_0";
      j["label2id"]["LABEL_0"] = 0;
    }
  facts[sizes_key] = sizes_fingerprint(config);
  facts[labels_key] = labels_fingerprint(config.labels);
  out.file("config.json").write(io::to_text(j));
  write_weights(out.file("model.safetensors"), m, facts);
}

}  // namespace pipelines::detail

/// Throws what `save` would throw for `folder`, as far as it can be known before: something in the way, no permission. For
/// programs that want to know before hours of work. Changes nothing.
inline void check_save(const std::filesystem::path& folder) {
  io::check_output_folder(folder);
  std::error_code ignored;
  if (std::filesystem::is_directory(folder, ignored))
    for (const char* name : {"config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"})
      io::check_output_file(folder / name);
}

/// Writes a folder that bert::checkpoint and transformers both open, making it if need be, as one act (see io::atomic_folder):
/// an error on the way leaves the folder as it was. The weights say which vocabulary and sizes they were saved with, and
/// bert::checkpoint refuses others.
///
/// Throws bert::error if something cannot be written, if the vocabulary has more pieces than the model, if a weight is not
/// finite, or if a label is no UTF-8.
template <class A, class... Heads, class Reference>
void save(const std::filesystem::path& folder, const model<A, Heads...>& m, const text::basic_tokenizer<Reference>& tokenizer) {
  if (tokenizer.size() > static_cast<std::size_t>(m.sizes().vocab))
    throw error({folder.string(), cat("a vocabulary of at most ", m.sizes().vocab, " pieces, as the model has"),
                 cat(tokenizer.size()), "save the model with its own tokenizer"});
  pipelines::check_finite(folder / "model.safetensors", m);
  io::atomic_folder out(folder);
  pipelines::write_tokenizer(out, tokenizer, A::positions);
  pipelines::detail::write_model(
      out, m, {{"format", "pt"}, {pipelines::vocabulary_key, pipelines::vocabulary_fingerprint(tokenizer.vocabulary())}});
  out.commit();
}

/// The same without a tokenizer: config.json and model.safetensors.
template <class A, class... Heads>
void save(const std::filesystem::path& folder, const model<A, Heads...>& m) {
  pipelines::check_finite(folder / "model.safetensors", m);
  io::atomic_folder out(folder);
  pipelines::detail::write_model(out, m, {{"format", "pt"}});
  out.commit();
}

}  // namespace bert
