// Folders of sentence-transformers in each layout: the vectors are those of its definition, computed by PyTorch.
// Layer: tests. Of: include/bert/pipeline/embedder.hpp, include/bert/pipeline/sentence_transform.hpp
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
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

using any = bert::embedder<golden::plain, pooling::from_folder>;

// As tools/golden_sentences.py.
const std::vector<std::string> sentences{"the cat sat on the mat.", "a red film is very bad", "", "moon",
                                         "it was not a good dog!"};

/// The encoder's folder with the files of a case over it.
struct layout : scratch {
  explicit layout(const std::string& name) {
    constexpr auto over = std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing;
    std::filesystem::copy(golden::folder("encoder"), folder(), over);
    std::filesystem::copy(golden::folder("sentences") / name, folder(), over);
  }
  [[nodiscard]] std::vector<float> expected(const std::string& tensor = "vectors") const {
    return golden::floats(io::safetensors(*this / "golden.safetensors"), tensor);
  }
};

std::vector<float> flat(const auto& rows) { return {rows.flat().begin(), rows.flat().end()}; }

std::string refusal(const layout& f) {
  return message_of([&] { (void)any::open(f.folder()); });
}

}  // namespace

TEST_CASE("the vectors of every layout of sentence-transformers are within 2e-5 of its definition") {
  std::size_t cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(golden::folder("sentences"))) {
    const layout f(entry.path().filename().string());
    CAPTURE(entry.path().filename().string());
    const auto embed = any::open(f.folder());
    const auto rows = embed(sentences);
    CHECK(rows.columns() == embed.columns());
    CHECK(golden::largest_difference(flat(rows), f.expected()) <= 2e-5);
    for (const auto& [name, text] : embed.prompts())
      CHECK(golden::largest_difference(flat(embed.embed(sentences, name)), f.expected(name)) <= 2e-5);
    ++cases;
  }
  CHECK(cases == 17);
}

TEST_CASE("a type of a fixed pooling gives the same vectors where it agrees with the folder") {
  const auto check = [&]<class Pooling>(Pooling, const char* name) {
    const layout f(name);
    const auto rows = bert::embedder<golden::plain, Pooling>::open(f.folder())(sentences);
    CHECK(golden::largest_difference(flat(rows), f.expected()) <= 2e-5);
  };
  check(pooling::mean{}, "mean_normalize");
  check(pooling::cls{}, "cls_normalize");
  check(pooling::max{}, "max_normalize");
  check(pooling::mean{}, "prompts");
  const layout f("prompts_not_pooled");
  const auto embed = bert::embedder<golden::plain>::open(f.folder());
  CHECK(golden::largest_difference(flat(embed.embed(sentences, "passage")), f.expected("passage")) <= 2e-5);
}

TEST_CASE("a type that disagrees with the folder is refused, and both are named") {
  const auto refused = []<class Pooling>(Pooling, const char* name) {
    const layout f(name);
    return message_of([&] { (void)bert::embedder<golden::plain, Pooling>::open(f.folder()); });
  };
  CHECK(has(refused(pooling::mean{}, "cls"), "the pooling of the embedder's type, mean, found cls"));
  CHECK(has(refused(pooling::mean{}, "cls"), "open it with bert::pooling::cls"));
  CHECK(has(refused(pooling::cls{}, "weightedmean"), "the pooling of the embedder's type, cls, found weightedmean"));
  CHECK(has(refused(pooling::max{}, "three"), "max, found cls+max+mean; open it with bert::pooling::from_folder"));
  const auto dense = refused(pooling::mean{}, "dense_tanh");
  CHECK(has(dense, "modules.json: expected no Dense, as the embedder's type says, found Dense, 24 to 16, tanh"));
  CHECK(has(dense, "bert::pooling::from_folder"));
  CHECK(has(refused(pooling::cls{}, "dense_tanh_normalize"), "no Dense"));
}

TEST_CASE("a vector of a folder with Dense has the same bits alone, among others, and on two threads") {
  for (const char* name : {"dense_of_two", "dense_relu", "three"}) {
    const layout f(name);
    const auto embed = any::open(f.folder());
    std::vector<std::string> many;
    for (int i = 0; i < 200; ++i)
      many.push_back(sentences[static_cast<std::size_t>(i) % 5] + std::string(static_cast<std::size_t>(i % 7), 'a'));
    const auto all = embed(many), threaded = embed(many, execution::threads{2});
    CHECK(std::ranges::equal(all.flat(), threaded.flat()));
    for (std::size_t i = 0; i < many.size(); i += 23) CHECK(std::ranges::equal(embed(many[i]), all[i]));
  }
}

TEST_CASE("vectors are compared by the folder's measure") {
  const layout euclidean("mean_sqrt_len"), manhattan("dense_of_two"), dot("cls_normalize"), cosine("mean");
  const auto check = [&](const layout& f, similarity_measure by, const auto& of) {
    const auto embed = any::open(f.folder());
    CHECK(embed.measure() == by);
    const auto index = embed(sentences);
    const auto query = embed("moon");
    const auto scores = embed.similarity(index, query);
    for (std::size_t i = 0; i < sentences.size(); ++i) {
      double sum = 0, aa = 0, bb = 0;
      for (std::size_t j = 0; j < query.size(); ++j) {
        const auto a = static_cast<double>(index[i][j]), b = static_cast<double>(query[j]);
        sum += of(a, b);
        aa += a * a;
        bb += b * b;
      }
      const double expected = by == similarity_measure::euclidean ? -std::sqrt(sum)
                              : by == similarity_measure::cosine  ? sum / std::sqrt(aa * bb)
                                                                  : sum;
      CHECK(static_cast<double>(scores[i]) == doctest::Approx(expected).epsilon(1e-4));
    }
    CHECK(embed.similarity(query, query) == scores[3]);
  };
  check(euclidean, similarity_measure::euclidean, [](double a, double b) { return (a - b) * (a - b); });
  check(manhattan, similarity_measure::manhattan, [](double a, double b) { return -std::abs(a - b); });
  check(dot, similarity_measure::dot, [](double a, double b) { return a * b; });
  check(cosine, similarity_measure::cosine, [](double a, double b) { return a * b; });
}

TEST_CASE("a prompt is chosen by name, and a name that is not there says which there are") {
  const layout f("prompts");
  const auto embed = any::open(f.folder());
  const auto fixed = bert::embedder<golden::plain>::open(f.folder());
  CHECK(embed.embed("moon", "query") == embed("moon"));
  CHECK(embed.embed("moon", "passage") != embed("moon"));
  CHECK(std::ranges::equal(fixed.embed("moon", "passage"), embed.embed("moon", "passage")));
  for (const auto& message : {message_of([&] { (void)embed.embed("moon", "question"); }),
                              message_of([&] { (void)fixed.embed(sentences, "question"); })})
    CHECK(has(message, "\"prompts\": expected a prompt of the name question, found passage, query"));
  const layout none("mean");
  CHECK(has(message_of([&] { (void)any::open(none.folder()).embed("moon", "query"); }), "of the name query, found none"));
  const checkpoint files(golden::folder("encoder"));
  const bert::embedder<golden::plain> made(files.load<model<golden::plain>>(), files.tokenizer());
  CHECK(has(message_of([&] { (void)made.embed("moon", "query"); }), "found none"));
}

TEST_CASE("options replace the folder's pooling and its length; a folder that says nothing gives means of unit length") {
  const layout f("cls");
  const auto mean = any::open(f.folder(), {.pooling = pooling::mode::mean, .length = vector_length::unit});
  const auto plain = any::open(golden::folder("encoder"));
  CHECK(mean("moon") == plain("moon"));
  CHECK(std::ranges::equal(plain("moon"), bert::embedder<golden::plain>::open(golden::folder("encoder"))("moon")));
  const layout dense("dense_tanh");
  const auto unit = any::open(dense.folder(), {.length = vector_length::unit})("moon");
  CHECK(similarity(unit, unit, similarity_measure::dot) == doctest::Approx(1.0).epsilon(1e-5));
  const layout two("dense_of_two");
  CHECK(has(message_of([&] { (void)any::open(two.folder(), {.pooling = pooling::mode::cls}); }),
            "\"in_features\": expected 24, the size of what is pooled, found 48"));
}

TEST_CASE("a Dense that is damaged or of other sizes is refused by file and key or tensor") {
  const layout f("dense_tanh");
  const auto config = [&](const char* inputs, const char* more) {
    f.file("2_Dense/config.json", cat(R"({"in_features": )", inputs, R"(, "out_features": 16)", more, "}"));
  };
  config("48", "");
  CHECK(has(refusal(f), "2_Dense/config.json, \"in_features\": expected 24, the size of what is pooled, found 48"));
  config("24", R"(, "activation_function": "torch.nn.modules.activation.Softsign")");
  CHECK(has(refusal(f), "\"activation_function\": expected one of torch.nn.modules.activation.Tanh"));
  config("24", R"(, "module_input_name": "token_embeddings")");
  CHECK(has(refusal(f), "\"module_input_name\": expected sentence_embedding, found token_embeddings"));
  config("0", "");
  CHECK(has(refusal(f), "\"in_features\": expected 1 to 16777216, found 0"));
  config("24", "");  // Tanh is the default, and a bias
  CHECK(refusal(f).empty());
  f.file("2_Dense/config.json", R"({"in_features": 24, "out_features": 12})");
  CHECK(has(refusal(f), "tensor \"linear.weight\": expected [12, 24], as config.json says, found [16, 24]"));
  config("24", "");
  std::vector<float> weights(16 * 24, 0.5f), bias(16);
  io::write_safetensors(f / "2_Dense/model.safetensors", std::vector{io::stored("linear.weight", weights, {16, 24})});
  CHECK(has(refusal(f), "2_Dense/model.safetensors: expected a tensor \"linear.bias\""));
  weights[5] = std::nanf("");
  io::write_safetensors(f / "2_Dense/model.safetensors",
                        std::vector{io::stored("linear.weight", weights, {16, 24}), io::stored("linear.bias", bias, {16})});
  CHECK(has(refusal(f), "tensor \"linear.weight\""));
  std::filesystem::remove(f / "2_Dense/model.safetensors");
  CHECK(has(refusal(f), "2_Dense"));
}
