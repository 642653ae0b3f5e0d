// A teacher's logits, written once and read with the batches.
#include "bert/evaluation/write_logits.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>

#include "../../support/small_models.hpp"
#include "bert/heads/tag.hpp"
#include "bert/labels/bio.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/objectives/distil/distil.hpp"
#include "bert/training/fit.hpp"
#include "support/temporary_file.hpp"

namespace {
struct animals : bert::labels::bio<"cat", "dog"> {};
using model_type = bert::model<support::pocket, bert::heads::classify<support::mood>>;
using tagger = bert::model<support::pocket, bert::heads::tag<animals>>;
const support::made_up_source source;
}  // namespace

TEST_CASE("logits of sequences and of tokens come back with every batch, whatever its order") {
  const auto teacher = bert::freeze(model_type::random({.stddev = 0.2f, .seed = 3}));
  const auto tags = bert::freeze(tagger::random({.stddev = 0.2f, .seed = 3}));
  const support::temporary_file file(""), of_tokens("");
  bert::write_logits(file.path(), teacher, source);
  bert::write_logits(of_tokens.path(), tags, source);
  auto other = source;  // the same examples in batches of 3
  other.sequences = 3;
  other.batches = 8;
  const bert::data::with_logits batches{other, bert::data::logits_file{file.path()}};
  const bert::data::with_logits tagged{other, bert::data::logits_file{of_tokens.path()}};
  struct labeled : support::made_up_source {
    using targets = bert::target_list<bert::target::label>;
  };
  static_assert(
      std::is_same_v<bert::data::with_logits<labeled>::targets, bert::target_list<bert::target::label, bert::target::logits>>);
  auto run = teacher.session(other.capacity());
  auto run_tags = tags.session(other.capacity());
  bert::training_batch batch;
  for (const std::uint64_t step : {7u, 0u, 3u}) {
    batches.load(step, batch);
    run(batch.tokens);
    const auto wanted = run.output<0>();
    CHECK(batch.logits_width == 2);
    CHECK(std::equal(batch.logits.begin(), batch.logits.end(), wanted.data(), wanted.data() + wanted.shape()[0] * 2));
    tagged.load(step, batch);
    const auto rows = run_tags(batch.tokens);
    CHECK(std::equal(batch.logits.begin(), batch.logits.end(), rows.data(), rows.data() + rows.shape()[0] * rows.shape()[1]));
  }
}

TEST_CASE("a training from a file has the bits of one with the teacher") {
  using student = bert::model<support::pocket, bert::heads::classify<support::mood>>;
  namespace objectives = bert::objectives;
  const auto teacher = bert::freeze(student::random({.stddev = 0.2f, .seed = 3}));
  const support::temporary_file file("");
  bert::write_logits(file.path(), teacher, source);
  auto a = student::random({.stddev = 0.1f, .seed = 1}), b = a;
  const objectives::distil_options options{.temperature = 2, .soft = 0.5f, .hard = 0.5f};
  bert::fit(a, objectives::distil{teacher, objectives::cross_entropy{}, options}, source, {.epochs = 2});
  bert::fit(b, objectives::distil{objectives::given_logits<>{}, objectives::cross_entropy{}, options},
            bert::data::with_logits{source, bert::data::logits_file{file.path()}}, {.epochs = 2});
  CHECK(std::equal(a.block().begin(), a.block().end(), b.block().begin()));
}

TEST_CASE("an example that the file lacks, and a file of something else, are errors that name the file") {
  const support::temporary_file file("");
  bert::data::logits_writer out;
  bert::token_batch one;
  one.add(support::ids(1, 5));
  const float row[]{1.0f, 2.0f, 3.0f};
  out.add(one, {row, 1, 3});
  CHECK_THROWS_WITH_AS(out.add(one, {row, 1, 2}), doctest::Contains("of one width"), bert::error);
  CHECK_THROWS_WITH_AS(out.add(one, {row, 3, 1}), doctest::Contains("rows for 1 sequences or 5 tokens"), bert::error);
  out.write(file.path());
  const bert::data::logits_file logits{file.path()};
  CHECK(logits.size() == 1);
  CHECK(logits.of(one[0], one.segments(0))(0, 2) == 3.0f);
  bert::training_batch batch;
  const bert::data::with_logits batches{source, logits};
  CHECK_THROWS_WITH_AS(batches.load(0, batch), doctest::Contains("logits of every example"), bert::error);
  const float one_value[]{1};
  bert::io::write_safetensors(file.path(), std::array{bert::io::stored("logits", one_value, {1})});
  CHECK_THROWS_WITH_AS(bert::data::logits_file{file.path()}, doctest::Contains("a tensor \"examples\""), bert::error);
}
