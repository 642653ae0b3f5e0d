// A learned projection of a student's hidden states into its teacher's size, one for all layers; of use in training alone.
// Layer: heads. Test: tests/unit/objectives/distil/distil_test.cpp. Paper: Jiao et al. 2020, "TinyBERT", section 3.1.
//
//   y[n,:] = hidden_l[n,:] W^T + b    for each layer l that an objective asks for
#ifndef BERT_HEADS_HIDDEN_PROJECTION_HPP
#define BERT_HEADS_HIDDEN_PROJECTION_HPP

#include <array>
#include <cstddef>
#include <type_traits>

#include "bert/core/isa.hpp"
#include "bert/model/tape.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::heads {

/// W [Outputs, H], b [Outputs], of which a smaller teacher uses the first rows. An objective projects what it taps, replaces
/// each result by its gradient and passes that on:
///
///     auto& head = tape.template head<bert::heads::hidden_projection<768>>();
///     const auto y = head.project(e, tape.hidden(l));        // [N, 768]
///     … replace y by its gradient …
///     head.pass_on(e, y, tape.d_hidden(l));                  // adds to the tap's gradient
///
/// The gradients of W and b are summed over layers in the order of the calls, so replicas share their bits only where one layer
/// is projected. After the training, `with_head` leaves the head out.
template <int Outputs>
struct hidden_projection {
  static_assert(Outputs > 0);
  static constexpr bool reads_pooler = false, reads_all_rows = false;
  static constexpr std::size_t outputs = Outputs;

  template <class A>
  static constexpr auto parameters() {
    return std::array<parameter, 2>{{
        {.stem = "distil.projection.weight", .rows = Outputs, .cols = A::hidden},
        {.stem = "distil.projection.bias", .rows = Outputs, .role = role::bias, .initial = initialization::zeros},
    }};
  }

  template <class>
  struct packed {
    static constexpr void carve(carver&, const open_sizes&) noexcept {}
    template <executor E>
    packed(const E&, carver&, const module_parameters<const float>&, const open_sizes&) noexcept {}
  };

  /// A session computes nothing here; `output()` has no rows.
  template <class A>
  struct workspace {
    constexpr workspace(carver&, const batch_shape&, const open_sizes&) noexcept {}
    template <executor E>
    void run(const E&, const packed<A>&, const encoded&) noexcept {}
    [[nodiscard]] static view<const float, dynamic, Outputs> output() noexcept {
      return view<const float, dynamic, Outputs>(nullptr, 0);
    }
  };

  template <class A>
  class tape {
    static constexpr std::size_t h = A::hidden, most = std::size_t{A::layers} + 1;

   public:
    constexpr tape(carver& c, const batch_shape& s, const open_sizes&) noexcept
        : packed_(c.take(layers::linear_scratch(s.tokens, h, outputs, s))) {
      for (float*& y : projected_) y = c.take(s.tokens * outputs);
    }

    /// The first `size` columns of x W^T + b, of hidden states x [N, H] that must stay until the backward pass; at most one
    /// call for each layer and the embeddings in a step, all of one size.
    template <executor E>
    [[nodiscard]] matrix<float> project(const E& e, matrix<const float> x, std::size_t size = outputs) noexcept {
      size_ = size;
      inputs_[count_] = x;
      const matrix<float> y{projected_[count_++], x.rows, size};
      layers::linear_forward(e, x, weight_.block(0, size), kernels::epilogue::bias{y, bias_}, packed_);
      return y;
    }
    /// d_x += d_y W
    template <executor E>
    void pass_on(const E& e, matrix<const float> d_y, matrix<float> d_x) noexcept {
      layers::linear_input_gradient(e, weight_.block(0, size_), d_y, kernels::epilogue::add{d_x, kernels::gradients::added},
                                    packed_);
    }

    template <executor E>
    void forward(const E&, const module_parameters<const float>& p, const encoded&, const step_noise&) noexcept {
      weight_ = p.weight(0);
      bias_ = p[1];
      count_ = 0;
    }
    template <executor E>
    void backward(const E& e, const module_parameters<const float>&, const module_parameters<float>& g, const encoded& in,
                  matrix<float>, matrix<float>, const step_noise&) noexcept {
      const matrix<float> d_w = g[0] == nullptr ? matrix<float>{} : g.weight(0).block(0, size_);
      for (std::size_t i = 0; i < count_; ++i)
        layers::linear_weight_gradient(e, inputs_[i], matrix<float>{projected_[i], inputs_[i].rows, size_}, d_w, g[1], packed_,
                                       kernels::gradients::added, in.groups.tokens);
    }

   private:
    float* packed_;
    std::array<float*, most> projected_{};
    std::array<matrix<const float>, most> inputs_{};
    matrix<const float> weight_{};
    const float* bias_ = nullptr;
    std::size_t count_ = 0, size_ = outputs;
  };
};

/// Whether a head is a projection of hidden states.
template <class Head>
struct is_projection : std::false_type {};
template <int Outputs>
struct is_projection<hidden_projection<Outputs>> : std::true_type {};

}  // namespace bert::heads

#endif  // BERT_HEADS_HIDDEN_PROJECTION_HPP
