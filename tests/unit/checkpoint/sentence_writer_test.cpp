// Layer: tests. Of: include/bert/checkpoint/sentence_writer.hpp
#include "bert/checkpoint/sentence_writer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "bert/pipeline/embedder.hpp"
#include "support/golden.hpp"
#include "support/golden_models.hpp"
#include "unit/io/scratch.hpp"

using namespace bert;
using namespace bert::testing;

namespace {

struct named_embedding : heads::embedding<pooling::max> {};

template <class Head>
sentence_settings saved(const scratch& dir) {
  const checkpoint files(golden::folder("encoder"));
  const auto m = files.load<model<golden::plain>>().with_head<Head>();
  save(dir / "model", m, files.tokenizer());
  return checkpoint(dir / "model").sentences();
}

}  // namespace

TEST_CASE("a saved model with an embedding head is the folder of its pooling, and an embedder opens it") {
  const scratch dir;
  const auto s = saved<heads::embedding<pooling::cls>>(dir);
  CHECK(s.pooling == "cls");
  CHECK(s.normalized);
  CHECK(s.dimension == 24);
  CHECK(s.max_tokens == 32);
  CHECK(std::filesystem::is_directory(dir / "model/2_Normalize"));
  const auto before =
      embedder<golden::plain, pooling::cls>::open(golden::folder("encoder"), {.other_pooling = pooling_mismatch::allow});
  const auto after = embedder<golden::plain, pooling::cls>::open(dir / "model");
  const std::vector<std::string> texts{"the cat sat on the mat.", "moon"};
  const auto a = before(texts), b = after(texts);
  CHECK(std::equal(a.flat().begin(), a.flat().end(), b.flat().begin()));
  CHECK(has(message_of([&] { (void)embedder<golden::plain>::open(dir / "model"); }), "bert::pooling::cls"));
}

TEST_CASE("mean without Normalize, and a head derived from the library's, are written as they are") {
  const scratch one, two;
  const auto mean = saved<heads::embedding<pooling::mean, heads::as_pooled>>(one);
  CHECK(mean.pooling == "mean");
  CHECK_FALSE(mean.normalized);
  CHECK_FALSE(std::filesystem::exists(one / "model/2_Normalize"));
  CHECK(saved<named_embedding>(two).pooling == "max");
}

TEST_CASE("a dense layer is saved in 2_Dense, opens again with the same bits, and embeds the same vectors") {
  using head = heads::embedding<pooling::cls, heads::unit_length, heads::dense<10>>;
  using trained = model<golden::plain, head>;
  const scratch dir;
  const checkpoint files(golden::folder("encoder"));
  const auto m = files.load<model<golden::plain>>().with_head<head>({.stddev = 0.3f, .seed = 5});
  save(dir / "model", m, files.tokenizer());
  const io::safetensors weights(dir / "model/model.safetensors"), dense(dir / "model/2_Dense/model.safetensors");
  CHECK(weights.find("2_Dense.linear.weight") == nullptr);
  CHECK(dense.at("linear.weight").shape == std::vector<std::size_t>{10, 24});
  CHECK(dense.at("linear.bias").shape == std::vector<std::size_t>{10});
  const auto config = io::read_json(dir / "model/2_Dense/config.json");
  CHECK(config.at("in_features") == 24);
  CHECK(config.at("out_features") == 10);
  CHECK(config.at("activation_function") == "torch.nn.modules.activation.Tanh");

  const checkpoint saved(dir / "model");
  CHECK(saved.holds<trained>());
  CHECK(std::ranges::equal(saved.load<trained>().block(), m.block()));
  const auto embed = embedder<golden::plain, pooling::from_folder>::open(dir / "model");
  CHECK(embed.columns() == 10);
  const std::vector<std::string> texts{"the cat sat on the mat.", "moon"};
  token_batch batch;
  for (const auto& text : texts) saved.tokenizer().encode_into(batch, text);
  const auto frozen = saved.freeze<trained>();
  auto run = frozen.session(batch.shape());
  CHECK(std::ranges::equal(run(batch).flat(), embed(texts).flat()));
}

TEST_CASE("a head whose dense layer or pooling is not the folder's is refused, and both are named") {
  const scratch dir;
  const auto refusal = [&]<class Head>(Head) {
    return message_of([&] { (void)checkpoint(dir / "model").load<model<golden::plain, Head>>(); });
  };
  (void)saved<heads::embedding<pooling::cls, heads::unit_length, heads::dense<10>>>(dir);
  CHECK(has(refusal(heads::embedding<pooling::cls>{}),
            "expected no Dense, as the head's type says, found Dense, 24 to 10, tanh"));
  CHECK(has(refusal(heads::embedding<pooling::cls, heads::unit_length, heads::dense<12>>{}), "Dense, 24 to 12, tanh"));
  CHECK(has(refusal(heads::embedding<pooling::cls, heads::unit_length, heads::dense<10, heads::identity>>{}), "identity"));
  CHECK(has(refusal(heads::embedding<pooling::mean, heads::unit_length, heads::dense<10>>{}),
            "the pooling of the head's type, mean, found cls"));
  CHECK(refusal(heads::embedding<pooling::cls, heads::unit_length, heads::dense<10>>{}).empty());
  (void)saved<heads::embedding<pooling::cls>>(dir);  // over it
  CHECK(has(refusal(heads::embedding<pooling::cls, heads::unit_length, heads::dense<10>>{}), "found no Dense"));
  CHECK_FALSE(checkpoint(dir / "model")
                  .holds<model<golden::plain, heads::embedding<pooling::cls, heads::unit_length, heads::dense<10>>>>());
}

TEST_CASE("the files are those that sentence-transformers reads") {
  const scratch dir;
  (void)saved<heads::embedding<>>(dir);
  const auto modules = io::read_json(dir / "model/modules.json");
  REQUIRE(modules.size() == 3);
  CHECK(modules[std::size_t{0}].at("type") == "sentence_transformers.models.Transformer");
  CHECK(modules[std::size_t{0}].at("path") == "");
  CHECK(modules[std::size_t{1}].at("path") == "1_Pooling");
  CHECK(modules[std::size_t{2}].at("type") == "sentence_transformers.models.Normalize");
  const auto pooling = io::read_json(dir / "model/1_Pooling/config.json");
  CHECK(pooling.at("word_embedding_dimension") == 24);
  CHECK(pooling.at("pooling_mode_mean_tokens") == true);
  CHECK(pooling.at("pooling_mode_cls_token") == false);
}

TEST_CASE("a model without such a head writes none of the files") {
  const scratch dir;
  const checkpoint files(golden::folder("encoder"));
  save(dir / "model", files.load<model<golden::plain>>(), files.tokenizer());
  CHECK_FALSE(std::filesystem::exists(dir / "model/modules.json"));
  CHECK_FALSE(std::filesystem::exists(dir / "model/1_Pooling"));
}
