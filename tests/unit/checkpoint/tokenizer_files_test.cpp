// A checkpoint's tokenizer files: what is read from them, and that what is written is read back.
// Layer: tests.
#include "bert/checkpoint/tokenizer_files.hpp"

#include <doctest/doctest.h>

#include "support/golden.hpp"
#include "unit/io/scratch.hpp"

using namespace bert;
using namespace bert::testing;
using namespace bert::pipelines;
using list = std::vector<std::string>;

namespace {
std::string pieces() { return slurp(golden::folder("classifier") / "vocab.txt"); }
}  // namespace

TEST_CASE("a golden folder's tokenizer is that of transformers") {
  const auto t = read_tokenizer(golden::folder("classifier"));
  CHECK(t.size() == 101);
  CHECK(t.tokens("The CAT's é cats [MASK] 中国 unsat") ==
        list{"the", "cat", "'", "s", "e", "cat", "##s", "[MASK]", "中", "国", "un", "##s", "##a", "##t"});
  const auto batch = t.encode("the cat", "a dog");
  CHECK(std::vector<token_id>(batch.ids().begin(), batch.ids().end()) == std::vector<token_id>{2, 63, 73, 3, 11, 74, 3});
}

TEST_CASE("a vocab.txt alone is an uncased tokenizer") {
  const scratch dir;
  dir.file("vocab.txt", pieces());
  CHECK(read_tokenizer(dir.folder()).tokens("CAT é") == list{"cat", "e"});
}

TEST_CASE("the fields of tokenizer_config.json are obeyed") {
  const scratch dir;
  dir.file("vocab.txt", pieces());
  dir.file("tokenizer_config.json", R"({"do_lower_case": false, "model_max_length": 1000000000000000019884624838656})");
  CHECK(read_tokenizer(dir.folder()).tokens("CAT é cat") == list{"[UNK]", "é", "cat"});
  dir.file(
      "tokenizer_config.json",
      R"({"strip_accents": false, "tokenize_chinese_chars": false, "mask_token": {"content": "[MASK]", "lstrip": false}})");
  const auto t = read_tokenizer(dir.folder());
  CHECK(t.tokens("É 中国") == list{"é", "[UNK]"});
  CHECK(t.mask_id() == 4);
  dir.file("tokenizer_config.json", R"({"cls_token": "the", "sep_token": "a"})");
  CHECK(read_tokenizer(dir.folder()).cls_id() == 63);
  dir.file(
      "tokenizer_config.json",
      R"({"added_tokens_decoder": {"4": {"content": "[MASK]", "special": true}, "101": {"content": "cat!", "single_word": false}}})");
  CHECK(read_tokenizer(dir.folder()).encode("a cat!").ids()[2] == 101);
}

TEST_CASE("what is wrong in the files is an error that names file and key") {
  const scratch dir;
  CHECK(has(message_of([&] { (void)read_tokenizer(dir.folder()); }), "a vocab.txt or a tokenizer.json, found neither"));
  dir.file("vocab.txt", pieces());
  dir.file("tokenizer_config.json", R"({"do_lower_case": "yes"})");
  CHECK(has(message_of([&] { (void)read_tokenizer(dir.folder()); }),
            "tokenizer_config.json, \"do_lower_case\": expected true or false"));
  dir.file("tokenizer_config.json", R"({"unk_token": "[NONE]"})");
  CHECK(has(message_of([&] { (void)read_tokenizer(dir.folder()); }), "[NONE]"));
  dir.file("tokenizer_config.json", "{");
  CHECK(has(message_of([&] { (void)read_tokenizer(dir.folder()); }), "tokenizer_config.json: expected JSON"));
}

TEST_CASE("tokenizer.json serves where there is no vocab.txt") {
  const scratch dir;
  dir.file("tokenizer.json", R"({"added_tokens": [{"id": 2, "content": "[CLS]", "special": true}],
    "normalizer": {"type": "BertNormalizer", "lowercase": false, "handle_chinese_chars": true, "strip_accents": null, "clean_text": true},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "max_input_chars_per_word": 5,
              "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "Cat": 5, "##s": 6, "abcdef": 7}}})");
  const auto t = read_tokenizer(dir.folder());
  CHECK(t.tokens("Cats cat abcdef") == list{"Cat", "##s", "[UNK]", "[UNK]"});
  dir.file("tokenizer.json", R"({"model": {"type": "BPE", "vocab": {}}})");
  CHECK(has(message_of([&] { (void)read_tokenizer(dir.folder()); }), "a WordPiece model, found BPE"));
  dir.file("tokenizer.json", R"({"model": {"vocab": {"a": 0, "b": 0}}})");
  CHECK(has(message_of([&] { (void)read_tokenizer(dir.folder()); }), "each id from 0 to 1 once"));
  dir.file("tokenizer.json", R"({"model": {"vocab": {"a": 0, "b": 2}}})");
  CHECK(has(message_of([&] { (void)read_tokenizer(dir.folder()); }), "each id from 0 to 1 once"));
}

TEST_CASE("a tokenizer that is written is read back") {
  const scratch dir;
  text::tokenizer_options options;
  options.lowercase = false;
  options.strip_accents = true;
  options.tokenize_chinese_chars = false;
  options.clean_text = false;
  options.added.push_back({.content = "<e>", .id = 101, .lstrip = true});
  const text::tokenizer t(text::vocabulary::parse(pieces()), options);
  write_tokenizer(dir.folder(), t, 64);
  const auto back = read_tokenizer(dir.folder());
  CHECK(back.vocabulary() == t.vocabulary());
  CHECK_FALSE(back.options().lowercase);
  CHECK(back.options().strip_accents == std::optional<bool>(true));
  CHECK_FALSE(back.options().tokenize_chinese_chars);
  CHECK_FALSE(back.options().clean_text);
  REQUIRE(back.options().added.size() == 1);
  CHECK(back.options().added[0].content == "<e>");
  CHECK(back.options().added[0].lstrip);
  CHECK(slurp(dir / "vocab.txt") == pieces() + "<e>\n");
}
