// Converts the variables of Google's BERT to the tensors of transformers: names, and kernels transposed.
// Layer: checkpoint. Test: tests/unit/checkpoint/tensorflow_names_test.cpp
// Names: modeling.py, run_pretraining.py, run_classifier.py and run_squad.py of google-research/bert
#ifndef BERT_CHECKPOINT_TENSORFLOW_NAMES_HPP
#define BERT_CHECKPOINT_TENSORFLOW_NAMES_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "bert/core/isa.hpp"
#include "bert/io/stored_tensor.hpp"

namespace bert::inline BERT_ISA::pipelines {

/// Whether a variable is the optimizer's: Adam's moments, the step.
[[nodiscard]] inline bool optimizer_variable(std::string_view name) noexcept {
  constexpr std::array ends{"/adam_m", "/adam_v", "/Adam", "/Adam_1"};
  constexpr std::array whole{"global_step", "beta1_power", "beta2_power"};
  return std::any_of(ends.begin(), ends.end(), [&](std::string_view e) { return name.ends_with(e); }) ||
         std::find(whole.begin(), whole.end(), name) != whole.end();
}

/// "bert/encoder/layer_0/output/dense/kernel" -> "bert.encoder.layer.0.output.dense.weight". Other names keep their parts, with
/// points between them.
[[nodiscard]] inline std::string name_of_variable(std::string_view variable) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 7> heads{
      {{"cls/predictions/output_bias", "cls.predictions.bias"},
       {"cls/seq_relationship/output_weights", "cls.seq_relationship.weight"},
       {"cls/seq_relationship/output_bias", "cls.seq_relationship.bias"},
       {"cls/squad/output_weights", "qa_outputs.weight"},
       {"cls/squad/output_bias", "qa_outputs.bias"},
       {"output_weights", "classifier.weight"},
       {"output_bias", "classifier.bias"}}};
  for (const auto& [from, to] : heads)
    if (variable == from) return std::string(to);
  std::string name;
  for (std::string_view rest = variable; !rest.empty();) {
    const std::size_t end = std::min(rest.find('/'), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!name.empty()) name += '.';
    const bool last = rest.empty();
    if (part.starts_with("layer_") && part.find_first_not_of("0123456789", 6) == std::string_view::npos)
      name.append("layer.").append(part.substr(6));
    else if (last && (part == "kernel" || part == "gamma")) name += "weight";
    else if (last && part == "beta") name += "bias";
    else if (last && part.ends_with("_embeddings")) name.append(part).append(".weight");
    else name += part;
  }
  return name;
}

/// A variable as the tensor of transformers; none if it is the optimizer's. A kernel [inputs, outputs] becomes a weight
/// [outputs, inputs] over the same bytes.
[[nodiscard]] inline std::optional<io::stored_tensor> tensor_of_variable(io::stored_tensor variable) {
  if (optimizer_variable(variable.name)) return std::nullopt;
  const bool kernel = variable.name == "kernel" || variable.name.ends_with("/kernel");
  variable.name = name_of_variable(variable.name);
  if (kernel && variable.shape.size() == 2) {
    std::swap(variable.shape[0], variable.shape[1]);
    variable.strides = {1, variable.shape[0]};
  }
  return variable;
}

}  // namespace bert::pipelines

#endif  // BERT_CHECKPOINT_TENSORFLOW_NAMES_HPP
