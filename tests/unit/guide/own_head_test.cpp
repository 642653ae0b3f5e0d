// docs/architecture.md, "How to add a head" and "How to add an objective", as a program: one score a token.
#include <doctest/doctest.h>

#include "../../support/small_models.hpp"
#include "bert/training/fit.hpp"
#include "bert/training/measure.hpp"

namespace guide {

// A head of one's own: y[n] = hidden[n,:] w + b, a score for every token, as for picking the key words of a text.
struct token_score {
  static constexpr bool reads_pooler = false;

  // Its tensors: names for the checkpoint, shapes, roles for the optimiser. They get their place in the model's one block.
  template <class A>
  static constexpr auto parameters() {
    return std::array<bert::parameter, 2>{{
        {.stem = "token_score.weight", .rows = 1, .cols = A::hidden},
        {.stem = "token_score.bias", .rows = 1, .role = bert::role::bias, .born = bert::birth::zeros},
    }};
  }

  // Inference, part one: the weights, packed once by freeze. `carve` asks for as much memory as the constructor takes.
  template <class A>
  struct packed {
    static constexpr void carve(bert::carver& c, const bert::open_sizes&) noexcept {
      c.take(bert::kernels::packed_size(A::hidden, 1));
      c.take(1);
    }
    template <bert::executor E>
    packed(const E& e, bert::carver& c, const bert::module_parameters<const float>& p, const bert::open_sizes&) noexcept
        : weight(bert::kernels::pack_transposed(e, p.weight(0), c.take(bert::kernels::packed_size(A::hidden, 1)))),
          bias(c.take(1)) {
      *bias = *p[1];
    }
    bert::kernels::packed weight;
    float* bias;
  };

  // Part two: the buffers of a session and what it does with them.
  template <class A>
  class workspace {
   public:
    constexpr workspace(bert::carver& c, const bert::batch_shape& s, const bert::open_sizes&) noexcept
        : scores_(c.take(s.tokens)) {}

    template <bert::executor E>
    void run(const E& e, const packed<A>& p, const bert::encoded& in) noexcept {
      rows_ = in.hidden.rows;
      bert::kernels::gemm(e, in.hidden, p.weight,
                          bert::kernels::epilogue::bias{bert::matrix<float>{scores_, rows_, 1}, p.bias});
    }
    [[nodiscard]] bert::view<const float, bert::dynamic> output() const noexcept {
      return bert::view<const float, bert::dynamic>(scores_, rows_);
    }

   private:
    float* scores_;
    std::size_t rows_ = 0;
  };

  // Training: forward keeps what backward needs; backward adds to the parameters' gradients and to d_hidden.
  template <class A>
  class tape {
   public:
    constexpr tape(bert::carver& c, const bert::batch_shape& s, const bert::open_sizes&) noexcept
        : scores_(c.take(s.tokens)),
          d_hidden_(c.take(s.tokens * A::hidden)),
          scratch_(c.take(bert::layers::linear_scratch(s.tokens, A::hidden, 1))) {}

    [[nodiscard]] bert::matrix<float> scores() const noexcept { return {scores_, rows_, 1}; }

    template <bert::executor E>
    void forward(const E& e, const bert::module_parameters<const float>& p, const bert::encoded& in,
                 const bert::step_noise&) noexcept {
      rows_ = in.hidden.rows;
      bert::layers::linear_forward(e, in.hidden, p.weight(0), bert::kernels::epilogue::bias{scores(), p[1]}, scratch_);
    }
    template <bert::executor E>
    void backward(const E& e, const bert::module_parameters<const float>& p, const bert::module_parameters<float>& g,
                  const bert::encoded& in, bert::matrix<float> d_hidden, bert::matrix<float>,
                  const bert::step_noise&) noexcept {
      const bert::matrix<float> own{d_hidden_, rows_, A::hidden};
      bert::layers::linear_backward(e, in.hidden, p.weight(0), scores(), g.weight(0), g[1], bert::kernels::epilogue::store{own},
                                    scratch_);
      bert::kernels::add_in_place(e, own, d_hidden);
    }

   private:
    std::size_t rows_ = 0;
    float *scores_, *d_hidden_, *scratch_;
  };
};

// An objective of one's own: loss = mean_n (y[n] - values[n])^2.
struct score_error {
  using heads = bert::type_list<token_score>;  // what bert::model_for gives a model
  template <class Model>
  static constexpr bool fits = Model::template has_head<token_score>;
  static constexpr bool rewrites = false;  // the tokens are fed as they come

  struct work {
    work(const score_error&, const bert::batch_shape&) {}
  };
  [[nodiscard]] static bert::batch_shape capacity(const bert::batch_shape& raw) noexcept { return raw; }
  [[nodiscard]] static const bert::token_batch& prepare(const bert::training_batch& in, std::uint64_t, work&) noexcept {
    return in.tokens;
  }

  // Turns the head's output into its gradient, times `scale`, and reports the loss.
  template <class Model, bert::executor E>
  static bert::objectives::loss_parts score(const E&, const bert::training_batch& in, work&, bert::tape<Model>& t,
                                            const bert::objectives::loss_scale& scale) {
    const auto y = t.template head<token_score>().scores();
    bert::objectives::loss_part part{.name = "loss", .count = y.rows};
    for (std::size_t n = 0; n < y.rows; ++n) {
      const float difference = y(n, 0) - in.values[n];
      part.sum += static_cast<double>(difference * difference);
      y(n, 0) = scale.share("loss", y.rows, 2.0f * difference);
    }
    bert::objectives::loss_parts parts;
    parts.add(part);
    return parts;
  }
};

/// Every token's value is 1 if its id is a multiple of 3, else 0.
struct source : support::made_up_source {
  void load(std::uint64_t step, bert::training_batch& out) const {
    made_up_source::load(step, out);
    for (const auto id : out.tokens.ids()) out.values.push_back(id % 3 == 0 ? 1.0f : 0.0f);
  }
};

}  // namespace guide

TEST_CASE("a head and an objective written outside the library train and run") {
  using model_type = bert::model_for<support::pocket, guide::score_error>;
  static_assert(std::same_as<model_type, bert::model<support::pocket, guide::token_score>>);
  auto model = model_type::random({.stddev = 0.1f, .seed = 4});
  const guide::source batches;
  const double before = bert::measure(model, guide::score_error{}, batches)["loss"].mean();
  bert::fit(model, guide::score_error{}, batches, {.epochs = 60, .learning_rate = 3e-3f, .dropout = 0, .attention_dropout = 0});
  CHECK(before > 0.2);
  CHECK(bert::measure(model, guide::score_error{}, batches)["loss"].mean() < 0.05);

  bert::training_batch batch;
  batches.load(0, batch);
  const auto frozen = bert::freeze(model);
  auto run = frozen.session(batch.tokens.shape());
  const auto scores = run(batch.tokens);
  std::size_t right = 0;
  for (std::size_t n = 0; n < scores.size(); ++n) right += (scores[n] > 0.5f) == (batch.values[n] > 0.5f) ? 1 : 0;
  CHECK(right * 20 >= scores.size() * 19);
}
