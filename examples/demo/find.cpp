// The demo's search.
#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bert/data/pairs.hpp"
#include "bert/heads/embedding.hpp"
#include "bert/model/session.hpp"
#include "bert/objectives/multiple_negatives.hpp"
#include "bert/training/fit.hpp"
#include "demo/tasks.hpp"

namespace demo {

namespace {

using embedder = bert::model<pocket, bert::heads::embedding<bert::pooling::mean>>;

/// The vectors of sentences, of unit length, one after the other.
std::vector<std::vector<float>> vectors(const embedder& model, const bert::text::tokenizer& tokenizer,
                                        const std::vector<std::string>& sentences) {
  const auto frozen = bert::freeze(model);
  auto run = frozen.session({.sequences = 1, .tokens = pocket::positions});
  std::vector<std::vector<float>> all;
  for (const auto& text : sentences) {
    const auto y = run(tokenizer.encode(text, {.max_tokens = pocket::positions}));
    all.emplace_back(y[0].begin(), y[0].end());
  }
  return all;
}

/// The row of the largest dot product.
std::size_t nearest(const std::vector<std::vector<float>>& rows, const std::vector<float>& query) {
  const auto score = [&](const std::vector<float>& row) {
    double sum = 0;
    for (std::size_t i = 0; i < row.size(); ++i) sum += static_cast<double>(row[i]) * static_cast<double>(query[i]);
    return sum;
  };
  return static_cast<std::size_t>(
      std::max_element(rows.begin(), rows.end(), [&](const auto& a, const auto& b) { return score(a) < score(b); }) -
      rows.begin());
}

}  // namespace

outcome find_sentences(const pretrained& model, const bert::text::tokenizer& tokenizer, const std::vector<fact>& facts,
                       std::uint64_t seed, const bert::execution::threads& threads) {
  bert::data::text_groups_builder<bert::data::text_pairs, bert::text::tokenizer> pairs(tokenizer, pocket::positions);
  bert::random_stream random(seed, bert::draw::user, 900);
  std::vector<std::string> index, queries;
  std::vector<std::size_t> wanted;
  for (std::size_t i = 0; i < facts.size(); ++i) {
    const fact& f = facts[i];
    index.push_back(f.say((f.held_out + 1) % f.about->phrasings.size()));
    if (random.below(10) >= 7) {
      queries.push_back(f.say(f.held_out));
      wanted.push_back(i);
      continue;
    }
    for (std::size_t a = 0; a < f.about->phrasings.size(); ++a)
      for (std::size_t b = 0; b < f.about->phrasings.size(); ++b)
        if (a != b && a != f.held_out && b != f.held_out) pairs.add({f.say(a), f.say(b)});
  }
  const auto train = std::move(pairs).build();
  std::vector<std::string> found;
  const auto share_found = [&](const embedder& m) {
    const auto rows = vectors(m, tokenizer, index), asked = vectors(m, tokenizer, queries);
    found.clear();
    std::size_t right = 0;
    for (std::size_t q = 0; q < queries.size(); ++q) {
      const std::size_t row = nearest(rows, asked[q]);
      found.push_back(index[row]);
      right += row == wanted[q] ? 1 : 0;
    }
    return static_cast<double>(right) / static_cast<double>(queries.size());
  };
  const auto tune = [&](embedder m) {
    bert::fit(m, bert::objectives::multiple_negatives{}, train.distinct_batches(32, {.seed = seed}),
              {.epochs = 3, .learning_rate = 5e-4f, .seed = seed}, threads);
    return m;
  };
  using head = bert::heads::embedding<bert::pooling::mean>;
  outcome out;
  out.how = bert::cat("Fine-tuned on ", train.size(), " pairs of phrasings of some facts, measured on ", queries.size(),
                      " other facts, each to be found among ", index.size(), ".");
  out.figure = "facts found first";
  out.without =
      share_found(tune(embedder::random({.stddev = 0.05f, .seed = seed, .vocab = static_cast<int>(tokenizer.size())})));
  out.with = share_found(tune(model.with_head<head>({.seed = seed})));
  for (std::size_t q = 0; q < std::min<std::size_t>(4, queries.size()); ++q) out.shown.push_back(queries[q] + "  " + found[q]);
  return out;
}

}  // namespace demo
