// A save leaves no file that would be read instead of what was saved.
// Layer: tests.
#include "bert/checkpoint/stale_files.hpp"

#include <doctest/doctest.h>

#include "bert/checkpoint/checkpoint.hpp"
#include "support/golden.hpp"
#include "support/golden_models.hpp"
#include "unit/io/scratch.hpp"

using namespace bert;
using namespace bert::testing;

TEST_CASE("a save reads back equal, also in a folder with a tokenizer and weights of other forms") {
  const scratch dir;
  dir.file("tokenizer.json", R"({"model": {"vocab": {"stale": 0}}})");
  dir.file("special_tokens_map.json", R"({"cls_token": "<s>"})");
  dir.file("added_tokens.json", R"({"[X]": 100000})");
  for (const char* name : pipelines::stale_weight_files) dir.file(name, "stale");
  dir.file("README.md", "mine");
  dir.file("modules.json", "[]");
  const checkpoint files(golden::folder("classifier"));
  save(dir.folder(), files.load<golden::classifier_model>(), files.tokenizer());
  CHECK(checkpoint(dir.folder()).tokenizer().vocabulary() == files.tokenizer().vocabulary());
  for (const char* name : pipelines::stale_tokenizer_files) CHECK_FALSE(std::filesystem::exists(dir / name));
  for (const char* name : pipelines::stale_weight_files) CHECK_FALSE(std::filesystem::exists(dir / name));
  CHECK(slurp(dir / "README.md") == "mine");
  CHECK(std::filesystem::exists(dir / "modules.json"));
}

TEST_CASE("a model saved without a tokenizer leaves the folder's tokenizer unchanged") {
  const scratch dir;
  dir.file("tokenizer.json", "{}");
  save(dir.folder(), checkpoint(golden::folder("classifier")).load<golden::classifier_model>());
  CHECK(slurp(dir / "tokenizer.json") == "{}");
}

TEST_CASE("a stale file that cannot be removed is an error that names it") {
  const scratch dir;
  std::filesystem::create_directories(dir / "tokenizer.json");
  dir.file("tokenizer.json/inside", "");
  const checkpoint files(golden::folder("classifier"));
  const auto model = files.load<golden::classifier_model>();
  CHECK(has(message_of([&] { save(dir.folder(), model, files.tokenizer()); }), "tokenizer.json"));
}
