#include "bert/heads/choice.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <vector>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/model/session.hpp"
#include "bert/objectives/choice.hpp"
#include "support/golden.hpp"

namespace {
struct small : bert::architecture_of<bert::dims{
                   .vocab = 101, .hidden = 24, .layers = 1, .heads = 3, .intermediate = 30, .positions = 32}> {};
using model_type = bert::model<small, bert::heads::choice>;
static_assert(bert::heads::chooser<bert::heads::choice> &&
              bert::heads::rows_of<bert::heads::choice> == bert::heads::output_rows::sequences);

bert::training_batch golden_batch(const bert::io::safetensors& file) {
  bert::training_batch batch;
  batch.tokens = golden::batch(file, "eval");
  batch.labels = golden::integers<std::int32_t>(file, "eval.labels");
  for (const auto g : golden::integers<std::int32_t>(file, "eval.groups")) batch.groups.push_back(static_cast<std::size_t>(g));
  return batch;
}
}  // namespace

TEST_CASE("a folder of BertForMultipleChoice opens, with transformers' logits") {
  const auto m = bert::checkpoint(golden::folder("choice")).load<model_type>();
  const bert::io::safetensors file(golden::folder("choice") / "golden.safetensors");
  const auto batch = golden_batch(file);
  const auto frozen = bert::freeze(m);
  auto run = frozen.session(batch.tokens.shape());
  const auto y = run(batch.tokens);
  CHECK(golden::largest_difference(std::vector<float>(y.begin(), y.end()), golden::floats(file, "eval.logits")) < 2e-6);
}

TEST_CASE("the loss of a choice and its gradient are PyTorch's, in groups of different sizes") {
  const auto m = bert::checkpoint(golden::folder("choice")).load<model_type>();
  const bert::io::safetensors file(golden::folder("choice") / "golden.safetensors");
  const auto batch = golden_batch(file);
  const bert::objectives::choice o;
  const bert::execution::serial e;
  bert::objectives::choice::work work(o, batch.tokens.shape());
  bert::tape<model_type> tape(batch.tokens.shape(), m.sizes());
  tape.forward(e, m, batch.tokens);
  const auto terms = o.score(e, batch, work, tape, 1.0f);
  CHECK(terms.loss() == doctest::Approx(static_cast<double>(golden::floats(file, "loss.total")[0])).epsilon(1e-5));
  CHECK(terms["loss"].count == 3);
  std::vector<float> gradient(m.block().size());
  tape.backward(e, m, batch.tokens, gradient.data());
  const auto offset = m.values("classifier.weight").data() - m.block().data();
  const std::vector<float> weight(gradient.begin() + offset, gradient.begin() + offset + 24);
  CHECK(golden::relative_difference(weight, golden::floats(file, "grad.classifier.weight")) < 1e-5);
}
