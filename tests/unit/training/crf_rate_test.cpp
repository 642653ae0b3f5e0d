#include "bert/training/crf_rate.hpp"

#include <doctest/doctest.h>

#include "../../support/small_models.hpp"
#include "bert/heads/crf.hpp"
#include "bert/labels/bio.hpp"

namespace {
struct names : bert::labels::bio<"PER", "LOC"> {};
using model_type = bert::model<support::pocket, bert::heads::crf<names>>;
static_assert(bert::optim::parameter_groups<bert::optim::crf_rate>);
}  // namespace

TEST_CASE("a CRF's tensors learn at their multiple, all others as the inner groups say") {
  constexpr auto table = model_type::table_of({.vocab = support::pocket::vocab});
  constexpr bert::optim::crf_rate plain{.multiple = 50}, decayed{.multiple = 3, .others = {.factor = 0.5f, .frozen = 1}},
      other{.multiple = 2, .tensors = "classifier."};
  int fast = 0;
  for (const auto& p : table) {
    const bool crf = p.stem.starts_with("crf.");
    fast += crf ? 1 : 0;
    CHECK(plain(p, 2).rate == (crf ? 50.0f : 1.0f));
    CHECK(plain(p, 2).decay == bert::optim::decay_of(p.role));
    CHECK_FALSE(plain(p, 2).frozen);
    const auto inner = bert::optim::layer_decay{.factor = 0.5f, .frozen = 1}(p, 2);
    CHECK(decayed(p, 2).rate == (crf ? 3 : 1) * inner.rate);
    CHECK(decayed(p, 2).frozen == inner.frozen);
    CHECK(other(p, 2).rate == (p.stem.starts_with("classifier.") ? 2.0f : 1.0f));
  }
  CHECK(fast == 3);
  CHECK(plain.describe() != decayed.describe());
  CHECK(plain.describe().starts_with("crf_rate multiple=50 tensors=crf."));
}

TEST_CASE("the multiple is one of the heads' rate") {
  auto model = model_type::random({.seed = 1});
  const auto layout = bert::training::layout_of<support::pocket>(model.table(), bert::optim::crf_rate{.multiple = 10});
  std::vector<float> gradients(layout.size);
  bert::training::update_list updates(model, layout, gradients);
  for (const auto& t : updates.at_rates(1.0f, 4.0f)) {
    const bool head = t.parameter->module == bert::module_kind::head;
    CHECK(t.rate == (t.parameter->stem.starts_with("crf.") ? 40.0f : head ? 4.0f : 1.0f));
  }
}
