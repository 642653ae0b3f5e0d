// docs/architecture.md, "How to tag words with a head of your own", as a program: from tagged sentences to words with their
// bytes.
// Compiled alone: specializes templates of bert.
#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "bert/core/random.hpp"
#include "bert/data/tagged_set.hpp"
#include "bert/evaluation/evaluate.hpp"
#include "bert/heads/token_linear.hpp"
#include "bert/labels/bio.hpp"
#include "bert/pipeline/pipeline.hpp"
#include "bert/training/fit.hpp"
#include "support/golden.hpp"
#include "support/golden_models.hpp"

namespace guide {

struct animals : bert::labels::bio<"ANIMAL"> {};

// A head: a row of logits per token, with its own tensor names. bert::evaluate needs only what it predicts and the label set.
struct spotter : bert::heads::token_linear<"spotter.weight", "spotter.bias", animals::count> {
  using labels = animals;
  using predicts = bert::target::tag;
};

// An objective: cross-entropy in which tokens of animals, which are rare, have a larger weight.
//
//   loss = -sum_n w_n log softmax(logits[n,:])[tag_n] / sum_n w_n,  w_n = `weight` if tag_n is not O, else 1
struct weighted_tags {
  float weight = 4;

  using needs = bert::target_list<bert::target::tag>;  // a source without tags does not compile
  using heads = bert::type_list<spotter>;              // the heads that bert::model_for gives a model
  template <class Model>
  static constexpr bool fits = Model::template has_head<spotter>;
  static constexpr bool rewrites = false;  // the model is fed the batch's own tokens

  struct work {
    work(const weighted_tags&, const bert::batch_shape& raw) : losses(raw.tokens) {}
    bert::buffer<float> losses;
  };
  [[nodiscard]] static bert::batch_shape capacity(const bert::batch_shape& raw) noexcept { return raw; }
  [[nodiscard]] static const bert::token_batch& prepare(const bert::training_batch& in, std::uint64_t, work&) noexcept {
    return in.tokens;
  }

  [[nodiscard]] float weight_of(std::int32_t tag) const noexcept { return tag < 0 ? 0 : tag == animals::outside ? 1 : weight; }

  // Replaces the head's logits by their gradient, scaled by `scale`, and returns the loss.
  template <class Model, bert::executor E>
  bert::objectives::loss_terms score(const E& e, const bert::training_batch& in, work& w, bert::tape<Model>& t,
                                     const bert::objectives::loss_scale& scale) const {
    const auto logits = t.template head<spotter>().logits();
    bert::objectives::check_tags(in, logits.cols, "guide::weighted_tags");
    bert::objectives::loss_term term{.name = "loss"};
    float total = 0;
    for (const auto tag : in.tags) total += weight_of(tag);
    term.count = static_cast<std::uint64_t>(total);
    bert::kernels::cross_entropy(e, logits, in.tags, w.losses.data(), nullptr, logits, scale.of("loss", term.count));
    for (std::size_t n = 0; n < logits.rows; ++n) {
      term.sum += static_cast<double>(weight_of(in.tags[n]) * w.losses[n]);
      for (float& d : logits[n]) d *= weight_of(in.tags[n]);
    }
    bert::objectives::loss_terms terms;
    terms.add(term);
    return terms;
  }
};

// A pipeline's answer: the words that are animals, with their bytes in the text.
struct sighting {
  std::string word;
  bert::text::text_range bytes;
  float probability = 0;
};

}  // namespace guide

// How a pipeline decodes the head. It reads texts in windows of whole words, so that they may be of any length.
template <>
struct bert::decoding<guide::spotter> : bert::pipelines::word_windows {
  using result = std::vector<guide::sighting>;

  static result decode(const bert::pipeline_example& in) {
    result found;
    for (const auto& word : in.words()) {
      const auto p = bert::probabilities(in.rows[word.window][word.row]);
      if (const float animal = 1 - p[guide::animals::outside]; animal > 0.5f)
        found.push_back({std::string(word.text), word.bytes, animal});
    }
    return found;
  }
};

namespace {

bert::text::tokenizer small_tokenizer() { return bert::text::tokenizer::open(golden::folder("tanh") / "vocab.txt"); }

// Sentences of ten random words; cat, dog and mole, which the tokenizer splits into four pieces, are animals.
bert::data::tagged_set<guide::animals> sentences(const bert::text::tokenizer& tokenizer, std::uint64_t seed, int count) {
  constexpr std::array<std::string_view, 12> words{"cat", "dog", "mole", "the",  "sun", "sat",
                                                   "on",  "red", "mat",  "moon", ".",   "good"};
  bert::data::tagged_set_builder<guide::animals, bert::text::tokenizer> set(tokenizer, {}, {.max_tokens = 32});
  bert::random_stream random(seed, bert::draw::user);
  for (int i = 0; i < count; ++i) {
    std::array<std::string_view, 10> sentence;
    std::array<std::int32_t, 10> tags;
    for (std::size_t w = 0; w < 10; ++w) {
      const auto n = random.below(12);
      sentence[w] = words[n];
      tags[w] = n < 3 ? guide::animals::index<"B-ANIMAL"> : guide::animals::outside;
    }
    set.add(sentence, tags);
  }
  return std::move(set).build();
}

}  // namespace

TEST_CASE("a token head, its objective and its decoding, all written outside the library, train, evaluate and answer") {
  using model_type = bert::model_for<golden::tanh, guide::weighted_tags>;
  static_assert(std::same_as<model_type, bert::model<golden::tanh, guide::spotter>>);
  const auto tokenizer = small_tokenizer();
  const auto train = sentences(tokenizer, 1, 64), test = sentences(tokenizer, 2, 32);
  static_assert(bert::carries_targets<decltype(train.batches(8)), guide::weighted_tags>);

  auto model = model_type::random({.stddev = 0.1f, .seed = 4});
  const double before = bert::evaluate(model, test.batches(8)).f1();
  bert::fit(model, guide::weighted_tags{}, train.batches(8),
            {.epochs = 20, .learning_rate = 5e-3f, .dropout = 0, .attention_dropout = 0});
  const auto report = bert::evaluate(model, test.batches(8));
  CHECK(before < 0.8);
  CHECK(report.f1<"ANIMAL">() > 0.95);
  CHECK(report.accuracy() > 0.95);

  const bert::pipeline spot{model, tokenizer, {.max_tokens = 14, .stride = 4}};  // the length of the training sentences
  const std::string text = "The Cat sat on the red mat; the MOLE was good.";
  const auto found = spot(text);
  REQUIRE(found.size() == 2);
  CHECK(found[0].word == "Cat");
  CHECK(found[1].word == "MOLE");
  CHECK(found[1].bytes == bert::text::text_range{32, 36});
  CHECK(text.substr(found[1].bytes.first, 4) == "MOLE");
  CHECK(found[0].probability > 0.5f);

  std::string long_text;
  for (int i = 0; i < 100; ++i) long_text += "the red sun was good. the dog sat on the mat. ";
  const auto all = spot(long_text);
  REQUIRE(all.size() == 100);
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(all[i].bytes.first == 46 * i + 26);
}
