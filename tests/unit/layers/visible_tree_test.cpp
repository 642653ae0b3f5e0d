#include "bert/layers/visible_tree.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "../../support/small_models.hpp"
#include "bert/model/tape.hpp"
#include "support/slopes.hpp"

namespace {
constexpr bert::dims sizes{.vocab = 131, .hidden = 40, .layers = 2, .heads = 5, .intermediate = 56, .positions = 64};
struct knowing
    : bert::architecture_of<sizes, bert::layers::post_norm<bert::activation::gelu_erf, bert::attention::visible_tree>,
                            bert::layers::soft_embeddings> {};
struct plain : bert::architecture_of<sizes> {};
template <class A>
using classifier = bert::model<A, bert::heads::classify<support::mood>>;

std::vector<float> logits_of(const auto& m, const bert::token_batch& batch) {
  using model_type = std::remove_cvref_t<decltype(m)>;
  bert::tape<model_type> tape({.sequences = 4, .tokens = 100}, m.sizes());
  tape.forward(bert::execution::serial{}, m, batch);
  const auto z = tape.template head<0>().logits();
  return {z.data, z.data + z.rows * z.cols};
}
}  // namespace

TEST_CASE("a branch goes on where its entity ends, and the trunk as if there were none") {
  const std::vector<bert::token_id> ids(12, 5);
  const std::vector<bert::segment_id> segments(12, 0);
  const std::vector<std::size_t> starts{0, 8, 12};
  const std::vector<std::int32_t> marks{0, 0, 2, -2, -2, 1, 0, 0, /* another sequence */ 0, 0, 0, 0};
  std::array<bert::token_id, 12> positions{};
  bert::layers::soft_positions({ids, segments, starts, marks}, positions);
  CHECK(positions == std::array<bert::token_id, 12>{0, 1, 2, 3, 4, 2, 2, 3, 0, 1, 2, 3});
  bert::layers::soft_positions({ids, segments, starts, {}}, positions);
  CHECK(positions == std::array<bert::token_id, 12>{0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3});
}

TEST_CASE("a model over visible trees has the gradients of its loss, and is BERT where a batch has no marks") {
  auto m = classifier<knowing>::random({.stddev = 0.2f, .seed = 1});
  bert::token_batch batch, bare;
  const std::vector<std::int32_t> marks{0, 0, 0, 2, -2, 1, -1, -1, 0, 0};
  batch.add(support::ids(1, 10), {}, marks);
  batch.add(support::ids(2, 17));
  bare.add(support::ids(1, 10));
  bare.add(support::ids(2, 17));
  bert::tape<classifier<knowing>> tape({.sequences = 2, .tokens = 27}, m.sizes());
  const bert::execution::threads e{2};
  const auto loss = [&] {
    tape.forward(e, m, batch);
    const auto z = tape.head<0>().logits();
    double sum = 0;
    for (std::size_t s = 0; s < 2; ++s)
      for (std::size_t c = 0; c < 2; ++c) {
        sum += 0.5 * static_cast<double>(z(s, c)) * static_cast<double>(z(s, c));  // its gradient is the logits
      }
    return sum;
  };
  loss();
  bert::buffer<float> gradients(m.block().size());
  tape.backward(e, m, batch, gradients.data());
  CHECK(support::slope_error(m, gradients.data(), loss, "attention.self.key.bias") < 0.03);

  auto same = classifier<plain>::blank();
  std::copy(m.block().begin(), m.block().end(), same.block().begin());
  const auto with = logits_of(m, batch), without = logits_of(m, bare), of_bert = logits_of(same, bare);
  for (std::size_t i = 0; i < of_bert.size(); ++i) CHECK(std::abs(without[i] - of_bert[i]) < 1e-4f);
  CHECK(std::abs(with[0] - without[0]) > 1e-3f);
  CHECK(std::equal(with.begin() + 2, with.end(), without.begin() + 2));  // the sequence without branches, to the bit
  // Inference is training's forward pass, in bf16 nearly.
  const auto frozen = bert::freeze(m);
  auto run = frozen.session(batch.shape());
  const auto rough = bert::freeze<bert::precision::bf16>(m);
  auto run_rough = rough.session(batch.shape());
  const auto z = run(batch), z_rough = run_rough(batch);
  for (std::size_t i = 0; i < with.size(); ++i) {
    CHECK(std::abs(z.data()[i] - with[i]) < 1e-4f);
    CHECK(std::abs(z_rough.data()[i] - with[i]) < 0.3f);
  }
}
