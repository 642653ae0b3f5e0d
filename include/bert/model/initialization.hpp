// How the weights of a new model are initialized.
// Layer: model. Test: tests/unit/model/initialization_test.cpp
// Papers: Devlin et al. 2019; Trockman and Kolter 2023, "Mimetic initialization of self-attention layers".
#ifndef BERT_MODEL_INITIALIZATION_HPP
#define BERT_MODEL_INITIALIZATION_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA {

/// How position embeddings, and the attention heads that read them, are initialized. All of them are trained.
enum class position_initialization : std::uint8_t {
  normal,    ///< like the other embeddings, as in Devlin et al. 2019
  neighbors  ///< some heads attend to a token's neighbors from the first step on; see initialize_neighbors
};

/// Weights and embeddings are normal with mean 0 and standard deviation `stddev`, biases 0, gains 1. Each tensor depends on the
/// seed and its name alone, not on the model's heads.
struct random_options {
  float stddev = 0.02f;
  std::uint64_t seed = 0;
  int vocab = 0;                         ///< required if the architecture leaves the vocabulary open
  std::vector<std::string> labels = {};  ///< required if a head leaves its labels open
  position_initialization positions = position_initialization::normal;
};

namespace detail {

/// The tensors that `position_initialization::neighbors` initializes, in any module that has them.
inline constexpr std::string_view position_table = "bert.embeddings.position_embeddings.weight",
                                  query_weights = "attention.self.query.weight", key_weights = "attention.self.key.weight";

/// The frequency of pair k of D/2: w_k = pi x + 0.6 x (1 - x), x = (k + 1/2) / (D/2). With evenly spaced frequencies, sum_k
/// cos(w_k d) would be zero except at multiples of D, with the peak of d = 0 again at multiples of 2 D. With the quadratic term
/// it is less than 0.3 of the peak (D = 64) at all of the 511 other distances.
[[nodiscard]] inline double neighbor_frequency(std::size_t k, std::size_t pairs) noexcept {
  const double x = (static_cast<double>(k) + 0.5) / static_cast<double>(pairs);
  return std::numbers::pi * x + 0.6 * x * (1 - x);
}

/// Number of heads of layer l that are initialized to attend to a neighbor: four in the first layer, two in the next two.
[[nodiscard]] constexpr std::size_t neighbor_heads(std::size_t layer, std::size_t heads) noexcept {
  return std::min(heads, layer == 0 ? std::size_t{4} : layer < 3 ? std::size_t{2} : std::size_t{0});
}

/// The offset to which head h of layer l attends: -1, 1, -2, 2, …; each layer one further.
[[nodiscard]] constexpr int neighbor_shift(std::size_t layer, std::size_t head) noexcept {
  const int distance = static_cast<int>(1 + layer + head / 2);
  return head % 2 == 0 ? -distance : distance;
}

/// p[t, 2k] = a sin(w_k t),  p[t, 2k+1] = a cos(w_k t),  k < D/2;  p[t, j] = 0 for j >= D;  a = sqrt(8) stddev
///
/// Writes `p` [positions, H]. A position occupies the first D columns; with four heads its squared norm is a token embedding's.
inline void initialize_positions(matrix<float> p, std::size_t head_dim, float stddev) noexcept {
  const std::size_t pairs = head_dim / 2;
  const double amplitude = std::sqrt(8.0) * static_cast<double>(stddev);
  for (std::size_t t = 0; t < p.rows; ++t) {
    std::fill_n(p.row(t), p.cols, 0.0f);
    for (std::size_t k = 0; k < pairs; ++k) {
      const double angle = neighbor_frequency(k, pairs) * static_cast<double>(t);
      p(t, 2 * k) = static_cast<float>(amplitude * std::sin(angle));
      p(t, 2 * k + 1) = static_cast<float>(amplitude * std::cos(angle));
    }
  }
}

/// W_h[2k..2k+1, 2k..2k+1] += s R(w_k shift),  R the rotation that takes pair k of position t to that of position t + shift
///
/// Adds to the first D columns of the D rows of each neighbor head, in the weight `w` [H, H] of the query, or of the key
/// (`key`), whose shift is 0. Then q_n . k_m = s^2 sum_k cos(w_k (n + shift - m)) + noise: the head attends to m = n + shift.
/// With s^2 = 3.2 / sqrt(D) the score there, after the first norm, is some 4 to 5 above all others: e^4 among 128 is a third to
/// a half of the attention.
///
/// Why: a masked token is predicted from its neighbors, which a head finds by position only. From random weights that takes
/// thousands of steps, in which the loss stays near that of predicting by topic. Mini on English Wikipedia after 3,000 steps of
/// 32 x 128 tokens: masked-LM loss 3.86 with it, 5.83 without (docs/training.md).
inline void initialize_neighbors(matrix<float> w, std::size_t layer, std::size_t head_dim, bool key) noexcept {
  const std::size_t pairs = head_dim / 2;
  const double s = std::sqrt(3.2 / std::sqrt(static_cast<double>(head_dim)));
  for (std::size_t h = 0; h < neighbor_heads(layer, w.rows / head_dim); ++h)
    for (std::size_t k = 0; k < pairs; ++k) {
      const double angle = key ? 0.0 : neighbor_frequency(k, pairs) * neighbor_shift(layer, h);
      const auto along = static_cast<float>(s * std::cos(angle)), across = static_cast<float>(s * std::sin(angle));
      const std::size_t row = h * head_dim + 2 * k, col = 2 * k;
      w(row, col) += along;
      w(row, col + 1) += across;
      w(row + 1, col) -= across;
      w(row + 1, col + 1) += along;
    }
}

}  // namespace detail
}  // namespace bert

#endif  // BERT_MODEL_INITIALIZATION_HPP
