// config.json: the keys that are read and the values that are refused.
// Layer: tests.
#include "bert/checkpoint/model_config.hpp"

#include <doctest/doctest.h>

#include "bert/model/presets.hpp"
#include "support/golden.hpp"
#include "support/golden_models.hpp"
#include "unit/io/scratch.hpp"

using namespace bert;
using namespace bert::testing;

namespace {
io::json mini() {
  return io::parse_json(R"({"model_type": "bert", "vocab_size": 30522, "hidden_size": 256, "num_hidden_layers": 4,
                            "num_attention_heads": 4, "intermediate_size": 1024})",
                        "x");
}
std::string refusal(const char* key, io::json value) {
  auto j = mini();
  j[key] = std::move(value);
  return message_of([&] { (void)model_config::parse(j, "config.json"); });
}
struct open_mini : open_vocabulary<arch::mini> {};
}  // namespace

TEST_CASE("keys that config.json lacks have BERT's defaults") {
  const auto c = model_config::parse(mini(), "config.json");
  CHECK(c.positions == 512);
  CHECK(c.segments == 2);
  CHECK(c.norm_epsilon == 1e-12);
  CHECK(c.activation == "gelu");
  CHECK(c.labels.empty());
  CHECK(c.is<arch::mini>());
  CHECK_NOTHROW(c.check<arch::mini>());
  CHECK_FALSE(c.is<arch::tiny>());
}

TEST_CASE("the golden checkpoints agree with the architectures of their sizes, and with no other") {
  const auto read = [](const char* name) { return model_config::read(golden::folder(name) / "config.json"); };
  CHECK(read("pretraining").is<golden::odd>());
  CHECK(read("classifier").is<golden::pocket>());
  CHECK(read("tanh").is<golden::tanh>());
  CHECK(read("relu").is<golden::relu>());
  CHECK(read("encoder").is<golden::plain>());
  CHECK_FALSE(read("tanh").is<golden::plain>());
  CHECK(read("classifier").labels == std::vector<std::string>{"routine", "soon", "urgent"});
  CHECK(read("classifier").architectures == std::vector<std::string>{"BertForSequenceClassification"});
}

TEST_CASE("every disagreement with the type is an error that names the key and both values") {
  const auto complaint = [](const char* key, io::json value) {
    auto j = mini();
    j[key] = std::move(value);
    return message_of([&] { model_config::parse(j, "config.json").check<arch::mini>(); });
  };
  CHECK(has(complaint("hidden_size", 128),
            "config.json, \"hidden_size\": expected 256, as the architecture's type says, found 128"));
  CHECK(has(complaint("num_hidden_layers", 3), "\"num_hidden_layers\": expected 4"));
  CHECK(has(complaint("num_attention_heads", 8), "\"num_attention_heads\": expected 4"));
  CHECK(has(complaint("intermediate_size", 1), "\"intermediate_size\": expected 1024"));
  CHECK(has(complaint("vocab_size", 8192), "\"vocab_size\": expected 30522"));
  CHECK(has(complaint("max_position_embeddings", 128), "\"max_position_embeddings\": expected 512"));
  CHECK(has(complaint("type_vocab_size", 1), "\"type_vocab_size\": expected 2"));
  CHECK(has(complaint("layer_norm_eps", 1e-5),
            "\"layer_norm_eps\": expected 1e-12, as the architecture's type says, found 1e-05"));
  CHECK(has(complaint("hidden_act", "relu"), "\"hidden_act\": expected gelu, as the architecture's type says, found relu"));
  auto j = mini();
  j["vocab_size"] = 8192;
  CHECK_NOTHROW(model_config::parse(j, "config.json").check<open_mini>());
}

TEST_CASE("the tanh form of GELU has three names") {
  for (const char* name : {"gelu_new", "gelu_fast", "gelu_pytorch_tanh"}) {
    auto j = mini();
    j["hidden_act"] = name;
    CHECK(model_config::parse(j, "x").activation == "gelu_new");
  }
}

TEST_CASE("other models than BERT and values that are missing, mistyped or out of range are refused, naming the key") {
  CHECK(has(refusal("model_type", "roberta"),
            "expected \"model_type\": \"bert\", \"distilbert\" or \"electra\", found \"roberta\""));
  CHECK(has(refusal("position_embedding_type", "relative_key"), "relative_key"));
  CHECK(has(refusal("is_decoder", true), "is_decoder"));
  CHECK(has(refusal("vocab_size", 0), "\"vocab_size\": expected 1 to"));
  CHECK(has(refusal("vocab_size", 2'000'000'000), "\"vocab_size\": expected 1 to"));
  CHECK(has(refusal("vocab_size", 1e300), "\"vocab_size\""));
  CHECK(has(refusal("hidden_size", "768"), "a string"));
  CHECK(has(refusal("pruned_heads", io::json::parse(R"({"0": [1]})")), "\"pruned_heads\": expected none, found {\"0\":[1]}"));
  CHECK(has(refusal("quantization_config", io::json::object()), "\"quantization_config\""));
  auto j = mini();
  j.erase("hidden_size");
  CHECK(has(message_of([&] { (void)model_config::parse(j, "config.json"); }), "config.json: expected the key \"hidden_size\""));
}

TEST_CASE("a fault in the names of classes is stored in label_fault, and the rest of the file is read") {
  const auto fault = [](const char* names) {
    auto j = mini();
    j["id2label"] = io::json::parse(names);
    const auto c = model_config::parse(j, "config.json");
    CHECK(c.labels.empty());
    return c.label_fault;
  };
  CHECK(fault(R"({"0": "a", "2": "b"})") == "no key \"1\" of 2");
  CHECK(fault(R"({"1": "a", "2": "b"})") == "no key \"0\" of 2");
  CHECK(fault(R"({"0": "a", "1": "a"})") == "\"a\" for \"0\" and \"1\"");
  CHECK(fault(R"({"0": "", "1": "a"})") == "an empty name for \"0\"");
  CHECK(fault(R"({"0": 0, "1": 1})") == "a whole number for \"0\"");
  CHECK(fault(R"(["a"])") == "an array");
  CHECK(fault("null").empty());
}

TEST_CASE("num_labels gives LABEL_0, … where there are no names, and must agree with names") {
  auto j = mini();
  j["num_labels"] = 3;
  CHECK(model_config::parse(j, "x").labels == std::vector<std::string>{"LABEL_0", "LABEL_1", "LABEL_2"});
  j["id2label"] = {{"0", "a"}, {"1", "b"}};
  CHECK(model_config::parse(j, "x").label_fault == "2 names and num_labels 3");
}

TEST_CASE("the config.json of an architecture agrees with it") {
  const auto c = model_config::of<golden::tanh>(0, {"no", "yes"});
  const auto back = model_config::parse(c.to_json(), "x");
  CHECK(back.is<golden::tanh>());
  CHECK(back.labels == std::vector<std::string>{"no", "yes"});
  CHECK(model_config::parse(model_config::of<open_mini>(8192).to_json(), "x").vocab == 8192);
}
