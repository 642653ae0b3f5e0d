// DistilBERT and ELECTRA against transformers, in and out; and what is said of models that cannot be opened.
// Layer: tests. Of: include/bert/checkpoint/model_types.hpp, include/bert/checkpoint/tensor_names.hpp
#include "bert/checkpoint/model_types.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/heads/classify.hpp"
#include "bert/heads/masked_lm.hpp"
#include "bert/heads/span.hpp"
#include "bert/heads/tag.hpp"
#include "bert/model/tape.hpp"
#include "support/golden.hpp"
#include "support/golden_models.hpp"
#include "support/slopes.hpp"
#include "unit/io/scratch.hpp"

using namespace bert;
using namespace bert::testing;
using golden::urgency;

namespace {

constexpr dims sizes{.vocab = 101, .hidden = 24, .layers = 2, .heads = 3, .intermediate = 30, .positions = 32};
struct distilled : distilbert_of<sizes> {};
struct distilled_relu : distilbert_of<sizes, layers::post_norm<activation::relu>> {};
struct electric : electra_of<sizes> {};

using texts = heads::classify<urgency>;
using tokens = heads::tag<urgency>;

std::filesystem::path folder(const std::string& name) { return golden::folder("families") / name; }

token_batch batch_of(const std::string& name) {
  return golden::batch(io::safetensors(folder(name) / "golden.safetensors"), "eval");
}

/// The tensors of a file, by name.
std::vector<std::string> names(const std::filesystem::path& folder) {
  const weight_files files(folder);
  std::vector<std::string> out;
  for (const auto& t : files.tensors()) out.push_back(t.name);
  std::sort(out.begin(), out.end());
  return out;
}

/// The largest difference from transformers' output; and whether a saved copy has the names, config and bits of the original.
template <class Model>
double difference(const std::string& name) {
  const checkpoint files(folder(name));
  const auto m = files.load<Model>();
  auto batch = batch_of(name);
  if constexpr (std::same_as<Model, model<distilled_relu, heads::masked_lm>>)
    for (std::size_t i = 0; i < batch.tokens(); ++i) batch.score(i);
  const auto frozen = files.freeze<Model>();
  auto run = frozen.session(batch.shape());
  const auto y = run(batch);
  const auto expected = golden::floats(io::safetensors(folder(name) / "golden.safetensors"), "output");

  const scratch dir;
  save(dir / "copy", m);
  CHECK(names(dir / "copy") == names(folder(name)));
  const auto copy = checkpoint(dir / "copy").load<Model>();
  for (const parameter& p : m.table()) CHECK(std::ranges::equal(m.values(p), copy.values(p)));
  const auto before = io::read_json(folder(name) / "config.json"), after = io::read_json(dir / "copy/config.json");
  for (const char* key : {"model_type", "architectures", "dim", "hidden_size", "n_layers", "num_hidden_layers", "hidden_dim",
                          "intermediate_size", "activation", "hidden_act", "embedding_size", "id2label"}) {
    CAPTURE(key);
    if (before.contains(key)) CHECK(after.at(key).dump() == before.at(key).dump());
  }
  return golden::largest_difference(y.flat(), expected);
}

std::string refusal(const char* type) {
  return message_of([&] {
    auto j = io::parse_json(R"({"vocab_size": 30522})", "x");
    j["model_type"] = type;
    (void)model_config::parse(j, "config.json");
  });
}

}  // namespace

TEST_CASE("DistilBERT's outputs are within 2e-5 of transformers', and it is saved under its own names") {
  CHECK(difference<model<distilled>>("distilbert") <= 2e-5);
  CHECK(difference<model<distilled, texts>>("distilbert_texts") <= 2e-5);
  CHECK(difference<model<distilled, tokens>>("distilbert_tokens") <= 2e-5);
  CHECK(difference<model<distilled, heads::span>>("distilbert_answers") <= 2e-5);
  CHECK(difference<model<distilled_relu, heads::masked_lm>>("distilbert_masked") <= 2e-5);
}

TEST_CASE("ELECTRA's outputs are within 2e-5 of transformers', and it is saved under its own names") {
  CHECK(difference<model<electric>>("electra") <= 2e-5);
  CHECK(difference<model<electric, texts>>("electra_texts") <= 2e-5);
  CHECK(difference<model<electric, tokens>>("electra_tokens") <= 2e-5);
  CHECK(difference<model<electric, heads::span>>("electra_answers") <= 2e-5);
}

TEST_CASE("a head takes the encoder of another class of its family, and none of another family's") {
  const auto from = checkpoint(folder("distilbert_tokens")).load<model<distilled>>();
  const auto to = checkpoint(folder("distilbert_tokens")).load<model<distilled, tokens>>();
  CHECK(std::ranges::equal(from.values("bert.encoder.layer.1.output.dense.weight"),
                           to.values("bert.encoder.layer.1.output.dense.weight")));
  CHECK(checkpoint(folder("distilbert_tokens")).notes<model<distilled>>().empty());
  CHECK(has(message_of([&] { (void)checkpoint(folder("distilbert")).load<model<golden::plain>>(); }),
            "\"model_type\": expected bert, as the architecture's type says, found distilbert"));
  CHECK(has(message_of([&] { (void)checkpoint(folder("electra_texts")).load<model<distilled, texts>>(); }),
            "expected distilbert, as the architecture's type says, found electra"));
  CHECK(has(message_of([&] { (void)checkpoint(folder("distilbert")).load<model<distilled, texts>>(); }),
            "a tensor \"pre_classifier.weight\""));
  CHECK(has(message_of([&] { (void)checkpoint(folder("distilbert_texts")).load<model<distilled, tokens>>(); }),
            "\"architectures\": expected BertForTokenClassification"));
}

TEST_CASE("segments of a batch change nothing in DistilBERT, in a session and on a tape") {
  const auto m = checkpoint(folder("distilbert_texts")).load<model<distilled, texts>>();
  const auto batch = batch_of("distilbert_texts");
  token_batch zeros;
  for (std::size_t s = 0; s < batch.sequences(); ++s) zeros.add(batch[s]);
  const auto frozen = freeze(m);
  auto one = frozen.session(batch.shape()), two = frozen.session(batch.shape());
  CHECK(std::ranges::equal(one(batch).flat(), two(zeros).flat()));
  tape<model<distilled, texts>> t(batch.shape(), m.sizes());
  t.forward(execution::serial{}, m, batch);
  CHECK(support::largest_difference(matrix<const float>(t.head<0>().logits()), one(batch).as_matrix()) < 2e-6);
}

TEST_CASE("the gradients of a classifier of DistilBERT and of ELECTRA are the slopes of its loss") {
  const auto error = []<class A>(A) {
    auto m = model<A, texts>::random({.stddev = 0.2f, .seed = 3});
    const auto batch = batch_of("distilbert_texts");
    std::vector<float> along(batch.sequences() * 3);
    random_stream random(2, draw::user);
    for (float& v : along) v = random.normal();
    tape<model<A, texts>> t(batch.shape(), m.sizes());
    const auto loss = [&] {
      t.forward(execution::serial{}, m, batch);
      const auto z = t.template head<0>().logits();
      double sum = 0;
      for (std::size_t i = 0; i < along.size(); ++i) sum += static_cast<double>(z.data[i]) * static_cast<double>(along[i]);
      return sum;
    };
    loss();
    std::copy(along.begin(), along.end(), t.template head<0>().logits().data);
    buffer<float> gradients(m.block().size());
    t.backward(execution::serial{}, m, batch, gradients.data());
    return support::slope_error(m, m.view(gradients.data()), loss);
  };
  CHECK(error(distilled{}) < 0.03);
  CHECK(error(electric{}) < 0.03);
}

TEST_CASE("an ELECTRA of projected embeddings, and an unknown tensor within an encoder, are refused by name") {
  auto j = io::read_json(folder("electra") / "config.json");
  j["embedding_size"] = 12;
  CHECK(has(message_of([&] { (void)model_config::parse(j, "config.json"); }),
            "\"embedding_size\": expected 24, as \"hidden_size\" is, found 12; embeddings that are projected"));
  CHECK(pipelines::canonical_name("electra.embeddings_project.weight", "electra") == "bert.embeddings_project.weight");
}

TEST_CASE("names of DistilBERT and ELECTRA are converted and back; a BERT's are never") {
  using pipelines::canonical_name, pipelines::stored_name;
  CHECK(canonical_name("distilbert.transformer.layer.11.attention.q_lin.bias", "distilbert") ==
        "bert.encoder.layer.11.attention.self.query.bias");
  CHECK(canonical_name("transformer.layer.0.output_layer_norm.weight", "distilbert") ==
        "bert.encoder.layer.0.output.LayerNorm.weight");
  CHECK(canonical_name("module.distilbert.embeddings.LayerNorm.bias", "distilbert") == "bert.embeddings.LayerNorm.bias");
  CHECK(canonical_name("vocab_projector.bias", "distilbert") == "cls.predictions.bias");
  CHECK(canonical_name("classifier.dense.weight", "electra") == "bert.pooler.dense.weight");
  CHECK(canonical_name("classifier.dense.weight") == "classifier.dense.weight");
  CHECK(canonical_name("pre_classifier.weight") == "pre_classifier.weight");
  CHECK(stored_name("classifier.weight", "electra", true) == "classifier.out_proj.weight");
  CHECK(stored_name("classifier.weight", "electra", false) == "classifier.weight");
  CHECK(stored_name("classifier.weight", "distilbert", true) == "classifier.weight");
  for (const char* broken : {"transformer.layer.", "transformer.layer.7", "distilbert.", ""})
    CHECK_NOTHROW((void)canonical_name(broken, "distilbert"));
}

TEST_CASE("a model of another type is refused by what it is and what it would need") {
  CHECK(has(refusal("roberta"), "expected \"model_type\": \"bert\", \"distilbert\" or \"electra\", found \"roberta\""));
  CHECK(has(refusal("roberta"), "byte-level BPE and whose positions count from 2"));
  CHECK(has(refusal("albert"), "share their weights"));
  CHECK(has(refusal("mpnet"), "bias by distance"));
  CHECK(has(refusal("modernbert"), "rotated positions"));
  CHECK(has(refusal("xlm-roberta"), "Unigram"));
  CHECK(has(refusal("blorp"), "an architecture of its own modules"));
  for (const auto& other : models::others) CHECK(has(refusal(other.model_type.data()), other.why));
}

TEST_CASE("a BERT with SentencePiece's tokenizer is refused by that, and its weights can be loaded all the same") {
  const scratch dir;
  std::filesystem::copy(golden::folder("encoder"), dir.folder());
  dir.file("tokenizer_config.json", R"({"tokenizer_class": "XLMRobertaTokenizerFast"})");
  const checkpoint files(dir.folder());
  const auto message = message_of([&] { (void)files.tokenizer(); });
  CHECK(has(message, "expected BertTokenizer or PreTrainedTokenizerFast, found XLMRobertaTokenizerFast"));
  CHECK(has(message, "SentencePiece"));
  CHECK_NOTHROW((void)files.load<model<golden::plain>>());
}
