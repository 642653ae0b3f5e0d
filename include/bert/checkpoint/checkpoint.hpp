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

#include "bert/checkpoint/model_config.hpp"
#include "bert/checkpoint/stored_parameters.hpp"
#include "bert/checkpoint/tokenizer_files.hpp"
#include "bert/checkpoint/weights.hpp"
#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/io/atomic_file.hpp"
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
  /// Throws bert::error if the folder holds no vocabulary, or a damaged one.
  [[nodiscard]] text::tokenizer tokenizer() const { return pipelines::read_tokenizer(folder_); }

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
    return io::safetensors(path);
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

template <class A, class... Heads>
void save_model(const std::filesystem::path& folder, const model<A, Heads...>& m) {
  using traits = model_traits<model<A, Heads...>>;
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) throw error({folder.string(), "a folder to write to", failed.message(), "check the path and its permissions"});
  auto config = model_config::of<A>(m.sizes().vocab, traits::labels_of(m));
  config.architectures = {traits::transformers_class()};
  save_weights(folder / "model.safetensors", m);
  auto j = config.to_json();
  for (const parameter& p : m.table())
    if (p.stem == "classifier.weight" && p.rows == 1 && config.labels.empty()) {
      // What makes transformers give the head one output.
      j["id2label"]["0"] = "LABEL_0";
      j["label2id"]["LABEL_0"] = 0;
    }
  io::write_file(folder / "config.json", io::to_text(j));
}

}  // namespace pipelines::detail

/// Writes a folder that bert::checkpoint and transformers both open, making it if need be; each file is replaced atomically.
/// Throws bert::error if something cannot be written, or if the vocabulary has more pieces than the model.
template <class A, class... Heads, class Reference>
void save(const std::filesystem::path& folder, const model<A, Heads...>& m, const text::basic_tokenizer<Reference>& tokenizer) {
  if (tokenizer.size() > static_cast<std::size_t>(m.sizes().vocab))
    throw error({folder.string(), cat("a vocabulary of at most ", m.sizes().vocab, " pieces, as the model has"),
                 cat(tokenizer.size()), "save the model with its own tokenizer"});
  pipelines::detail::save_model(folder, m);
  pipelines::write_tokenizer(folder, tokenizer, A::positions);
}

/// The same without a tokenizer: config.json and model.safetensors.
template <class A, class... Heads>
void save(const std::filesystem::path& folder, const model<A, Heads...>& m) {
  pipelines::detail::save_model(folder, m);
}

}  // namespace bert
