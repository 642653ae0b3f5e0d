// The pooled first token itself, as BertModel returns it.
// Layer: heads. Test: tests/unit/heads/pooled_linear_test.cpp. Paper: Devlin et al. 2019, 3.2.
#ifndef BERT_HEADS_POOLED_HPP
#define BERT_HEADS_POOLED_HPP

#include "bert/core/isa.hpp"
#include "bert/heads/without_tensors.hpp"
#include "bert/model/tape.hpp"

namespace bert::inline BERT_ISA::heads {

/// A head without tensors: its output is the pooler's.
struct pooled : without_tensors {
  static constexpr bool reads_pooler = true;
  static constexpr bool reads_all_rows = false;

  template <class A>
  class workspace {
   public:
    constexpr workspace(carver&, const batch_shape&, const open_sizes&) noexcept {}
    template <executor E>
    void run(const E&, const packed<A>&, const encoded& in) noexcept {
      output_ = view<const float, dynamic, A::hidden>(in.pooled.data, in.pooled.rows);
    }
    [[nodiscard]] view<const float, dynamic, A::hidden> output() const noexcept { return output_; }

   private:
    view<const float, dynamic, A::hidden> output_;
  };
  /// Buffers of a training step. An objective adds the gradient with respect to `output()` [S, H] to `d_output()`, which
  /// `forward` clears.
  template <class A>
  class tape {
   public:
    constexpr tape(carver& c, const batch_shape& s, const open_sizes&) noexcept : d_output_(c.take(s.sequences * A::hidden)) {}

    [[nodiscard]] matrix<const float> output() const noexcept { return output_; }
    [[nodiscard]] matrix<float> d_output() const noexcept { return {d_output_, output_.rows, A::hidden}; }

    template <executor E>
    void forward(const E& e, const module_parameters<const float>&, const encoded& in, const step_noise&) noexcept {
      output_ = in.pooled;
      kernels::clear(e, {d_output_, output_.rows * A::hidden});
    }
    template <executor E>
    void backward(const E& e, const module_parameters<const float>&, const module_parameters<float>&, const encoded&,
                  matrix<float>, matrix<float> d_pooled, const step_noise&) noexcept {
      kernels::add_in_place(e, d_output(), d_pooled);
    }

   private:
    matrix<const float> output_;
    float* d_output_;
  };
};

}  // namespace bert::heads

#endif  // BERT_HEADS_POOLED_HPP
