// SpanBERT's boundary head: the tokens of a masked span from the two tokens around it.
// Layer: heads. Test: tests/unit/heads/span_boundary_test.cpp. Paper: Joshi et al. 2020, "SpanBERT", 2.2.
#ifndef BERT_HEADS_SPAN_BOUNDARY_HPP
#define BERT_HEADS_SPAN_BOUNDARY_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bert/core/isa.hpp"
#include "bert/heads/tied_decoder.hpp"
#include "bert/model/tape.hpp"

namespace bert::inline BERT_ISA::heads {

/// The two tokens around the span of a scored position, and its place in the span. A span is a run of scored positions of a
/// sequence; at an end of the sequence, where no token is beyond, the span's own first or last takes its place.
struct span_place {
  std::uint32_t left = 0, right = 0, offset = 0;
};

/// Calls use(r, span_place) for each scored position, r counted from 0.
template <class Use>
void for_each_span_place(const token_batch& batch, Use&& use) noexcept {
  const auto scored = batch.scored();
  const auto starts = batch.starts();
  std::size_t sequence = 0;
  for (std::size_t r = 0; r < scored.size();) {
    while (starts[sequence + 1] <= scored[r]) ++sequence;
    std::size_t end = r + 1;
    while (end < scored.size() && scored[end] == scored[end - 1] + 1 && scored[end] < starts[sequence + 1]) ++end;
    const std::uint32_t first = scored[r], last = scored[end - 1];
    const std::uint32_t left = first > starts[sequence] ? first - 1 : first,
                        right = last + std::size_t{1} < starts[sequence + 1] ? last + 1 : last;
    for (std::uint32_t offset = 0; r < end; ++r, ++offset) use(r, span_place{left, right, offset});
  }
}

/// x_i = [hidden[s-1,:]; hidden[e+1,:]; P[:,i-s]],  token i of the span s..e
/// t_i = norm2(activation(W2 norm1(activation(W1 x_i + b1)) + b2));  logits_i = t_i E^T + b,  E the token embeddings
///
/// Logits over the vocabulary at the scored positions from the tokens around their spans. Places beyond `longest` have no
/// embedding: their row has zeros in its place, and objectives::span_boundary does not count them.
struct span_boundary {
  static constexpr bool reads_pooler = false;
  static constexpr bool reads_scored = true;
  static constexpr int longest = 20;          ///< tokens of a span that have a place, as in the paper's code
  static constexpr int place_features = 200;  ///< of an embedding of a place

  enum tensor : std::size_t {
    bias,
    places,
    first_weight,
    first_bias,
    first_gain,
    first_shift,
    second_weight,
    second_bias,
    second_gain,
    second_shift
  };

  template <class A>
  static constexpr auto parameters() {
    constexpr int h = A::hidden;
    constexpr auto zeros = initialization::zeros, ones = initialization::ones;
    return std::array<parameter, 10>{{
        {.stem = "cls.span_boundary.bias", .rows = vocabulary_rows, .role = role::bias, .initial = zeros},
        {.stem = "cls.span_boundary.places.weight", .rows = place_features, .cols = longest},
        {.stem = "cls.span_boundary.first.dense.weight", .rows = h, .cols = 2 * h + place_features},
        {.stem = "cls.span_boundary.first.dense.bias", .rows = h, .role = role::bias, .initial = zeros},
        {.stem = "cls.span_boundary.first.LayerNorm.weight", .rows = h, .role = role::norm, .initial = ones},
        {.stem = "cls.span_boundary.first.LayerNorm.bias", .rows = h, .role = role::norm, .initial = zeros},
        {.stem = "cls.span_boundary.second.dense.weight", .rows = h, .cols = h},
        {.stem = "cls.span_boundary.second.dense.bias", .rows = h, .role = role::bias, .initial = zeros},
        {.stem = "cls.span_boundary.second.LayerNorm.weight", .rows = h, .role = role::norm, .initial = ones},
        {.stem = "cls.span_boundary.second.LayerNorm.bias", .rows = h, .role = role::norm, .initial = zeros},
    }};
  }

  /// x_i of all scored positions, and what is needed to scatter its gradient.
  template <class A>
  class inputs {
   public:
    static constexpr std::size_t h = A::hidden, features = place_features, width = 2 * h + features, places = longest;

    constexpr inputs(carver& c, std::size_t rows) noexcept
        : left_(c.template take<std::uint32_t>(rows)),
          right_(c.template take<std::uint32_t>(rows)),
          one_hot_(c.take(rows * places)),
          x_(c.take(rows * width)) {}

    template <executor E>
    void find(const E& e, const encoded& in) noexcept {
      rows_ = in.batch.scored().size();
      std::fill_n(one_hot_, rows_ * places, 0.0f);
      for_each_span_place(in.batch, [&](std::size_t r, const span_place& p) {
        left_[r] = p.left;
        right_[r] = p.right;
        if (p.offset < places) one_hot_[r * places + p.offset] = 1.0f;
      });
      kernels::gather_rows(e, in.hidden, lefts(), x().columns(0, h));
      kernels::gather_rows(e, in.hidden, rights(), x().columns(h, h));
    }
    /// d_hidden[left,:] += d_x[:,0:h],  d_hidden[right,:] += d_x[:,h:2h]; rows of one span share both, in the order of rows.
    template <executor E>
    void scatter(const E& e, matrix<const float> d_x, matrix<float> d_hidden) const noexcept {
      kernels::for_each_column_range(e, h, [&](std::size_t first, std::size_t last) {
        for (std::size_t r = 0; r < rows_; ++r) {
          float *const to_left = d_hidden.row(left_[r]), *const to_right = d_hidden.row(right_[r]);
          const float* const from = d_x.row(r);
          for (std::size_t i = first; i < last; ++i) to_left[i] += from[i];
          for (std::size_t i = first; i < last; ++i) to_right[i] += from[h + i];
        }
      });
    }
    [[nodiscard]] matrix<float> x() const noexcept { return {x_, rows_, width}; }
    [[nodiscard]] matrix<float> one_hot() const noexcept { return {one_hot_, rows_, places}; }
    [[nodiscard]] std::size_t rows() const noexcept { return rows_; }

   private:
    [[nodiscard]] std::span<const std::uint32_t> lefts() const noexcept { return {left_, rows_}; }
    [[nodiscard]] std::span<const std::uint32_t> rights() const noexcept { return {right_, rows_}; }

    std::uint32_t *left_, *right_;
    float *one_hot_, *x_;
    std::size_t rows_ = 0;
  };

  template <class A, class P = precision::f32>
  class packed {
   public:
    static constexpr std::size_t h = A::hidden, width = inputs<A>::width, places_size = place_features * longest;

    static constexpr void carve(carver& c, const open_sizes& sizes) noexcept {
      const auto vocab = static_cast<std::size_t>(sizes.vocab);
      c.take(P::weight_size(width, h));
      c.take(P::weight_size(h, h));
      c.take(P::weight_size(h, vocab));
      c.take(places_size);
      for (int i = 0; i < 6; ++i) c.take(h);
      c.take(vocab);
    }

    template <executor E>
    packed(const E& e, carver& c, const module_parameters<const float>& p, const open_sizes& sizes) noexcept
        : first(P::pack(e, p.weight(tensor::first_weight), c.take(P::weight_size(width, h)))),
          second(P::pack(e, p.weight(tensor::second_weight), c.take(P::weight_size(h, h)))),
          decoder(P::pack(e, p.word, c.take(P::weight_size(h, p.word.rows)))),
          places(layers::packed_copy(c, p[tensor::places], places_size)),
          first_bias(layers::packed_copy(c, p[tensor::first_bias], h)),
          first_gain(layers::packed_copy(c, p[tensor::first_gain], h)),
          first_shift(layers::packed_copy(c, p[tensor::first_shift], h)),
          second_bias(layers::packed_copy(c, p[tensor::second_bias], h)),
          second_gain(layers::packed_copy(c, p[tensor::second_gain], h)),
          second_shift(layers::packed_copy(c, p[tensor::second_shift], h)),
          bias(layers::packed_copy(c, p[tensor::bias], static_cast<std::size_t>(sizes.vocab))) {}

    typename P::weight first, second, decoder;
    const float *places, *first_bias, *first_gain, *first_shift, *second_bias, *second_gain, *second_shift, *bias;
  };

  /// Buffers of a session; `output()` is [scored, V].
  template <class A, class P = precision::f32>
  class workspace {
   public:
    static constexpr std::size_t h = A::hidden, width = inputs<A>::width;

    constexpr workspace(carver& c, const batch_shape& s, const open_sizes& sizes) noexcept
        : vocab_(static_cast<std::size_t>(sizes.vocab)),
          inputs_(c, s.scored),
          dense_(c.take(s.scored * h)),
          operand_(c.take(P::template operand_size<float>(s.scored, width))),
          normed_(c.take(P::template operand_size<float>(s.scored, h))),
          logits_(c.take(s.scored * vocab_)) {}

    template <executor E>
    void run(const E& e, const packed<A, P>& p, const encoded& in) noexcept {
      inputs_.find(e, in);
      const std::size_t rows = inputs_.rows();
      const matrix<float> x = inputs_.x(), dense{dense_, rows, h};
      for (std::size_t r = 0; r < rows; ++r) {  // one column of the places, or none
        std::fill_n(x.row(r) + 2 * h, place_features, 0.0f);
        for (std::size_t i = 0; i < longest; ++i)
          if (inputs_.one_hot()(r, i) != 0)
            for (std::size_t f = 0; f < place_features; ++f) x(r, 2 * h + f) = p.places[f * longest + i];
      }
      using activation = layers::activation_of<A>;
      P::multiply(e, P::convert(e, matrix<const float>{x}, operand_), p.first,
                  kernels::epilogue::bias_activation<activation>{dense, p.first_bias, {}});
      const layers::stored_by<P> first{P::reserve(dense, normed_)};
      kernels::layer_norm(e, dense, p.first_gain, p.first_shift, A::norm_epsilon, dense, nullptr, nullptr, first);
      P::multiply(e, first.operand, p.second,
                  kernels::epilogue::bias_activation<activation>{matrix<float>{x.data, rows, h}, p.second_bias, {}});
      const matrix<float> second_dense{x.data, rows, h};
      const layers::stored_by<P> second{P::reserve(second_dense, operand_)};
      kernels::layer_norm(e, second_dense, p.second_gain, p.second_shift, A::norm_epsilon, second_dense, nullptr, nullptr,
                          second);
      P::multiply(e, second.operand, p.decoder, kernels::epilogue::bias{matrix<float>{logits_, rows, vocab_}, p.bias});
    }
    [[nodiscard]] view<const float, dynamic, A::vocab> output() const noexcept {
      if constexpr (A::vocab == dynamic) return view<const float, dynamic, dynamic>(logits_, inputs_.rows(), vocab_);
      else return view<const float, dynamic, A::vocab>(logits_, inputs_.rows());
    }

   private:
    std::size_t vocab_;
    inputs<A> inputs_;
    float *dense_, *operand_, *normed_, *logits_;
  };

  /// Buffers of a training step. The objective overwrites `logits()` [scored, V], of stride tape_stride(V), by its gradient
  /// before `backward`.
  template <class A>
  class tape {
   public:
    static constexpr std::size_t h = A::hidden, width = inputs<A>::width;
    using decoder = tied_decoder<A>;

    constexpr tape(carver& c, const batch_shape& s, const open_sizes& sizes) noexcept
        : vocab_(static_cast<std::size_t>(sizes.vocab)),
          inputs_(c, s.scored),
          d_x_(c.take(s.scored * width)),
          first_(c, s.scored),
          second_(c, s.scored),
          d_(c.take(s.scored * h)),
          logits_(c.take(s.scored * layers::tape_stride(vocab_))),
          packed_(c.take(std::max({decoder::scratch(s.scored, vocab_, s), layers::linear_scratch(s.scored, width, h, s),
                                   layers::linear_scratch(s.scored, h, h, s),
                                   layers::linear_scratch(s.scored, longest, place_features, s)}))) {}

    [[nodiscard]] matrix<float> logits() const noexcept {
      return {logits_, inputs_.rows(), vocab_, layers::tape_stride(vocab_)};
    }

    template <executor E>
    void forward(const E& e, const module_parameters<const float>& p, const encoded& in, const step_noise&) noexcept {
      inputs_.find(e, in);
      const std::size_t rows = inputs_.rows();
      if (rows == 0) return;
      layers::linear_forward(e, inputs_.one_hot(), p.weight(tensor::places),
                             kernels::epilogue::store{inputs_.x().columns(2 * h, place_features)}, packed_);
      first_.forward(e, inputs_.x(), p, tensor::first_weight, packed_);
      second_.forward(e, first_.normed(rows), p, tensor::second_weight, packed_);
      decoder::forward(e, second_.normed(rows), p.word, p[tensor::bias], logits(), packed_);
    }

    template <executor E>
    void backward(const E& e, const module_parameters<const float>& p, const module_parameters<float>& g, const encoded& in,
                  matrix<float> d_hidden, matrix<float>, const step_noise&) noexcept {
      const std::size_t rows = inputs_.rows();
      if (rows == 0) return;
      const auto& groups = in.groups.scored;
      const matrix<float> d{d_, rows, h}, d_x{d_x_, rows, width}, d_first{second_.scratch(), rows, h};
      decoder::backward(e, second_.normed(rows), p.word, logits(), g.word, g[tensor::bias], d, packed_, groups);
      second_.backward(e, first_.normed(rows), p, g, tensor::second_weight, d, d_first, packed_, groups);
      first_.backward(e, inputs_.x(), p, g, tensor::first_weight, d_first, d_x, packed_, groups);
      layers::linear_weight_gradient(e, inputs_.one_hot(), d_x.columns(2 * h, place_features), g.weight(tensor::places),
                                     nullptr, packed_, kernels::gradients::added, groups);
      inputs_.scatter(e, d_x, d_hidden);
    }

   private:
    // norm(activation(W x + b)); its four tensors follow each other.
    class layer {
     public:
      constexpr layer(carver& c, std::size_t rows) noexcept
          : before_(c.take(rows * h)),
            dense_(c.take(rows * h)),
            normed_(c.take(rows * h)),
            mean_(c.take(rows)),
            rstd_(c.take(rows)) {}

      [[nodiscard]] matrix<float> normed(std::size_t rows) const noexcept { return {normed_, rows, h}; }
      /// Memory of `normed`, free once the weight gradient of what read it is done.
      [[nodiscard]] float* scratch() const noexcept { return normed_; }

      template <executor E>
      void forward(const E& e, matrix<const float> x, const module_parameters<const float>& p, std::size_t weight,
                   float* packed) noexcept {
        const matrix<float> before{before_, x.rows, h}, dense{dense_, x.rows, h};
        layers::linear_forward(e, x, p.weight(weight),
                               kernels::epilogue::bias_activation<layers::activation_of<A>>{dense, p[weight + 1], before},
                               packed);
        kernels::layer_norm(e, dense, p[weight + 2], p[weight + 3], A::norm_epsilon, normed(x.rows), mean_, rstd_);
      }
      /// `d` is the gradient of `normed` and is overwritten; writes `d_x`.
      template <executor E>
      void backward(const E& e, matrix<const float> x, const module_parameters<const float>& p,
                    const module_parameters<float>& g, std::size_t weight, matrix<float> d, matrix<float> d_x, float* packed,
                    const kernels::row_groups& groups) noexcept {
        const matrix<float> before{before_, x.rows, h}, dense{dense_, x.rows, h};
        kernels::layer_norm_backward(e, dense, p[weight + 2], mean_, rstd_, d, d, g[weight + 2], g[weight + 3], groups);
        kernels::activate_backward<layers::activation_of<A>>(e, before, d);
        layers::linear_backward(e, x, p.weight(weight), d, g.weight(weight), g[weight + 1], kernels::epilogue::store{d_x},
                                packed, kernels::gradients::added, groups);
      }

     private:
      float *before_, *dense_, *normed_, *mean_, *rstd_;
    };

    std::size_t vocab_;
    inputs<A> inputs_;
    float* d_x_;
    layer first_, second_;
    float *d_, *logits_, *packed_;
  };
};

}  // namespace bert::heads

#endif  // BERT_HEADS_SPAN_BOUNDARY_HPP
