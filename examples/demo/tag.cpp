// The demo's tagger.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bert/data/tagged_set.hpp"
#include "bert/evaluation/evaluate.hpp"
#include "bert/heads/crf.hpp"
#include "bert/labels/bio.hpp"
#include "bert/objectives/negative_log_likelihood.hpp"
#include "bert/pipeline/pipeline.hpp"
#include "bert/training/crf_rate.hpp"
#include "bert/training/fit.hpp"
#include "demo/tasks.hpp"

namespace demo {

namespace {

struct entities : bert::labels::bio<"PERSON", "PLACE", "ANIMAL", "THING"> {};
using tagger = bert::model<pocket, bert::heads::crf<entities>>;

/// The tag of a word of a list; O for words that are no entities.
int tag_of(std::span<const std::string_view> list) {
  const auto is = [&](const auto&... lists) { return ((list.data() == lists) || ...); };
  if (is(words::people)) return entities::index<"B-PERSON">;
  if (is(words::towns, words::habitats, words::lands, words::capitals)) return entities::index<"B-PLACE">;
  if (is(words::animals)) return entities::index<"B-ANIMAL">;
  if (is(words::things, words::instruments)) return entities::index<"B-THING">;
  return entities::index<"O">;
}

struct sentence {
  std::vector<std::string> words;
  std::vector<std::int32_t> tags;
};

sentence tagged(const fact& f, std::size_t phrasing) {
  sentence out;
  const auto put = [&](std::string_view word, int tag) {
    out.words.emplace_back(word);
    out.tags.push_back(tag);
  };
  for (std::string_view rest = f.about->phrasings[phrasing]; !rest.empty();) {
    std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    const bool marked = word.back() == '.' || word.back() == ',';
    const std::string_view mark = marked ? word.substr(word.size() - 1) : std::string_view{};
    if (marked) word.remove_suffix(1);
    if (word == "$") put(f.subject, tag_of(f.about->subjects));
    else if (word == "%") put(f.object, tag_of(f.about->objects));
    else put(word, entities::index<"O">);
    if (marked) put(mark, entities::index<"O">);
  }
  return out;
}

}  // namespace

outcome tag_entities(const pretrained& model, const bert::text::tokenizer& tokenizer, const std::vector<fact>& facts,
                     std::uint64_t seed, const bert::execution::threads& threads) {
  using builder = bert::data::tagged_set_builder<entities, bert::text::tokenizer>;
  builder training(tokenizer, {}, {.max_tokens = pocket::positions}),
      held_out(tokenizer, {}, {.max_tokens = pocket::positions});
  std::map<std::string_view, bool> kept;
  bert::random_stream random(seed, bert::draw::user, 700);
  std::vector<std::string> to_show;
  for (const auto& f : facts) {
    const auto [at, fresh] = kept.try_emplace(f.subject, false);
    if (fresh) at->second = random.below(10) >= 7;
    for (std::size_t p = 0; p < f.about->phrasings.size(); ++p) {
      const auto s = tagged(f, p);
      const std::vector<std::string_view> views(s.words.begin(), s.words.end());
      (at->second ? held_out : training).add(views, s.tags);
    }
    if (at->second && to_show.size() < 4) to_show.push_back(f.say(f.held_out));
  }
  const auto train = std::move(training).build(), test = std::move(held_out).build();
  const auto tune = [&](tagger tagger) {
    bert::fit(tagger, bert::objectives::negative_log_likelihood{}, train.batches(32, {.seed = seed}),
              {.epochs = 4, .learning_rate = 5e-4f, .seed = seed}, threads, bert::optim::crf_rate{.multiple = 20});
    return tagger;
  };
  const auto best = tune(model.with_head<bert::heads::crf<entities>>({.seed = seed}));
  outcome out;
  out.how = bert::cat("Fine-tuned on ", train.size(), " sentences, measured on ", test.size(),
                      " about people, places, animals and things that none of them names.");
  out.figure = "F1 of entities";
  out.with = bert::evaluate(best, test.batches(64), threads).f1();
  out.without =
      bert::evaluate(tune(tagger::random({.stddev = 0.05f, .seed = seed, .vocab = static_cast<int>(tokenizer.size())})),
                     test.batches(64), threads)
          .f1();
  const bert::pipeline tag{best, tokenizer};
  for (const auto& text : to_show) {
    std::string line = text + "  ";
    for (const auto& [name, type, score] : tag(text)) line.append("  ").append(name).append(" ").append(type);
    out.shown.push_back(std::move(line));
  }
  return out;
}

}  // namespace demo
