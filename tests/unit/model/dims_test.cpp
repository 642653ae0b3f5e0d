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
// As the pages of the models say: 24 M (95.8 MB), 326 M, 471 M, 110 M, 167 M.
static_assert(bert::model<bert::arch::bge_small_zh>::parameters == 23'953'920);
static_assert(bert::model<bert::arch::large_chinese>::parameters == 325'522'432);
static_assert(bert::model<bert::arch::labse>::parameters == 470'926'848);
static_assert(bert::model<bert::arch::scibert_uncased>::parameters == 109'918'464);
static_assert(bert::model<bert::arch::base_multilingual_uncased>::parameters == 167'356'416);
static_assert(bert::model<bert::arch::ms_marco_minilm_l4>::parameters == 19'164'288);
static_assert(bert::model<bert::arch::ms_marco_minilm_l2>::parameters == 15'615'360);
// DistilBertModel has 66,362,880 and no pre_classifier, which is the pooler here; ElectraModel 108,891,648 without the
// classifier's.
static_assert(bert::model<bert::arch::distilbert_base>::parameters == 66'362'880 + 768 * 769);
static_assert(bert::model<bert::arch::electra_base>::parameters == 108'891'648 + 768 * 769);

// Names of models: the sizes that their folders have.
template <class A>
constexpr bool has_sizes(int hidden, int layers, int heads, int intermediate, int vocab) {
  return A::hidden == hidden && A::layers == layers && A::heads == heads && A::intermediate == intermediate &&
         A::vocab == vocab && A::positions == 512 && A::segments == 2;
}
template <class... A>
constexpr bool all_have(int hidden, int layers, int heads, int intermediate, int vocab) {
  return (has_sizes<A>(hidden, layers, heads, intermediate, vocab) && ...);
}
namespace arch = bert::arch;
static_assert(all_have<arch::all_minilm_l6, arch::arctic_embed_xs, arch::ms_marco_minilm_l6>(384, 6, 12, 1'536, 30'522));
static_assert(all_have<arch::all_minilm_l12, arch::bge_small_en, arch::e5_small, arch::gte_small, arch::arctic_embed_s,
                       arch::ms_marco_minilm_l12>(384, 12, 12, 1'536, 30'522));
static_assert(all_have<arch::bge_base_en, arch::e5_base, arch::gte_base, arch::arctic_embed_m>(768, 12, 12, 3'072, 30'522));
static_assert(all_have<arch::bge_large_en, arch::e5_large, arch::gte_large, arch::mxbai_embed_large, arch::arctic_embed_l>(
    1'024, 24, 16, 4'096, 30'522));
static_assert(all_have<arch::bge_base_zh, arch::macbert_base, arch::chinese_bert_wwm, arch::chinese_roberta_wwm>(768, 12, 12,
                                                                                                                 3'072,
                                                                                                                 21'128));
static_assert(all_have<arch::bge_large_zh, arch::macbert_large, arch::chinese_roberta_wwm_large>(1'024, 24, 16, 4'096, 21'128));
static_assert(all_have<arch::biobert>(768, 12, 12, 3'072, 28'996) &&
              all_have<arch::ms_marco_tinybert_l2>(128, 2, 2, 512, 30'522));

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
