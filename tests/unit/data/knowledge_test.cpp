#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string>

#include "bert/data/with_knowledge.hpp"
#include "support/shared_data.hpp"
#include "support/temporary_file.hpp"

namespace {
const bert::text::tokenizer tokenizer(bert::text::vocabulary({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "new", "york",
                                                              "city", "is", "big", "in", "usa", "##s", "a", "warm", "state"}));
bert::data::knowledge graph() {
  bert::data::knowledge g;
  g.add("New York", "in", "USA");
  g.add("New York", "in", "USA");  // once more
  g.add("New York", "is a", "state");
  g.add("New York", "is", "warm");
  g.add("city", "is", "big");
  g.add("york", "is", "a");
  g.add("absent", "is", "a");  // [UNK]
  return g;
}
std::string words(const bert::data::injected_text& x) {
  std::string out;
  for (const auto id : x.ids) out += (out.empty() ? "" : " ") + std::string(tokenizer.vocabulary().piece(id));
  return out;
}
}  // namespace

TEST_CASE("facts follow their entity, the longest of whole words, in the order of the graph") {
  const bert::data::injector inject(graph(), tokenizer);
  const auto x = inject("new york is warm, citys is");
  CHECK(words(x) == "[CLS] new york in usa is a state is warm [UNK] city ##s is [SEP]");  // no fact of a part of a word
  CHECK(x.marks == std::vector<std::int32_t>{0, 0, 0, 2, -2, 2, -2, -2, 0, 0, 0, 0, 0, 0, 0});
  CHECK(x.origin == std::vector<std::int32_t>{0, 1, 2, -1, -1, -1, -1, -1, 3, 4, 5, 6, 7, 8, 9});
  CHECK(x.entities == 1);
  CHECK(x.dropped == 0);
  const auto again = inject("new york is warm, citys is");
  CHECK(again.ids == x.ids);
  CHECK(words(bert::data::injector(graph(), tokenizer, {.facts = 1})("York city")) == "[CLS] york is a city is big [SEP]");
  bert::token_batch batch;
  batch.add(x.ids, x.segments, x.marks);
  CHECK(batch.marks().size() == x.size());
}

TEST_CASE("the text's own tokens are all there, whatever the room, and branches only where they fit") {
  const std::string text = "new york is big in usa city city is warm";
  const auto plain = tokenizer.encode(text);
  for (std::size_t most = 12; most < 30; ++most) {
    CAPTURE(most);
    const auto x = bert::data::injector(graph(), tokenizer, {.facts = 3, .max_tokens = most})(text);
    CHECK(x.size() <= most);
    std::vector<bert::token_id> own;
    std::int32_t next = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      CHECK((x.origin[i] < 0) == (x.marks[i] != 0));
      if (x.origin[i] < 0) continue;
      CHECK(x.origin[i] == next++);
      own.push_back(x.ids[i]);
    }
    CHECK(std::equal(own.begin(), own.end(), plain.ids().begin(), plain.ids().end()));
    CHECK(x.entities == 3);
    CHECK((x.dropped == 0) == (most >= 12 + 2 + 3 + 2 + 2 + 2));
  }
}

TEST_CASE("tags and spans of a source stay with their tokens, and branches have none") {
  struct source {
    [[nodiscard]] static bert::batch_shape capacity() { return {.sequences = 2, .tokens = 24, .longest = 12}; }
    [[nodiscard]] static std::uint64_t batches_per_epoch() { return 1; }
    static void load(std::uint64_t, bert::training_batch& out) {
      out.clear();
      for (const char* text : {"is new york big", "city city"}) {
        const auto ids = tokenizer.encode(text);
        out.tokens.append(ids);
        for (std::size_t i = 0; i < ids.tokens(); ++i) {
          const bool special = i == 0 || i + 1 == ids.tokens();
          out.parts.push_back(special ? bert::word_part::special : bert::word_part::begins);
          out.tags.push_back(special ? -1 : static_cast<std::int32_t>(i));
        }
      }
      out.spans = {{2, 4}, {-1, -1}};
      out.labels = {1, 0};
    }
  };
  const bert::data::with_knowledge batches{source{}, bert::data::injector(graph(), tokenizer, {.facts = 1, .max_tokens = 12})};
  bert::training_batch batch;
  batches.load(0, batch);
  // [CLS] is new york (in usa) big [SEP], [CLS] city (is big) city (is big) [SEP]
  CHECK(batch.tags == std::vector<std::int32_t>{-1, 1, 2, 3, -1, -1, 4, -1, -1, 1, -1, -1, 2, -1, -1, -1});
  CHECK(batch.spans == std::vector<bert::token_span>{{2, 6}, {-1, -1}});
  CHECK(batch.labels == std::vector<std::int32_t>{1, 0});
  CHECK(std::vector<std::int32_t>(batch.tokens.marks().begin(), batch.tokens.marks().end()) ==
        std::vector<std::int32_t>{0, 0, 0, 0, 2, -2, 0, 0, 0, 0, 1, -1, 0, 1, -1, 0});
  CHECK(batches.capacity().holds(batch.tokens.shape()));
}

TEST_CASE("a line that is no triple is an error that names file and line") {
  const support::temporary_file wrong("a\tb\tc\na\tb\n", ".spo"), right("a\tb\tc\n\nd\te\tf g\n", ".spo");
  CHECK_THROWS_WITH_AS(bert::data::knowledge{wrong.path()}, doctest::Contains("line 2: expected subject, relation and object"),
                       bert::error);
  const bert::data::knowledge g{right.path()};
  CHECK(g.size() == 2);
  CHECK(g.of("d").size() == 1);
  CHECK(g.of("d")[0] == bert::data::fact{"e", "f g"});
  CHECK(g.of("x").empty());
}
