#include "bert/metrics/entities.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "bert/io/json.hpp"
#include "bert/io/lines.hpp"
#include "bert/labels/bio.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "support/golden.hpp"
#include "support/largest.hpp"
#include "support/shared_data.hpp"

using namespace std::string_view_literals;
using bert::io::json;
using bert::metrics::entity_counter;

namespace {

using sentences = std::vector<std::vector<std::string>>;

entity_counter counted(entity_counter counter, const sentences& gold, const sentences& predicted) {
  REQUIRE(gold.size() == predicted.size());
  for (std::size_t i = 0; i < gold.size(); ++i) {
    const std::vector<std::string_view> e(gold[i].begin(), gold[i].end()), p(predicted[i].begin(), predicted[i].end());
    counter.add(e, p);
  }
  return counter;
}

sentences with_m_as_i(sentences all) {
  for (auto& sentence : all)
    for (auto& tag : sentence)
      if (tag.starts_with('M')) tag[0] = 'I';
  return all;
}

/// The largest difference from a golden object: types {type: [P, R, F1, count]}, micro, macro, weighted.
double difference(const entity_counter& found, const json& expected) {
  support::largest worst;
  const auto add = [&](double a, const json& b) { worst.add(std::abs(a - b.get<double>())); };
  const auto& types = expected.at("types");
  CHECK(types.size() == found.types().size());
  for (const auto& [type, values] : types.items()) {
    const auto counts = found.of(type);
    add(counts.precision(), values[std::size_t{0}]);
    add(counts.recall(), values[1]);
    add(counts.f1(), values[2]);
    add(static_cast<double>(counts.expected), values[3]);
  }
  add(found.precision(), expected.at("micro")[std::size_t{0}]);
  add(found.recall(), expected.at("micro")[1]);
  add(found.f1(), expected.at("micro")[2]);
  for (const auto& [name, means] : {std::pair("macro", found.macro()), std::pair("weighted", found.weighted())})
    if (const auto& values = expected.at(name); values.is_array() && !values[std::size_t{0}].is_null()) {
      add(means.precision, values[std::size_t{0}]);
      add(means.recall, values[1]);
      add(means.f1, values[2]);
    }
  return worst.value();
}

struct compared {
  std::size_t cases = 0, strict = 0, refused = 0;
};

/// Every case of a file in the form of seqeval.jsonl (tools/golden.py writes ours).
compared compare(const std::filesystem::path& path) {
  compared n;
  bert::io::line_reader lines(path);
  for (std::string_view line; lines.next(line); ++n.cases) {
    const json j = bert::io::parse_json(line, path.string());
    const auto gold = j.at("gold").get<sentences>(), predicted = j.at("pred").get<sentences>();
    CAPTURE(j.at("id").get<int>());
    const auto lenient = counted({}, gold, predicted);
    CHECK(difference(lenient, j.at("default")) < 1e-9);
    if (!j.at("accuracy").is_null()) CHECK(std::abs(lenient.accuracy() - j.at("accuracy").get<double>()) < 1e-9);
    const bool bmes = j.at("style") == "bmes";
    const auto gold_i = bmes ? with_m_as_i(gold) : gold, predicted_i = bmes ? with_m_as_i(predicted) : predicted;
    if (j.contains("default_m_as_i")) CHECK(difference(counted({}, gold_i, predicted_i), j.at("default_m_as_i")) < 1e-9);
    const entity_counter strict(j.at("style") == "bio" ? bert::labels::scheme::bio : bert::labels::scheme::bioes);
    if (j.at("strict").is_null()) {
      CHECK_THROWS_AS((void)counted(strict, gold_i, predicted_i), bert::error);
      ++n.refused;
    } else {
      CHECK(difference(counted(strict, gold_i, predicted_i), j.at("strict")) < 1e-9);
      ++n.strict;
    }
  }
  return n;
}

}  // namespace

TEST_CASE("our own cases of every scheme have the counts that seqeval's rules give") {
  const auto n = compare(golden::folder("metrics") / "entities.jsonl");
  CHECK(n.cases >= 40);
  CHECK(n.strict >= 30);
  CHECK(n.refused >= 2);
}

TEST_CASE("all cases of seqeval itself, lenient and strict, agree to 1e-9") {
  const auto data = support::shared_data("../metrics/seqeval.jsonl");
  if (!data) return;
  const auto n = compare(*data);
  CHECK(n.cases == 400);
  CHECK(n.strict + n.refused == 400);
}

TEST_CASE("an I after an O begins an entity for conlleval and none in strict mode") {
  const std::array expected{"I-PER"sv, "I-PER"sv, "O"sv};
  entity_counter lenient, strict(bert::labels::scheme::bio);
  lenient.add(expected, expected);
  strict.add(expected, expected);
  CHECK(lenient.total().expected == 1);
  CHECK(lenient.f1("PER") == 1.0);
  CHECK(strict.total().expected == 0);
  CHECK(strict.f1() == 0.0);
  CHECK(lenient.accuracy() == 1.0);
}

TEST_CASE("a report by tag indices counts as one by tag names, with M as I") {
  const bert::labels::dynamic_set bmes{"O", "B-X", "M-X", "E-X", "S-X"};
  bert::metrics::entity_report report(bmes);
  const auto copy = [&] { return bert::metrics::entity_report(report); };
  report.add(std::array<std::int32_t, 6>{1, 2, 3, 0, 4, 0}, std::array<std::int32_t, 6>{1, 2, 3, 0, 0, 0});
  report.add_loss(0.5, 6);
  const auto copied = copy();
  CHECK(copied.precision() == 1.0);
  CHECK(copied.recall() == 0.5);
  CHECK(copied.accuracy() == doctest::Approx(5.0 / 6));
  CHECK(copied.line() == "precision=1.0000 recall=0.5000 f1=0.6667 accuracy=0.8333 loss=0.5000");

  struct names : bert::labels::bio<"PER", "ORG"> {};
  bert::metrics::entity_report typed{names{}};
  typed.add(std::array<std::int32_t, 3>{names::index<"B-PER">, names::index<"I-PER">, 0},
            std::array<std::int32_t, 3>{names::index<"B-PER">, names::index<"I-PER">, names::index<"B-ORG">});
  CHECK(typed.f1<"PER">() == 1.0);
  CHECK(typed.precision<"ORG">() == 0.0);
  CHECK(typed.types().at("ORG").predicted == 1);
}

TEST_CASE("another number of predicted tags than of expected ones is an error") {
  entity_counter counter;
  CHECK_THROWS_AS(counter.add(std::array{"O"sv, "O"sv}, std::array{"O"sv}), bert::error);
}

TEST_CASE("a report prints a row a type and the totals") {
  bert::metrics::entity_report report(bert::labels::dynamic_set{"O", "B-PER", "B-LOC"});
  report.add(std::array<std::int32_t, 4>{1, 2, 0, 2}, std::array<std::int32_t, 4>{1, 0, 0, 2});
  report.add_loss(0.25, 4);
  std::ostringstream out;
  out << report;
  CHECK(out.str() ==
        "type     precision  recall      f1  entities\n"
        "LOC         1.0000  0.5000  0.6667         2\n"
        "PER         1.0000  1.0000  1.0000         1\n"
        "precision 1.0000, recall 0.6667, F1 0.8000, accuracy 0.7500, loss 0.2500, 4 words\n");
}
