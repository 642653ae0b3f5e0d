// The embedder: against sentence vectors of PyTorch, and its guarantees.
// Layer: tests.
#include "bert/pipeline/embedder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <concepts>
#include <string>
#include <vector>

#include "support/golden.hpp"
#include "support/golden_models.hpp"
#include "unit/io/scratch.hpp"

using namespace bert;
using namespace bert::testing;

namespace {

const std::vector<std::string> sentences{"the cat sat on the mat.", "a red film is very bad", "", "moon",
                                         "it was not a good dog!"};

// Rows of the encoder's golden batch, pooled as the embedder does.
template <class Pooling>
std::vector<float> pooled_golden() {
  const io::safetensors file(golden::folder("encoder") / "golden.safetensors");
  const auto batch = golden::batch(file, "eval");
  const auto model = checkpoint(golden::folder("encoder")).load<bert::model<golden::plain>>();
  const auto frozen = freeze(model);
  auto run = frozen.session(batch.shape());
  const matrix<const float> hidden = run(batch);
  std::vector<float> out(batch.sequences() * 24);
  for (std::size_t s = 0; s < batch.sequences(); ++s) {
    const std::span<float> row(out.data() + s * 24, 24);
    Pooling::pool(hidden.block(batch.starts()[s], batch.length(s)), row);
    to_unit_length(row);
  }
  return out;
}

}  // namespace

TEST_CASE("pooled vectors of unit length are within 2e-5 of PyTorch's") {
  const io::safetensors file(golden::folder("encoder") / "golden.safetensors");
  CHECK(golden::largest_difference(pooled_golden<pooling::mean>(), golden::floats(file, "eval.mean")) <= 2e-5);
  CHECK(golden::largest_difference(pooled_golden<pooling::max>(), golden::floats(file, "eval.max")) <= 2e-5);
  CHECK(golden::largest_difference(pooled_golden<pooling::cls>(), golden::floats(file, "eval.cls")) <= 2e-5);
}

TEST_CASE("a sentence has the same vector alone, among others, and on two threads, bit for bit") {
  using embedder = bert::embedder<golden::plain>;
  static_assert(embedder::dimension == 24);
  const auto embed = embedder::open(golden::folder("encoder"));
  std::vector<std::string> many;
  for (int i = 0; i < 300; ++i)
    many.push_back(sentences[static_cast<std::size_t>(i) % 5] + std::string(static_cast<std::size_t>(i % 7), 'a'));
  const auto all = embed(many);
  const auto threaded = embed(many, execution::threads{2});
  REQUIRE(all.rows() == 300);
  CHECK(std::equal(all.flat().begin(), all.flat().end(), threaded.flat().begin(), threaded.flat().end()));
  for (std::size_t i = 0; i < many.size(); i += 23) {
    const auto one = embed(many[i]);
    CHECK(std::equal(one.begin(), one.end(), all[i].begin()));
    CHECK(similarity(one, one) == doctest::Approx(1.0).epsilon(1e-5));
  }
}

TEST_CASE(
    "opened from a folder, on any number of threads, an embedder of every precision has the bits of one made from the model") {
  const checkpoint files(golden::folder("encoder"));
  const auto model = files.load<bert::model<golden::plain>>();
  const auto full = bert::embedder<golden::plain>(model, files.tokenizer())(sentences);
  const auto check = [&]<class P>(P) {
    using embedder = bert::embedder<golden::plain, pooling::mean, P>;
    const auto expected = embedder(model, files.tokenizer())(sentences);
    const auto one = embedder::open(files.folder())(sentences),
               two = embedder::open(files.folder(), {}, execution::threads{2})(sentences);
    CHECK(std::ranges::equal(one.flat(), expected.flat()));
    CHECK(std::ranges::equal(two.flat(), expected.flat()));
    CHECK(std::ranges::equal(expected.flat(), full.flat()) == std::same_as<P, precision::f32>);
  };
  check(precision::f32{});
  check(precision::bf16{});
  check(precision::int8{});
}

TEST_CASE("ranges of strings, views and literals give the same vectors, and an empty range gives none") {
  const auto embed = bert::embedder<golden::plain, pooling::cls>::open(golden::folder("encoder"));
  const std::vector<std::string_view> views(sentences.begin(), sentences.end());
  const char* const literals[] = {"moon", "sun"};
  CHECK(embed(views).rows() == 5);
  const auto both = embed(literals);
  CHECK(std::equal(both[0].begin(), both[0].end(), embed("moon").begin()));
  const auto braces = embed({"moon", "sun"});  // not the two ends of one text
  REQUIRE(braces.rows() == 2);
  CHECK(std::equal(braces[0].begin(), braces[1].end(), both[0].begin()));
  CHECK(embed(std::vector<std::string>{}).rows() == 0);
  const auto copy = embed;
  const auto index = copy(sentences);
  CHECK(top_k(similarity(index, embed("moon")), 1).front().row == 3);
}

TEST_CASE("long sentences are cut at the positions, at the folder's limit, or at the caller's") {
  const std::string longer(1000, '!');
  const auto embed = bert::embedder<golden::plain>::open(golden::folder("encoder"));
  CHECK(embed.max_tokens() == 32);
  CHECK(embed(longer) == embed(std::string(30, '!')));
  CHECK(embed(longer) != embed(std::string(29, '!')));
  const scratch dir;
  std::filesystem::copy(golden::folder("encoder"), dir.folder(), std::filesystem::copy_options::recursive);
  dir.file("sentence_bert_config.json", R"({"max_seq_length": 16, "do_lower_case": false})");
  const auto shorter = bert::embedder<golden::plain>::open(dir.folder());
  CHECK(shorter.max_tokens() == 16);
  CHECK(shorter(longer) == embed(std::string(14, '!')));
  CHECK(bert::embedder<golden::plain>::open(dir.folder(), {.max_tokens = 8}).max_tokens() == 8);
  CHECK(has(message_of([&] { (void)bert::embedder<golden::plain>::open(dir.folder(), {.max_tokens = 2}); }),
            "max_tokens of 3 or more, as [CLS], one token of text and [SEP] need 3"));
}

TEST_CASE("an embedder of another pooling than the folder's is refused with both named, unless it is allowed") {
  const scratch dir;
  std::filesystem::copy(golden::folder("encoder"), dir.folder(), std::filesystem::copy_options::recursive);
  std::filesystem::create_directories(dir / "1_Pooling");
  dir.file("modules.json", R"([{"type": "sentence_transformers.models.Transformer", "path": ""},
                               {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}])");
  dir.file("1_Pooling/config.json",
           R"({"word_embedding_dimension": 24, "pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false})");
  using by_mean = bert::embedder<golden::plain, pooling::mean>;
  using by_cls = bert::embedder<golden::plain, pooling::cls>;
  CHECK(has(message_of([&] { (void)by_mean::open(dir.folder()); }),
            "1_Pooling/config.json: expected the pooling of the embedder's type, mean, found cls"));
  CHECK(by_cls::open(dir.folder())("moon") == by_cls::open(golden::folder("encoder"))("moon"));
  CHECK(by_mean::open(dir.folder(), {.other_pooling = pooling_mismatch::allow})("moon") ==
        by_mean::open(golden::folder("encoder"))("moon"));
  dir.file("1_Pooling/config.json", R"({"word_embedding_dimension": 32, "pooling_mode_mean_tokens": true})");
  CHECK(has(message_of([&] { (void)by_mean::open(dir.folder()); }), "\"word_embedding_dimension\": expected 24, found 32"));
}

TEST_CASE("[CLS] of a folder that does not say how it embeds is a note, the mean is none") {
  const auto folder = golden::folder("encoder");
  using by_cls = bert::embedder<golden::plain, pooling::cls>;
  using any = bert::embedder<golden::plain, pooling::from_folder>;
  REQUIRE(by_cls::open(folder).notes().size() == 1);
  CHECK(has(by_cls::open(folder).notes()[0], "was not trained to embed"));
  CHECK(any::open(folder, {.pooling = pooling::mode::cls}).notes().size() == 1);
  CHECK(any::open(folder).notes().empty());
  CHECK(bert::embedder<golden::plain, pooling::mean>::open(folder).notes().empty());
  const scratch dir;
  std::filesystem::copy(folder, dir.folder(), std::filesystem::copy_options::recursive);
  std::filesystem::create_directories(dir / "1_Pooling");
  dir.file("modules.json", R"([{"type": "sentence_transformers.models.Transformer", "path": ""},
                               {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}])");
  dir.file("1_Pooling/config.json",
           R"({"word_embedding_dimension": 24, "pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false})");
  CHECK(by_cls::open(dir.folder()).notes().empty());
  CHECK(any::open(dir.folder()).notes().empty());
}

TEST_CASE("a measure that unit length would change is refused by a type of unit length, unless the folder normalizes") {
  const scratch dir;
  std::filesystem::copy(golden::folder("encoder"), dir.folder(), std::filesystem::copy_options::recursive);
  for (const auto& [name, refused] : {std::pair{"cosine", false}, {"dot", true}, {"euclidean", true}}) {
    dir.file("config_sentence_transformers.json", R"({"similarity_fn_name": ")" + std::string(name) + "\"}");
    CHECK(has(message_of([&] { (void)bert::embedder<golden::plain>::open(dir.folder()); }), "similarity_fn_name") == refused);
  }
}

TEST_CASE("every sentence gets the folder's default prompt and lower case, or the prompt of the options") {
  const scratch dir;
  std::filesystem::copy(golden::folder("encoder"), dir.folder(), std::filesystem::copy_options::recursive);
  dir.file("config_sentence_transformers.json", R"({"prompts": {"q": "the cat "}, "default_prompt_name": "q"})");
  using embedder = bert::embedder<golden::plain>;
  const auto plain = embedder::open(golden::folder("encoder"));
  const auto prompted = embedder::open(dir.folder());
  CHECK(prompted.prompt() == "the cat ");
  CHECK(prompted("moon") == plain("the cat moon"));
  CHECK(std::ranges::equal(prompted(std::vector<std::string>{"moon"})[0], plain("the cat moon")));
  CHECK(embedder::open(dir.folder(), {.prompt = ""})("moon") == plain("moon"));
  CHECK(embedder::open(dir.folder(), {.prompt = "a "})("moon") == plain("a moon"));
  dir.file("tokenizer_config.json", R"({"do_lower_case": false})");
  dir.file("sentence_bert_config.json", R"({"do_lower_case": true})");
  CHECK(embedder::open(dir.folder(), {.prompt = ""})("MOON") == plain("moon"));
  dir.file("sentence_bert_config.json", R"({"do_lower_case": false})");
  CHECK(embedder::open(dir.folder(), {.prompt = ""})("MOON") != plain("moon"));
}

TEST_CASE("the report counts the sentences that were cut") {
  const auto embed = bert::embedder<golden::plain>::open(golden::folder("encoder"), {.max_tokens = 5});
  embedding_report report;
  (void)embed(std::vector<std::string>{"the", "the cat sat", "the cat sat on the mat"}, execution::serial{}, &report);
  CHECK(report.cut == 1);
}

TEST_CASE("vectors in bf16 have the direction of f32's, and a sentence has the same vector alone as among others") {
  const auto full = bert::embedder<golden::plain>::open(golden::folder("encoder"));
  const auto half = bert::embedder<golden::plain, pooling::mean, precision::bf16>::open(golden::folder("encoder"));
  const auto rows = half(sentences, execution::threads{2}), expected = full(sentences);
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    double cosine = 0;
    for (std::size_t j = 0; j < rows[i].size(); ++j)
      cosine += static_cast<double>(rows[i][j]) * static_cast<double>(expected[i][j]);
    CHECK(cosine > 0.9995);
    CHECK(!std::equal(rows[i].begin(), rows[i].end(), expected[i].begin()));
    const auto alone = half(sentences[i]);
    CHECK(std::equal(alone.begin(), alone.end(), rows[i].begin()));
  }
}
