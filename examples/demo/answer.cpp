// The demo's reader.
#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bert/data/squad.hpp"
#include "bert/evaluation/evaluate_answers.hpp"
#include "bert/heads/span.hpp"
#include "bert/objectives/span.hpp"
#include "bert/training/fit.hpp"
#include "demo/tasks.hpp"

namespace demo {

namespace {

using reader = bert::model<pocket, bert::heads::span>;

/// A paragraph of all facts about one subject, each in a phrasing drawn at random, and a question about one of them. The
/// subjects are the first 70 % of their list, or the rest.
bert::data::squad_paragraph paragraph(std::size_t number, const std::vector<fact>& facts, bool held_out,
                                      bert::random_stream& random) {
  const auto below = [&](std::size_t n) { return std::size_t{random.below(static_cast<std::uint32_t>(n))}; };
  const auto& subjects = relations[below(std::size(relations))].subjects;
  const std::size_t border = subjects.size() * 7 / 10;
  const auto subject = held_out ? subjects[border + below(subjects.size() - border)] : subjects[below(border)];
  std::vector<const fact*> pool;
  for (const auto& f : facts)
    if (f.about->subjects.data() == subjects.data() && f.subject == subject) pool.push_back(&f);
  for (std::size_t i = pool.size(); i > 1; --i) std::swap(pool[i - 1], pool[below(i)]);
  const std::size_t count = pool.size(), asked = below(count);
  bert::data::squad_paragraph out;
  bert::data::squad_entry entry;
  entry.id = std::to_string(number);
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) out.context += ' ';
    const auto& phrasings = pool[i]->about->phrasings;
    for (const char c : phrasings[below(phrasings.size())])
      if (c == '$') {
        out.context += pool[i]->subject;
      } else if (c == '%') {
        if (i == asked) entry.answers.push_back({std::string(pool[i]->object), static_cast<std::int64_t>(out.context.size())});
        out.context += pool[i]->object;
      } else {
        out.context += c;
      }
  }
  for (const char c : pool[asked]->about->question)
    if (c == '$') entry.question += pool[asked]->subject;
    else entry.question += c;
  out.questions.push_back(std::move(entry));
  return out;
}

bert::data::squad_set questions(const bert::text::tokenizer& tokenizer, const std::vector<fact>& facts, std::size_t count,
                                bool held_out, std::uint64_t seed) {
  bert::data::squad_builder<bert::text::tokenizer> set(tokenizer,
                                                       {.max_tokens = pocket::positions, .step = 16, .max_question = 24});
  bert::random_stream random(seed, bert::draw::user, held_out ? 801 : 800);
  for (std::size_t i = 0; i < count; ++i) set.add(paragraph(i, facts, held_out, random), "the demo's world");
  return std::move(set).build({"world"});
}

}  // namespace

outcome answer_questions(const pretrained& model, const bert::text::tokenizer& tokenizer, const std::vector<fact>& facts,
                         std::uint64_t seed, const bert::execution::threads& threads) {
  const auto train = questions(tokenizer, facts, 4'000, false, seed), test = questions(tokenizer, facts, 300, true, seed);
  const auto tune = [&](reader reader) {
    bert::fit(reader, bert::objectives::span{}, train.batches(32, {.seed = seed}),
              {.epochs = 4, .learning_rate = 1e-3f, .seed = seed}, threads);
    return reader;
  };
  const auto best = tune(model.with_head<bert::heads::span>({.seed = seed}));
  const auto report = bert::evaluate(best, test, {}, threads);
  outcome out;
  out.how = bert::cat("Fine-tuned on ", train.size(), " paragraphs, each of what is known of a subject, measured on ",
                      test.size(), " about subjects that none of them names.");
  out.figure = "answers that match exactly";
  out.with = report.exact();
  out.without =
      bert::evaluate(tune(reader::random({.stddev = 0.05f, .seed = seed, .vocab = static_cast<int>(tokenizer.size())})), test,
                     {}, threads)
          .exact();
  for (std::size_t q = 0; q < 4; ++q)
    out.shown.push_back(test.context(q).text + "  " + test[q].text + "  " + report.predictions[q].answer.text);
  return out;
}

}  // namespace demo
