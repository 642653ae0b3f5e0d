// How to write an encoder layer: norms before the blocks, no biases, and a gated feed-forward. layers/module.hpp lists what a
// module must have. Papers: Xiong et al. 2020, "On layer normalization in the transformer architecture"; Shazeer 2020, "GLU
// variants improve transformer".
#include <doctest/doctest.h>

#include "../../support/small_models.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/training/fit.hpp"
#include "bert/training/measure.hpp"
#include "support/matrices.hpp"
#include "support/slopes.hpp"

namespace guide {

using bert::batch_shape, bert::carver, bert::executor, bert::matrix, bert::module_parameters, bert::open_sizes;
namespace kernels = bert::kernels;
namespace layers = bert::layers;
namespace epilogue = bert::kernels::epilogue;

// An epilogue (kernels/gemm/epilogue.hpp).
/// c = acc * c
template <class T>
struct times {
  matrix<T> c;
  void fetch(std::size_t, std::size_t) const noexcept {}
  template <class Extent>
  void operator()(std::size_t i, std::size_t j, kernels::simd acc, Extent extent) const noexcept {
    kernels::store(c.row(i) + j, acc * kernels::load(c.row(i) + j, extent), extent);
  }
};

/// m = x + drop(attention(norm1(x) Wqkv^T) Wo^T)
/// y = m + drop((Activation(norm2(m) Wgate^T) * (norm2(m) Wup^T)) Wdown^T),  a norm has a gain and no bias
template <class Activation, class Attention = bert::attention::full>
struct gated_pre_norm {
  using activation = Activation;  // the masked-LM head uses it, too

  enum tensor : std::size_t { norm1_gain, query, key, value, out, norm2_gain, gate, up, down };

  // Names continue "bert.encoder.layer.<n>.". `joined`: query, key and value are contiguous, so they are one product.
  template <class A>
  static constexpr auto parameters() {
    constexpr int h = A::hidden, f = A::intermediate;
    constexpr auto gain = [=](std::string_view stem) {
      return bert::parameter{.stem = stem, .rows = h, .role = bert::role::norm, .initial = bert::initialization::ones};
    };
    return std::array<bert::parameter, 9>{{
        gain("attention.norm.weight"),
        {.stem = "attention.query.weight", .rows = h, .cols = h},
        {.stem = "attention.key.weight", .rows = h, .cols = h, .joined = true},
        {.stem = "attention.value.weight", .rows = h, .cols = h, .joined = true},
        {.stem = "attention.out.weight", .rows = h, .cols = h},
        gain("mlp.norm.weight"),
        {.stem = "mlp.gate.weight", .rows = f, .cols = h},
        {.stem = "mlp.up.weight", .rows = f, .cols = h},
        {.stem = "mlp.down.weight", .rows = h, .cols = f},
    }};
  }

  template <class A>  // for kernels that take a bias
  static constexpr std::array<float, std::max(3 * A::hidden, A::intermediate)> no_bias{};

  // Inference: weights packed in precision P. `carve` takes from the carver what the constructor takes.
  template <class A, class P>
  struct packed {
    static constexpr std::size_t h = A::hidden, f = A::intermediate;
    const float *norm1_gain, *norm2_gain;
    typename P::weight qkv, out, gate, up, down;

    static constexpr void carve(carver& c, const open_sizes&) noexcept {
      for (const std::size_t n : {h, h, P::weight_size(h, 3 * h), P::weight_size(h, h), P::weight_size(h, f),
                                  P::weight_size(h, f), P::weight_size(f, h)})
        c.take(n);
    }
    template <executor E>
    packed(const E& e, carver& c, const module_parameters<const float>& p, const open_sizes&) noexcept
        : norm1_gain(layers::packed_copy(c, p[tensor::norm1_gain], h)),
          norm2_gain(layers::packed_copy(c, p[tensor::norm2_gain], h)),
          qkv(P::pack(e, p.joined(tensor::query, 3), c.take(P::weight_size(h, 3 * h)))),
          out(P::pack(e, p.weight(tensor::out), c.take(P::weight_size(h, h)))),
          gate(P::pack(e, p.weight(tensor::gate), c.take(P::weight_size(h, f)))),
          up(P::pack(e, p.weight(tensor::up), c.take(P::weight_size(h, f)))),
          down(P::pack(e, p.weight(tensor::down), c.take(P::weight_size(f, h)))) {}
  };

  // Inference: buffers that all layers share. The norm writes what products read, bytes in int8. The residual stream x stays in
  // f32 and is read by no product.
  template <class A, class P>
  class workspace {
    static constexpr std::size_t h = A::hidden, f = A::intermediate;
    using element = typename P::element;                          // dtype that attention and the gate write
    using attended = typename P::template attended<A::head_dim>;  // dtype that attention reads

   public:
    constexpr workspace(carver& c, const batch_shape& s, const open_sizes&) noexcept
        : qkv_(c.take<attended>(s.tokens * 3 * h)),
          context_(c.take<element>(s.tokens * layers::operand_stride<element>(h))),
          wide_(c.take<element>(s.tokens * layers::operand_stride<element>(f))),
          normed_(c.take(s.tokens * h)),
          operand_(c.take(P::template operand_size<float>(s.tokens, h))),
          inner_operand_(c.take(P::template operand_size<element>(s.tokens, std::max(h, f)))) {}

    // Called by the embeddings' norm with each row; no product reads these.
    [[nodiscard]] static kernels::leave_row receive(matrix<const float>) noexcept { return {}; }

    template <executor E>
    void run(const E& e, const packed<A, P>& p, const bert::token_run& b, matrix<float> x) const noexcept {
      const std::size_t n = x.rows;
      const matrix<attended> qkv{qkv_, n, 3 * h};
      const matrix<element> context{context_, n, h, layers::operand_stride<element>(h)},
          wide{wide_, n, f, layers::operand_stride<element>(f)};
      P::multiply(e, norm(e, x, p.norm1_gain), p.qkv, epilogue::bias{qkv, no_bias<A>.data()});
      Attention::template run<A::head_dim>(e, matrix<const attended>{qkv}, b, context);
      P::multiply(e, P::convert(e, matrix<const element>{context}, inner_operand_), p.out, epilogue::residual{x, x});
      const auto normed = norm(e, x, p.norm2_gain);
      P::multiply(e, normed, p.gate, epilogue::bias_activation<Activation, element>{wide, no_bias<A>.data(), {}});
      P::multiply(e, normed, p.up, times<element>{wide});
      P::multiply(e, P::convert(e, matrix<const element>{wide}, inner_operand_), p.down, epilogue::residual{x, x});
    }

   private:
    // The operand of the next product: the norm passes each row to it while the row is in the cache.
    template <executor E>
    [[nodiscard]] auto norm(const E& e, matrix<const float> x, const float* gain) const noexcept {
      const matrix<float> y{normed_, x.rows, h};
      const layers::stored_by<P> to{P::reserve(y, operand_)};
      kernels::layer_norm(e, x, gain, no_bias<A>.data(), A::norm_epsilon, y, nullptr, nullptr, to);
      return to.operand;
    }

    attended* qkv_;
    element *context_, *wide_;
    float *normed_, *operand_, *inner_operand_;
  };

  // Training: buffers that all layers share.
  template <class A>
  struct scratch {
    float *branch, *d_normed, *d_qkv, *wide, *packed;
    constexpr scratch(carver& c, const batch_shape& s, const open_sizes&) noexcept
        : branch(c.take(s.tokens * A::hidden)),
          d_normed(c.take(s.tokens * A::hidden)),
          d_qkv(c.take(s.tokens * 3 * A::hidden)),
          wide(c.take(s.tokens * A::intermediate)),
          packed(c.take(std::max({layers::linear_scratch(s.tokens, A::hidden, 3 * A::hidden, s.leaves),
                                  layers::linear_scratch(s.tokens, A::hidden, A::intermediate, s.leaves),
                                  layers::linear_scratch(s.tokens, A::intermediate, A::hidden, s.leaves)}))) {}
  };

  // Training: what one layer keeps from its forward pass, and both passes.
  template <class A>
  class tape {
    static constexpr std::size_t h = A::hidden, f = A::intermediate;

   public:
    constexpr tape(carver& c, const batch_shape& s, const open_sizes&) noexcept
        : normed1_(c.take(s.tokens * h)),
          qkv_(c.take(s.tokens * 3 * h)),
          context_(c.take(s.tokens * h)),
          middle_(c.take(s.tokens * h)),
          normed2_(c.take(s.tokens * h)),
          gate_(c.take(s.tokens * f)),
          up_(c.take(s.tokens * f)),
          log_sum_(c.take(s.tokens * static_cast<std::size_t>(A::heads))) {
      for (float*& statistics : statistics_) statistics = c.take(s.tokens);
    }

    // `layer` keys the dropout. The last argument lists the rows that heads read: a hint, which this layer ignores.
    template <executor E>
    void forward(const E& e, const module_parameters<const float>& p, const bert::token_run& b, matrix<const float> x,
                 matrix<float> y, const scratch<A>& s, const bert::step_noise& noise, std::uint64_t layer,
                 std::span<const std::uint32_t> = {}) const noexcept {
      const std::size_t n = x.rows;
      const auto [mean1, rstd1, mean2, rstd2] = statistics_;
      const matrix<float> normed1{normed1_, n, h}, qkv{qkv_, n, 3 * h}, context{context_, n, h}, middle{middle_, n, h},
          normed2{normed2_, n, h}, gate{gate_, n, f}, up{up_, n, f}, branch{s.branch, n, h};
      kernels::layer_norm(e, x, p[norm1_gain], no_bias<A>.data(), A::norm_epsilon, normed1, mean1, rstd1);
      layers::linear_forward(e, normed1, p.joined(query, 3), epilogue::store{qkv}, s.packed);
      Attention::template forward<A::head_dim>(e, qkv, b, context, log_sum_, noise.attention_at(3 * layer, A::heads));
      layers::linear_forward(e, context, p.weight(out), epilogue::store{branch}, s.packed);
      kernels::add_residual(e, noise.hidden_at(3 * layer + 1), branch, x, middle);
      kernels::layer_norm(e, middle, p[norm2_gain], no_bias<A>.data(), A::norm_epsilon, normed2, mean2, rstd2);
      layers::linear_forward(e, normed2, p.weight(tensor::gate), epilogue::store{gate}, s.packed);
      layers::linear_forward(e, normed2, p.weight(tensor::up), epilogue::store{up}, s.packed);
      const matrix<float> wide = multiply_gate(e, s, n);
      layers::linear_forward(e, wide, p.weight(down), epilogue::store{branch}, s.packed);
      kernels::add_residual(e, noise.hidden_at(3 * layer + 2), branch, middle, y);
    }

    // d <- d_x, given d = d_y. A nullptr in `g` is a frozen parameter, which the kernels skip. `pass.how` says whether
    // gradients of weights are written or added; all others are added.
    template <executor E>
    void backward(const E& e, const module_parameters<const float>& p, const module_parameters<float>& g,
                  const bert::token_run& b, matrix<const float> x, const scratch<A>& s, matrix<float> d,
                  const bert::step_noise& noise, std::uint64_t layer, const layers::backward_pass& pass,
                  std::span<const std::uint32_t> = {}) const noexcept {
      const std::size_t n = x.rows;
      const kernels::row_groups& groups = pass.groups.tokens;  // the order of sums over tokens
      const auto [mean1, rstd1, mean2, rstd2] = statistics_;
      const matrix<const float> normed1{normed1_, n, h}, qkv{qkv_, n, 3 * h}, context{context_, n, h}, middle{middle_, n, h},
          normed2{normed2_, n, h};
      const matrix<float> gate{gate_, n, f}, up{up_, n, f}, branch{s.branch, n, h}, d_normed{s.d_normed, n, h},
          d_qkv{s.d_qkv, n, 3 * h};
      const auto branch_of = [&](std::uint64_t site) {
        std::copy_n(d.data, n * h, branch.data);
        kernels::apply_dropout(e, noise.hidden_at(site), branch);
      };

      branch_of(3 * layer + 2);
      const matrix<float> wide = multiply_gate(e, s, n);
      layers::linear_weight_gradient(e, wide, branch, g.weight(down), nullptr, s.packed, pass.how, groups);
      layers::linear_input_gradient(e, p.weight(down), branch, epilogue::store{wide}, s.packed);
      kernels::for_each_row(e, n, f, [&](std::size_t i) {  // gate and up become their gradients
        kernels::for_each_register(f, [pre = gate.row(i), by = up.row(i), d_wide = wide.row(i)](std::size_t j, auto extent) {
          const kernels::simd before = kernels::load(pre + j, extent), along = kernels::load(d_wide + j, extent);
          kernels::store(pre + j, along * kernels::load(by + j, extent) * Activation::gradient(before), extent);
          kernels::store(by + j, along * Activation::forward(before), extent);
        });
      });
      layers::linear_backward(e, normed2, p.weight(tensor::gate), gate, g.weight(tensor::gate), nullptr,
                              epilogue::store{d_normed}, s.packed, pass.how, groups);
      layers::linear_backward(e, normed2, p.weight(tensor::up), up, g.weight(tensor::up), nullptr, epilogue::add{d_normed},
                              s.packed, pass.how, groups);
      kernels::layer_norm_backward(e, middle, p[norm2_gain], mean2, rstd2, d_normed, d_normed, g[norm2_gain], nullptr, groups);
      kernels::add_in_place(e, d_normed, d);

      branch_of(3 * layer + 1);
      layers::linear_backward(e, context, p.weight(out), branch, g.weight(out), nullptr, epilogue::store{d_normed}, s.packed,
                              pass.how, groups);
      Attention::template backward<A::head_dim>(e, qkv, b, context, log_sum_, d_normed, d_qkv,
                                                noise.attention_at(3 * layer, A::heads));
      layers::linear_backward(e, normed1, p.joined(query, 3), d_qkv, g.joined(query, 3), nullptr, epilogue::store{d_normed},
                              s.packed, pass.how, groups);
      kernels::layer_norm_backward(e, x, p[norm1_gain], mean1, rstd1, d_normed, d_normed, g[norm1_gain], nullptr, groups);
      kernels::add_in_place(e, d_normed, d);
    }

   private:
    // wide = Activation(gate) * up
    template <executor E>
    matrix<float> multiply_gate(const E& e, const scratch<A>& s, std::size_t n) const noexcept {
      const matrix<float> wide{s.wide, n, f};
      kernels::for_each_row(e, n, f, [&](std::size_t i) {
        kernels::for_each_register(f, [pre = gate_ + i * f, by = up_ + i * f, to = wide.row(i)](std::size_t j, auto extent) {
          kernels::store(to + j, Activation::forward(kernels::load(pre + j, extent)) * kernels::load(by + j, extent), extent);
        });
      });
      return wide;
    }

    float *normed1_, *qkv_, *context_, *middle_, *normed2_, *gate_, *up_, *log_sum_;
    std::array<float*, 4> statistics_;  // mean and 1 / standard deviation of both norms
  };
};

}  // namespace guide

namespace {
struct tower
    : bert::architecture_of<bert::dims{
                                .vocab = 131, .hidden = 40, .layers = 3, .heads = 5, .intermediate = 56, .positions = 64},
                            guide::gated_pre_norm<bert::activation::gelu_erf>> {};

using model_type = bert::model<tower, bert::heads::classify<support::mood>>;

// Embeddings, three layers of 4 H^2 + 3 H F + 2 H, the pooler, the classifier.
static_assert(model_type::parameters ==
              (131 + 64 + 2 + 2) * 40 + 3 * (4 * 40 * 40 + 3 * 40 * 56 + 2 * 40) + (40 * 40 + 40) + (2 * 40 + 2));

const support::made_up_source source;

bert::token_batch three_sequences() {
  bert::token_batch b;
  for (const std::size_t length : {9u, 1u, 17u}) b.add(support::ids(length, length));
  return b;
}
template <class P>
std::vector<float> hidden_in(const model_type& m) {
  const auto batch = three_sequences();
  const auto frozen = bert::freeze<P>(m);
  auto run = frozen.session(batch.shape());
  run(batch);
  const auto out = run.hidden().flat();
  return {out.begin(), out.end()};
}
}  // namespace

TEST_CASE("a new layer's session computes in f32 what its tape computes, and nearly the same in bf16 and int8") {
  const auto m = model_type::random({.stddev = 0.1f, .seed = 3});
  const auto batch = three_sequences();
  bert::tape<model_type> tape(batch.shape(), m.sizes());
  tape.forward(bert::execution::threads{2}, m, batch);
  const auto exact = hidden_in<bert::precision::f32>(m);
  CHECK(support::largest_difference(exact, support::elements(tape.hidden(3))) < 1e-6);
  CHECK(support::largest_magnitude(exact) > 2);
  const double in_bf16 = support::largest_difference(hidden_in<bert::precision::bf16>(m), exact),
               in_int8 = support::largest_difference(hidden_in<bert::precision::int8>(m), exact);
  CHECK(in_bf16 > 0);
  CHECK(in_bf16 < 0.03);
  CHECK(in_int8 > 0);
  CHECK(in_int8 < 0.06);
}

TEST_CASE("a new layer's gradients are the slopes of the loss, with dropout and with recomputed activations") {
  auto m = model_type::random({.stddev = 0.2f, .seed = 1});
  bert::training_batch batch;
  source.load(0, batch);
  const bert::objectives::cross_entropy o;
  bert::objectives::cross_entropy::work work(o, source.capacity());
  bert::tape<model_type, bert::activations::recompute> tape(source.capacity(), m.sizes());
  const bert::step_noise noise{0.2f, 0.2f, 12345};
  const auto loss = [&] {
    tape.forward(bert::execution::serial{}, m, batch.tokens, noise);
    return o.score(bert::execution::serial{}, batch, work, tape, 1.0f).loss();
  };
  loss();
  bert::buffer<float> gradients(m.block().size());
  tape.backward(bert::execution::serial{}, m, batch.tokens, gradients.data(), noise);
  CHECK(support::slope_error(m, gradients.data(), loss) < 0.03);
}

TEST_CASE("a model of a new layer trains, also in bf16 and with frozen lower layers") {
  const auto trained = [](auto... policies) {
    auto m = model_type::random({.stddev = 0.1f, .seed = 1});
    bert::fit(m, bert::objectives::cross_entropy{}, source,
              {.epochs = 30, .learning_rate = 2e-3f, .dropout = 0, .attention_dropout = 0}, policies...);
    return m;
  };
  const auto accuracy = [](const model_type& m) {
    return bert::measure(m, bert::objectives::cross_entropy{}, source)["loss"].accuracy();
  };
  CHECK(accuracy(trained()) > 0.9);
  CHECK(accuracy(trained(bert::precision::bf16{}, bert::activations::recompute{})) > 0.9);
  const auto start = model_type::random({.stddev = 0.1f, .seed = 1}), partly = trained(bert::optim::layer_decay{.frozen = 2});
  for (const auto& p : start.table()) {
    const bool same = std::ranges::equal(start.values(p), partly.values(p));
    CHECK(same == (p.module == bert::module_kind::embeddings || (p.module == bert::module_kind::layer && p.layer < 2)));
  }
}
