// A checkpoint's tokenizer files: the keys that are read, and round trips.
// Layer: tests.
#include "bert/checkpoint/tokenizer_files.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "support/golden.hpp"
#include "unit/io/scratch.hpp"

using namespace bert;
using namespace bert::testing;
using namespace bert::pipelines;
using list = std::vector<std::string>;

namespace {

std::string pieces() { return slurp(golden::folder("classifier") / "vocab.txt"); }

const std::string small = R"("[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "Cat": 5, "##s": 6, "abcdef": 7)";

// A tokenizer.json of a cased tokenizer.
std::string json_of(const std::string& vocab, const std::string& added = R"({"id": 2, "content": "[CLS]", "special": true})") {
  return R"({"added_tokens": [)" + added + R"(],
    "normalizer": {"type": "BertNormalizer", "lowercase": false, "handle_chinese_chars": true, "strip_accents": null, "clean_text": true},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "max_input_chars_per_word": 5, "vocab": {)" +
         vocab + "}}}";
}

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

TEST_CASE("the keys of tokenizer_config.json are followed") {
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

TEST_CASE("a fault in the files is an error that names file and key") {
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

TEST_CASE("tokenizer.json replaces a missing vocab.txt, and decides all options if the class is PreTrainedTokenizerFast") {
  const scratch dir;
  dir.file("tokenizer.json", json_of(small));
  dir.file("tokenizer_config.json", R"({"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": true})");
  CHECK(read_tokenizer(dir.folder()).tokens("Cats cat abcdef") == list{"Cat", "##s", "[UNK]", "[UNK]"});
  dir.file("tokenizer_config.json", "{}");  // BertTokenizer by default: lower case by default, words of any length
  CHECK(read_tokenizer(dir.folder()).tokens("Cats abcdef") == list{"[UNK]", "abcdef"});
  dir.file("tokenizer.json", R"({"model": {"type": "BPE", "vocab": {}}})");
  CHECK(has(message_of([&] { (void)read_tokenizer(dir.folder()); }), "a WordPiece model, found BPE"));
  dir.file("tokenizer.json", R"({"model": {"vocab": {"a": 0, "b": 0}}})");
  CHECK(has(message_of([&] { (void)read_tokenizer(dir.folder()); }), "at most once, found 0"));
  dir.file("tokenizer.json", R"({"model": {"vocab": {"a": 0, "b": 2000000000}}})");
  CHECK(has(message_of([&] { (void)read_tokenizer(dir.folder()); }), "\"b\": expected each id from 0 to"));
}

TEST_CASE("ids without a piece are unused, and [SEP] may be an added token there") {
  const scratch dir;
  dir.file("tokenizer.json", R"({"added_tokens": [{"id": 3, "content": "[SEP]"}],
    "model": {"vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "cat": 9}}})");
  const auto t = read_tokenizer(dir.folder());
  CHECK(t.size() == 10);
  const auto batch = t.encode("cat [SEP]");
  CHECK(std::vector<token_id>(batch.ids().begin(), batch.ids().end()) == std::vector<token_id>{2, 9, 3, 3});
}

TEST_CASE("the class alone decides which file sets lower case") {
  const auto first = [](const std::string& config, bool lines, reading_notes* notes = nullptr) {
    const scratch dir;
    dir.file("tokenizer.json", json_of(R"("[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "Cat": 4, "cat": 5)"));
    if (lines) dir.file("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nCat\ncat\n");
    if (!config.empty()) dir.file("tokenizer_config.json", config);
    return read_tokenizer(dir.folder(), notes).tokens("Cat").front();
  };
  for (const bool lines : {true, false}) {
    CHECK(first("", lines) == "cat");
    CHECK(first(R"({"tokenizer_class": "BertTokenizer"})", lines) == "cat");
    CHECK(first(R"({"tokenizer_class": "BertTokenizer", "do_lower_case": false})", lines) == "Cat");
    CHECK(first(R"({"tokenizer_class": "PreTrainedTokenizerFast"})", lines) == "Cat");
    CHECK(first(R"({"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": true})", lines) == "Cat");
  }
  reading_notes notes;
  (void)first("", true, &notes);
  REQUIRE(notes.size() == 1);
  CHECK(has(notes[0], "lower case: yes"));
  notes.clear();
  (void)first(R"({"do_lower_case": false})", true, &notes);
  CHECK(notes.empty());
}

TEST_CASE("classes that tokenize differently are refused by name, in either file that names them") {
  const scratch dir;
  dir.file("vocab.txt", pieces());
  dir.file("tokenizer_config.json", R"({"tokenizer_class": "BertJapaneseTokenizer"})");
  CHECK(has(message_of([&] { (void)read_tokenizer(dir.folder()); }),
            "tokenizer_config.json, \"tokenizer_class\": expected BertTokenizer or PreTrainedTokenizerFast, found "
            "BertJapaneseTokenizer"));
  dir.file("tokenizer_config.json", "{}");
  dir.file("config.json", R"({"tokenizer_class": "BertweetTokenizer"})");
  CHECK(has(message_of([&] { (void)read_tokenizer(dir.folder()); }), "config.json, \"tokenizer_class\""));
  dir.file("config.json", R"({"tokenizer_class": "DistilBertTokenizerFast"})");
  CHECK_NOTHROW((void)read_tokenizer(dir.folder()));
  for (const char* key : {R"("word_tokenizer_type": "mecab")", R"("split_special_tokens": true)", R"("wordpieces_prefix": "_")",
                          R"("add_bos_token": true)", R"("truncation_side": "middle")"}) {
    dir.file("tokenizer_config.json", std::string("{") + key + "}");
    const std::string name(key + 1, std::string_view(key).find('"', 1) - 1);
    CHECK(has(message_of([&] { (void)read_tokenizer(dir.folder()); }), "tokenizer_config.json, \"" + name + '"'));
  }
}

TEST_CASE("an added token is one token, whichever of the five files names it") {
  const auto ids = [](const std::function<void(const scratch&)>& write, const std::string& more = "") {
    const scratch dir;
    dir.file("vocab.txt", pieces() + more);
    write(dir);
    const auto batch = read_tokenizer(dir.folder()).encode("the [E11] <ver>cat");
    return std::vector<token_id>(batch.ids().begin(), batch.ids().end());
  };
  const std::vector<token_id> right{2, 63, 101, 102, 73, 3};
  CHECK(ids([](const scratch& d) { d.file("added_tokens.json", R"({"[E11]": 101, "<ver>": 102})"); }) == right);
  CHECK(ids([](const scratch& d) {
          d.file("tokenizer_config.json", R"({"additional_special_tokens": ["[E11]", {"content": "<ver>"}]})");
        }) == right);  // neither in the vocabulary: the next ids
  CHECK(ids([](const scratch& d) { d.file("tokenizer_config.json", R"({"additional_special_tokens": ["<ver>", "[E11]"]})"); },
            "[E11]\n<ver>\n") == right);
  CHECK(ids([](const scratch& d) {
          d.file("tokenizer_config.json", R"({"extra_special_tokens": {"a": "[E11]", "b": "<ver>"}})");
        }) == right);
  CHECK(ids([](const scratch& d) {
          d.file("special_tokens_map.json", R"({"additional_special_tokens": ["[E11]"], "eos_token": "<ver>"})");
          d.file("added_tokens.json", R"({"<ver>": 102, "[E11]": 101})");
        }) == right);
  CHECK(ids([](const scratch& d) {
          d.file("tokenizer_config.json",
                 R"({"added_tokens_decoder": {"101": {"content": "[E11]"}, "102": {"content": "<ver>"}}})");
        }) == right);
  CHECK(ids([](const scratch& d) {
          std::string vocab;
          const auto words = text::vocabulary::parse(pieces());
          for (std::size_t i = 0; i < words.size(); ++i)
            vocab += io::json(std::string(words.piece(static_cast<token_id>(i)))).dump() + ": " + std::to_string(i) +
                     (i + 1 < words.size() ? ", " : "");
          d.file("tokenizer.json", json_of(vocab, R"({"id": 101, "content": "[E11]"}, {"id": 102, "content": "<ver>"})"));
        }) == right);
}

TEST_CASE("a token that only added_tokens.json names is matched in normalized text, a special one in the original text") {
  const scratch dir;
  dir.file("vocab.txt", pieces());
  dir.file("added_tokens.json", R"({"[E11]": 101, "Größe": 102})");
  dir.file("special_tokens_map.json", R"({"additional_special_tokens": ["[E11]"]})");
  const auto t = read_tokenizer(dir.folder());
  CHECK(t.tokens("GRÖSSE größe [E11]").back() == "[E11]");
  CHECK(t.encode("größe").ids()[1] == 102);
  CHECK(t.encode("Grosse").ids()[1] != 102);
  CHECK(t.encode("[e11]").ids()[1] != 101);
}

TEST_CASE("special_tokens_map.json renames the special tokens, unless tokenizer_config.json has added_tokens_decoder") {
  const scratch dir;
  dir.file("vocab.txt", "<pad>\n<unk>\n<s>\n</s>\n<mask>\ncat\n[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
  dir.file("special_tokens_map.json", R"({"cls_token": "<s>", "sep_token": {"content": "</s>"}, "pad_token": "<pad>",
                                          "unk_token": "<unk>", "mask_token": "<mask>"})");
  CHECK(read_tokenizer(dir.folder()).cls_id() == 2);
  CHECK(read_tokenizer(dir.folder()).mask_id() == 4);
  dir.file("tokenizer_config.json", R"({"added_tokens_decoder": {}})");
  CHECK(read_tokenizer(dir.folder()).cls_id() == 8);
}

TEST_CASE("the normalizer may be a Sequence of one, or null for no normalization; two are refused") {
  const scratch dir;
  dir.file("tokenizer_config.json", R"({"tokenizer_class": "PreTrainedTokenizerFast"})");
  const auto with = [&](const std::string& normalizer) {
    auto j = io::parse_json(json_of(small), "x");
    j["normalizer"] = io::parse_json(normalizer, "x");
    dir.file("tokenizer.json", j.dump());
    return read_tokenizer(dir.folder()).tokens("Cats CATS").front();
  };
  const std::string one = R"({"type": "BertNormalizer", "lowercase": true, "strip_accents": null})";
  CHECK(with(one) == "[UNK]");
  CHECK(with(R"({"type": "Sequence", "normalizers": [)" + one + "]}") == "[UNK]");
  CHECK(with("null") == "Cat");
  CHECK(has(message_of([&] { (void)with(R"({"type": "Sequence", "normalizers": [)" + one + "," + one + "]}"); }),
            "\"normalizer\": expected BertNormalizer alone, found a Sequence of 2"));
  CHECK(has(message_of([&] { (void)with(R"({"type": "Lowercase"})"); }), "expected BertNormalizer, found Lowercase"));
}

TEST_CASE("a post-processor is BERT's, in both of its forms, or refused by name") {
  const scratch dir;
  const auto with = [&](const std::string& config, const std::string& processor) {
    auto j = io::parse_json(json_of(small), "x");
    j["post_processor"] = io::parse_json(processor, "x");
    dir.file("tokenizer.json", j.dump());
    dir.file("tokenizer_config.json", config);
    return message_of([&] { (void)read_tokenizer(dir.folder()); });
  };
  const auto step = [](const char* name, int segment) {
    return std::string(name[0] == '[' ? R"({"SpecialToken": {"id": ")" : R"({"Sequence": {"id": ")") + name +
           R"(", "type_id": )" + std::to_string(segment) + "}}";
  };
  const auto pair = [&](const char* cls, int second) {
    return R"({"type": "TemplateProcessing", "single": [)" + step(cls, 0) + "," + step("A", 0) + "," + step("[SEP]", 0) +
           R"(], "pair": [)" + step(cls, 0) + "," + step("A", 0) + "," + step("[SEP]", 0) + "," + step("B", second) + "," +
           step("[SEP]", second) + "]}";
  };
  const char *const bert = "{}", *const fast = R"({"tokenizer_class": "PreTrainedTokenizerFast"})";
  for (const char* config : {bert, fast}) {
    CHECK(with(config, R"({"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]})").empty());
    CHECK(with(config, pair("[CLS]", 1)).empty());
    CHECK(has(with(config, pair("[CLS]", 0)), "\"post_processor\": expected [CLS] A [SEP]"));
    CHECK(has(with(config, R"({"type": "RobertaProcessing", "sep": ["</s>", 3], "cls": ["<s>", 2]})"),
              "found RobertaProcessing"));
  }
  CHECK(has(with(bert, pair("[PAD]", 1)), "found [PAD] and [SEP]"));
  CHECK(with(fast, pair("[PAD]", 1)).empty());  // the template says which token comes first
  CHECK(read_tokenizer(dir.folder()).cls_id() == 0);
  CHECK(with(bert, "null").empty());
  CHECK(has(with(fast, "null"), "\"post_processor\": expected a template that puts [CLS] and [SEP] around a text, found null"));
}

TEST_CASE("tokenizer_config.json sets the side at which texts are cut, and the segments of pairs") {
  const scratch dir;
  dir.file("vocab.txt", pieces());
  dir.file("tokenizer_config.json", R"({"truncation_side": "left", "model_input_names": ["input_ids", "attention_mask"]})");
  const auto t = read_tokenizer(dir.folder());
  CHECK(t.encode("the a cat", {.max_tokens = 3}).ids()[1] == 73);
  CHECK(t.encode("the a cat", {.max_tokens = 3, .truncate_side = text::side::right}).ids()[1] == 63);
  CHECK(t.encode("the", "cat").segments(0).back() == 0);
  dir.file("tokenizer_config.json", R"({"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]})");
  CHECK(read_tokenizer(dir.folder()).encode("the", "cat").segments(0).back() == 1);
}

TEST_CASE("vocab.txt and tokenizer.json of different models are refused with the line at which they differ") {
  const scratch dir;
  dir.file("tokenizer.json", json_of(small));
  dir.file("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ndog\n");
  CHECK(has(message_of([&] { (void)read_tokenizer(dir.folder()); }), "vocab.txt, line 6: expected \"Cat\", as "));
  dir.file("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nCat\n");
  reading_notes notes;
  CHECK(read_tokenizer(dir.folder(), &notes).size() == 8);
  CHECK(has(notes.at(0), "is followed, with 8 pieces"));
}

TEST_CASE("a vocabulary without a special token is an error that names file and token, and what the file seems to be") {
  const scratch dir;
  const auto found = [&](const std::string& text) {
    dir.file("vocab.txt", text);
    return message_of([&] { (void)read_tokenizer(dir.folder()); });
  };
  for (const auto& [text, part] : {std::pair{"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"},
                                   {"{\"model\": 1}", "line 1 begins as JSON"},
                                   {"[PAD]\t0\n[UNK]\t1\n", "line 1 has a tab behind \"[PAD]\""},
                                   {"<html>\n", "an HTML page"},
                                   {"<s>\n</s>\n", "line 1 is \"<s>\""}}) {
    const auto message = found(text);
    CHECK(has(message, "vocab.txt: expected the token [UNK], found"));
    CHECK(has(message, part));
  }
  dir.file("vocab.txt", "\xEF\xBB\xBF[UNK]\n[CLS]\n[SEP]\n");
  CHECK(read_tokenizer(dir.folder()).unk_id() == 0);
}

TEST_CASE("a written tokenizer reads back equal") {
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
