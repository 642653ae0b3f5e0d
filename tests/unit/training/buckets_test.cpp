#include "bert/training/buckets.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <span>
#include <vector>

#include "bert/heads/masked_lm.hpp"
#include "bert/heads/next_sentence.hpp"
#include "bert/model/tape.hpp"
#include "bert/objectives/joint.hpp"
#include "bert/objectives/masked_lm.hpp"
#include "bert/objectives/next_sentence.hpp"
#include "bert/training/trainer.hpp"
#include "support/small_models.hpp"

namespace {

using bert::training::buckets_of;
using bert::training::gradient_bucket;
using model_type = bert::model<support::pocket, bert::heads::masked_lm, bert::heads::next_sentence>;

template <class Groups = bert::optim::one_group>
auto layout(const model_type& m, const Groups& groups = {}) {
  return bert::training::layout_of<support::pocket>(m.table(), groups);
}

/// Freezes the embeddings and the first layer.
struct upper_half {
  [[nodiscard]] constexpr bert::optim::group operator()(const bert::parameter& p, int) const noexcept {
    return {.frozen = p.module == bert::module_kind::embeddings || p.layer == 0};
  }
  [[nodiscard]] static std::string describe() { return "upper"; }
};

/// Records what is begun.
struct recorder : bert::training::alone {
  std::vector<std::size_t>* begun;
  explicit recorder(std::vector<std::size_t>* to) : begun(to) {}
  void begin(std::span<float> values) const { begun->push_back(values.size()); }
  void finish() const { begun->push_back(0); }
};

}  // namespace

TEST_CASE("buckets cover every trained parameter once, in the order of their completion") {
  const auto m = model_type::random({});
  for (const std::size_t least : {std::size_t{0}, std::size_t{3'000}, std::size_t{1} << 30}) {
    const auto l = layout(m);
    const auto buckets = buckets_of<support::pocket>(m.table(), l, 100, least);
    std::vector<int> covered(l.size + 100);
    int last = support::pocket::layers;
    for (const auto& b : buckets) {
      CHECK(b.before <= last);
      last = b.before;
      for (std::size_t i = 0; i < b.size; ++i) ++covered[b.offset + i];
    }
    for (std::size_t i = 0; i < m.table().size(); ++i) {
      const auto& p = m.table()[i];
      for (std::size_t e = 0; e < p.count(); ++e) REQUIRE(covered[l.offsets[i] + e] == 1);
    }
    for (std::size_t i = 0; i < 100; ++i) CHECK(covered[l.size + i] == 1);
    for (const int times : covered) CHECK(times <= 1);
    CHECK(last == gradient_bucket::at_end);
    CHECK(buckets.size() == 5);  // tensors that lie beside each other are one
  }
}

TEST_CASE("a parameter is in no bucket that is complete before its own gradient is") {
  const auto m = model_type::random({});
  const auto l = layout(m);
  for (const std::size_t least : {std::size_t{0}, std::size_t{3'000}, std::size_t{1} << 30})
    for (const auto& b : buckets_of<support::pocket>(m.table(), l, 0, least))
      for (std::size_t i = 0; i < m.table().size(); ++i) {
        const auto& p = m.table()[i];
        if (l.offsets[i] < b.offset || l.offsets[i] >= b.offset + b.size) continue;
        if (p.module == bert::module_kind::embeddings) CHECK(b.before == gradient_bucket::at_end);
        if (p.module == bert::module_kind::layer) CHECK(b.before < p.layer);
      }
}

TEST_CASE("frozen parameters are in no bucket") {
  const auto m = model_type::random({});
  const auto l = layout(m, upper_half{});
  std::size_t floats = 0;
  for (const auto& b : buckets_of<support::pocket>(m.table(), l, 0)) floats += b.size;
  CHECK(floats >= l.parameters);
  CHECK(floats <= l.size);
  CHECK(l.size < layout(m).size);
  for (const auto& b : buckets_of<support::pocket>(m.table(), l, 0, 0)) CHECK(b.size > 0);
}

TEST_CASE("each bucket begins when its layer is passed, and only once a batch") {
  std::vector<std::size_t> begun;
  const recorder r(&begun);
  std::vector<float> block(60);
  bert::training::begun_buckets buckets({{1, 40, 20}, {0, 20, 11}, {-1, 0, 12}});
  for (int batch = 0; batch < 2; ++batch) {
    begun.clear();
    buckets.reset();
    buckets.begin(r, block, 1);
    CHECK(begun == std::vector<std::size_t>{20});
    buckets.begin(r, block, 0);
    CHECK(begun == std::vector<std::size_t>{20, 11});
    buckets.finish(r, block);
    CHECK(begun == std::vector<std::size_t>{20, 11, 12, 0});
  }
  begun.clear();
  buckets.reset();
  buckets.finish(r, block);  // a replica without examples: the same, in the same order
  CHECK(begun == std::vector<std::size_t>{20, 11, 12, 0});
}

TEST_CASE("a trainer begins all buckets in each batch of a step, and waits for them once") {
  auto m = model_type::random({.stddev = 0.1f, .seed = 1});
  const support::made_up_source source;
  std::vector<std::size_t> begun;
  bert::trainer t{m,
                  bert::objectives::joint{bert::objectives::masked_lm{}, bert::objectives::next_sentence{}},
                  bert::optim::adamw{},
                  bert::schedules::constant{.peak = 1e-3f, .total = 2},
                  bert::training_options{.accumulate = 2, .leaves = 2},
                  recorder(&begun)};
  for (const auto& step : t.over(source)) CHECK(step.index > 0);
  const auto l = layout(m);
  const std::size_t all = l.size + m.table()[0].count();  // the tied decoder's gradient has its own place
  std::size_t batches = 0, floats = 0;
  for (const std::size_t size : begun)
    if (size != 0) floats += size;
    else {
      CHECK(floats > all - 16 * m.table().size());
      CHECK(floats <= all);
      floats = 0;
      ++batches;
    }
  CHECK(batches == 4);
  CHECK(floats == 0);
}
