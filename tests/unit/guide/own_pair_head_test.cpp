// docs/architecture.md, "How to add a head", with other arithmetic: a score for every pair of tokens of a sequence, as in
// dependency parsing, and an objective that predicts each token's partner. Trained, evaluated, saved and opened.
// Paper: Dozat & Manning 2017, "Deep biaffine attention for neural dependency parsing".
// Compiled alone: specializes templates of bert.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/evaluation/evaluate.hpp"
#include "bert/model/tape.hpp"
#include "bert/training/fit.hpp"
#include "bert/training/measure.hpp"
#include "support/slopes.hpp"
#include "support/small_models.hpp"
#include "support/temporary_file.hpp"

namespace guide {

using bert::carver, bert::executor, bert::matrix, bert::module_parameters;

// scores[n,j] = (hidden[n,:] W^T + b) . hidden[j,:]  for tokens n and j of one sequence, j counted from its start
//
// The output is [N, longest], a column for each token of the batch's longest sequence. Columns beyond a row's own sequence are
// the lowest float, whose softmax is at most 1e-38 of the largest.
struct partner {
  static constexpr bool reads_pooler = false;
  static constexpr bool reads_longest = true;  // batch_shape::longest sizes its buffers
  enum tensor : std::size_t { weight, bias };

  template <class A>
  static constexpr auto parameters() {
    return std::array<bert::parameter, 2>{{
        {.stem = "partner.weight", .rows = A::hidden, .cols = A::hidden},
        {.stem = "partner.bias", .rows = A::hidden, .role = bert::role::bias, .initial = bert::initialization::zeros},
    }};
  }

  // Writes the scores, one sequence after another: a linear layer of its queries whose weight is its hidden states.
  template <executor E>
  static void pair(const E& e, const bert::encoded& in, matrix<const float> queries, matrix<float> scores, float* scratch) {
    std::fill_n(scores.data, scores.rows * scores.cols, std::numeric_limits<float>::lowest());
    for_each_sequence(in, [&](std::size_t first, std::size_t count) {
      bert::layers::linear_forward(e, queries.block(first, count), in.hidden.block(first, count),
                                   bert::kernels::epilogue::store{scores.block(first, count).columns(0, count)}, scratch);
    });
  }
  template <class Body>
  static void for_each_sequence(const bert::encoded& in, const Body& body) {
    for (std::size_t s = 0; s < in.batch.sequences(); ++s) body(in.batch.starts()[s], in.batch.length(s));
  }

  template <class A>
  class packed {
   public:
    static constexpr void carve(carver& c, const bert::open_sizes&) noexcept {
      c.take(bert::kernels::packed_size(A::hidden, A::hidden));
      c.take(A::hidden);
    }
    template <executor E>
    packed(const E& e, carver& c, const module_parameters<const float>& p, const bert::open_sizes&) noexcept
        : w(bert::kernels::pack_transposed(e, p.weight(weight), c.take(bert::kernels::packed_size(A::hidden, A::hidden)))),
          b(bert::layers::packed_copy(c, p[bias], A::hidden)) {}

    bert::kernels::packed w;
    const float* b;
  };

  template <class A>
  class workspace {
   public:
    constexpr workspace(carver& c, const bert::batch_shape& s, const bert::open_sizes&) noexcept
        : queries_(c.take(s.tokens * A::hidden)),
          scores_(c.take(s.tokens * s.longest)),
          scratch_(c.take(bert::layers::linear_scratch(s.longest, A::hidden, s.longest))) {}

    template <executor E>
    void run(const E& e, const packed<A>& p, const bert::encoded& in) noexcept {
      rows_ = in.hidden.rows, cols_ = in.batch.longest();
      const matrix<float> queries{queries_, rows_, A::hidden};
      bert::kernels::gemm(e, in.hidden, p.w, bert::kernels::epilogue::bias{queries, p.b});
      pair(e, in, queries, {scores_, rows_, cols_}, scratch_);
    }
    [[nodiscard]] auto output() const noexcept {
      return bert::view<const float, bert::dynamic, bert::dynamic>(scores_, rows_, cols_);
    }

   private:
    std::size_t rows_ = 0, cols_ = 0;
    float *queries_, *scores_, *scratch_;
  };

  template <class A>
  class tape {
   public:
    constexpr tape(carver& c, const bert::batch_shape& s, const bert::open_sizes&) noexcept
        : queries_(c.take(s.tokens * A::hidden)),
          d_queries_(c.take(s.tokens * A::hidden)),
          scores_(c.take(s.tokens * s.longest)),
          scratch_(c.take(std::max(bert::layers::linear_scratch(s.longest, A::hidden, s.longest),
                                   bert::layers::linear_scratch(s.tokens, A::hidden, A::hidden, s.leaves)))) {}

    [[nodiscard]] matrix<float> logits() const noexcept { return {scores_, rows_, cols_}; }

    template <executor E>
    void forward(const E& e, const module_parameters<const float>& p, const bert::encoded& in,
                 const bert::layers::step_noise&) noexcept {
      rows_ = in.hidden.rows, cols_ = in.batch.longest();
      const matrix<float> queries{queries_, rows_, A::hidden};
      bert::layers::linear_forward(e, in.hidden, p.weight(weight), bert::kernels::epilogue::bias{queries, p[bias]}, scratch_);
      pair(e, in, queries, logits(), scratch_);
    }

    // The objective has replaced logits() by their gradient; columns beyond a sequence are not read. The "weight" of a
    // sequence's pairs is its hidden states, so one call adds to d_hidden and writes d_queries.
    template <executor E>
    void backward(const E& e, const module_parameters<const float>& p, const module_parameters<float>& g,
                  const bert::encoded& in, matrix<float> d_hidden, matrix<float>, const bert::layers::step_noise&) noexcept {
      const matrix<float> queries{queries_, rows_, A::hidden}, d_queries{d_queries_, rows_, A::hidden};
      for_each_sequence(in, [&](std::size_t first, std::size_t count) {
        bert::layers::linear_backward(e, queries.block(first, count), in.hidden.block(first, count),
                                      logits().block(first, count).columns(0, count), d_hidden.block(first, count), nullptr,
                                      bert::kernels::epilogue::store{d_queries.block(first, count)}, scratch_);
      });
      bert::layers::linear_backward(e, in.hidden, p.weight(weight), d_queries, g.weight(weight), g[bias],
                                    bert::kernels::epilogue::add{d_hidden}, scratch_, bert::kernels::gradients::added,
                                    in.groups.tokens);
    }

   private:
    std::size_t rows_ = 0, cols_ = 0;
    float *queries_, *d_queries_, *scores_, *scratch_;
  };
};

// loss = -mean_n log softmax(scores[n,:])[tag_n]; a token's tag is the index of its partner in its sequence, below 0: none
struct find_partner {
  using needs = bert::target_list<bert::target::tag>;
  using heads = bert::type_list<partner>;
  template <class Model>
  static constexpr bool fits = Model::template has_head<partner>;
  static constexpr bool rewrites = false;

  struct work : bert::objectives::prediction_buffers {
    work(const find_partner&, const bert::batch_shape& raw) : prediction_buffers(raw.tokens) {}
  };
  [[nodiscard]] static bert::batch_shape capacity(const bert::batch_shape& raw) noexcept { return raw; }
  [[nodiscard]] static const bert::token_batch& prepare(const bert::training_batch& in, std::uint64_t, work&) noexcept {
    return in.tokens;
  }
  [[nodiscard]] static bert::objectives::loss_terms counts(const bert::training_batch& in, const work&) noexcept {
    bert::objectives::loss_terms terms;
    terms.add({.name = "loss", .count = bert::objectives::counted(in.tags)});
    return terms;
  }
  template <class Model, executor E>
  static bert::objectives::loss_terms score(const E& e, const bert::training_batch& in, work& w, bert::tape<Model>& t,
                                            const bert::objectives::loss_scale& scale) {
    const auto scores = t.template head<partner>().logits();
    bert::objectives::check_tags(in, scores.cols, "guide::find_partner");
    bert::objectives::loss_terms terms;
    terms.add(bert::objectives::mean_cross_entropy(e, "loss", scores, in.tags, scale, w));
    return terms;
  }
};

struct found_partners {
  std::uint64_t right = 0, all = 0;
};

}  // namespace guide

// How bert::evaluate scores the head.
template <>
struct bert::evaluation_of<guide::partner> {
  using needs = bert::target_list<bert::target::tag>;

  static guide::found_partners report(const std::vector<std::string>&) { return {}; }
  static void add(guide::found_partners& report, bert::matrix<const float> scores, const bert::training_batch& batch) {
    for (std::size_t n = 0; n < scores.rows; ++n) {
      if (batch.tags[n] < 0) continue;
      const auto best = std::ranges::max_element(scores[n]) - scores[n].begin();
      report.right += best == batch.tags[n] ? 1 : 0;
      ++report.all;
    }
  }
};

namespace {

struct tiny : bert::architecture_of<bert::dims{
                  .vocab = 29, .hidden = 32, .layers = 1, .heads = 2, .intermediate = 64, .positions = 24}> {};
using model_type = bert::model_for<tiny, guide::find_partner>;

/// Sequences that shuffle 2 to 12 pairs of ids (5, 6), (7, 8), …; one token in each is alone and has no tag.
struct source {
  using targets = bert::target_list<bert::target::tag>;
  std::uint64_t seed = 1;

  [[nodiscard]] bert::batch_shape capacity() const { return {.sequences = 8, .tokens = 8 * 23, .longest = 23}; }
  [[nodiscard]] std::uint64_t batches_per_epoch() const { return 16; }
  void load(std::uint64_t step, bert::training_batch& out) const {
    out.clear();
    for (std::uint64_t s = 0; s < 8; ++s) {
      bert::random_stream random(seed, bert::draw::user, step % 16 * 8 + s);
      std::vector<bert::token_id> ids(24);
      for (std::size_t i = 0; i < 24; ++i) ids[i] = 5 + static_cast<bert::token_id>(i);
      ids.resize(2 * (2 + random.below(11)) - 1);
      for (std::size_t i = ids.size(); i-- > 1;) std::swap(ids[i], ids[random.below(static_cast<std::uint32_t>(i + 1))]);
      out.tokens.add(ids);
      for (const auto id : ids) {
        const auto at = std::ranges::find(ids, id % 2 == 1 ? id + 1 : id - 1);
        out.tags.push_back(at == ids.end() ? -1 : static_cast<std::int32_t>(at - ids.begin()));
      }
    }
  }
};

}  // namespace

TEST_CASE("a head that scores pairs of tokens learns each token's partner, and is saved and loaded") {
  auto model = model_type::random({.stddev = 0.1f, .seed = 4});
  const source train{.seed = 1}, test{.seed = 2};
  const auto before = bert::evaluate(model, test);
  bert::fit(model, guide::find_partner{}, train, {.epochs = 25, .learning_rate = 5e-3f, .dropout = 0, .attention_dropout = 0});
  const auto after = bert::evaluate(model, test);
  CHECK(before.right * 2 < before.all);
  CHECK(after.right * 100 > after.all * 95);
  CHECK(bert::measure(model, guide::find_partner{}, test)["loss"].correct == after.right);

  const auto folder = support::temporary_path("bert_own_pair_head_test");
  bert::save(folder, model);
  const auto opened = bert::checkpoint(folder).load<model_type>();
  std::filesystem::remove_all(folder);
  CHECK(std::ranges::equal(opened.block(), model.block()));
  CHECK(bert::evaluate(opened, test).right == after.right);
}

TEST_CASE("the gradients of a head that scores pairs of tokens are the slopes of its loss") {
  auto model = model_type::random({.stddev = 0.2f, .seed = 1});
  bert::training_batch batch;
  source{}.load(0, batch);
  const guide::find_partner objective;
  guide::find_partner::work work(objective, batch.tokens.shape());
  bert::tape<model_type> tape(batch.tokens.shape(), model.sizes());
  const bert::execution::threads two{2};
  const auto loss = [&] {
    tape.forward(two, model, batch.tokens);
    return objective.score(two, batch, work, tape, 1.0f).loss();
  };
  loss();
  bert::buffer<float> gradients(model.block().size());
  tape.backward(two, model, batch.tokens, gradients.data());
  CHECK(support::slope_error(model, model.view(gradients.data()), loss) < 0.03);
}

TEST_CASE("the scores of a sequence's pairs have the same bits beside a longer sequence") {
  const auto model = model_type::random({.stddev = 0.2f, .seed = 1});
  const auto frozen = bert::freeze(model);
  bert::token_batch alone, both;
  alone.add(support::ids(1, 7, tiny::vocab));
  both.add(support::ids(1, 7, tiny::vocab));
  both.add(support::ids(2, 20, tiny::vocab));
  auto one = frozen.session(alone.shape()), two = frozen.session(both.shape());
  const auto a = one(alone), b = two(both);
  CHECK(b.extent(1) == 20);
  for (std::size_t n = 0; n < 7; ++n) CHECK(std::ranges::equal(a[n], b[n].first(7)));
  CHECK_THROWS_WITH_AS(one(both), doctest::Contains("at most 1 sequences, 7 tokens"), bert::error);
}
