#include "bert/data/squad.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "bert/text/unicode/spaces.hpp"
#include "support/golden.hpp"
#include "support/shared_data.hpp"
#include "support/temporary_file.hpp"

using namespace bert::data;

namespace {

bert::text::tokenizer small_tokenizer() { return bert::text::tokenizer::open(golden::folder("tanh") / "vocab.txt"); }

squad_set read(const std::string& json, const squad_options& options = {.max_tokens = 24, .step = 4, .max_question = 8}) {
  return squad(support::temporary_file(json, ".json").path(), small_tokenizer(), options);
}
/// One article of one paragraph with these questions.
std::string file_of(const std::string& context, const std::string& questions) {
  return R"({"version":"1.1","data":[{"title":"T","paragraphs":[{"context":")" + context + R"(","qas":[)" + questions +
         "]}]}]}";
}
std::string question(const std::string& id, const std::string& answer, int start) {
  return R"({"id":")" + id + R"(","question":"the cat?","answers":[{"text":")" + answer + R"(","answer_start":)" +
         std::to_string(start) + "}]}";
}

/// The text of a span of the batch's sequence `s`.
std::string span_text(const bert::training_batch& batch, std::size_t s) {
  const auto ids = batch.tokens[s];
  const auto [first, last] = batch.spans[s];
  return small_tokenizer().decode(ids.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first + 1)),
                                  {.skip_special = false});
}

bert::training_batch all_of(const squad_set& set) {
  bert::training_batch batch;
  set.batches(static_cast<int>(set.size()), {.order = order::sequential}).load(0, batch);
  return batch;
}

std::string message_of(const std::string& json, const squad_options& options = {}) {
  try {
    (void)read(json, options);
  } catch (const bert::error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("an answer's offset in code points becomes the tokens that its bytes overlap; keys may come in any order") {
  // é, 中 and an emoji are several bytes; "o" is a piece of "dog", whose answer covers the piece.
  const auto set = read(
      R"({"data":[{"paragraphs":[{"qas":[)" + question("a", "cat", 3) + "," + question("b", "\\u4e2d", 7) + "," +
      question("c", "good film", 12) + "," + question("d", "o", 13) + "," + question("e", "film.", 17) +
      R"(],"other":[{"context":1}],"context":"\u00e9\u00e9 cat \u4e2d\u56fd\ud83d\ude00, good film."}],"title":"T"}],"version":null})");
  REQUIRE(set.size() == 5);
  CHECK(set.title(0) == "T");
  CHECK(set[1].id == "b");
  CHECK(set[2].answers == std::vector<std::string>{"good film"});
  const auto batch = all_of(set);
  REQUIRE(batch.tokens.sequences() == 5);
  CHECK(batch.groups.empty());
  CHECK(span_text(batch, 0) == "cat");
  CHECK(span_text(batch, 1) == "中");
  CHECK(span_text(batch, 2) == "good film");
  CHECK(span_text(batch, 3) == "good");
  CHECK(span_text(batch, 4) == "film.");
  const auto tokenizer = small_tokenizer();
  const auto pair = tokenizer.encode("the cat?", set.context(0).text);
  CHECK(std::equal(batch.tokens[0].begin(), batch.tokens[0].end(), pair[0].begin(), pair[0].end()));
  CHECK(std::equal(batch.tokens.segments(0).begin(), batch.tokens.segments(0).end(), pair.segments(0).begin(),
                   pair.segments(0).end()));
  CHECK(batch.parts.size() == batch.tokens.tokens());
  CHECK(batch.parts[0] == bert::word_part::special);
  CHECK(batch.parts[1] == bert::word_part::begins);
}

TEST_CASE("a long context is read in windows a step apart; those without the answer go to [CLS] or are left out") {
  std::string context;
  for (int i = 0; i < 40; ++i) context += i == 17 ? "cat " : i % 2 == 0 ? "sun " : "mat ";
  const int at = 17 * 4;
  const auto json =
      file_of(context, question("a", "cat", at) + R"(,{"id":"b","question":"the","is_impossible":true,"answers":[]})");
  const auto set = read(json, {.max_tokens = 16, .step = 5, .max_question = 8});
  // The question has 3 tokens, so a window has 10 and starts at 0, 5, …, 30.
  const auto windows = set.windows(0);
  REQUIRE(windows.size() == 7);
  for (std::size_t w = 0; w < 7; ++w) CHECK(windows[w] == bert::text::text_range{5 * w, 5 * w + 10});
  CHECK(set.windows(1).size() == 7);  // 12 tokens each
  CHECK(set.windows() == 14);
  const auto batch = all_of(set);
  REQUIRE(batch.groups == std::vector<std::size_t>{0, 7, 14});
  for (std::size_t s = 0; s < 14; ++s) {
    const bool holds = s == 2 || s == 3;  // [10, 20) and [15, 25)
    CAPTURE(s);
    CHECK((batch.spans[s] == bert::token_span{0, 0}) == !holds);
    if (holds) CHECK(span_text(batch, s) == "cat");
  }
  CHECK(batch.spans[2] == bert::token_span{5 + 7, 5 + 7});

  const auto left =
      read(json, {.max_tokens = 16, .step = 5, .max_question = 8, .windows_without_answer = windows_without_answer::left_out});
  const auto few = all_of(left);
  CHECK(few.groups == std::vector<std::size_t>{0, 2, 9});  // a question without answer keeps all of its windows
  CHECK(few.spans[0] == batch.spans[2]);
  CHECK(left.left_out() == 5);
  CHECK(left.windows() == 14);
}

TEST_CASE("an overlap is a capacity less than a step, and both at once are refused") {
  std::string context;
  for (int i = 0; i < 50; ++i) context += "sun ";
  const auto json = file_of(context, question("a", "sun", 0));
  const auto by_step = read(json, {.max_tokens = 16, .step = 7, .max_question = 8});
  const auto by_overlap = read(json, {.max_tokens = 16, .overlap = 3, .max_question = 8});
  CHECK(by_step.windows(0) == by_overlap.windows(0));
  CHECK(message_of(json, {.step = 128, .overlap = 128}).find("expected either .step or .overlap") != std::string::npos);
  CHECK(message_of(json, {.max_tokens = 16, .overlap = 5, .max_question = 8})
            .find("expected .overlap below the 5 context tokens") != std::string::npos);
  CHECK(message_of(json, {.step = 0}).find("expected .step of at least 1") != std::string::npos);
  CHECK(message_of(json, {.max_tokens = 67}).find("found 64 and 67") != std::string::npos);
  // A step beyond a window would skip tokens.
  CHECK(read(json, {.max_tokens = 16, .max_question = 8}).windows(0)[1] == bert::text::text_range{10, 20});
}

TEST_CASE("a question longer than the limit is cut and counted") {
  const auto set =
      read(file_of("sun", R"({"id":"a","question":"the cat sat on the mat","answers":[{"text":"sun","answer_start":0}]})"),
           {.max_tokens = 16, .max_question = 4});
  CHECK(set[0].ids.size() == 4);
  CHECK(set.truncated() == 1);
}

TEST_CASE("an answer that is not at its offset names file, question, answer and what stands there, or is left out") {
  const std::string json = file_of("the red cat", question("q7", "cat", 4) + "," + question("q8", "red", 4));
  const auto message = message_of(json, {.max_tokens = 24, .max_question = 8});
  CHECK(message.find("article 1, paragraph 1, question \"q7\": expected the answer \"cat\" at character 4 of the context, "
                     "found \"red\"") != std::string::npos);
  const auto set = read(json, {.max_tokens = 24, .max_question = 8, .misplaced_answers = misplaced_answers::left_out});
  CHECK(set.size() == 2);  // both are evaluated
  CHECK(set.misplaced() == 1);
  REQUIRE(set.notes().size() == 1);
  CHECK(set.notes()[0] == "1 answers are not at their offsets and not trained");
  CHECK(all_of(set).tokens.sequences() == 1);
  CHECK(span_text(all_of(set), 0) == "red");
  CHECK(message_of(file_of("cat", question("a", "cat", 40)), {.max_tokens = 24, .max_question = 8})
            .find("found a shorter context") != std::string::npos);
  CHECK(message_of(file_of("cat", question("a", "cat", -1)), {.max_tokens = 24, .max_question = 8}).find("at character -1") !=
        std::string::npos);
  CHECK_THROWS_WITH_AS((void)read(file_of("cat", question("a", "dog", 0)),
                                  {.max_tokens = 24, .max_question = 8, .misplaced_answers = misplaced_answers::left_out})
                           .batches(1),
                       doctest::Contains("expected a question with an answer at its place"), bert::error);
}

TEST_CASE("files that are not in the format are errors that say where and what") {
  const std::string q = question("a", "cat", 0);
  const auto swap = [](std::string text, const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  const std::string good = file_of("cat", q);
  CHECK(message_of(good, {}) == "no error");
  const auto has = [](const std::string& json, const std::string& part) {
    const auto message = message_of(json);
    CHECK_MESSAGE(message.find(part) != std::string::npos, message);
  };
  has("[]", "expected an object with the key \"data\", found an array");
  has("{}", "expected an object with the key \"data\", found none");
  has(R"({"data":[]})", "expected at least one question, found none");
  has(R"({"data":{}})", "\"data\": expected an array, found an object");
  has(R"({"data":[1]})", "expected an object, found a whole number");
  has(R"({"data":[{"title":"N"}]})", "article 1 \"N\": expected the key \"paragraphs\", found none");
  has(swap(good, "\"context\"", "\"text\""), "article 1 \"T\", paragraph 1: expected the key \"context\", found none");
  has(swap(good, "\"qas\"", "\"qs\""), "paragraph 1: expected the key \"qas\"");
  has(swap(good, "\"id\"", "\"name\""), "paragraph 1, question 1: expected the key \"id\"");
  has(swap(good, "\"question\"", "\"query\""), "question \"a\": expected the key \"question\"");
  has(swap(good, "\"answers\"", "\"gold\""), "question \"a\": expected the key \"answers\"");
  has(swap(good, "\"answer_start\"", "\"at\""), "question \"a\": expected the key \"answer_start\"");
  has(swap(good, ":0}", ":0.5}"), "question \"a\", \"answer_start\": expected a whole number, found a fraction");
  has(swap(good, "\"the cat?\"", "null"), "question \"a\", \"question\": expected a string, found null");
  has(swap(good, "\"T\"", "7"), "article 1, \"title\": expected a string, found a whole number");
  has(swap(good, "\"version\"", "\"data\":[],\"version\""), "expected every key once, found \"data\" twice");
  has(swap(good, "\"answers\":[", "\"answers\":["), "no error");
  has(swap(good, "\"text\":\"cat\"", "\"text\":\"\""), "expected a text for each answer, found an empty one");
  has(file_of("cat", q + "," + q), "question \"a\": expected every question's id once, found it a second time");
  has(swap(good, "{\"id\"", "{\"id\":\"b\",\"id\""), "expected every key once, found \"id\" twice");
  has(good.substr(0, good.size() - 3), "JSON");
  has(swap(good, "[{\"text\"", "{\"x\":[{\"text\""), "\"answers\": expected an array, found an object");
}

TEST_CASE("a question of no answer is impossible, whether it says so or not; plausible answers are not read") {
  const auto set = read(file_of(
      "the cat",
      R"({"id":"a","question":"q","answers":[]},)"
      R"({"id":"b","question":"q","is_impossible":true,"plausible_answers":[{"text":"dog","answer_start":3}]},)"
      R"({"id":7,"question":"q","is_impossible":false,"answers":[{"text":"cat","answer_start":4},{"text":"the","answer_start":0}]})"));
  CHECK(set.any_impossible());
  CHECK(set[0].answers.empty());
  CHECK(set[1].answers.empty());
  CHECK(set[2].id == "7");
  CHECK(set[2].answers.size() == 2);
  const auto batch = all_of(set);
  CHECK(batch.spans[0] == bert::token_span{0, 0});
  CHECK(batch.spans[1] == bert::token_span{0, 0});
  CHECK(span_text(batch, 2) == "cat");  // the first gold answer
  REQUIRE(set.notes().size() == 1);
  CHECK(set.notes()[0].starts_with("1 questions have no answer and no \"is_impossible\""));
}

TEST_CASE("a split keeps the questions of an article together") {
  std::string json = R"({"data":[)";
  for (int a = 0; a < 10; ++a) {
    json += (a == 0 ? "" : ",");
    json += R"({"title":"t)" + std::to_string(a) + R"(","paragraphs":[)";
    for (int p = 0; p < 2; ++p)
      json += std::string(p == 0 ? "" : ",") + R"({"context":"the cat sat","qas":[)" +
              question(std::to_string(2 * a + p), "cat", 4) + "]}";
    json += "]}";
  }
  const auto set = read(json + "]}");
  REQUIRE(set.size() == 20);
  const auto [train, test] = set.split(0.7f, {.seed = 3});
  CHECK(train.size() == 14);
  CHECK(test.size() == 6);
  std::set<std::string> in_train;
  for (std::size_t i = 0; i < train.size(); ++i) in_train.insert(train.title(i));
  for (std::size_t i = 0; i < test.size(); ++i) CHECK_FALSE(in_train.contains(test.title(i)));
  CHECK(in_train.size() == 7);
  CHECK(train.batches(4).batches_per_epoch() == 4);
  CHECK_THROWS_AS((void)set.split(0.01f), bert::error);
  const auto again = set.split(0.7f, {.seed = 3}).first;
  for (std::size_t i = 0; i < train.size(); ++i) CHECK(again[i].id == train[i].id);
  CHECK(train.batches(4).fingerprint() != test.batches(4).fingerprint());
}

TEST_CASE("what changes the examples changes the fingerprint") {
  const std::string json = file_of("the cat sat on the mat", question("a", "cat", 4));
  const auto print = [&](const std::string& text, const squad_options& options) {
    return read(text, options).batches(1).fingerprint();
  };
  const squad_options base{.max_tokens = 24, .max_question = 8};
  const auto first = print(json, base);
  CHECK(print(json, base) == first);
  CHECK(print(json, {.max_tokens = 25, .max_question = 8}) != first);
  CHECK(print(json, {.max_tokens = 24, .step = 5, .max_question = 8}) != first);
  CHECK(print(json, {.max_tokens = 24, .overlap = 5, .max_question = 8}) != first);
  CHECK(print(json, {.max_tokens = 24, .max_question = 9}) != first);
  CHECK(print(json, {.max_tokens = 24, .max_question = 8, .windows_without_answer = windows_without_answer::left_out}) !=
        first);
  CHECK(print(file_of("the cat sat on the mat", question("a", "sat", 8)), base) != first);
}

TEST_CASE("real sets load with every answer at its place") {
  struct expectation {
    const char *file, *vocabulary;
    bool lowercase;
    std::size_t questions, without;
  };
  for (const expectation& x : {expectation{"squad/dev-v1.1.json", "bert-base-uncased-vocab.txt", true, 10570, 0},
                               {"squad2/train.json", "bert-base-uncased-vocab.txt", true, 4266, 2245},
                               {"cmrc2018/train.json", "bert-base-chinese-vocab.txt", true, 10121, 0},
                               {"xquad/xquad.de.json", "bert-base-multilingual-cased-vocab.txt", false, 1190, 0},
                               {"xquad/xquad.es.json", "bert-base-multilingual-cased-vocab.txt", false, 1190, 0},
                               {"xquad/xquad.ar.json", "bert-base-multilingual-cased-vocab.txt", false, 1190, 0}}) {
    const auto path = support::shared_data(x.file), pieces = support::shared_data(std::string("vocab/") + x.vocabulary);
    if (!path || !pieces) continue;
    CAPTURE(x.file);
    const auto tokenizer = bert::text::tokenizer::open(*pieces, {.lowercase = x.lowercase});
    const auto set = squad(*path, tokenizer);
    CHECK(set.size() == x.questions);
    CHECK(set.notes().empty());
    std::size_t impossible = 0, longer = 0, windows = 0, answered = 0;
    for (std::size_t i = 0; i < set.size(); ++i) {
      const auto& q = set[i];
      windows += set.windows(i).size();
      if (q.answers.empty()) {
        ++impossible;
        continue;
      }
      // The token span holds the answer, and neither of its ends could be left out.
      const auto& c = set.context(i);
      REQUIRE(q.answer.first >= 0);
      const auto first = static_cast<std::size_t>(q.answer.first), last = static_cast<std::size_t>(q.answer.last);
      const std::string cover = c.text.substr(c.ranges[first].first, c.ranges[last].last - c.ranges[first].first);
      const auto at = cover.find(bert::text::stripped(q.answers[0]));
      REQUIRE(at != std::string::npos);
      longer += cover != q.answers[0] ? 1 : 0;
      for (const auto& w : set.windows(i)) answered += set.store().span_in(q, w).first > 0 ? 1 : 0;
    }
    CHECK(impossible == x.without);
    CHECK(set.windows() == windows);
    MESSAGE(std::string(x.file) << ": " << set.size() << " questions, " << windows << " windows, " << answered
                                << " of them with the answer, " << longer << " answers that cut a token, " << set.unknown()
                                << " of " << set.tokens() << " tokens unknown");
  }
}
