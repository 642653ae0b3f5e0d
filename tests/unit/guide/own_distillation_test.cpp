// How to distill: an objective reads a frozen teacher's last hidden state and logits, and adds gradients at the student's first
// layer by a tap (model/taps.hpp), beside those through the head.
// Papers: Hinton et al. 2015, "Distilling the knowledge in a neural network"; Jiao et al. 2020, "TinyBERT".
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <memory>

#include "../../support/small_models.hpp"
#include "bert/objectives/objective.hpp"
#include "bert/training/fit.hpp"
#include "bert/training/measure.hpp"
#include "support/slopes.hpp"

namespace guide {

using bert::matrix;

/// loss = mean_n |h1[n,:] - t[n,:]|^2 / H  +  T^2 mean_i KL(softmax(u[i,:] / T) || softmax(z[i,:] / T))
///
/// h1 [N, H] is the output of the student's first layer, t the teacher's last; z and u [scored, V] are the logits of student
/// and teacher at every `step`-th position. `Teacher` is a bert::frozen, held by pointer: it must outlive the objective.
template <class Teacher>
struct distill {
  const Teacher* teacher = nullptr;
  float temperature = 2;
  std::size_t step = 3;

  using heads = bert::type_list<bert::heads::masked_lm>;
  using needs = bert::target_list<>;
  template <class Model>
  static constexpr bool fits =
      Model::template has_head<bert::heads::masked_lm>&& Model::architecture::hidden == Teacher::architecture::hidden;
  static constexpr bool rewrites = true;  // it chooses the scored positions

  // Hidden states that it reads, beside the heads' logits.
  [[nodiscard]] static constexpr bert::taps taps() noexcept { return bert::taps::hidden(1); }

  struct answer {
    matrix<const float> hidden, logits;
  };
  // The buffers, constructed once. The teacher's session runs on the trainer's executor, whose type `run_teacher` hides.
  struct work {
    template <bert::executor E>
    work(const distill& o, const bert::batch_shape& raw, const E& e)
        : row(2 * static_cast<std::size_t>(o.teacher->sizes().vocab)) {
      auto session = std::make_shared<bert::session<Teacher, E>>(o.teacher->session(o.capacity(raw), e));
      run_teacher = [session](const bert::token_batch& batch) -> answer {
        const auto logits = (*session)(batch);
        const auto hidden = session->hidden();
        return {{hidden.data(), hidden.shape()[0], hidden.shape()[1]}, {logits.data(), logits.shape()[0], logits.shape()[1]}};
      };
    }
    std::function<answer(const bert::token_batch&)> run_teacher;
    bert::token_batch tokens;
    std::vector<double> row;
  };
  [[nodiscard]] static bert::batch_shape capacity(bert::batch_shape raw) noexcept {
    raw.scored = raw.tokens;
    return raw;
  }
  [[nodiscard]] const bert::token_batch& prepare(const bert::training_batch& in, std::uint64_t, work& w) const {
    w.tokens.clear();
    w.tokens.append(in.tokens);
    for (std::size_t n = 0; n < w.tokens.tokens(); n += step) w.tokens.score(n);
    return w.tokens;
  }
  [[nodiscard]] static bert::objectives::loss_terms counts(const bert::training_batch&, const work& w) noexcept {
    bert::objectives::loss_terms terms;
    terms.add({.name = "hidden", .count = w.tokens.tokens()});
    terms.add({.name = "soft", .count = w.tokens.scored().size()});
    return terms;
  }

  template <class Model, bert::executor E>
  bert::objectives::loss_terms score(const E&, const bert::training_batch&, work& w, bert::tape<Model>& t,
                                     const bert::objectives::loss_scale& scale) const {
    const matrix<float> z = t.template head<bert::heads::masked_lm>().logits();
    if (z.cols != static_cast<std::size_t>(teacher->sizes().vocab))
      throw bert::error({"guide::distill", bert::cat("a teacher with the student's vocabulary of ", z.cols, " pieces"),
                         bert::cat(teacher->sizes().vocab), "distill from a teacher of the same vocabulary"});
    const answer from = w.run_teacher(w.tokens);
    bert::objectives::loss_terms terms;
    terms.add(imitate_hidden(t.hidden(1), from.hidden, t.d_hidden(1), scale));
    terms.add(imitate_logits(z, from.logits, w.row, scale));
    return terms;
  }

 private:
  // Adds to `d`, the tap's gradient with respect to `h`.
  static bert::objectives::loss_term imitate_hidden(matrix<const float> h, matrix<const float> target, matrix<float> d,
                                                    const bert::objectives::loss_scale& scale) {
    bert::objectives::loss_term term{.name = "hidden", .count = h.rows};
    const float share = scale.share("hidden", h.rows, 2.0f / static_cast<float>(h.cols));
    for (std::size_t n = 0; n < h.rows; ++n)
      for (std::size_t j = 0; j < h.cols; ++j) {
        const float apart = h(n, j) - target(n, j);
        term.sum += static_cast<double>(apart) * static_cast<double>(apart) / static_cast<double>(h.cols);
        d(n, j) += share * apart;
      }
    return term;
  }
  // log softmax(z / T)
  void log_probabilities(std::span<const float> z, std::span<double> log_p) const {
    double sum = 0;
    for (std::size_t i = 0; i < z.size(); ++i) log_p[i] = static_cast<double>(z[i]) / static_cast<double>(temperature);
    const double most = *std::max_element(log_p.begin(), log_p.end());
    for (const double x : log_p) sum += std::exp(x - most);
    for (double& x : log_p) x -= most + std::log(sum);
  }
  // z <- its gradient, T (softmax(z / T) - softmax(u / T)) in each row.
  bert::objectives::loss_term imitate_logits(matrix<float> z, matrix<const float> u, std::span<double> row,
                                             const bert::objectives::loss_scale& scale) const {
    bert::objectives::loss_term term{.name = "soft", .count = z.rows};
    const std::span<double> own = row.first(z.cols), wanted = row.subspan(z.cols, z.cols);
    const float share = scale.share("soft", z.rows, temperature);
    for (std::size_t n = 0; n < z.rows; ++n) {
      log_probabilities(z[n], own);
      log_probabilities(u[n], wanted);
      for (std::size_t i = 0; i < z.cols; ++i) {
        const double p = std::exp(own[i]), q = std::exp(wanted[i]);
        term.sum += static_cast<double>(temperature) * static_cast<double>(temperature) * q * (wanted[i] - own[i]);
        z(n, i) = share * static_cast<float>(p - q);
      }
    }
    return term;
  }
};

}  // namespace guide

namespace {
struct tall : bert::architecture_of<bert::dims{.hidden = 40, .layers = 3, .heads = 4, .intermediate = 80, .positions = 64}> {};
using teacher_model = bert::model<tall, bert::heads::masked_lm>;
using teacher_type = bert::frozen<teacher_model, bert::precision::f32>;
using objective = guide::distill<teacher_type>;
using student = bert::model_for<support::pocket, objective>;

teacher_type teacher_of(int vocab) { return bert::freeze(teacher_model::random({.stddev = 0.2f, .seed = 9, .vocab = vocab})); }
const support::made_up_source source;
}  // namespace

TEST_CASE("gradients of a distilled student are the slopes of the loss, including those added at its first layer") {
  const auto teacher = teacher_of(support::pocket::vocab);
  const objective o{&teacher};
  auto m = student::random({.stddev = 0.2f, .seed = 1});
  const bert::execution::threads e{2};
  auto work = bert::objectives::make_work(o, source.capacity(), e);
  bert::tape<student> tape(o.capacity(source.capacity()), m.sizes(), bert::objectives::tape_options_of(o));
  bert::training_batch batch;
  source.load(0, batch);
  const auto& tokens = o.prepare(batch, 1, work);
  bert::objectives::loss_terms terms;
  const auto loss = [&] {
    tape.forward(e, m, tokens);
    terms = o.score(e, batch, work, tape, 1.0f);
    return terms.loss();
  };
  loss();
  CHECK(terms["hidden"].mean() > 0.5);
  CHECK(terms["soft"].mean() > 0.1);
  bert::buffer<float> gradients(m.block().size());
  tape.backward(e, m, tokens, gradients.data());
  CHECK(support::slope_error(m, gradients.data(), loss) < 0.03);
}

TEST_CASE("a student learns its teacher's hidden states and logits") {
  const auto teacher = teacher_of(support::pocket::vocab);
  const objective o{&teacher};
  auto m = student::random({.stddev = 0.1f, .seed = 1});
  const auto before = bert::measure(m, o, source);
  bert::fit(m, o, source, {.epochs = 40, .learning_rate = 3e-3f, .dropout = 0, .attention_dropout = 0},
            bert::activations::recompute{});
  const auto after = bert::measure(m, o, source);
  CHECK(after["hidden"].mean() < 0.7 * before["hidden"].mean());
  CHECK(after["soft"].mean() < 0.5 * before["soft"].mean());
}

TEST_CASE("a teacher of another vocabulary is refused before it is run") {
  const auto teacher = teacher_of(90);
  auto m = student::random({.stddev = 0.1f, .seed = 1});
  CHECK_THROWS_WITH_AS(bert::fit(m, objective{&teacher}, source), doctest::Contains("vocabulary of 131 pieces, found 90"),
                       bert::error);
}
