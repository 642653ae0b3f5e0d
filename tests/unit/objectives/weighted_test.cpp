#include "bert/objectives/weighted.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <type_traits>
#include <vector>

#include "bert/objectives/alternate.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/objectives/fgm.hpp"
#include "bert/objectives/joint.hpp"
#include "bert/objectives/on.hpp"
#include "bert/objectives/r_drop.hpp"
#include "bert/objectives/tag_cross_entropy.hpp"
#include "support/largest.hpp"
#include "support/two_tasks.hpp"

namespace {
using namespace bert::objectives;
const bert::execution::serial serial;
using model_type = bert::model<support::pocket, bert::heads::classify<support::mood>, support::tags, support::topic>;

bert::training_batch batch_of(std::uint64_t step) {
  const support::tagged_source source;
  bert::training_batch batch;
  source.load(step, batch);
  for (std::size_t s = 0; s < batch.tokens.sequences(); ++s) batch.labels.push_back(s % 2 == 0 ? 1 : 0);
  return batch;
}

/// The gradient of the step whose batches these are, each scored over the counts of all.
template <class O>
std::vector<float> gradient(const O& o, const std::vector<bert::training_batch>& step, loss_terms* terms = nullptr) {
  const auto m = model_type::random({.stddev = 0.2f, .seed = 5});
  const support::made_up_source source;
  auto work = make_work(o, source.capacity(), serial);
  bert::tape<model_type> tape(o.capacity(source.capacity()), m.sizes(), tape_options_of(o));
  loss_terms counts;
  for (const auto& batch : step) counts += o.counts(batch, work);
  std::vector<float> out(m.block().size());
  auto how = bert::gradients::written;
  for (const auto& batch : step) {
    tape.forward(serial, m, o.prepare(batch, 1, work));
    const auto found = o.score(serial, batch, work, tape, loss_scale(counts));
    if (terms != nullptr) *terms += found;
    tape.backward(serial, m, batch.tokens, out.data(), {}, how);
    how = bert::gradients::added;
  }
  return out;
}
std::vector<float> sum(const std::vector<float>& a, const std::vector<float>& b, float times) {
  std::vector<float> out(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) out[i] = a[i] + times * b[i];
  return out;
}
}  // namespace

TEST_CASE("a weight multiplies the gradient and the whole loss; the term itself keeps its mean and has the new name") {
  const std::vector<bert::training_batch> step{batch_of(0)};
  loss_terms plain, half;
  const auto one = gradient(cross_entropy{}, step, &plain);
  const auto other = gradient(weighted{cross_entropy{}, {.weight = 0.5f, .name = "mood"}}, step, &half);
  CHECK(half["mood"].mean() == plain["loss"].mean());
  CHECK(half.loss() == doctest::Approx(plain.loss() / 2));
  CHECK(!half.has("loss"));
  CHECK(support::largest_difference(sum(one, other, -2.0f), std::vector<float>(one.size())) < 1e-7);
  CHECK(support::largest_magnitude(one) > 1e-3);
}

TEST_CASE("over accumulated batches each objective of a joint has the count of its own term") {
  const std::vector<bert::training_batch> step{batch_of(0), batch_of(1)};
  const auto labels = gradient(cross_entropy{}, step), tags = gradient(tag_cross_entropy{}, step);
  loss_terms terms;
  const joint both{cross_entropy{}, weighted{tag_cross_entropy{}, {.weight = 0.5f, .name = "tags"}}};
  const auto together = gradient(both, step, &terms);
  CHECK(terms["loss"].count == 8);
  CHECK(terms["tags"].count == step[0].tokens.tokens() + step[1].tokens.tokens());
  CHECK(terms.loss() == doctest::Approx(terms["loss"].mean() + terms["tags"].mean() / 2));
  CHECK(support::largest_difference(together, sum(labels, tags, 0.5f)) < 1e-6);
  const joint swapped{weighted{tag_cross_entropy{}, {.weight = 0.5f, .name = "tags"}}, cross_entropy{}};
  CHECK(support::largest_difference(gradient(swapped, step), together) < 1e-6);
}

TEST_CASE("two objectives of a joint whose terms have one name are an error") {
  CHECK_THROWS_WITH_AS((void)gradient(joint{cross_entropy{}, tag_cross_entropy{}}, {batch_of(0)}),
                       doctest::Contains("loss terms of different names, found \"loss\" of two objectives"), bert::error);
}

TEST_CASE("an objective trains the head that it is put on, and no other") {
  const std::vector<bert::training_batch> step{batch_of(0)};
  const auto m = model_type::random({.stddev = 0.2f, .seed = 5});
  const auto norm = [&](const std::vector<float>& g, const char* name) {
    const auto values = m.values(name);
    const std::size_t at = static_cast<std::size_t>(values.data() - m.block().data());
    return support::largest_magnitude(std::vector<float>(g.begin() + static_cast<std::ptrdiff_t>(at),
                                                         g.begin() + static_cast<std::ptrdiff_t>(at + values.size())));
  };
  const auto first = gradient(cross_entropy{}, step), named = gradient(on<support::topic>(cross_entropy{}), step);
  CHECK(norm(first, "classifier.weight") > 1e-3);
  CHECK(norm(first, "topic.weight") == 0);
  CHECK(norm(first, "tags.weight") == 0);
  CHECK(norm(named, "topic.weight") > 1e-3);
  CHECK(norm(named, "classifier.weight") == 0);
  CHECK(norm(named, "tags.weight") == 0);
  using named_type = std::remove_cvref_t<decltype(on<support::topic>(cross_entropy{}))>;
  static_assert(objective_for<named_type, model_type>);
  static_assert(!named_type::fits<bert::model<support::pocket, bert::heads::classify<support::mood>>>);
  static_assert(std::same_as<named_type::needs, bert::target_list<bert::target::label>>);
}

TEST_CASE("a weight that is not positive is an error") {
  for (const float weight : {0.0f, -1.0f, std::nanf("")})
    CHECK_THROWS_WITH_AS((void)make_work(weighted{cross_entropy{}, {.weight = weight}}, bert::batch_shape{}, serial),
                         doctest::Contains("a .weight above 0"), bert::error);
}

namespace {
/// Remembers how many threads the executor of its buffers had.
struct curious : cross_entropy {
  struct work : cross_entropy::work {
    template <bert::executor E>
    work(const curious& o, const bert::batch_shape& raw, const E& e) : cross_entropy::work(o, raw), width(e.width()) {}
    std::size_t width;
  };
};
}  // namespace

TEST_CASE("objectives that wrap others pass the executor to the buffers of those that take one") {
  const bert::execution::threads two{2};
  const bert::batch_shape shape{.sequences = 1, .tokens = 8};
  CHECK(make_work(joint<curious, tag_cross_entropy>{}, shape, two).first.width == 2);
  CHECK(std::get<0>(make_work(joint<tag_cross_entropy, curious>{}, shape, two).rest).width == 2);
  CHECK(make_work(fgm<curious>{}, shape, two).inner.width == 2);
  CHECK(make_work(r_drop<curious>{}, shape, two).inner.width == 2);
  CHECK(make_work(weighted<curious>{}, shape, two).inner.width == 2);
  CHECK(make_work(weighted<fgm<curious>>{}, shape, two).inner.inner.width == 2);
  CHECK(make_work(joint<curious, tag_cross_entropy>{}, shape, serial).first.width == 1);
}
