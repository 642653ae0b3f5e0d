#include "bert/evaluation/evaluate_answers.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "bert/data/squad.hpp"
#include "bert/io/json.hpp"
#include "bert/objectives/span.hpp"
#include "bert/pipeline/pipeline.hpp"
#include "bert/text/wordpiece/train_wordpiece.hpp"
#include "bert/training/fit.hpp"
#include "bert/training/measure.hpp"
#include "support/temporary_file.hpp"

namespace {

struct tiny : bert::architecture_of<bert::dims{
                  .vocab = bert::dynamic, .hidden = 32, .layers = 2, .heads = 2, .intermediate = 64, .positions = 64}> {};
using reader_type = bert::model<tiny, bert::heads::span>;

/// Two articles of passages that are longer than a window, with six questions; one of them has no answer if `impossible`.
std::string file_of(bool impossible) {
  const std::string london =
      "Ada Lovelace met Charles Babbage in London in 1833. She was seventeen, and her mother had taken her to a party at "
      "his house. There she saw a part of the Difference Engine, and was fond of it at once.";
  const std::string bern =
      "The train to Bern leaves at nine from platform four. Whoever wants a seat by the window should come early, because "
      "on Fridays half of the students of Zürich – and their bags – go home by it.";
  const auto entry = [&](const std::string& id, const std::string& text, const std::string& context,
                         const std::string& answer) {
    const auto at = context.find(answer);
    std::size_t characters = 0;
    for (std::size_t i = 0; i < at; ++i) characters += (static_cast<unsigned char>(context[i]) & 0xC0u) != 0x80u ? 1 : 0;
    return R"({"id":")" + id + R"(","question":")" + text + R"(","answers":[{"text":")" + answer + R"(","answer_start":)" +
           std::to_string(characters) + "}]}";
  };
  return R"({"data":[{"title":"Ada","paragraphs":[{"context":")" + london + R"(","qas":[)" +
         entry("a1", "Whom did Ada meet?", london, "Charles Babbage") + "," +
         entry("a2", "When did they meet?", london, "1833") + "," +
         entry("a3", "What did she see a part of?", london, "Difference Engine") +
         R"(]}]},{"title":"Bern","paragraphs":[{"context":")" + bern + R"(","qas":[)" +
         entry("b1", "When does the train leave?", bern, "nine") + "," +
         entry("b2", "Where do the students study?", bern, "Zürich") + "," +
         (impossible ? std::string(R"({"id":"b3","question":"Who drives the train?","is_impossible":true,"answers":[]})")
                     : entry("b3", "What do they carry home?", bern, "their bags")) +
         "]}]}]}";
}

struct trained {
  bert::text::tokenizer tokenizer;
  bert::data::squad_set set;
  reader_type model;
};

template <class E>
trained overfit(bool impossible, const E& e,
                const bert::data::squad_options& options = {.max_tokens = 64, .step = 8, .max_question = 20}) {
  const support::temporary_file file(file_of(impossible), ".json");
  std::vector<std::string> texts;
  bert::data::read_squad(file.path(), [&](const bert::data::squad_paragraph& p) {
    texts.push_back(p.context);
    for (const auto& q : p.questions) texts.push_back(q.question);
  });
  auto tokenizer = bert::text::train_wordpiece(texts, {.vocab = 200});
  auto set = bert::data::squad(file.path(), tokenizer, options);
  auto model = reader_type::random({.stddev = 0.1f, .seed = 3, .vocab = static_cast<int>(tokenizer.size())});
  bert::fit(model, bert::objectives::span{}, set.batches(3, {.seed = 1}),
            {.epochs = 100, .learning_rate = 4e-3f, .dropout = 0, .attention_dropout = 0}, e);
  return {std::move(tokenizer), std::move(set), std::move(model)};
}

}  // namespace

TEST_CASE("a tiny model learns a few questions by heart and answers them, with the same bits on two threads") {
  const auto [tokenizer, set, model] = overfit(false, bert::execution::serial{});
  const auto two = overfit(false, bert::execution::threads{2});
  CHECK(std::equal(model.block().begin(), model.block().end(), two.model.block().begin(), two.model.block().end()));
  CHECK(set.windows() > 2 * set.size());

  const auto report = bert::evaluate(model, set);
  CHECK(report.rules() == bert::metrics::answer_rules::squad1);
  CHECK(report.total() == 6);
  CHECK(report.exact() == 1);
  CHECK(report.f1() == 1);
  CHECK(report.loss() < 0.3);
  CHECK(report.line().starts_with("exact=1.0000 f1=1.0000 loss=0."));

  // The loss is the objective's, over the same windows.
  const auto measured = bert::measure(model, bert::objectives::span{}, set.batches(2));
  CHECK(report.loss() == doctest::Approx(measured.loss()).epsilon(1e-4));

  const auto again = bert::evaluate(model, set, {}, bert::execution::threads{2});
  CHECK(again.loss() == report.loss());
  REQUIRE(report.predictions.size() == 6);
  const bert::pipeline ask{model, tokenizer, {.answers = {.max_question = 20, .step = 8}}};
  for (std::size_t i = 0; i < 6; ++i) {
    const std::string& id = report.predictions[i].id;
    const bert::answer& answer = report.predictions[i].answer;
    CAPTURE(id);
    CHECK(id == set[i].id);
    CHECK(answer.text == set[i].answers[0]);
    CHECK(set.context(i).text.substr(answer.start, answer.end - answer.start) == answer.text);
    CHECK(again.predictions[i].answer.score == answer.score);
    const auto asked = ask({.question = set[i].text, .context = set.context(i).text});
    CHECK(asked.text == answer.text);
    CHECK(asked.start == answer.start);
    CHECK(asked.score == answer.score);
    CHECK(asked.no_answer == answer.no_answer);
  }
  CHECK(report.predictions[4].answer.text == "Zürich");
  CHECK(report.predictions[5].answer.code_points.first + 3 == report.predictions[5].answer.start);  // ü and – before it

  const support::temporary_file out("", ".json");
  bert::write_predictions(out.path(), report);
  const auto written = bert::io::read_json(out.path());
  CHECK(written.size() == 6);
  CHECK(written.at("b2").as_text() == "Zürich");

  // Each half of the articles alone: the same answers.
  const auto [ada, bern] = set.split(0.5f, {.seed = 1});
  CHECK(bert::evaluate(model, bern).exact() == 1);
  CHECK(ada.size() == 3);
}

TEST_CASE("a question without an answer is answered by nothing, and figures for both kinds are given") {
  const auto [tokenizer, set, model] = overfit(true, bert::execution::serial{});
  const auto report = bert::evaluate(model, set);
  CHECK(report.rules() == bert::metrics::answer_rules::squad2);
  CHECK(report.exact() == 1);
  CHECK(report.with_answer().total == 5);
  CHECK(report.without_answer().exact == 1);
  CHECK(report.best_f1().value == 1);
  CHECK(report.line().find(" no_answer_f1=1.0000 best_exact=1.0000") != std::string::npos);
  CHECK(report.predictions[5].answer.text.empty());
  CHECK(report.predictions[5].answer.no_answer > 0);
  CHECK(report.predictions[0].answer.no_answer < 0);
  // A threshold that nothing exceeds: the question gets an answer, which is wrong.
  const auto always = bert::evaluate(model, set, {.answers = {.threshold = 1e9}});
  CHECK(always.without_answer().exact == 0);
  CHECK(always.with_answer().exact == 1);
  CHECK(!always.predictions[5].answer.text.empty());
  // As SQuAD 1.1, the same question has no gold answer, so nothing is right.
  const auto first = bert::evaluate(model, set, {.rules = bert::metrics::answer_rules::squad1});
  CHECK(first.exact() == doctest::Approx(5.0 / 6));

  const support::temporary_file odds("", ".json"), answers("", ".json");
  bert::write_no_answer(odds.path(), answers.path(), report);
  CHECK(bert::io::read_json(odds.path()).at("b3").as_number() == report.predictions[5].answer.no_answer);
  CHECK(!bert::io::read_json(answers.path()).at("b3").as_text().empty());
}

TEST_CASE("windows left out of training are read in an evaluation") {
  const auto [tokenizer, set, model] = overfit(false, bert::execution::serial{},
                                               {.max_tokens = 64,
                                                .step = 8,
                                                .max_question = 20,
                                                .windows_without_answer = bert::data::windows_without_answer::left_out});
  CHECK(set.left_out() > 0);
  const auto report = bert::evaluate(model, set);
  CHECK(report.loss() < 0.3);
  CHECK(report.total() == 6);
  CHECK(report.predictions.size() == 6);
  CHECK(bert::evaluate(model, set, {.rules = bert::metrics::answer_rules::cmrc}).total() == 6);
}
