// Tensor names and weights: old and new names load the same weights, tensors that do not match are refused by name.
// Layer: tests.
#include "bert/checkpoint/weights.hpp"

#include <doctest/doctest.h>

#include <functional>

#include "bert/heads/classify.hpp"
#include "bert/heads/crf.hpp"
#include "bert/heads/masked_lm.hpp"
#include "bert/heads/next_sentence.hpp"
#include "bert/heads/tag.hpp"
#include "bert/labels/one_of.hpp"
#include "support/golden.hpp"
#include "support/golden_models.hpp"
#include "unit/io/scratch.hpp"

using namespace bert;
using namespace bert::testing;
using namespace bert::pipelines;

namespace {

using golden::urgency;
using masked = model<golden::tanh, heads::masked_lm>;
using pretraining = model<golden::tanh, heads::masked_lm, heads::next_sentence>;
using encoder = model<golden::tanh>;

/// The tensors of a golden checkpoint, to be changed and written again.
struct tensor_list {
  explicit tensor_list(const std::string& name)
      : file(golden::folder(name) / "model.safetensors"), tensors(file.tensors().begin(), file.tensors().end()) {}

  io::stored_tensor& operator[](std::string_view name) {
    for (auto& t : tensors)
      if (t.name == name) return t;
    throw error(cat("the test has no tensor ", name));
  }
  void erase(std::string_view name) {
    std::erase_if(tensors, [&](const auto& t) { return t.name == name; });
  }
  std::span<const std::byte> own(std::vector<std::uint16_t> numbers) {
    kept.push_back(std::move(numbers));
    return std::as_bytes(std::span(kept.back()));
  }
  io::safetensors written() const {
    io::write_safetensors(dir / "m.safetensors", tensors);
    return io::safetensors(dir / "m.safetensors");
  }

  scratch dir;
  io::safetensors file;
  std::vector<io::stored_tensor> tensors;
  std::vector<std::vector<std::uint16_t>> kept;
};

template <class Model>
bool same_weights(const Model& a, const Model& b) {
  return std::equal(a.block().begin(), a.block().end(), b.block().begin(), b.block().end());
}

template <class Model = pretraining>
std::string refusal(const std::function<void(tensor_list&)>& injure) {
  tensor_list t("tanh");
  injure(t);
  const auto file = t.written();
  return message_of([&] { (void)load_weights<Model>(file, 101); });
}

}  // namespace

TEST_CASE("old names, names without prefix and stored tied decoders load the same weights") {
  tensor_list t("tanh");
  const auto modern = load_weights<pretraining>(t.file, 101);
  const auto word = t["bert.embeddings.word_embeddings.weight"], bias = t["cls.predictions.bias"];
  for (auto& tensor : t.tensors) {
    if (tensor.name.ends_with("LayerNorm.weight")) tensor.name.replace(tensor.name.size() - 6, 6, "gamma");
    if (tensor.name.ends_with("LayerNorm.bias")) tensor.name.replace(tensor.name.size() - 4, 4, "beta");
    if (tensor.name.starts_with("bert.encoder")) tensor.name.erase(0, 5);
  }
  t.tensors.push_back({"cls.predictions.decoder.weight", word.type, word.shape, word.bytes});
  t.tensors.push_back({"cls.predictions.decoder.bias", bias.type, bias.shape, bias.bytes});
  t.tensors.push_back({"bert.embeddings.position_ids", io::dtype::i64, {0}, {}});
  CHECK(same_weights(load_weights<pretraining>(t.written(), 101), modern));
  t.erase("bert.embeddings.word_embeddings.weight");
  t.erase("cls.predictions.bias");
  CHECK(same_weights(load_weights<pretraining>(t.written(), 101), modern));
}

TEST_CASE("a golden checkpoint with old names loads the weights that are stored in it") {
  const io::safetensors file(golden::folder("relu") / "model.safetensors");
  const auto m = load_weights<model<golden::relu, heads::masked_lm>>(file, 97);
  std::vector<float> gamma(40);
  io::to_floats(file.at("bert.encoder.layer.0.output.LayerNorm.gamma"), gamma);
  CHECK(golden::largest_difference(m.values("bert.encoder.layer.0.output.LayerNorm.weight"), gamma) == 0);
}

TEST_CASE("weights stored as f16 and bf16 load as exactly their values in f32") {
  for (const bool half : {true, false}) {
    tensor_list t("tanh");
    const auto full = load_weights<pretraining>(t.file, 101);
    for (auto& tensor : t.tensors) {
      std::vector<float> numbers(tensor.size());
      io::to_floats(tensor, numbers);
      std::vector<std::uint16_t> stored;
      for (const float x : numbers) stored.push_back(half ? to_f16(x).bits : to_bf16(x).bits);
      tensor.type = half ? io::dtype::f16 : io::dtype::bf16;
      tensor.bytes = t.own(std::move(stored));
    }
    const auto m = load_weights<pretraining>(t.written(), 101);
    for (const parameter& p : m.table())
      for (std::size_t i = 0; i < p.count(); ++i) {
        const float x = full.values(p)[i];
        REQUIRE(m.values(p)[i] == (half ? to_float(to_f16(x)) : to_float(to_bf16(x))));
      }
  }
}

TEST_CASE("missing, surplus, misshapen and mistyped tensors are refused by name") {
  CHECK(has(refusal([](auto& t) { t.erase("bert.encoder.layer.1.output.dense.bias"); }),
            "m.safetensors: expected a tensor \"bert.encoder.layer.1.output.dense.bias\", found none"));
  CHECK(has(refusal([](auto& t) {
              t.tensors.push_back({"bert.encoder.layer.2.output.dense.bias", io::dtype::f32, {0}, {}});
            }),
            "tensor \"bert.encoder.layer.2.output.dense.bias\": expected only tensors of a BERT of this size"));
  CHECK(has(refusal([](auto& t) {
              t["bert.pooler.dense.weight"].shape = {12, 48};
            }),
            "tensor \"bert.pooler.dense.weight\": expected [24, 24], found [12, 48]"));
  CHECK(has(refusal([](auto& t) { t["bert.pooler.dense.bias"].shape = {24, 1}; }), "expected [24], found [24, 1]"));
  CHECK(has(refusal([](auto& t) { t["bert.pooler.dense.bias"].type = io::dtype::i32; }),
            "expected F32, F16, BF16 or F64, found I32"));
  CHECK(has(refusal([](auto& t) {
              t.tensors.push_back({"pooler.dense.bias", io::dtype::f32, {0}, {}});
            }),
            "tensor \"pooler.dense.bias\": expected one tensor for each parameter"));
  CHECK(has(refusal([](auto& t) {
              t.tensors.push_back({"encoder.layer.0.attention.self.query.lora_A.weight", io::dtype::f32, {0}, {}});
            }),
            "query.lora_A.weight\": expected only tensors of a BERT"));
  CHECK(has(refusal<model<golden::tanh, heads::classify<urgency>>>([](auto&) {}), "expected a tensor \"classifier.weight\""));
  const tensor_list t("tanh");
  CHECK(has(message_of([&] { (void)load_weights<model<open_vocabulary<golden::tanh>>>(t.file, 102); }),
            "word_embeddings.weight\": expected [102, 24], found [101, 24]"));
}

TEST_CASE("a tensor that is no part of a BERT is skipped and noted") {
  tensor_list t("tanh");
  const auto right = load_weights<pretraining>(t.file, 101);
  t.tensors.push_back({"loss.log_vars", io::dtype::i64, {0}, {}});
  CHECK(same_weights(load_weights<pretraining>(t.written(), 101), right));
  CHECK(match_weights<pretraining>(t.written(), {.vocab = 101}).skipped == std::vector<std::string>{"loss.log_vars"});
  CHECK(match_weights<encoder>(t.file, {.vocab = 101}).skipped.empty());
}

TEST_CASE("names with the prefix of a wrapper load; any other prefix is named in the error") {
  const auto right = load_weights<pretraining>(tensor_list("tanh").file, 101);
  for (const std::string prefix : {"module.", "_orig_mod.", "model.", "module._orig_mod."}) {
    tensor_list t("tanh");
    for (auto& tensor : t.tensors) tensor.name = prefix + tensor.name;
    CHECK(same_weights(load_weights<pretraining>(t.written(), 101), right));
  }
  CHECK(canonical_name("0.auto_model.embeddings.LayerNorm.gamma") == "bert.embeddings.LayerNorm.weight");
  CHECK(has(refusal([](auto& t) {
              for (auto& tensor : t.tensors) tensor.name = "student." + tensor.name;
            }),
            "expected a tensor \"bert.embeddings.word_embeddings.weight\", found none of that name; "
            "\"student.bert.embeddings.word_embeddings.weight\" has the prefix \"student.\""));
}

TEST_CASE("two copies of a tensor may have two dtypes if their values are equal, and are refused if they differ") {
  const auto with_copy = [](float shift) {
    return [shift](tensor_list& t) {
      auto& word = t["bert.embeddings.word_embeddings.weight"];
      std::vector<float> numbers(word.size());
      io::to_floats(word, numbers);
      std::vector<std::uint16_t> half, copy;
      for (const float x : numbers) {
        half.push_back(to_f16(x).bits);
        copy.push_back(half.back());
      }
      copy.back() = to_f16(to_float(f16{copy.back()}) + shift).bits;
      std::vector<float> wide;
      for (const auto bits : half) wide.push_back(to_float(f16{bits}));
      std::vector<std::uint16_t> raw(2 * wide.size());
      std::memcpy(raw.data(), wide.data(), 4 * wide.size());
      word.bytes = t.own(std::move(raw));
      word.type = io::dtype::f32;
      const auto shape = word.shape;
      t.tensors.push_back({"cls.predictions.decoder.weight", io::dtype::f16, shape, t.own(std::move(copy))});
    };
  };
  CHECK(refusal<masked>(with_copy(0)).empty());
  CHECK(has(refusal<masked>(with_copy(1)), "tensor \"cls.predictions.decoder.weight\": expected the values of"));
}

TEST_CASE("a decoder that differs from the embeddings is refused by a masked LM and skipped by an encoder") {
  const auto injure = [](tensor_list& t) {
    auto copy = t["bert.embeddings.word_embeddings.weight"];
    copy.name = "cls.predictions.decoder.weight";
    std::vector<std::uint16_t> other(copy.bytes.size() / 2);
    std::memcpy(other.data(), copy.bytes.data(), copy.bytes.size());
    other[1] ^= 1u;
    copy.bytes = t.own(std::move(other));
    t.tensors.push_back(copy);
  };
  CHECK(has(refusal<masked>(injure), "tensor \"cls.predictions.decoder.weight\": expected the values of"));
  CHECK(refusal<encoder>(injure).empty());
}

TEST_CASE("heads that a model does not have are skipped") {
  const tensor_list t("tanh");
  const auto both = load_weights<pretraining>(t.file, 101);
  const auto one = load_weights<masked>(t.file, 101);
  const auto none = load_weights<encoder>(t.file, 101);
  CHECK(golden::largest_difference(one.values("cls.predictions.bias"), both.values("cls.predictions.bias")) == 0);
  CHECK(golden::largest_difference(none.values("bert.pooler.dense.weight"), both.values("bert.pooler.dense.weight")) == 0);
}

TEST_CASE("a pooler may be missing if no head reads it, and is then initialized at random, not zero") {
  const auto drop = [](tensor_list& t) {
    t.erase("bert.pooler.dense.weight");
    t.erase("bert.pooler.dense.bias");
  };
  tensor_list t("tanh");
  drop(t);
  const auto m = load_weights<masked>(t.written(), 101);
  CHECK(golden::largest_difference(m.values("bert.pooler.dense.weight"), std::vector<float>(24 * 24)) > 0.01);
  CHECK(same_weights(m, load_weights<masked>(t.written(), 101)));
  CHECK(has(refusal<pretraining>(drop), "expected a tensor \"bert.pooler.dense.weight\""));
}

TEST_CASE("a file that transformers wrote is written again byte for byte") {
  const scratch dir;
  save_weights(dir / "a", load_weights<pretraining>(io::safetensors(golden::folder("tanh") / "model.safetensors"), 101));
  CHECK(slurp(dir / "a") == slurp(golden::folder("tanh") / "model.safetensors"));
  save_weights(dir / "b",
               load_weights<model<golden::plain>>(io::safetensors(golden::folder("encoder") / "model.safetensors"), 101));
  CHECK(slurp(dir / "b") == slurp(golden::folder("encoder") / "model.safetensors"));
  using classifier = model<golden::pocket, heads::classify<urgency>>;
  save_weights(dir / "c", load_weights<classifier>(io::safetensors(golden::folder("classifier") / "model.safetensors"), 101));
  CHECK(slurp(dir / "c") == slurp(golden::folder("classifier") / "model.safetensors"));
}

TEST_CASE("a CRF's tensors are read by pytorch-crf's names too; a classifier over which a CRF stands is not read without it") {
  struct kinds : labels::one_of<"routine", "soon", "urgent"> {};
  using tagger = model<golden::tanh, heads::crf<kinds>>;
  using softmax = model<golden::tanh, heads::tag<kinds>>;
  auto m = tagger::random({.stddev = 0.1f, .seed = 3});
  for (const auto& p : m.table())
    if (p.stem.starts_with("crf.")) std::fill(m.values(p).begin(), m.values(p).end(), static_cast<float>(p.stem.size()));
  const scratch dir;
  save_weights(dir / "m.safetensors", m);
  const io::safetensors file(dir / "m.safetensors");
  CHECK_THROWS_WITH_AS((void)load_weights<softmax>(file, 101),
                       doctest::Contains("tensor \"crf.transitions\": expected a classifier"), error);
  CHECK(load_weights<encoder>(file, 101).values("bert.embeddings.LayerNorm.weight").size() == 24);
  std::vector<io::stored_tensor> tensors(file.tensors().begin(), file.tensors().end());
  for (auto& t : tensors)
    if (t.name == "crf.start" || t.name == "crf.end") t.name += "_transitions";
  io::write_safetensors(dir / "n.safetensors", tensors);
  CHECK(same_weights(load_weights<tagger>(io::safetensors(dir / "n.safetensors"), 101), m));
}

TEST_CASE("to go on training, heads and a pooler that a file lacks are initialized by seed, and the rest is the file's") {
  tensor_list list("tanh");
  const auto whole = load_weights<pretraining>(list.written(), 101);
  const auto with_seed = [&](std::uint64_t seed, std::vector<std::string>& lacked) {
    return load_or_initialize_weights<pretraining>(list.written(), {.stddev = 0.5f, .seed = seed, .vocab = 101}, lacked);
  };
  std::vector<std::string> lacked;
  CHECK(same_weights(with_seed(5, lacked), whole));
  CHECK(lacked.empty());
  list.erase("cls.seq_relationship.weight");
  CHECK_THROWS_WITH_AS((void)with_seed(5, lacked), doctest::Contains("a tensor \"cls.seq_relationship.weight\""), error);
  list.erase("cls.seq_relationship.bias");
  list.erase("bert.pooler.dense.weight");
  list.erase("bert.pooler.dense.bias");
  lacked.clear();
  const auto m = with_seed(5, lacked);
  CHECK(lacked == std::vector<std::string>{"bert.pooler.dense.weight", "bert.pooler.dense.bias", "cls.seq_relationship.weight",
                                           "cls.seq_relationship.bias"});
  const auto random = pretraining::random({.stddev = 0.5f, .seed = 5});
  for (const auto& p : m.table()) {
    const bool is_new = std::find(lacked.begin(), lacked.end(), p.name()) != lacked.end();
    CHECK(std::equal(m.values(p).begin(), m.values(p).end(), (is_new ? random : whole).values(p).begin()));
  }
  CHECK(!same_weights(with_seed(6, lacked), m));
  list.erase("bert.encoder.layer.1.output.dense.bias");
  CHECK_THROWS_WITH_AS((void)with_seed(5, lacked), doctest::Contains("bert.encoder.layer.1.output.dense.bias"), error);
}
