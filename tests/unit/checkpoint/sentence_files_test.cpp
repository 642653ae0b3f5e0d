// The files of sentence-transformers: each key that changes a vector is followed, or refused by name.
// Layer: tests.
#include "bert/checkpoint/sentence_files.hpp"

#include <doctest/doctest.h>

#include <string>

#include "unit/io/scratch.hpp"

using namespace bert;
using namespace bert::testing;
using pipelines::read_sentence_settings;

namespace {

// modules.json of (kind, path), and 1_Pooling/config.json.
std::string modules(std::initializer_list<std::pair<const char*, const char*>> list) {
  std::string text = "[";
  for (const auto& [kind, path] : list)
    text += std::string(text.size() > 1 ? "," : "") + R"({"type": "sentence_transformers.models.)" + kind + R"(", "path": ")" +
            path + "\"}";
  return text + "]";
}
const std::string usual = modules({{"Transformer", ""}, {"Pooling", "1_Pooling"}});

struct made : scratch {
  explicit made(const std::string& pooling = R"({"word_embedding_dimension": 24, "pooling_mode_mean_tokens": true})",
                const std::string& list = usual) {
    std::filesystem::create_directories(*this / "1_Pooling");
    file("1_Pooling/config.json", pooling);
    file("modules.json", list);
  }
};

std::string refusal(const made& f) {
  return message_of([&] { (void)read_sentence_settings(f.folder()); });
}
std::string modes_of(const std::string& modes) {
  return R"({"word_embedding_dimension": 24, "pooling_mode_mean_tokens": false, )" + modes + "}";
}

}  // namespace

TEST_CASE("a folder without these files has mean pooling, no pooling_file, and no limits or prompts") {
  const scratch dir;
  const auto s = read_sentence_settings(dir.folder());
  CHECK(s.pooling == "mean");
  CHECK(s.pooling_file.empty());
  CHECK(s.max_tokens == 0);
  CHECK_FALSE(s.lowercase);
  CHECK(s.prompt({}, "x").empty());
}

TEST_CASE("the pooling is that of 1_Pooling/config.json, in each of its notations") {
  for (const auto& [keys, expected] : {std::pair{R"("pooling_mode_cls_token": true)", "cls"},
                                       {R"("pooling_mode_max_tokens": true)", "max"},
                                       {R"("pooling_mode_mean_sqrt_len_tokens": true)", "mean_sqrt_len"},
                                       {R"("pooling_mode_weightedmean_tokens": true)", "weightedmean"},
                                       {R"("pooling_mode_lasttoken": true)", "lasttoken"},
                                       {R"("pooling_mode_max_tokens": true, "pooling_mode_cls_token": true)", "cls+max"},
                                       {R"("pooling_mode": ["mean", "cls"])", "cls+mean"},
                                       {R"("pooling_mode": "cls")", "cls"},
                                       {R"("pooling_mode": "mean")", "mean"}}) {
    const made f(modes_of(keys));
    const auto s = read_sentence_settings(f.folder());
    CHECK(s.pooling == expected);
    CHECK(path_from(s.pooling_file) == f / "1_Pooling/config.json");
    CHECK(s.dimension == 24);
  }
}

TEST_CASE("a pooling that is not known, and none, are refused by name") {
  CHECK(
      has(refusal(made(modes_of(R"("pooling_mode_median_tokens": true)"))),
          "\"pooling_mode_median_tokens\": expected a pooling mode of cls, max, mean, mean_sqrt_len, weightedmean, lasttoken"));
  CHECK(has(refusal(made(modes_of(R"("pooling_mode_cls_token": false)"))), "a pooling mode, found none"));
}

TEST_CASE("a module that would change the vectors is refused by its kind, and one that would not is ignored") {
  const std::string mean = R"({"pooling_mode_mean_tokens": true})";
  const auto with = [&](const char* kind) {
    return made(mean, modules({{"Transformer", ""}, {"Pooling", "1_Pooling"}, {kind, "2_Next"}}));
  };
  CHECK(has(refusal(with("LayerNorm")), "modules.json: expected the modules Transformer, Pooling, and behind them Dense"));
  CHECK(has(refusal(with("LayerNorm")), "found LayerNorm (2_Next)"));
  CHECK(has(refusal(with("Pooling")), "Pooling (2_Next)"));
  CHECK(refusal(with("Dropout")).empty());
  CHECK(read_sentence_settings(with("Normalize").folder()).normalized);
  CHECK(has(refusal(made(mean, modules({{"Transformer", ""}}))), "expected one Transformer and one Pooling, found 1 and 0"));
  CHECK(has(refusal(made(mean, modules({{"Transformer", "../other"}, {"Pooling", "1_Pooling"}}))), "a folder within this one"));
}

TEST_CASE("Dense and Normalize are listed in their order, with sizes, bias and activation") {
  const made f(R"({"pooling_mode_mean_tokens": true})",
               modules({{"Transformer", ""}, {"Pooling", "1_Pooling"}, {"Normalize", "2_Normalize"}, {"Dense", "3_Dense"}}));
  CHECK(has(refusal(f), path_text(std::filesystem::path("3_Dense") / "config.json")));
  std::filesystem::create_directories(f / "3_Dense");
  f.file("3_Dense/config.json", R"({"in_features": 24, "out_features": 8, "bias": false,
                                    "activation_function": "torch.nn.modules.linear.Identity"})");
  const auto s = read_sentence_settings(f.folder());
  REQUIRE(s.modules.size() == 2);
  CHECK(s.modules[0].what == sentence_module::kind::normalize);
  CHECK_FALSE(s.normalized);
  REQUIRE(s.dense().size() == 1);
  const auto m = s.dense().front();
  CHECK(m.folder == f / "3_Dense");
  CHECK(m.inputs == 24);
  CHECK(m.outputs == 8);
  CHECK_FALSE(m.bias);
  CHECK(m.activation == "identity");
}

TEST_CASE("the longest sentence is max_seq_length, else model_max_length; null and 1e30 are no limits") {
  const auto most = [](const char* limits, const char* tokenizer) {
    const made f;
    if (*limits != '\0') f.file("sentence_bert_config.json", limits);
    if (*tokenizer != '\0') f.file("tokenizer_config.json", tokenizer);
    return read_sentence_settings(f.folder()).max_tokens;
  };
  CHECK(most(R"({"max_seq_length": 16})", R"({"model_max_length": 8})") == 16);
  CHECK(most(R"({"max_seq_length": null})", R"({"model_max_length": 8})") == 8);
  CHECK(most("", R"({"model_max_length": 8})") == 8);
  CHECK(most("", R"({"model_max_length": 1000000000000000019884624838656})") == 0);
  CHECK(most("", "") == 0);
}

TEST_CASE("do_lower_case of sentence_bert_config.json is read, and settings for transformers are refused") {
  const made f;
  f.file("sentence_bert_config.json", R"({"max_seq_length": 16, "do_lower_case": true})");
  CHECK(read_sentence_settings(f.folder()).lowercase);
  f.file("sentence_bert_config.json", R"({"max_seq_length": 16, "model_args": {"attn_implementation": "eager"}})");
  CHECK(has(refusal(f), "\"model_args\""));
}

TEST_CASE("prompts are found by name, and the default one by an empty name") {
  const made f;
  f.file("config_sentence_transformers.json",
         R"({"prompts": {"query": "query: ", "document": ""}, "default_prompt_name": "query"})");
  const auto s = read_sentence_settings(f.folder());
  CHECK(s.prompt({}, "x") == "query: ");
  CHECK(s.prompt("document", "x").empty());
  CHECK(has(message_of([&] { (void)s.prompt("passage", "x"); }), "a prompt of the name passage, found document, query"));
  f.file("config_sentence_transformers.json", R"({"prompts": {}, "default_prompt_name": "query"})");
  CHECK(has(refusal(f), "\"default_prompt_name\": expected a name in \"prompts\", found query"));
}

TEST_CASE("a measure is read by its name, and another kind of model is refused") {
  const made f;
  for (const char* name : {"cosine", "dot", "euclidean", "manhattan"}) {
    f.file("config_sentence_transformers.json", R"({"similarity_fn_name": ")" + std::string(name) + "\"}");
    CHECK(read_sentence_settings(f.folder()).similarity == name);
  }
  f.file("config_sentence_transformers.json", R"({"similarity_fn_name": "jaccard"})");
  CHECK(has(refusal(f), "\"similarity_fn_name\": expected cosine, dot, euclidean or manhattan, found jaccard"));
  f.file("config_sentence_transformers.json", R"({"model_type": "SparseEncoder"})");
  CHECK(has(refusal(f), "\"model_type\": expected SentenceTransformer, found SparseEncoder"));
}

TEST_CASE("the encoder of an old layout is in the folder that modules.json names") {
  const made f(R"({"pooling_mode_mean_tokens": true})", modules({{"Transformer", "0_Transformer"}, {"Pooling", "1_Pooling"}}));
  std::filesystem::create_directories(f / "0_Transformer");
  f.file("0_Transformer/sentence_bert_config.json", R"({"max_seq_length": 16})");
  CHECK(pipelines::transformer_folder(f.folder()) == f / "0_Transformer");
  CHECK(read_sentence_settings(f.folder()).max_tokens == 16);
}
