// The best epoch of a fine-tuning: its weights, the scores of all epochs, when to stop; kept in a file beside the state.
// Layer: training. Test: tests/unit/training/best_epoch_test.cpp
#ifndef BERT_TRAINING_BEST_EPOCH_HPP
#define BERT_TRAINING_BEST_EPOCH_HPP

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/parsed_number.hpp"
#include "bert/core/path.hpp"
#include "bert/training/state.hpp"

namespace bert::inline BERT_ISA::training {

/// The scores of the epochs so far, and the weights of the best: the first of equal ones.
class best_epoch {
 public:
  [[nodiscard]] const std::vector<double>& scores() const noexcept { return scores_; }
  /// The weights of the best epoch; empty before the first.
  [[nodiscard]] std::span<const float> weights() const noexcept { return weights_; }
  /// Epochs since the best.
  [[nodiscard]] std::size_t epochs_without_gain() const noexcept {
    return scores_.empty() ? 0 : scores_.size() - 1 - best_of(scores_);
  }

  /// Adds the score of the next epoch. Throws bert::error if it is not finite.
  void add(double score, std::span<const float> weights) {
    if (!std::isfinite(score)) throw_error({"bert::fit, keep_best", "a finite number", cat(score), {}});
    scores_.push_back(score);
    if (best_of(scores_) + 1 == scores_.size()) weights_.assign(weights.begin(), weights.end());
  }

  /// Writes scores and weights to a file.
  void write(const std::filesystem::path& path) {
    write_state(path, blocks(), scores_.size(), run_name, {{"scores", text_of(scores_)}});
  }
  /// Reads what `write` has written for `parameters` weights. Throws bert::error if the file is another, or damaged.
  void read(const std::filesystem::path& path, std::size_t parameters, std::uint64_t epochs) {
    weights_.resize(parameters);
    named_facts facts;
    const std::uint64_t count = read_state(path, blocks(), run_name, epochs, &facts);
    scores_.clear();
    for (const auto& [name, value] : facts)
      if (name == "scores") scores_ = numbers_of(value);
    if (scores_.size() != count || count == 0 ||
        !std::all_of(scores_.begin(), scores_.end(), [](double x) { return std::isfinite(x); }))
      throw_error({path_text(path), cat(count, " scores, one an epoch"), cat(scores_.size()), "remove it to start anew"});
  }

 private:
  static constexpr const char* run_name = "best epoch";

  [[nodiscard]] static std::size_t best_of(const std::vector<double>& scores) noexcept {
    return static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
  }
  [[nodiscard]] std::array<std::pair<const char*, std::span<float>>, 1> blocks() noexcept {
    return {{{"parameters", std::span<float>(weights_)}}};
  }
  /// Numbers such that reading them gives the same bits.
  [[nodiscard]] static std::string text_of(const std::vector<double>& numbers) {
    std::string text;
    std::array<char, 32> digits;
    for (const double x : numbers) {
      const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), x).ptr;
      text.append(text.empty() ? "" : " ").append(digits.data(), end);
    }
    return text;
  }
  [[nodiscard]] static std::vector<double> numbers_of(std::string_view text) {
    std::vector<double> numbers;
    while (!text.empty()) {
      const std::string_view word = text.substr(0, text.find(' '));
      const auto x = parsed_number<double>(word);
      if (!x) break;
      numbers.push_back(*x);
      text.remove_prefix(std::min(text.size(), word.size() + 1));
    }
    return numbers;
  }

  std::vector<double> scores_;
  std::vector<float> weights_;
};

}  // namespace bert::training

#endif  // BERT_TRAINING_BEST_EPOCH_HPP
