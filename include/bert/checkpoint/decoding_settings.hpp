// What a folder keeps of how its outputs are read: the key "bert" of config.json, which transformers does not read.
// Layer: checkpoint. Test: tests/unit/checkpoint/decoding_settings_test.cpp
#ifndef BERT_CHECKPOINT_DECODING_SETTINGS_HPP
#define BERT_CHECKPOINT_DECODING_SETTINGS_HPP

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/parsed_number.hpp"
#include "bert/io/json.hpp"

namespace bert::inline BERT_ISA {

/// Settings that were tuned with the weights and go with them, as the label names do:
///
///     bert::save("emotions", reader, tokenizer, {.thresholds = bert::evaluate(reader, dev).tuned_thresholds()});
///
/// config.json has them as "bert": {"thresholds": [0.4, 0.3], "no_answer": -1.5, "task": "rerank"}. `bert::pipeline::open`
/// reads with the thresholds unless its options have others.
struct decoding_settings {
  std::vector<float> thresholds = {};    ///< least probability of each label, where several may apply
  std::optional<double> no_answer = {};  ///< an answer is "" if its no_answer exceeds this
  std::string task = {};                 ///< "rerank": one score a pair of a query and a text

  [[nodiscard]] bool empty() const noexcept { return thresholds.empty() && !no_answer && task.empty(); }

  /// Those of a config.json; empty if it has none. Throws bert::error naming file and key for one of a wrong type.
  [[nodiscard]] static decoding_settings parse(const io::json& config, const std::string& where) {
    decoding_settings d;
    const auto found = config.find("bert");
    if (found == config.end() || !found->is_object()) return d;
    const std::string inside = where + ", \"bert\"";
    d.thresholds = io::value_or<std::vector<float>>(*found, "thresholds", inside, {});
    for (const float x : d.thresholds)
      if (!std::isfinite(x)) throw_error({inside + ", \"thresholds\"", "finite numbers", cat(x), {}});
    if (found->contains("no_answer")) d.no_answer = io::require<double>(*found, "no_answer", inside);
    d.task = io::value_or<std::string>(*found, "task", inside, "");
    return d;
  }
  /// Adds them to a config.json, unless there are none.
  void add_to(io::json& config) const {
    if (empty()) return;
    auto out = io::json::object();
    if (!thresholds.empty()) {
      auto list = io::json::array();
      for (const float x : thresholds) list.push_back(shortest(x));
      out["thresholds"] = std::move(list);
    }
    if (no_answer) out["no_answer"] = *no_answer;
    if (!task.empty()) out["task"] = task;
    config["bert"] = std::move(out);
  }

 private:
  /// The double of the fewest digits that rounds to `x`.
  static double shortest(float x) {
    std::array<char, 32> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), x).ptr;
    return *parsed_number<double>({digits.data(), static_cast<std::size_t>(end - digits.data())});
  }
};

}  // namespace bert

#endif  // BERT_CHECKPOINT_DECODING_SETTINGS_HPP
