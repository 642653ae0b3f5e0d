#include "bert/checkpoint/decoding_settings.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/heads/classify_many.hpp"
#include "bert/heads/span.hpp"
#include "bert/labels/many_of.hpp"
#include "bert/pipeline/pipeline.hpp"
#include "support/golden.hpp"
#include "support/golden_models.hpp"
#include "unit/io/scratch.hpp"

using namespace bert;
using namespace bert::testing;

namespace {
struct topics : labels::many_of<"routine", "soon", "urgent"> {};
using many_model = model<golden::pocket, heads::classify_many<topics>>;

decoding_settings parsed(const std::string& text) {
  return decoding_settings::parse(io::parse_json(text, "config.json"), "config.json");
}
}  // namespace

TEST_CASE("settings are written to a configuration and read from it, bit for bit") {
  io::json config = io::json::object();
  decoding_settings{}.add_to(config);
  CHECK(!config.contains("bert"));
  const decoding_settings d{.thresholds = {0.1f, 0.7f}, .no_answer = -1.25, .task = "rerank"};
  d.add_to(config);
  CHECK(config.dump() == R"({"bert":{"no_answer":-1.25,"task":"rerank","thresholds":[0.1,0.7]}})");
  const auto again = parsed(config.dump());
  CHECK(again.thresholds == d.thresholds);
  CHECK(again.no_answer == d.no_answer);
  CHECK(again.task == "rerank");
  CHECK(parsed("{}").empty());
  CHECK(parsed(R"({"bert": 3})").empty());
  CHECK(has(message_of([] { (void)parsed(R"({"bert": {"thresholds": "x"}})"); }), "config.json, \"bert\", \"thresholds\""));
  CHECK(has(message_of([] { (void)parsed(R"({"bert": {"no_answer": []}})"); }), "\"no_answer\""));
}

TEST_CASE("a pipeline of a folder reads with the folder's thresholds, unless it is given others") {
  const scratch dir;
  const checkpoint files(golden::folder("classifier"));
  const auto m = files.load<golden::classifier_model>().with_head<heads::classify_many<topics>>({.stddev = 0.3f, .seed = 4});
  save(dir / "many", m, files.tokenizer(), {.thresholds = {2, 0, 2}});
  using open = pipeline<many_model>;
  const auto found = open::open(dir / "many")("the film was bad");
  REQUIRE(found.size() == 1);
  CHECK(found.labels[0].label == "soon");
  CHECK(open::open(dir / "many", {.thresholds = {0}})("the film was bad").size() == 3);
  // Saved again without them, the folder has none.
  save(dir / "many", m, files.tokenizer());
  CHECK(checkpoint(dir / "many").config().decoding.empty());
  save(dir / "many", m, files.tokenizer(), {.thresholds = {0.5f}});
  CHECK(has(message_of([&] { (void)checkpoint(dir / "many"); }), "\"thresholds\": expected 3 numbers, one a label, found 1"));
}

TEST_CASE("a folder's threshold for no answer lets a pipeline answer nothing") {
  const scratch dir;
  const checkpoint files(golden::folder("answers"));
  const auto m = files.load<golden::answers_model>();
  const question asked{.question = "the cat", .context = "the cat sat on the mat."};
  using ask = pipeline<golden::answers_model>;
  save(dir / "never", m, files.tokenizer());
  const auto answered = [&](answer_options options = {}) {
    options.max_question = 8;
    return ask::open(dir / "never", {.answers = options})(asked).text;
  };
  CHECK(!answered().empty());
  save(dir / "never", m, files.tokenizer(), {.no_answer = -1e9});
  CHECK(answered().empty());
  CHECK(!answered({.threshold = 1e9}).empty());
}
