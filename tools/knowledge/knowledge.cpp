// Fine-tunes a tagger with the facts of a graph beside the text and without them, and prints the F1 of entities by seed.
//   knowledge FOLDER TRAIN DEV GRAPH [SEED…]     a BERT of the architecture mini; files in CoNLL's format; triples, a TAB
//   between
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bert/bert.hpp"

namespace {

struct knowing
    : bert::architecture_of<
          bert::dims{.vocab = bert::dynamic, .hidden = 256, .layers = 4, .heads = 4, .intermediate = 1'024, .positions = 512},
          bert::layers::post_norm<bert::activation::gelu_erf, bert::attention::visible_tree>, bert::layers::soft_embeddings> {};
using tags = bert::heads::tag<bert::labels::dynamic_set>;

/// The F1 on `dev` after three epochs of `train`.
template <class Train, class Dev>
double f1(const bert::checkpoint& files, const bert::labels::dynamic_set& names, std::uint64_t seed, const Train& train,
          const Dev& dev) {
  const bert::execution::threads threads(bert::execution::available_cores());
  auto model = files.load<bert::model<knowing>>().with_head<tags>({.seed = seed, .labels = names.names()});
  bert::fit(model, bert::objectives::tag_cross_entropy{}, train, {.epochs = 3, .learning_rate = 3e-4f, .seed = seed}, threads);
  return bert::evaluate(model, dev, threads).f1();
}

void compare(const std::vector<std::string>& words) {
  const bert::checkpoint files(words[0]);
  const auto tokenizer = files.tokenizer();
  const auto names = bert::data::conll_tags(words[1], {});
  const bert::data::conll_options options{.max_tokens = 96};
  const auto train = bert::data::conll(words[1], tokenizer, names, options),
             dev = bert::data::conll(words[2], tokenizer, names, options);
  const bert::data::injector inject{bert::data::knowledge{words[3]}, tokenizer, {.facts = 2, .max_tokens = 160}};
  std::vector<double> sums(2), squares(2);
  const auto runs = static_cast<double>(words.size() - 4);
  for (std::size_t i = 4; i < words.size(); ++i) {
    const std::uint64_t seed = std::strtoull(words[i].c_str(), nullptr, 10);
    const auto batches = train.batches(16, {.seed = seed});
    const auto all = dev.batches(64, {.order = bert::data::order::sequential});
    const double found[2] = {
        f1(files, names, seed, batches, all),
        f1(files, names, seed, bert::data::with_knowledge{batches, inject}, bert::data::with_knowledge{all, inject})};
    std::printf("seed %s: without facts %.4f, with facts %.4f\n", words[i].c_str(), found[0], found[1]);
    std::fflush(stdout);
    for (std::size_t k = 0; k < 2; ++k) sums[k] += found[k], squares[k] += found[k] * found[k];
  }
  for (std::size_t k = 0; k < 2; ++k) {
    const double mean = sums[k] / runs,
                 spread = runs > 1 ? std::sqrt(std::max(0.0, (squares[k] - sums[k] * mean) / (runs - 1))) : 0;
    std::printf("%s facts: %.4f ± %.4f\n", k == 0 ? "without" : "with", mean, spread);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 4) return std::fprintf(stderr, "usage: knowledge FOLDER TRAIN DEV GRAPH [SEED…]\n"), 2;
  if (words.size() == 4) words.insert(words.end(), {"1", "2", "3"});
  compare(words);
} catch (const bert::error& e) {
  std::fprintf(stderr, "knowledge: %s\n", e.what());
  return 1;
}
