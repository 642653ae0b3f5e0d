// A dense layer on one vector a sequence: what next-sentence prediction, classification, regression and choices share.
// Layer: heads. Test: tests/unit/heads/pooled_linear_test.cpp. Paper: Devlin et al. 2019.
//
//   logits[s,:] = drop(x[s,:]) W^T + b,  x the pooler's output or another reading (heads/reads.hpp)
#ifndef BERT_HEADS_POOLED_LINEAR_HPP
#define BERT_HEADS_POOLED_LINEAR_HPP

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "bert/core/fingerprint.hpp"
#include "bert/core/fixed_string.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/heads/reads.hpp"
#include "bert/model/tape.hpp"

namespace bert::inline BERT_ISA::heads {

/// `Outputs` values per sequence, or `label_rows` if the labels are known at run time only. Its tensors are named `Weight` and
/// `Bias`; `Dropout` says whether a training step's hidden dropout is applied to the vector that is read.
template <fixed_string Weight, fixed_string Bias, int Outputs, bool Dropout, class Reads = reads::pooler>
struct pooled_linear {
  static constexpr bool reads_pooler = Reads::reads_pooler;
  static constexpr bool reads_all_rows = Reads::reads_all_rows;
  static constexpr output_rows rows = output_rows::sequences;
  using reading = Reads;
  static constexpr int outputs = Outputs;
  /// The dropout site.
  static constexpr std::uint64_t site = key_of(Weight.view());

  /// What the tensors do not tell: a state of a classifier that reads [CLS] is none of one that reads the mean.
  [[nodiscard]] static named_facts fingerprint() {
    if constexpr (requires { std::string_view(Reads::pooling); })
      return {{"what the head reads", Reads::pooling.empty() ? "pooler" : std::string(Reads::pooling)}};
    else return {};
  }

  template <class A>
  static constexpr auto parameters() {
    return std::array<parameter, 2>{{
        {.stem = Weight.view(), .rows = Outputs, .cols = A::hidden},
        {.stem = Bias.view(), .rows = Outputs, .role = role::bias, .initial = initialization::zeros},
    }};
  }

  [[nodiscard]] static constexpr std::size_t count(const open_sizes& sizes) noexcept {
    return static_cast<std::size_t>(Outputs == label_rows ? sizes.labels : Outputs);
  }

  template <class A>
  class packed {
   public:
    static constexpr void carve(carver& c, const open_sizes& sizes) noexcept {
      c.take(kernels::packed_size(A::hidden, count(sizes)));
      c.take(count(sizes));
    }
    template <executor E>
    packed(const E& e, carver& c, const module_parameters<const float>& p, const open_sizes& sizes) noexcept
        : weight(kernels::pack_transposed(e, p.weight(0), c.take(kernels::packed_size(A::hidden, count(sizes))))),
          bias(std::copy_n(p[1], count(sizes), c.take(count(sizes))) - count(sizes)) {}

    kernels::packed weight;
    const float* bias;
  };

  /// Buffers of a session; `output()` is [sequences, outputs].
  template <class A>
  class workspace {
   public:
    constexpr workspace(carver& c, const batch_shape& s, const open_sizes& sizes) noexcept
        : outputs_(count(sizes)),
          logits_(c.take(s.sequences * outputs_)),
          read_(c.take(Reads::copies ? s.sequences * A::hidden : 0)) {}

    template <executor E>
    void run(const E& e, const packed<A>& p, const encoded& in) noexcept {
      rows_ = in.batch.sequences();
      const auto x = Reads::read(e, in, matrix<float>{read_, rows_, A::hidden});
      kernels::gemm(e, x, p.weight, kernels::epilogue::bias{matrix<float>{logits_, rows_, outputs_}, p.bias});
    }
    [[nodiscard]] auto output() const noexcept {
      if constexpr (Outputs == label_rows) return view<const float, dynamic, dynamic>(logits_, rows_, outputs_);
      else return view<const float, dynamic, Outputs>(logits_, rows_);
    }

   private:
    std::size_t outputs_, rows_ = 0;
    float *logits_, *read_;
  };

  /// Buffers of a training step. The objective overwrites `logits()` by its gradient before `backward`.
  template <class A>
  class tape {
   public:
    static constexpr std::size_t h = A::hidden;

    constexpr tape(carver& c, const batch_shape& s, const open_sizes& sizes) noexcept
        : outputs_(count(sizes)),
          read_(c.take(s.sequences * h)),
          d_(c.take(s.sequences * h)),
          logits_(c.take(s.sequences * outputs_)),
          packed_(c.take(layers::linear_scratch(s.sequences, h, outputs_, s))) {}

    [[nodiscard]] matrix<float> logits() const noexcept { return {logits_, rows_, outputs_}; }

    template <executor E>
    void forward(const E& e, const module_parameters<const float>& p, const encoded& in, const step_noise& noise) noexcept {
      rows_ = in.batch.sequences();
      const matrix<float> x{read_, rows_, h};
      const auto from = Reads::read(e, in, x);
      if (!Reads::copies) std::copy_n(from.data, rows_ * h, read_);
      kernels::apply_dropout(e, drop(noise), x);
      layers::linear_forward(e, x, p.weight(0), kernels::epilogue::bias{logits(), p[1]}, packed_);
    }

    template <executor E>
    void backward(const E& e, const module_parameters<const float>& p, const module_parameters<float>& g, const encoded& in,
                  matrix<float> d_hidden, matrix<float> d_pooled, const step_noise& noise) noexcept {
      const matrix<float> x{read_, rows_, h}, d{d_, rows_, h};
      layers::linear_backward(e, x, p.weight(0), logits(), g.weight(0), g[1], kernels::epilogue::store{d}, packed_,
                              kernels::gradients::added, in.groups.sequences);
      kernels::apply_dropout(e, drop(noise), d);
      Reads::add_gradient(e, in, d, d_hidden, d_pooled);
    }

   private:
    static constexpr kernels::dropout drop(const step_noise& noise) noexcept {
      return Dropout ? noise.hidden_at(site, noise.before.sequences) : kernels::dropout{};
    }

    std::size_t outputs_, rows_ = 0;
    float *read_, *d_, *logits_, *packed_;
  };
};

}  // namespace bert::heads

#endif  // BERT_HEADS_POOLED_LINEAR_HPP
