// How to write an attention policy (layers/attention.hpp): a tree mask. The marks of a batch name each token's parent, and a
// token attends to itself and its ancestors: several continuations of one prefix share it in one sequence, without attending to
// each other. Plain loops over the attended tokens; T tokens in a tree of depth D cost T D, not T^2.
// Paper: Miao et al. 2024, "SpecInfer: tree-based speculative inference and verification".
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "../../support/small_models.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/training/fit.hpp"
#include "bert/training/measure.hpp"
#include "support/slopes.hpp"

namespace guide {

using bert::executor, bert::matrix, bert::token_run;

/// context[n,:] = sum_m p[n,m] v[m,:],  p[n,:] = softmax of q[n,:] . k[m,:] / sqrt(D) over the m that n attends to, per head
///
/// Mark t of a sequence is the index of token t's parent, which must precede t; a token whose mark does not precede it is a
/// root. Without marks (all zeros), each token attends to the first one and itself.
struct tree {
  /// Calls see(m) for token n and its ancestors, in the sequence that begins at token `first` of the run.
  template <class See>
  static void for_each_seen(const token_run& run, std::size_t first, std::size_t n, const See& see) noexcept {
    for (std::size_t m = n;;) {
      see(m);
      const std::int32_t parent = run.marks.empty() ? 0 : run.marks[m];
      if (parent < 0 || first + static_cast<std::size_t>(parent) >= m) return;  // so that every path ends at a root
      m = first + static_cast<std::size_t>(parent);
    }
  }

  // Inference. In is the dtype of queries, keys and values, Out that of the context: float or bf16.
  template <int D, executor E, class In, class Out>
  static void run(const E& e, matrix<const In> qkv, const token_run& run, matrix<Out> context) noexcept {
    for_each_query<D>(e, run, context.cols, [&](std::size_t h, std::size_t first, std::size_t n) {
      std::array<float, D> sum;
      attend<D>(qkv, run, h, first, n, {}, sum);
      for (std::size_t d = 0; d < D; ++d) {
        if constexpr (std::is_same_v<Out, float>) context(n, h * D + d) = sum[d];
        else context(n, h * D + d) = bert::to_bf16(sum[d]);
      }
    });
  }

  // Training: writes log sum exp of each query's scores, from which backward recomputes the probabilities.
  template <int D, executor E>
  static void forward(const E& e, matrix<const float> qkv, const token_run& run, matrix<float> context, float* log_sum,
                      bert::kernels::dropout drop) noexcept {
    for_each_query<D>(e, run, context.cols, [&](std::size_t h, std::size_t first, std::size_t n) {
      std::array<float, D> sum;
      log_sum[h * context.rows + n] = attend<D>(qkv, run, h, first, n, drop, sum);
      std::copy(sum.begin(), sum.end(), context.row(n) + h * D);
    });
  }

  // Writes d_qkv. One head per thread, as heads share no column.
  template <int D, executor E>
  static void backward(const E& e, matrix<const float> qkv, const token_run& run, matrix<const float>, const float* log_sum,
                       matrix<const float> d_context, matrix<float> d_qkv, bert::kernels::dropout drop) noexcept {
    const std::size_t hidden = d_context.cols, heads = hidden / D;
    bert::kernels::clear(e, {d_qkv.data, d_qkv.rows * d_qkv.stride});
    for_each_query<D>(e, run, hidden, [&](std::size_t h, std::size_t first, std::size_t n) {
      const auto probability = [&](std::size_t m) {
        return std::exp(score<D>(qkv, h, n, m) - log_sum[h * d_context.rows + n]);
      };
      const auto d_probability = [&](std::size_t m) {
        return kept(drop, n * heads + h, m - first) * dot<D>(d_context.row(n) + h * D, qkv.row(m) + 2 * hidden + h * D);
      };
      float along = 0;  // sum_m p[n,m] d_p[n,m]
      for_each_seen(run, first, n, [&](std::size_t m) { along += probability(m) * d_probability(m); });
      for_each_seen(run, first, n, [&](std::size_t m) {
        const float p = probability(m), d_score = p * (d_probability(m) - along) * scale<D>();
        const float to_value = p * kept(drop, n * heads + h, m - first);
        for (std::size_t d = h * D; d < (h + 1) * D; ++d) {
          d_qkv(n, d) += d_score * qkv(m, hidden + d);
          d_qkv(m, hidden + d) += d_score * qkv(n, d);
          d_qkv(m, 2 * hidden + d) += to_value * d_context(n, d);
        }
      });
    });
  }

 private:
  // Calls body(h, first, n) for every head and token; a thread runs a head's tokens in order. Rows are relative to the run,
  // `starts` to the batch.
  template <int D, executor E, class Body>
  static void for_each_query(const E& e, const token_run& run, std::size_t hidden, const Body& body) noexcept {
    e.parallel_for(hidden / D, [&](std::size_t h) {
      for (std::size_t s = 0; s + 1 < run.starts.size(); ++s)
        for (std::size_t n = run.starts[s]; n < run.starts[s + 1]; ++n)
          body(h, run.starts[s] - run.starts[0], n - run.starts[0]);
    });
  }
  template <int D>
  static float scale() noexcept {
    return 1 / std::sqrt(static_cast<float>(D));
  }
  template <int D, class T>
  static float dot(const T* a, const T* b) noexcept {
    float sum = 0;
    for (std::size_t d = 0; d < D; ++d) sum += bert::to_float(a[d]) * bert::to_float(b[d]);
    return sum;
  }
  template <int D, class T>
  static float score(matrix<const T> qkv, std::size_t h, std::size_t n, std::size_t m) noexcept {
    return scale<D>() * dot<D>(qkv.row(n) + h * D, qkv.row(m) + qkv.cols / 3 + h * D);
  }
  // The dropout factor of a probability: the mask's row is the query's and head's, the column the key's.
  static float kept(bert::kernels::dropout drop, std::size_t row, std::size_t col) noexcept {
    if (!drop.active()) return 1;
    return drop.keep(row, static_cast<std::uint32_t>(col)) ? drop.scale() : 0;
  }
  // Writes the context of one query of one head and returns log sum exp of its scores.
  template <int D, class T>
  static float attend(matrix<const T> qkv, const token_run& run, std::size_t h, std::size_t first, std::size_t n,
                      bert::kernels::dropout drop, std::array<float, D>& context) noexcept {
    const std::size_t hidden = qkv.cols / 3;
    float most = -std::numeric_limits<float>::infinity(), total = 0;
    for_each_seen(run, first, n, [&](std::size_t m) { most = std::max(most, score<D>(qkv, h, n, m)); });
    context.fill(0);
    for_each_seen(run, first, n, [&](std::size_t m) {
      const float weight = std::exp(score<D>(qkv, h, n, m) - most);
      const float weight_kept = weight * kept(drop, n * (hidden / D) + h, m - first);
      const T* value = qkv.row(m) + 2 * hidden + h * D;
      total += weight;
      for (std::size_t d = 0; d < D; ++d) context[d] += weight_kept * bert::to_float(value[d]);
    });
    for (float& x : context) x /= total;
    return most + std::log(total);
  }
};

}  // namespace guide

namespace {
struct branching
    : bert::architecture_of<bert::dims{
                                .vocab = 131, .hidden = 40, .layers = 2, .heads = 5, .intermediate = 56, .positions = 64},
                            bert::layers::post_norm<bert::activation::gelu_erf, guide::tree>> {};
using model_type = bert::model<branching, bert::heads::classify<support::mood>>;

constexpr std::size_t D = 8, heads = 5, H = D * heads;

/// A path, a star, a binary tree, a forest, and a prefix with two continuations.
const std::vector<std::vector<std::int32_t>> trees{{0, 0, 1, 2, 3, 4}, {0, 0, 0, 0, 0},       {0, 0, 0, 1, 1, 2, 2, 3, 3},
                                                   {-1, 0, -1, 2, 2},  {0, 0, 1, 2, 3, 2, 5}, {0}};

bert::token_batch batch_of_trees() {
  bert::token_batch b;
  for (const auto& marks : trees) b.add(support::ids(marks.size(), marks.size()), {}, marks);
  return b;
}

/// Dense attention in double under a mask, with its probabilities.
std::vector<double> dense(const std::vector<double>& qkv, const bert::token_batch& b) {
  std::vector<double> context(b.tokens() * H, 0.0);
  for (std::size_t s = 0; s < b.sequences(); ++s) {
    const std::size_t first = b.starts()[s], length = b.length(s);
    std::vector<std::vector<bool>> sees(length, std::vector<bool>(length, false));
    for (std::size_t n = 0; n < length; ++n) {
      sees[n][n] = true;
      const std::int32_t parent = trees[s][n];
      for (std::size_t m = 0; parent >= 0 && m < n; ++m) sees[n][m] = sees[static_cast<std::size_t>(parent)][m];
    }
    for (std::size_t h = 0; h < heads; ++h)
      for (std::size_t n = 0; n < length; ++n) {
        std::vector<double> p(length, 0.0);
        double total = 0;
        for (std::size_t m = 0; m < length; ++m) {
          for (std::size_t d = h * D; d < (h + 1) * D; ++d)
            p[m] += qkv[(first + n) * 3 * H + d] * qkv[(first + m) * 3 * H + H + d] / std::sqrt(double{D});
          total += p[m] = sees[n][m] ? std::exp(p[m]) : 0.0;
        }
        for (std::size_t m = 0; m < length; ++m)
          for (std::size_t d = h * D; d < (h + 1) * D; ++d)
            context[(first + n) * H + d] += p[m] / total * qkv[(first + m) * 3 * H + 2 * H + d];
      }
  }
  return context;
}

std::vector<double> random_numbers(std::size_t n, std::uint64_t seed) {
  bert::random_stream random(seed, bert::draw::user);
  std::vector<double> x(n);
  for (double& value : x) value = static_cast<double>(random.normal());
  return x;
}
const bert::execution::threads two{2};
}  // namespace

TEST_CASE("attention over a tree is dense attention under the tree's mask, forward and backward") {
  const auto batch = batch_of_trees();
  const std::size_t n = batch.tokens();
  auto exact = random_numbers(n * 3 * H, 1);
  std::vector<float> qkv(exact.begin(), exact.end()), context(n * H), log_sum(n * heads), d_qkv(n * 3 * H), inferred(n * H);
  std::copy(qkv.begin(), qkv.end(), exact.begin());
  const bert::matrix<const float> in{qkv.data(), n, 3 * H};
  guide::tree::run<D>(two, in, batch, bert::matrix<float>{inferred.data(), n, H});
  guide::tree::forward<D>(two, in, batch, bert::matrix<float>{context.data(), n, H}, log_sum.data(), {});
  CHECK(support::largest_difference(context, dense(exact, batch)) < 2e-6);
  CHECK(inferred == context);

  // The slope of sum_i c[i] context[i] with respect to each element of qkv.
  const auto c = random_numbers(n * H, 2);
  const std::vector<float> d_context(c.begin(), c.end());
  guide::tree::backward<D>(two, in, batch, bert::matrix<const float>{context.data(), n, H}, log_sum.data(),
                           bert::matrix<const float>{d_context.data(), n, H}, bert::matrix<float>{d_qkv.data(), n, 3 * H}, {});
  std::vector<double> slopes(exact.size());
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const auto loss = [&](double by) {
      const double saved = exact[i];
      exact[i] += by;
      const auto y = dense(exact, batch);
      exact[i] = saved;
      double sum = 0;
      for (std::size_t k = 0; k < y.size(); ++k) sum += c[k] * y[k];
      return sum;
    };
    slopes[i] = (loss(1e-5) - loss(-1e-5)) / 2e-5;
  }
  CHECK(support::largest_difference(d_qkv, slopes) < 2e-5);
}

TEST_CASE("a token of one branch does not change the output of another branch, and a token of the shared prefix does") {
  const auto m = model_type::random({.stddev = 0.2f, .seed = 3});
  const auto frozen = bert::freeze(m);
  const auto hidden_of = [&](std::size_t changed) {
    auto ids = support::ids(4, 7);
    ids[changed] = ids[changed] == 9 ? 10 : 9;
    bert::token_batch b;
    b.add(ids, {}, trees[4]);
    auto run = frozen.session(b.shape());
    run(b);
    const auto last = run.hidden();
    return std::vector<float>(last.data() + 6 * H, last.data() + 7 * H);  // of the second branch's last token
  };
  const auto other = hidden_of(3);
  CHECK(hidden_of(4) == other);
  CHECK(hidden_of(5) != other);
  CHECK(hidden_of(1) != other);
}

TEST_CASE("a model with its own attention policy has right gradients under dropout, trains, and runs in int8 and bf16") {
  struct source : support::made_up_source {
    void load(std::uint64_t step, bert::training_batch& out) const {
      made_up_source::load(step, out);
      bert::token_batch with_marks;
      for (std::size_t s = 0; s < out.tokens.sequences(); ++s) {
        std::vector<std::int32_t> marks(out.tokens.length(s));
        for (std::size_t n = 1; n < marks.size(); ++n) marks[n] = static_cast<std::int32_t>((n - 1) / 2);  // a binary tree
        with_marks.add(out.tokens[s], {}, marks);
      }
      out.tokens = with_marks;
    }
  };
  const source batches;
  const bert::objectives::cross_entropy o;
  auto m = model_type::random({.stddev = 0.2f, .seed = 1});
  bert::training_batch batch;
  batches.load(0, batch);
  bert::objectives::cross_entropy::work work(o, batches.capacity());
  bert::tape<model_type> tape(batches.capacity(), m.sizes());
  const bert::step_noise noise{0.1f, 0.2f, 12345};
  const auto loss = [&] {
    tape.forward(two, m, batch.tokens, noise);
    return o.score(two, batch, work, tape, 1.0f).loss();
  };
  loss();
  bert::buffer<float> gradients(m.block().size());
  tape.backward(two, m, batch.tokens, gradients.data(), noise);
  CHECK(support::slope_error(m, gradients.data(), loss) < 0.03);

  bert::fit(m, o, batches, {.epochs = 30, .learning_rate = 2e-3f, .dropout = 0, .attention_dropout = 0});
  CHECK(bert::measure(m, o, batches)["loss"].accuracy() > 0.9);
  const auto logits_in = [&]<class P>(P) {
    const auto frozen = bert::freeze<P>(m);
    auto run = frozen.session(batch.tokens.shape());
    const auto z = run(batch.tokens).flat();
    return std::vector<float>(z.begin(), z.end());
  };
  const auto exact = logits_in(bert::precision::f32{});
  CHECK(support::largest_difference(logits_in(bert::precision::bf16{}), exact) < 0.1);
  CHECK(support::largest_difference(logits_in(bert::precision::int8{}), exact) < 0.3);
}
