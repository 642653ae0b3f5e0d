#include "bert/pipeline/answering.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "bert/core/random.hpp"
#include "bert/heads/span.hpp"
#include "bert/pipeline/pipeline.hpp"
#include "support/golden.hpp"
#include "support/golden_models.hpp"

namespace {

using reader = golden::answers_model;
using bert::answer;
using bert::answer_decoding;
using bert::answer_options;

bert::text::tokenizer small_tokenizer() { return bert::text::tokenizer::open(golden::folder("answers") / "vocab.txt"); }
/// Logits far apart, so that answers differ.
reader random_reader() { return reader::random({.stddev = 0.5f, .seed = 12}); }

std::string words(int count) {
  const char* const some[] = {"the", "cat", "mole", "sat", "on", "red", "xy", "moon", "was", "very", "good"};
  std::string text;
  for (int i = 0; i < count; ++i) text += std::string(i == 0 ? "" : " ") + some[(7 * i + i / 11) % 11];
  return text;
}

/// A context of one-letter tokens in pairs ("ab cd "), two tokens a word, in windows with random logits.
struct made_up {
  std::string context;
  std::vector<bert::text::text_range> ranges, windows;
  std::vector<std::int32_t> numbers;
  std::vector<std::vector<float>> values;
  std::vector<bert::matrix<const float>> logits;
  std::size_t row = 5;

  made_up(std::size_t tokens, std::size_t capacity, std::size_t step, std::uint64_t seed) {
    bert::random_stream random(seed, bert::draw::user);
    for (std::size_t t = 0; t < tokens; ++t) {
      context += static_cast<char>('a' + random.below(3));
      ranges.push_back({context.size() - 1, context.size()});
      numbers.push_back(static_cast<std::int32_t>(t / 2));
      if (t % 2 == 1) context += ' ';
    }
    for (std::size_t first = 0;; first += step) {
      windows.push_back({first, std::min(first + capacity, tokens)});
      if (windows.back().last == tokens) break;
    }
    for (const auto& w : windows) {
      const std::size_t rows = row + (w.last - w.first) + 1;
      auto& v = values.emplace_back(2 * rows);
      for (float& x : v) x = random.normal();
      logits.push_back({v.data(), rows, 2});
    }
  }
  [[nodiscard]] answer decode(const answer_options& options) const {
    return bert::pipelines::decode_answer({context, ranges, numbers, windows, logits, row}, options);
  }
  [[nodiscard]] std::string text(std::size_t first, std::size_t last) const {
    return context.substr(ranges[first].first, ranges[last].last - ranges[first].first);
  }
};

struct expected_span {
  std::string text;
  std::size_t start;
  double score;
};

/// Every pair of tokens, tried: the rules of run_squad.py in plain loops.
std::vector<expected_span> by_hand(const made_up& m, std::size_t n_best, std::size_t longest) {
  std::vector<expected_span> all, out;
  for (std::size_t w = 0; w < m.windows.size(); ++w) {
    const auto& x = m.logits[w];
    const auto among_best = [&](std::size_t row, std::size_t c) {  // fewer than n_best rows are before it
      std::size_t before = 0;
      for (std::size_t r = 0; r < x.rows; ++r) before += x(r, c) > x(row, c) || (x(r, c) == x(row, c) && r < row) ? 1 : 0;
      return before < n_best;
    };
    for (std::size_t s = m.windows[w].first; s < m.windows[w].last; ++s) {
      bool most = true;  // of the context, over all windows with this token
      const auto context = [&](const bert::text::text_range& v) {
        return static_cast<double>(std::min(s - v.first, v.last - 1 - s)) + 0.01 * static_cast<double>(v.last - v.first);
      };
      for (std::size_t v = 0; v < m.windows.size(); ++v)
        if (m.windows[v].first <= s && s < m.windows[v].last)
          most =
              most && (v < w ? context(m.windows[v]) < context(m.windows[w]) : context(m.windows[v]) <= context(m.windows[w]));
      for (std::size_t e = s; e < m.windows[w].last && e < s + longest; ++e) {
        const std::size_t rs = s - m.windows[w].first + m.row, re = e - m.windows[w].first + m.row;
        if (most && among_best(rs, 0) && among_best(re, 1))
          all.push_back({m.text(s, e), m.ranges[s].first, static_cast<double>(x(rs, 0)) + static_cast<double>(x(re, 1))});
      }
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
  for (const auto& span : all)
    if (out.size() < n_best && std::none_of(out.begin(), out.end(), [&](const auto& o) { return o.text == span.text; }))
      out.push_back(span);
  return out;
}

}  // namespace

TEST_CASE("the n best answers are those of run_squad.py's rules, tried pair by pair") {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    const made_up m(20 + 7 * seed, 20, 6, seed);
    CAPTURE(seed);
    const std::size_t n_best = seed % 2 == 0 ? 20 : 4, longest = seed % 3 == 0 ? 30 : 3;
    const auto found = m.decode({.n_best = n_best, .max_length = longest});
    const auto expected = by_hand(m, n_best, longest);
    REQUIRE(found.n_best.size() == expected.size());
    REQUIRE(!expected.empty());
    double sum = 0, probability = 0;
    for (const auto& e : expected) sum += std::exp(e.score - expected[0].score);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      CHECK(found.n_best[i].text == expected[i].text);
      CHECK(found.n_best[i].start == expected[i].start);
      CHECK(found.n_best[i].logit == expected[i].score);
      CHECK(static_cast<double>(found.n_best[i].score) ==
            doctest::Approx(std::exp(expected[i].score - expected[0].score) / sum).epsilon(1e-5));
      probability += static_cast<double>(found.n_best[i].score);
    }
    CHECK(probability == doctest::Approx(1).epsilon(1e-5));
    CHECK(found.text == expected[0].text);
    CHECK(found.score == found.n_best[0].score);
  }
}

TEST_CASE("no answer is the least sum at [CLS] over the windows; it wins by more than the threshold alone") {
  made_up m(60, 20, 6, 3);
  const auto plain = m.decode({});
  double null = 1e9;
  for (std::size_t w = 0; w < m.windows.size(); ++w) {
    m.values[w][0] = 2 + static_cast<float>(w);
    null = std::min(null, static_cast<double>(m.values[w][0]) + static_cast<double>(m.values[w][1]));
  }
  const auto base = m.decode({});
  CHECK(base.n_best[0].logit == plain.n_best[0].logit);
  CHECK(base.no_answer == doctest::Approx(null - base.n_best[0].logit));
  CHECK(base.text == base.n_best[0].text);  // not unless it may be empty
  const auto below = m.decode({.may_be_empty = true, .threshold = base.no_answer});
  CHECK(below.text == base.text);
  const auto above = m.decode({.may_be_empty = true, .threshold = base.no_answer - 1e-6});
  CHECK(above.text.empty());
  CHECK(above.end == 0);
  CHECK(above.best()->text == base.text);
  const auto in_list = std::find_if(above.n_best.begin(), above.n_best.end(), [](const auto& c) { return c.end == 0; });
  REQUIRE(in_list != above.n_best.end());
  CHECK(in_list->logit == doctest::Approx(null));
  CHECK(above.score == in_list->score);
  for (std::size_t i = 1; i < above.n_best.size(); ++i) CHECK(above.n_best[i].logit <= above.n_best[i - 1].logit);
}

TEST_CASE("without a candidate in the context the answer is empty") {
  made_up m(6, 20, 6, 1);
  m.logits[0] = {m.values[0].data(), m.row + 7, 2};
  for (std::size_t r = 0; r < m.row + 7; ++r) m.values[0][2 * r] = r < m.row ? 5.0f + static_cast<float>(r) : -5.0f;
  const auto none = m.decode({.n_best = 5});
  CHECK(none.text.empty());
  CHECK(none.score == 0);
  CHECK(none.best() == nullptr);
  const auto empty = m.decode({.n_best = 5, .may_be_empty = true});
  CHECK(empty.text.empty());
  CHECK(empty.score == 1);
  CHECK(empty.n_best.size() == 1);
}

TEST_CASE("as in transformers, probabilities are of a window, multiplied, and words are whole") {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const made_up m(41, 20, 10, seed);
    CAPTURE(seed);
    double best = -1, null = 2;
    std::size_t first = 0, last = 0;
    for (std::size_t w = 0; w < m.windows.size(); ++w) {
      const auto& x = m.logits[w];
      const std::size_t count = m.windows[w].last - m.windows[w].first;
      const auto p = [&](std::size_t row, std::size_t c) {
        double sum = std::exp(static_cast<double>(x(0, c)));
        for (std::size_t t = 0; t < count; ++t) sum += std::exp(static_cast<double>(x(m.row + t, c)));
        return std::exp(static_cast<double>(x(row, c))) / sum;
      };
      null = std::min(null, p(0, 0) * p(0, 1));
      for (std::size_t s = 0; s < count; ++s)
        for (std::size_t e = s; e < std::min(count, s + 15); ++e)
          if (const double score = p(m.row + s, 0) * p(m.row + e, 1); score > best) {
            best = score;
            first = m.windows[w].first + s;
            last = m.windows[w].first + e;
          }
    }
    const auto found = m.decode({.decoding = answer_decoding::transformers});
    CHECK(static_cast<double>(found.score) == doctest::Approx(best).epsilon(1e-5));
    CHECK(found.no_answer == doctest::Approx(null - best).epsilon(1e-6));
    CHECK(found.start == m.ranges[first / 2 * 2].first);
    CHECK(found.end == m.ranges[std::min(last / 2 * 2 + 1, m.ranges.size() - 1)].last);
    const auto never = m.decode({.decoding = answer_decoding::transformers, .may_be_empty = true, .threshold = -2});
    CHECK(never.text.empty());
    CHECK(static_cast<double>(never.score) == doctest::Approx(null).epsilon(1e-5));
  }
}

TEST_CASE("an answer tells its range in bytes, code points and UTF-16") {
  made_up m(2, 20, 6, 1);
  m.context = "é😀 中中 cat";
  m.ranges = {{7, 13}, {14, 17}};
  m.values[0].assign(m.values[0].size(), 0.0f);
  m.values[0][2 * (m.row + 1)] = 9;
  m.values[0][2 * (m.row + 1) + 1] = 9;
  const auto found = m.decode({});
  CHECK(found.text == "cat");
  CHECK(found.start == 14);
  CHECK(found.end == 17);
  CHECK(found.code_points == bert::text::text_range{6, 9});
  CHECK(found.utf16 == bert::text::text_range{7, 10});
}

TEST_CASE("a pipeline answers from a passage of any length, with the logits of [CLS] question [SEP] window [SEP]") {
  const auto model = random_reader();
  const auto tokenizer = small_tokenizer();
  const std::string passage = words(150), asked = "the red moon?";
  for (const auto decoding : {answer_decoding::squad, answer_decoding::transformers}) {
    CAPTURE(static_cast<int>(decoding));
    const answer_options options{.decoding = decoding, .max_question = 6, .step = 9};
    const bert::pipeline ask{model, tokenizer, {.max_tokens = 30, .answers = options}};
    const auto found = ask({.question = asked, .context = passage});
    CHECK(!found.text.empty());
    CHECK(passage.substr(found.start, found.end - found.start) == found.text);

    const auto context = tokenizer.encode<bert::text::offsets::bytes>(passage, {.special_tokens = false});
    std::vector<bert::token_id> question;
    tokenizer.append_ids(asked, question);
    REQUIRE(question.size() == 4);
    std::vector<bert::text::text_range> windows;
    std::vector<std::vector<float>> values;
    std::vector<bert::matrix<const float>> logits;
    const auto frozen = bert::freeze(model);
    auto run = frozen.session({.sequences = 1, .tokens = 30});
    for (std::size_t first = 0;; first += 9) {
      windows.push_back({first, std::min(first + 23, context.size())});
      std::vector<bert::token_id> ids{tokenizer.cls_id()};
      ids.insert(ids.end(), question.begin(), question.end());
      ids.push_back(tokenizer.sep_id());
      std::vector<bert::segment_id> segments(ids.size(), 0);
      for (std::size_t t = first; t < windows.back().last; ++t) ids.push_back(context.ids[t]);
      ids.push_back(tokenizer.sep_id());
      segments.resize(ids.size(), 1);
      bert::token_batch batch;
      batch.add(ids, segments);
      const auto output = run(batch);
      auto& v = values.emplace_back(output.data(), output.data() + 2 * ids.size());
      logits.push_back({v.data(), ids.size(), 2});
      if (windows.back().last == context.size()) break;
    }
    CHECK(windows.size() > 10);
    const auto expected = bert::pipelines::decode_answer({passage, context.ranges, context.words, windows, logits, 6}, options);
    CHECK(found.text == expected.text);
    CHECK(found.start == expected.start);
    CHECK(found.score == expected.score);
    CHECK(found.no_answer == expected.no_answer);
    CHECK(found.n_best.size() == expected.n_best.size());
  }
}

TEST_CASE("many questions get the answers of each alone, on any number of threads; a long question is cut") {
  const bert::pipeline ask{random_reader(), small_tokenizer(), {.max_tokens = 32, .answers = {.max_question = 8, .step = 10}}};
  std::vector<std::string> contexts, questions;
  for (int i = 0; i < 30; ++i) {
    contexts.push_back(words(1 + i * 4));
    questions.push_back(words(i % 12));
  }
  std::vector<bert::question> all;
  for (std::size_t i = 0; i < 30; ++i) all.push_back({questions[i], contexts[i]});
  const auto found = ask(all, bert::execution::threads{2});
  REQUIRE(found.size() == 30);
  for (std::size_t i = 0; i < 30; ++i) {
    const auto alone = ask(all[i]);
    CHECK(alone.text == found[i].text);
    CHECK(alone.score == found[i].score);
    CHECK(alone.no_answer == found[i].no_answer);
  }
}

TEST_CASE("a text without a question, and windows that cannot be, are errors; an empty context has no answer") {
  const auto model = random_reader();
  const auto tokenizer = small_tokenizer();
  const bert::pipeline ask{model, tokenizer, {.answers = {.max_question = 16}}};
  CHECK_THROWS_WITH_AS((void)ask("the cat"), doctest::Contains("expected a question and a context"), bert::error);
  CHECK(ask({.question = "the cat?", .context = ""}).text.empty());
  CHECK(ask("the cat?", "the cat sat").n_best.size() > 1);
  const bert::pipeline both{model, tokenizer, {.answers = {.max_question = 16, .step = 4, .overlap = 4}}};
  CHECK_THROWS_WITH_AS((void)both({.question = "cat", .context = "cat"}),
                       doctest::Contains("expected either .step or .overlap"), bert::error);
  const bert::pipeline narrow{model, tokenizer, {.max_tokens = 19, .answers = {.max_question = 16}}};
  CHECK_THROWS_AS((void)narrow({.question = "cat", .context = "cat"}), bert::error);
}
