// A golden model's weights in every form that folders have: each opens as the same model; what is missing is named.
// Layer: tests.
#include "bert/checkpoint/weight_files.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <map>

#include "bert/checkpoint/checkpoint.hpp"
#include "support/checkpoint_writers.hpp"
#include "support/golden.hpp"
#include "support/golden_models.hpp"
#include "support/shared_data.hpp"
#include "unit/io/scratch.hpp"

using namespace bert;
using namespace bert::testing;

namespace {

using model_type = golden::tanh_model;

template <class Model>
bool same_weights(const Model& a, const Model& b) {
  return std::equal(a.block().begin(), a.block().end(), b.block().begin(), b.block().end());
}

/// The tensors of the golden checkpoint "tanh", and writers of their other forms.
struct forms {
  forms() : file(golden::folder("tanh") / "model.safetensors"), right(checkpoint(golden::folder("tanh")).load<model_type>()) {
    std::filesystem::copy_file(golden::folder("tanh") / "config.json", dir / "config.json");
  }

  [[nodiscard]] static std::string bytes(const io::stored_tensor& t) { return std::string(io::as_text(t.bytes)); }

  /// The bytes of a matrix's transpose.
  [[nodiscard]] static std::string transposed(const io::stored_tensor& t) {
    std::string out;
    for (std::size_t c = 0; c < t.shape[1]; ++c)
      for (std::size_t r = 0; r < t.shape[0]; ++r) out += bytes(t).substr(4 * (r * t.shape[1] + c), 4);
    return out;
  }

  /// As torch.save stores the tensors for which `take` holds: matrices as transposes of their storages.
  [[nodiscard]] std::string pytorch(const std::function<bool(const std::string&)>& take) const {
    std::vector<support::pickled_tensor> tensors;
    std::vector<std::pair<std::string, std::string>> entries{{}};
    for (const auto& t : file.tensors()) {
      if (!take(t.name)) continue;
      const std::vector<std::int64_t> shape(t.shape.begin(), t.shape.end());
      const bool matrix = shape.size() == 2;
      const std::string key = std::to_string(tensors.size());
      tensors.push_back({.name = t.name, .storage = key, .numel = static_cast<std::int64_t>(t.size()), .shape = shape});
      tensors.back().strides = matrix ? std::vector<std::int64_t>{1, shape[0]} : std::vector<std::int64_t>(shape.size(), 1);
      entries.emplace_back("m/data/" + key, matrix ? transposed(t) : bytes(t));
    }
    entries[0] = {"m/data.pkl", support::pickled(tensors)};
    return support::zipped(entries);
  }

  /// TensorFlow's names for them, with kernels transposed, and Adam's moments beside them.
  void tensorflow() const {
    std::map<std::string, std::string> entries;
    std::string data;
    const auto add = [&](const std::string& name, std::vector<std::uint64_t> shape, const std::string& content) {
      entries[name] = support::bundle_entry(shape, data.size(), content.size(), masked_crc32c(support::bytes_of(content)));
      data += content;
    };
    for (const auto& t : file.tensors()) {
      std::string name = t.name;
      const auto replace = [&](const std::string& from, const std::string& to) {
        if (const auto at = name.find(from); at != std::string::npos) name.replace(at, from.size(), to);
      };
      std::vector<std::uint64_t> shape(t.shape.begin(), t.shape.end());
      const bool norm = has(name, "LayerNorm"), table = has(name, "embeddings.weight"),
                 kernel = has(name, "dense.weight") || has(name, "query.weight") || has(name, "key.weight") ||
                          has(name, "value.weight");
      replace("seq_relationship.weight", "seq_relationship.output_weights");
      replace("seq_relationship.bias", "seq_relationship.output_bias");
      replace("predictions.bias", "predictions.output_bias");
      replace("layer.", "layer_");
      if (norm) replace(".weight", ".gamma"), replace(".bias", ".beta");
      else if (table) replace("embeddings.weight", "embeddings");
      else if (kernel) replace(".weight", ".kernel");
      std::replace(name.begin(), name.end(), '.', '/');
      if (kernel) std::swap(shape[0], shape[1]);
      add(name, shape, kernel ? transposed(t) : bytes(t));
      add(name + "/adam_m", shape, std::string(t.bytes.size(), '\xff'));
    }
    add("global_step", {1}, "1234");
    std::vector<support::key_value> list{{"", support::bundle_header()}};
    list.insert(list.end(), entries.begin(), entries.end());
    dir.file("bert_model.ckpt.index", support::table({list}));
    dir.file("bert_model.ckpt.data-00000-of-00001", data);
  }

  /// Writes two shards, of tensors for which `second` does not and does hold, and their index.
  template <class Write>
  void shards(const std::string& stem, const std::string& ending, const std::function<bool(const std::string&)>& second,
              const Write& write) const {
    const std::string one = stem + "-00001-of-00002" + ending, two = stem + "-00002-of-00002" + ending;
    write(one, [&](const std::string& n) { return !second(n); });
    write(two, second);
    io::json map = io::json::object();
    for (const auto& t : file.tensors()) map[t.name] = second(t.name) ? two : one;
    dir.file(stem + ending + ".index.json", io::to_text({{"metadata", {{"total_size", 1}}}, {"weight_map", map}}));
  }
  void safetensors_shards(const std::function<bool(const std::string&)>& second) const {
    shards("model", ".safetensors", second,
           [&](const std::string& name, const std::function<bool(const std::string&)>& take) { write(name, take); });
  }
  void write(const std::string& name, const std::function<bool(const std::string&)>& take) const {
    std::vector<io::stored_tensor> tensors;
    for (const auto& t : file.tensors())
      if (take(t.name)) tensors.push_back(t);
    io::write_safetensors(dir / name, tensors, file.metadata());
  }

  /// Checks that the folder holds the golden model, loaded and frozen.
  void check(weight_files::format kind, std::size_t mapped) const {
    const weight_files weights(dir.folder());
    CHECK(weights.kind() == kind);
    CHECK(weights.files() == mapped);
    CHECK(weights.tensors().size() == file.tensors().size());
    const checkpoint files(dir.folder());
    CHECK(files.holds<model_type>());
    CHECK(files.notes<model_type>().empty());
    CHECK(same_weights(files.load<model_type>(), right));
    token_batch batch;
    batch.add(std::array{2, 7, 11, 5, 3});
    batch.score(2);
    const auto straight = files.freeze<model_type>(execution::threads{2});
    const auto frozen = freeze(right);
    auto one = straight.session(batch.shape()), other = frozen.session(batch.shape());
    const auto x = one(batch).flat(), y = other(batch).flat();
    CHECK(std::equal(x.begin(), x.end(), y.begin(), y.end()));
  }
  [[nodiscard]] std::string refused() const {
    return message_of([&] { (void)checkpoint(dir.folder()).load<model_type>(); });
  }

  scratch dir;
  io::safetensors file;
  model_type right;
};

bool in_layer_1(const std::string& name) { return has(name, "layer.1."); }
bool all(const std::string&) { return true; }

}  // namespace

TEST_CASE("shards of safetensors open as the whole does; a tensor must be in its shard, and in no other") {
  const forms f;
  f.safetensors_shards(in_layer_1);
  f.check(weight_files::format::safetensors, 2);
  const std::string two = "model-00002-of-00002.safetensors", bias = "bert.encoder.layer.1.output.dense.bias";
  f.write(two, [&](const std::string& n) { return in_layer_1(n) && n != bias; });
  CHECK(has(f.refused(),
            "model.safetensors.index.json, tensor \"" + bias + "\": expected it in " + two + ", found none of that name"));
  f.write(two, [&](const std::string& n) { return in_layer_1(n) || n == "cls.predictions.bias"; });
  CHECK(has(
      f.refused(),
      "tensor \"cls.predictions.bias\": expected one shard that holds it, found model-00001-of-00002.safetensors and " + two));
  std::filesystem::remove(f.dir / two);
  CHECK(has(f.refused(), "expected the shard " + two + " of 16 tensors, found no such file"));
  f.dir.file(two, "no file of safetensors");
  CHECK(has(f.refused(), two));
}

TEST_CASE("an index names files of its own folder, and tensors that they hold") {
  const forms f;
  f.safetensors_shards(in_layer_1);
  const auto refused = [&](const std::string& text) {
    f.dir.file("model.safetensors.index.json", text);
    return f.refused();
  };
  for (const char* path : {"../model.safetensors", "/etc/passwd", "..", ".", "", "a/b"})
    CHECK(has(refused(R"({"weight_map":{"x":")" + std::string(path) + "\"}}"),
              "\"x\": expected the name of a file in the same folder"));
  CHECK(has(refused("{}"), "the key \"weight_map\""));
  CHECK(has(refused(R"({"weight_map":{}})"), "a file for each tensor"));
  CHECK(has(refused(R"({"weight_map":{"x":1}})"), "\"x\": expected a string"));
  f.safetensors_shards(in_layer_1);
  const std::string cls = "cls.predictions.bias", swapped = slurp(f.dir / "model.safetensors.index.json");
  std::string moved = swapped;
  moved.replace(moved.find("model-00001", moved.find('"' + cls + '"')), 11, "model-00002");
  CHECK(
      has(refused(moved), "tensor \"" + cls + "\": expected it in model-00002-of-00002.safetensors, found it in model-00001"));
}

TEST_CASE("shards carry the facts of the model that they were saved with") {
  const forms f;
  save(f.dir / "whole", f.right, checkpoint(golden::folder("tanh")).tokenizer());
  const io::safetensors whole(f.dir / "whole" / "model.safetensors");
  io::write_safetensors(f.dir / "part", whole.tensors(), whole.metadata());
  io::json map = io::json::object();
  for (const auto& t : whole.tensors()) map[t.name] = "part";
  f.dir.file("model.safetensors.index.json", io::to_text({{"weight_map", map}}));
  std::filesystem::copy_file(f.dir / "whole" / "vocab.txt", f.dir / "vocab.txt");
  (void)checkpoint(f.dir.folder()).tokenizer();
  f.dir.file("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nx\n");
  CHECK(has(message_of([&] { (void)checkpoint(f.dir.folder()).tokenizer(); }), "found 6 pieces"));
}

TEST_CASE("pytorch_model.bin of transposed storages opens as model.safetensors does, whole or in shards") {
  const forms f;
  f.dir.file("pytorch_model.bin", f.pytorch(all));
  f.check(weight_files::format::pytorch, 1);
  std::filesystem::remove(f.dir / "pytorch_model.bin");
  f.shards(
      "pytorch_model", ".bin", in_layer_1,
      [&](const std::string& name, const std::function<bool(const std::string&)>& take) { f.dir.file(name, f.pytorch(take)); });
  f.check(weight_files::format::pytorch, 2);
}

TEST_CASE("a weight that is not finite is named, in a transposed view too") {
  const forms f;
  std::string bytes = f.pytorch(all);
  const io::pytorch_file file(support::bytes_of(bytes), "file");
  for (const auto& t : file.tensors())
    if (t.name == "bert.encoder.layer.1.output.dense.weight") {
      const std::size_t at = static_cast<std::size_t>(t.bytes.data() - support::bytes_of(bytes).data()) + 4 * (24 * 7 + 3);
      bytes.replace(at, 4, std::string("\0\0\x80\x7f", 4));  // storage row 7, column 3: infinity
    }
  f.dir.file("pytorch_model.bin", bytes);
  CHECK(has(f.refused(),
            "tensor \"bert.encoder.layer.1.output.dense.weight\": expected finite numbers, found an infinity or a NaN at 127"));
}

TEST_CASE("TensorFlow's checkpoint opens as the model that it became, without Adam's moments") {
  const forms f;
  f.tensorflow();
  f.check(weight_files::format::tensorflow, 1);
  std::filesystem::rename(f.dir / "config.json", f.dir / "bert_config.json");
  CHECK(same_weights(checkpoint(f.dir.folder()).load<model_type>(), f.right));
  std::string data = slurp(f.dir / "bert_model.ckpt.data-00000-of-00001");
  data[2] ^= 1;
  f.dir.file("bert_model.ckpt.data-00000-of-00001", data);
  CHECK(has(f.refused(), "the checksum disagrees"));
  for (const char* ending : {".index", ".data-00000-of-00001"}) {
    std::filesystem::rename(f.dir / (std::string("bert_model.ckpt") + ending), f.dir / (std::string("model.ckpt-10") + ending));
  }
  CHECK(weight_files(f.dir.folder()).tensors().size() == f.file.tensors().size());
  f.dir.file("model.ckpt-20.index", "");
  CHECK(has(f.refused(), "expected one checkpoint of TensorFlow, found model.ckpt-10.index and model.ckpt-20.index"));
}

TEST_CASE("of several forms the first is taken; without one, the message names what is there") {
  const forms f;
  CHECK(has(f.refused(), "or bert_model.ckpt.index, found no weights"));
  f.dir.file("tf_model.h5", "x");
  CHECK(has(f.refused(), "found tf_model.h5 alone"));
  f.tensorflow();
  f.dir.file("pytorch_model.bin", f.pytorch(all));
  CHECK(weight_files(f.dir.folder()).kind() == weight_files::format::pytorch);
  f.write("model.safetensors", all);
  CHECK(weight_files(f.dir.folder()).kind() == weight_files::format::safetensors);
}

TEST_CASE("Google's folder is cased if a piece of its vocabulary starts with a capital, and says so") {
  const scratch dir;
  dir.file("bert_config.json", "{}");
  const auto lowercase = [&](const std::string& more) {
    dir.file("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n<S>\nthe\n##s\n" + more);
    pipelines::reading_notes notes;
    const bool lower = pipelines::read_tokenizer(dir.folder(), &notes).options().lowercase;
    REQUIRE(notes.size() == 1);
    CHECK(has(notes[0], lower ? "lower case: yes" : "lower case: no"));
    return lower;
  };
  CHECK(lowercase("cat\n"));
  CHECK(!lowercase("Cat\n"));
  CHECK(!lowercase("##X\n"));
  dir.file("tokenizer_config.json", R"({"do_lower_case": true})");
  CHECK(pipelines::read_tokenizer(dir.folder()).options().lowercase);
}

namespace {
struct keras : architecture_of<dims{.vocab = 15, .hidden = 4, .layers = 2, .heads = 4, .intermediate = 16, .positions = 16}> {};
struct camphr
    : architecture_of<dims{.vocab = 121, .hidden = 16, .layers = 2, .heads = 2, .intermediate = 64, .positions = 128}> {};
}  // namespace

TEST_CASE("folders of other people, of TensorFlow and of the PyTorch of 2019, load as the types that they are") {
  const auto folder = support::shared_data("checkpoints");
  if (!folder) return;
  const checkpoint google(*folder / "keras-bert");
  const auto m = google.load<model<keras, heads::masked_lm, heads::next_sentence>>();
  const io::tensorflow_checkpoint source(*folder / "keras-bert/bert_model.ckpt.index");
  std::size_t kernels = 0;
  for (const auto& t : source.tensors()) {
    if (!t.name.ends_with("intermediate/dense/kernel")) continue;
    std::vector<float> kernel(t.size());
    io::to_floats(t, kernel);
    for (const parameter& p : m.table())
      if (p.name() == pipelines::name_of_variable(t.name)) {
        ++kernels;
        for (std::size_t o = 0; o < 16; ++o)
          for (std::size_t i = 0; i < 4; ++i) CHECK(m.values(p)[o * 4 + i] == kernel[i * 16 + o]);
      }
  }
  CHECK(kernels == 2);
  const checkpoint old(*folder / "camphr-bert");
  CHECK(old.holds<model<camphr>>());
  CHECK(same_weights(old.load<model<camphr>>(execution::threads{2}), old.load<model<camphr>>()));
  CHECK(old.tokenizer().size() == 121);
  const checkpoint base(*folder / "google-base-index");
  CHECK(base.config().vocab == 21128);
  pipelines::reading_notes notes;
  CHECK(base.tokenizer(&notes).options().lowercase);
  CHECK(notes.size() == 1);
  CHECK(has(message_of([&] { (void)weight_files(base.files()); }), "bert_model.ckpt.data-00000-of-00001, found no such file"));
}
