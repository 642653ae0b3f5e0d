#include <doctest/doctest.h>

#include "bert/model/model.hpp"
#include "bert/model/presets.hpp"

// Published counts: BertModel with its pooler.
static_assert(bert::model<bert::arch::tiny>::parameters == 4'385'920);
static_assert(bert::model<bert::arch::mini>::parameters == 11'170'560);
static_assert(bert::model<bert::arch::small>::parameters == 28'763'648);
static_assert(bert::model<bert::arch::medium>::parameters == 41'373'184);
static_assert(bert::model<bert::arch::base_uncased>::parameters == 109'482'240);
static_assert(bert::model<bert::arch::base_cased>::parameters == 108'310'272);
static_assert(bert::model<bert::arch::base_chinese>::parameters == 102'267'648);
static_assert(bert::model<bert::arch::base_multilingual_cased>::parameters == 177'853'440);
static_assert(bert::model<bert::arch::large_uncased>::parameters == 335'141'888);
static_assert(bert::model<bert::arch::large_cased>::parameters == 333'579'264);
static_assert(bert::model<bert::arch::minilm_l6>::parameters == 22'713'216);
static_assert(bert::model<bert::arch::minilm_l12>::parameters == 33'360'000);

static_assert(bert::architecture<bert::arch::tiny> && !bert::architecture<int>);
static_assert(bert::arch::minilm_l6::head_dim == 32);
static_assert(bert::open_vocabulary<bert::arch::mini>::vocab == bert::dynamic);
static_assert(bert::open_vocabulary<bert::arch::mini>::hidden == 256);
static_assert(bert::with_positions<bert::arch::mini, 64>::positions == 64);

TEST_CASE("layer norm's epsilon is the power of ten given in dims") {
  struct loose : bert::architecture_of<bert::dims{
                     .vocab = 9, .hidden = 8, .layers = 1, .heads = 2, .intermediate = 8, .norm_epsilon_exponent = -5}> {};
  CHECK(loose::norm_epsilon == doctest::Approx(1e-5));
  CHECK(bert::arch::tiny::norm_epsilon == doctest::Approx(1e-12));
}
