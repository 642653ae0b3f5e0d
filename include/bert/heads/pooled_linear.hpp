// A dense layer on the pooler's output: what next-sentence prediction, classification and regression share.
// Layer: heads. Test: tests/unit/heads/pooled_linear_test.cpp. Paper: Devlin et al. 2019.
//
//   logits[s,:] = drop(pooled[s,:]) W^T + b
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "bert/core/fixed_string.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/model/tape.hpp"

namespace bert::inline BERT_ISA::heads {

/// `Outputs` values per sequence, or `label_rows` if the labels are known at run time only. Its tensors are named `Weight` and
/// `Bias`; `Dropout` says whether a training step's hidden dropout is applied to the pooled vector.
template <fixed_string Weight, fixed_string Bias, int Outputs, bool Dropout>
struct pooled_linear {
  static constexpr bool reads_pooler = true;
  static constexpr bool reads_all_rows = false;
  static constexpr int outputs = Outputs;
  /// The dropout site.
  static constexpr std::uint64_t site = key_of(Weight.view());

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
        : outputs_(count(sizes)), logits_(c.take(s.sequences * outputs_)) {}

    template <executor E>
    void run(const E& e, const packed<A>& p, const encoded& in) noexcept {
      rows_ = in.pooled.rows;
      kernels::gemm(e, in.pooled, p.weight, kernels::epilogue::bias{matrix<float>{logits_, rows_, outputs_}, p.bias});
    }
    [[nodiscard]] auto output() const noexcept {
      if constexpr (Outputs == label_rows) return view<const float, dynamic, dynamic>(logits_, rows_, outputs_);
      else return view<const float, dynamic, Outputs>(logits_, rows_);
    }

   private:
    std::size_t outputs_, rows_ = 0;
    float* logits_;
  };

  /// Buffers of a training step. The objective overwrites `logits()` by its gradient before `backward`.
  template <class A>
  class tape {
   public:
    static constexpr std::size_t h = A::hidden;

    constexpr tape(carver& c, const batch_shape& s, const open_sizes& sizes) noexcept
        : outputs_(count(sizes)),
          pooled_(c.take(s.sequences * h)),
          d_(c.take(s.sequences * h)),
          logits_(c.take(s.sequences * outputs_)),
          packed_(c.take(layers::linear_scratch(s.sequences, h, outputs_, s.leaves))) {}

    [[nodiscard]] matrix<float> logits() const noexcept { return {logits_, rows_, outputs_}; }

    template <executor E>
    void forward(const E& e, const module_parameters<const float>& p, const encoded& in, const step_noise& noise) noexcept {
      rows_ = in.pooled.rows;
      const matrix<float> pooled{pooled_, rows_, h};
      std::copy_n(in.pooled.data, rows_ * h, pooled_);
      kernels::apply_dropout(e, drop(noise), pooled);
      layers::linear_forward(e, pooled, p.weight(0), kernels::epilogue::bias{logits(), p[1]}, packed_);
    }

    template <executor E>
    void backward(const E& e, const module_parameters<const float>& p, const module_parameters<float>& g, const encoded& in,
                  matrix<float>, matrix<float> d_pooled, const step_noise& noise) noexcept {
      const matrix<float> pooled{pooled_, rows_, h}, d{d_, rows_, h};
      layers::linear_backward(e, pooled, p.weight(0), logits(), g.weight(0), g[1], kernels::epilogue::store{d}, packed_,
                              kernels::gradients::added, in.groups.sequences);
      kernels::apply_dropout(e, drop(noise), d);
      kernels::add_in_place(e, d, d_pooled);
    }

   private:
    static constexpr kernels::dropout drop(const step_noise& noise) noexcept {
      return Dropout ? noise.hidden_at(site, noise.before.sequences) : kernels::dropout{};
    }

    std::size_t outputs_, rows_ = 0;
    float *pooled_, *d_, *logits_, *packed_;
  };
};

}  // namespace bert::heads
