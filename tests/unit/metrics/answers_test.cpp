#include "bert/metrics/answers.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "bert/io/json.hpp"
#include "bert/io/lines.hpp"
#include "support/golden.hpp"
#include "support/largest.hpp"
#include "support/shared_data.hpp"

using bert::io::json;
using bert::metrics::answer_report;
using bert::metrics::answer_rules;

namespace {

using texts = std::vector<std::string>;

std::string joined(const texts& words) {
  std::string all;
  for (const auto& word : words) all += (all.empty() ? "" : " ") + word;
  return all;
}

/// The largest difference of a report from the script's object, whose values go to 100.
double difference(const answer_report& found, const json& expected) {
  support::largest worst;
  std::set<std::string> checked{"total", "HasAns_total", "NoAns_total", "raw_exact", "raw_f1"};
  const auto add = [&](const std::string& name, double value) {
    checked.insert(name);
    worst.add(std::abs(value - expected.at(name).get<double>()));
  };
  add("exact", 100 * found.exact());
  add("f1", 100 * found.f1());
  CHECK(found.total() == expected.at("total").get<std::uint64_t>());
  for (const auto& [name, part] : {std::pair("HasAns", found.with_answer()), std::pair("NoAns", found.without_answer())}) {
    CHECK((part.total > 0) == expected.contains(std::string(name) + "_total"));
    if (part.total == 0) continue;
    CHECK(part.total == expected.at(std::string(name) + "_total").get<std::uint64_t>());
    add(std::string(name) + "_exact", 100 * part.exact);
    add(std::string(name) + "_f1", 100 * part.f1);
  }
  add("best_exact", 100 * found.best_exact().value);
  add("best_exact_thresh", found.best_exact().threshold);
  add("best_f1", 100 * found.best_f1().value);
  add("best_f1_thresh", found.best_f1().threshold);
  CHECK(found.average_precision_exact().has_value() == expected.contains("pr_exact_ap"));
  if (expected.contains("pr_exact_ap")) {
    add("pr_exact_ap", 100 * *found.average_precision_exact());
    add("pr_f1_ap", 100 * *found.average_precision_f1());
    add("pr_oracle_ap", 100 * *found.average_precision_oracle());
  }
  for (const auto& item : expected.items()) CHECK_MESSAGE(checked.contains(item.first), item.first);
  for (std::size_t i = 0; i < found.total(); ++i) {
    worst.add(std::abs(found.raw(i).exact - expected.at("raw_exact")[i].as_number()));
    worst.add(std::abs(found.raw(i).f1 - expected.at("raw_f1")[i].as_number()));
  }
  return worst.value();
}

struct compared {
  std::size_t v1 = 0, v2 = 0;
};

/// Every case of a file in the form of squad.jsonl.
compared compare_squad(const std::filesystem::path& path) {
  compared n;
  bert::io::line_reader lines(path);
  for (std::string_view line; lines.next(line);) {
    const json j = bert::io::parse_json(line, path.string());
    CAPTURE(j.at("id").get<int>());
    if (j.at("kind") == "v1.1") {
      ++n.v1;
      const auto prediction = j.at("prediction").get<std::string>();
      const auto golds = j.at("golds").get<texts>();
      const auto score = bert::metrics::score_answer(prediction, golds, answer_rules::squad1);
      CHECK(score.exact == j.at("em").as_number());
      CHECK(std::abs(score.f1 - j.at("f1").as_number()) < 1e-9);
      CHECK(joined(bert::metrics::answer_words(prediction)) == j.at("norm_prediction").as_text());
      for (std::size_t i = 0; i < golds.size(); ++i)
        CHECK(joined(bert::metrics::answer_words(golds[i])) == j.at("norm_golds")[i].as_text());
      continue;
    }
    ++n.v2;
    answer_report report(answer_rules::squad2, {.threshold = j.at("na_prob_thresh").as_number()});
    for (const json& q : j.at("questions"))
      report.add(q.at("prediction").as_text(), q.at("golds").get<texts>(), q.at("na_prob").as_number());
    CHECK(difference(report, j.at("expected")) < 1e-9);
  }
  return n;
}

/// Every case of a file in the form of cmrc.jsonl; the number of cases by what they need, and of those that differ.
struct compared_cmrc {
  std::size_t cases = 0, different_scores = 0, different_segments = 0;
  std::string different;
};

compared_cmrc compare_cmrc(const std::filesystem::path& path, const std::string& needs) {
  compared_cmrc n;
  bert::io::line_reader lines(path);
  for (std::string_view line; lines.next(line);) {
    const json j = bert::io::parse_json(line, path.string());
    if (j.at("needs").as_text() != needs) continue;
    ++n.cases;
    const auto prediction = j.at("prediction").get<std::string>();
    const auto answers = j.at("answers").get<texts>();
    const auto score = bert::metrics::score_answer(prediction, answers, answer_rules::cmrc);
    const bool same_score = score.exact == j.at("em").as_number() && std::abs(score.f1 - j.at("f1").as_number()) < 1e-9;
    bool same = bert::metrics::cmrc_segments(prediction) == j.at("segs_prediction").get<texts>();
    for (std::size_t i = 0; i < answers.size(); ++i)
      same = same && bert::metrics::cmrc_segments(answers[i]) == j.at("segs_answers")[i].get<texts>();
    n.different_scores += same_score ? 0 : 1;
    n.different_segments += same ? 0 : 1;
    if (!same || !same_score) n.different += " " + std::to_string(j.at("id").get<int>());
  }
  return n;
}

}  // namespace

TEST_CASE("our own cases have the scores that the rules of SQuAD and CMRC give") {
  const auto n = compare_squad(golden::folder("metrics") / "answers.jsonl");
  CHECK(n.v1 >= 40);
  CHECK(n.v2 >= 12);
  const auto cmrc = compare_cmrc(golden::folder("metrics") / "answers_cmrc.jsonl", "spaces");
  CHECK(cmrc.cases >= 30);
  CHECK_MESSAGE(cmrc.different_segments + cmrc.different_scores == 0, cmrc.different);
}

TEST_CASE("all cases of SQuAD's own scripts agree to 1e-9") {
  const auto data = support::shared_data("../metrics/squad.jsonl");
  if (!data) return;
  const auto n = compare_squad(*data);
  CHECK(n.v1 == 400);
  CHECK(n.v2 == 100);
}

TEST_CASE("all cases of CMRC's own script agree to 1e-9") {
  const auto data = support::shared_data("../metrics/cmrc.jsonl");
  if (!data) return;
  std::size_t cases = 0;
  for (const char* needs : {"spaces", "words", "sentences"}) {
    CAPTURE(needs);
    const auto n = compare_cmrc(*data, needs);
    cases += n.cases;
    CHECK_MESSAGE(n.different_segments == 0, n.different);
    CHECK_MESSAGE(n.different_scores == 0, n.different);
  }
  CHECK(cases == 300);
}

TEST_CASE("figures of no question are 0, and thresholds have no meaning") {
  const answer_report none(answer_rules::squad2);
  CHECK(none.exact() == 0);
  CHECK(none.f1() == 0);
  CHECK(none.best_f1().value == 0);
  CHECK_FALSE(none.average_precision_f1().has_value());
  CHECK(bert::metrics::score_answer("x", {}, answer_rules::squad1).exact == 0);
}

TEST_CASE("the tuned threshold is that of the best F1, or below all where answering nothing is best") {
  answer_report good(answer_rules::squad2);
  good.add("cat", texts{"cat"}, -2);
  good.add("dog", texts{"dog"}, -1);
  good.add("dog", {}, 3);
  CHECK(good.tuned_threshold() == -1);
  CHECK(good.best_f1().threshold == -1);
  answer_report poor(answer_rules::squad2);
  poor.add("dog", {}, -4);
  poor.add("cat", texts{"dog"}, 2);
  CHECK(poor.best_f1().threshold == 0);  // as SQuAD's script says it
  CHECK(poor.tuned_threshold() < -4);
  CHECK(poor.tuned_threshold() > -4.001);
  CHECK(answer_report(answer_rules::squad2).tuned_threshold() == 0);
}

TEST_CASE("a report's line has the figures by name") {
  answer_report one(answer_rules::squad1);
  one.add("the cat", texts{"cat", "dog"});
  one.add("a red dog", texts{"dog"});
  one.add_loss(1.5, 2);
  CHECK(one.line() == "exact=0.5000 f1=0.8333 loss=1.5000");
  answer_report two(answer_rules::squad2, {.threshold = 0.5});
  two.add("cat", texts{"cat"}, 0.25);
  two.add("dog", {}, 0.75);
  two.add("dog", {}, 0.125);
  CHECK(two.line() ==
        "exact=0.6667 f1=0.6667 loss=0.0000 has_answer_f1=1.0000 no_answer_f1=0.5000 best_exact=0.6667 "
        "best_exact_threshold=0.0000 best_f1=0.6667 best_f1_threshold=0.0000");
}
