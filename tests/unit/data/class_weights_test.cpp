#include "bert/data/class_weights.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string_view>
#include <vector>

#include "bert/data/tagged_set.hpp"
#include "bert/labels/bio.hpp"
#include "bert/labels/one_of.hpp"
#include "support/toy_tokenizer.hpp"

namespace {
using namespace std::string_view_literals;
struct sizes : bert::labels::one_of<"small", "middle", "large", "never"> {};
struct things : bert::labels::bio<"X"> {};
struct with_unknown : toy::tokenizer {
  [[nodiscard]] static bert::token_id unk_id() noexcept { return 3; }
};
}  // namespace

TEST_CASE("balanced weights are n / (C n_c), as scikit-learn's, and 0 for a class that does not occur") {
  const toy::tokenizer tokenizer;
  bert::data::labeled_set_builder<sizes, toy::tokenizer> notes(tokenizer, {}, 16);
  for (const int label : {0, 0, 0, 1, 2, 2}) notes.add("x", {}, label);
  const auto set = std::move(notes).build();
  CHECK(bert::data::class_counts(set) == std::vector<std::uint64_t>{3, 1, 2, 0});
  CHECK(bert::data::balanced_weights(set) == std::vector<float>{0.5f, 1.5f, 0.75f, 0.0f});
}

TEST_CASE("of a tagged set the tags that count are counted: one a word") {
  const with_unknown tokenizer;
  bert::data::tagged_set_builder<things, with_unknown> notes(tokenizer, {}, {.max_tokens = 16});
  notes.add(std::array{"something"sv, "is"sv, "here"sv}, std::array{things::index<"B-X">, 0, 0});
  const auto set = std::move(notes).build();
  CHECK(bert::data::class_counts(set) == std::vector<std::uint64_t>{2, 1, 0});
  CHECK(bert::data::balanced_weights(set) == std::vector<float>{0.5f, 1.0f, 0.0f});
}
