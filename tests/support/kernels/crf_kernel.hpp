// Description of the CRF: losses of sequences of words, gradients of emissions, starts, ends and transitions.
// Layer: tests
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/kernels/loss/crf.hpp"
#include "bert/kernels/reference/crf.hpp"
#include "support/kernels/arrays.hpp"

namespace bert::test {

/// Which transitions a CRF allows: any; those of BIO, tag 0 O, odd ones B, even ones I; or every other of all.
enum class crf_rules { any, bio, sparse };

/// The table of `rules` for `tags` tags: start, end, from and to.
[[nodiscard]] inline std::vector<float> crf_table(crf_rules rules, std::size_t tags) {
  std::vector<float> allowed(tags * (tags + 2), 1.0f);
  const auto inside = [](std::size_t j) { return j > 0 && j % 2 == 0; };
  for (std::size_t j = 0; j < tags; ++j) {
    if (rules == crf_rules::bio && inside(j)) allowed[j] = 0;
    if (rules == crf_rules::sparse && j % 3 == 1) allowed[j] = 0;
    if (rules == crf_rules::sparse && j % 3 == 2) allowed[tags + j] = 0;
    for (std::size_t i = 0; i < tags; ++i) {
      if (rules == crf_rules::bio && inside(j) && i != j && i + 1 != j) allowed[(2 + i) * tags + j] = 0;
      if (rules == crf_rules::sparse && (i + 2 * j) % 4 == 1) allowed[(2 + i) * tags + j] = 0;
    }
  }
  return allowed;
}

/// Sequences of `lengths` words whose rows lie apart in the emissions.
struct crf_kernel {
  static constexpr float output_gradient = 0.375f;

  std::vector<std::size_t> lengths;
  std::size_t tags = 9;
  crf_rules rules = crf_rules::bio;
  float size = 1;  ///< emissions and weights are multiplied by it

  [[nodiscard]] std::string label() const { return cat(lengths.size(), " x ", words(), " x ", tags, ", size ", size); }
  [[nodiscard]] std::size_t words() const {
    std::size_t n = 0;
    for (const auto l : lengths) n += l;
    return n;
  }
  /// One row lies before each sequence.
  [[nodiscard]] std::size_t rows() const { return words() + lengths.size(); }
  [[nodiscard]] sizes inputs() const { return {rows() * tags, tags * (tags + 2)}; }
  [[nodiscard]] sizes outputs() const { return {lengths.size()}; }
  [[nodiscard]] double backward_bytes() const { return 4.0 * static_cast<double>(words() * tags * 2); }
  static bool adds(std::size_t) { return false; }
  static bool has_gradient(std::size_t) { return true; }

  [[nodiscard]] std::vector<std::size_t> starts() const {
    std::vector<std::size_t> all{0};
    for (const auto l : lengths) all.push_back(all.back() + l);
    return all;
  }
  [[nodiscard]] std::vector<std::uint32_t> word_rows() const {
    std::vector<std::uint32_t> all;
    std::uint32_t row = 0;
    for (const auto l : lengths) {
      ++row;
      for (std::size_t t = 0; t < l; ++t) all.push_back(row++);
    }
    return all;
  }
  /// A path that the rules allow, for each sequence: from word to word the next allowed tag but a few.
  [[nodiscard]] std::vector<std::int32_t> path() const {
    const auto allowed = crf_table(rules, tags);
    std::vector<std::int32_t> all;
    for (std::size_t s = 0; s < lengths.size(); ++s) {
      std::size_t tag = 0;
      for (std::size_t t = 0; t < lengths[s]; ++t) {
        const auto fits = [&](std::size_t j) {
          return (t == 0 ? allowed[j] != 0 : allowed[(2 + tag) * tags + j] != 0) &&
                 (t + 1 < lengths[s] || allowed[tags + j] != 0);
        };
        std::size_t next = (tag + 5 * s + 3 * t + 1) % tags;
        for (std::size_t i = 0; i < tags && !fits(next); ++i) next = (next + 1) % tags;
        tag = next;
        all.push_back(static_cast<std::int32_t>(tag));
      }
    }
    return all;
  }
  template <class T>
  [[nodiscard]] arrays<T> scaled(const arrays<T>& in) const {
    auto out = in;
    for (auto& a : out)
      for (auto& x : a) x *= static_cast<T>(size);
    return out;
  }

  /// Losses, and gradients in place of the inputs.
  template <executor E>
  void run(const E& e, arrays<float>& in, std::vector<double>& losses, float scale) const {
    const auto allowed = crf_table(rules, tags);
    const auto at = starts();
    const auto word = word_rows();
    const auto tag = path();
    const auto share = kernels::crf_share(tags), width = kernels::crf_width(tags);
    array<float> scratch(kernels::crf_scratch(tags, words(), lengths.size())), shares(lengths.size() * share);
    std::vector<std::int32_t> right(lengths.size());
    array<float> weights = in[1];
    const float* w = weights.data();
    const kernels::crf c{tags, w, w + tags, w + 2 * tags, allowed.data()};
    losses.assign(lengths.size(), 0);
    kernels::crf_loss(e, c, {at, word}, {in[0].data(), rows(), tags}, tag, losses.data(), right.data(), shares.data(), scale,
                      scratch.data());
    for (std::size_t i = 0; i < tags + 2; ++i)
      for (std::size_t j = 0; j < tags; ++j) {
        float sum = 0;
        for (std::size_t s = 0; s < lengths.size(); ++s) sum += shares[s * share + i * width + j];
        in[1][i * tags + j] = sum;
      }
  }
  template <executor E>
  void forward(const E& e, const arrays<float>& in, arrays<float>& out) const {
    auto copy = scaled(in);
    std::vector<double> losses;
    run(e, copy, losses, 0.0f);
    for (std::size_t s = 0; s < losses.size(); ++s) out[0][s] = static_cast<float>(losses[s]);
  }
  template <executor E>
  void backward(const E& e, const arrays<float>& in, const arrays<float>&, arrays<float>& d_in) const {
    auto copy = scaled(in);
    for (std::size_t s = 0, row = 0; s < lengths.size(); row += lengths[s++] + 1)
      std::fill_n(copy[0].begin() + static_cast<std::ptrdiff_t>(row * tags), tags, 0.0f);  // rows of no word
    std::vector<double> losses;
    run(e, copy, losses, output_gradient * size);
    d_in = copy;
  }

  template <class T, class Body>
  void each(const arrays<T>& in, const Body& body) const {
    const auto allowed = crf_table(rules, tags);
    const auto tag = path();
    const auto x = scaled(in);
    const kernels::reference::crf<T> c{tags, x[1], allowed};
    std::size_t row = 0, word = 0;
    for (std::size_t s = 0; s < lengths.size(); ++s) {
      ++row;
      if (lengths[s] > 0)
        body(s, c, matrix<const T>{x[0].data() + row * tags, lengths[s], tags}, std::span(tag).subspan(word, lengths[s]), row);
      row += lengths[s], word += lengths[s];
    }
  }
  template <class T>
  void reference(const arrays<T>& in, arrays<T>& out) const {
    std::fill(out[0].begin(), out[0].end(), T(0));
    array<T> d_x(in[0].size()), d_w(in[1].size());
    each(in, [&](std::size_t s, const auto& c, matrix<const T> x, std::span<const std::int32_t> tag, std::size_t row) {
      out[0][s] =
          kernels::reference::crf_loss(c, x, tag, matrix<T>{d_x.data() + row * tags, x.rows, tags}, std::span<T>(d_w), T(1));
    });
  }
  template <class T>
  void reference_backward(const arrays<T>& in, const arrays<T>&, arrays<T>& d_in) const {
    for (auto& a : d_in) std::fill(a.begin(), a.end(), T(0));
    each(in, [&](std::size_t, const auto& c, matrix<const T> x, std::span<const std::int32_t> tag, std::size_t row) {
      (void)kernels::reference::crf_loss(c, x, tag, matrix<T>{d_in[0].data() + row * tags, x.rows, tags}, std::span<T>(d_in[1]),
                                         T(output_gradient) * T(size));
    });
  }
};

}  // namespace bert::test
