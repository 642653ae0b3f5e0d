// Converts the weights of a model folder to safetensors, from any form that bert::weight_files opens; or checks them.
//
//   convert --model uncased_L-12_H-768_A-12 --out bert-base-uncased
//   convert --model roberta-large --out roberta-bf16 --dtype bf16 --shard-size 500000000
//   convert --model downloaded --check
//
// It works on tensors, not on models: every tensor of the folder is kept, whatever its architecture.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/checkpoint/model_config.hpp"
#include "bert/checkpoint/sentence_files.hpp"
#include "bert/checkpoint/stale_files.hpp"
#include "bert/checkpoint/tokenizer_files.hpp"
#include "bert/checkpoint/weight_files.hpp"
#include "bert/io/atomic_folder.hpp"
#include "bert/io/json.hpp"
#include "bert/io/safetensors_writer.hpp"
#include "support.hpp"

namespace {

namespace fs = std::filesystem;
using bert::cat;
using bert::weight_files;
using bert::io::dtype;
using bert::io::json;
using bert::io::stored_tensor;

struct settings {
  std::string model, out, type;
  std::uint64_t shard_size = 0;
  bool check = false;
};

/// The names of a dtype on the command line and in config.json.
struct type_names {
  const char *option, *config;
  dtype type;
};
constexpr std::array types{type_names{"f32", "float32", dtype::f32}, type_names{"f16", "float16", dtype::f16},
                           type_names{"bf16", "bfloat16", dtype::bf16}};

const type_names& named(const std::string& option) {
  return *std::find_if(types.begin(), types.end(), [&](const type_names& t) { return option == t.option; });
}

std::uint64_t bytes_of(const stored_tensor& t, dtype type) { return std::uint64_t{t.size()} * bert::io::bytes_of(type); }

/// Gives each tensor's elements in row-major order and in another dtype, one tensor at a time.
class converter {
 public:
  explicit converter(const std::string& where) : where_(where) {}

  std::span<const std::byte> operator()(const stored_tensor& t, dtype to) {
    bert::io::check_bytes(t, where_);
    if (t.type == to && t.strides.empty()) return t.bytes;
    if (t.type == to && to != dtype::f32) {
      bytes_.resize(static_cast<std::size_t>(bytes_of(t, to)));
      bert::io::copy_elements(t, 0, t.size(), bytes_.data());
      return bytes_;
    }
    floats_.resize(t.size());
    bert::io::to_floats(t, floats_);
    return to == dtype::f32 ? std::as_bytes(std::span<const float>(floats_)) : round(t, to);
  }

 private:
  std::span<const std::byte> round(const stored_tensor& t, dtype to) {
    if (to == dtype::bf16) return put([](float x) { return bert::to_bf16(x); });
    for (std::size_t i = 0; i < floats_.size(); ++i)
      if (std::isfinite(floats_[i]) && std::abs(floats_[i]) >= 65520)
        throw bert::error({cat(where_, ", tensor \"", t.name, '"'), "numbers that f16 holds, up to 65504",
                           cat(floats_[i], " at ", i), "take --dtype bf16"});
    return put([](float x) { return bert::to_f16(x); });
  }
  template <class Round>
  std::span<const std::byte> put(const Round& round) {
    constexpr std::size_t width = sizeof(round(0.0f));
    bytes_.resize(floats_.size() * width);
    for (std::size_t i = 0; i < floats_.size(); ++i) {
      const auto x = round(floats_[i]);
      std::memcpy(bytes_.data() + i * width, &x, width);
    }
    return bytes_;
  }

  const std::string& where_;
  std::vector<float> floats_;
  std::vector<std::byte> bytes_;
};

std::string describe(const weight_files& weights) {
  const char* name = weights.kind() == weight_files::format::safetensors ? "safetensors"
                     : weights.kind() == weight_files::format::pytorch   ? "PyTorch"
                                                                         : "TensorFlow";
  return cat(name, ", ", weights.where(), weights.files() > 1 ? cat(", ", weights.files(), " files") : "");
}

std::string totals(std::span<const stored_tensor> tensors) {
  std::uint64_t elements = 0, bytes = 0;
  std::map<std::string_view, std::size_t> dtypes;
  for (const auto& t : tensors) elements += t.size(), bytes += bytes_of(t, t.type), ++dtypes[bert::io::name_of(t.type)];
  std::string text = cat(tensors.size(), " tensors, ", elements, " elements, ", bytes, " bytes");
  for (const auto& [name, count] : dtypes) text += cat(", ", name, ' ', count);
  return text;
}

/// Reads every byte: checksums, and numbers that are not finite.
void check(const weight_files& weights) {
  std::size_t views = 0;
  for (const auto& t : weights.tensors()) {
    bert::io::check_bytes(t, weights.where());
    views += t.strides.empty() ? 0 : 1;
    if (!bert::io::detail::converts_to_f32(t.type)) continue;
    try {
      bert::io::check_finite(t, weights.where());
    } catch (const bert::error& e) {
      std::cout << "note: " << e.where() << ": " << e.found() << '\n';
    }
  }
  std::cout << "read " << describe(weights) << '\n' << totals(weights.tensors());
  if (views != 0) std::cout << ", " << views << " of another order than rows";
  std::cout << '\n';
}

// --- what is written ---

struct shard {
  std::string name;
  std::vector<stored_tensor> tensors;  ///< as they will be stored; without bytes
};

/// Whether a name is of a file of weights, which is not copied.
bool is_weights(const std::string& name) {
  constexpr std::array endings{".safetensors", ".bin", ".index.json", ".h5",   ".msgpack", ".onnx", ".ot",
                               ".pt",          ".pth", ".part",       ".ckpt", ".index",   ".meta"};
  return std::any_of(endings.begin(), endings.end(), [&](const char* e) { return name.ends_with(e); }) ||
         name.find(".ckpt") != std::string::npos;
}

std::vector<shard> plan(const weight_files& weights, const settings& s) {
  std::vector<shard> shards(1);
  std::uint64_t held = 0;
  for (const auto& t : weights.tensors()) {
    const dtype type = !s.type.empty() && bert::io::detail::converts_to_f32(t.type) ? named(s.type).type : t.type;
    const std::uint64_t bytes = bytes_of(t, type);
    if (s.shard_size != 0 && held != 0 && held + bytes > s.shard_size) shards.emplace_back(), held = 0;
    held += bytes;
    shards.back().tensors.push_back({t.name, type, t.shape, {}});
  }
  if (shards.size() == 1) shards[0].name = weight_files::safetensors_name;
  else
    for (std::size_t i = 0; i < shards.size(); ++i) {
      std::array<char, 64> name{};
      std::snprintf(name.data(), name.size(), "model-%05zu-of-%05zu.safetensors", i + 1, shards.size());
      shards[i].name = name.data();
    }
  return shards;
}

void write_weights(bert::io::atomic_folder& out, const weight_files& weights, const std::vector<shard>& shards) {
  std::map<std::string_view, const stored_tensor*> sources;
  for (const auto& t : weights.tensors()) sources.emplace(t.name, &t);
  bert::io::safetensors_metadata metadata;
  if (!weights.safetensors().empty()) metadata = weights.safetensors().front().metadata();
  metadata["format"] = "pt";
  converter convert(weights.where());
  json map = json::object();
  std::uint64_t total = 0;
  for (const shard& part : shards) {
    bert::io::write_safetensors(out.file(part.name), part.tensors, metadata, bert::io::checksums::none,
                                [&](const stored_tensor& t) { return convert(*sources.at(t.name), t.type); });
    for (const auto& t : part.tensors) {
      map[t.name] = part.name;
      total += bytes_of(*sources.at(t.name), t.type);
    }
  }
  std::set<std::string> stale(bert::pipelines::stale_weight_files.begin(), bert::pipelines::stale_weight_files.end());
  stale.insert(weight_files::safetensors_name);
  for (const auto& entry : fs::directory_iterator(out.path())) {
    const std::string name = bert::path_text(entry.path().filename());
    if (name.starts_with("model-") && name.ends_with(".safetensors")) stale.insert(name);
  }
  for (const shard& part : shards) stale.erase(part.name);
  if (shards.size() > 1) {
    const std::string index = "model.safetensors.index.json";
    out.file(index).write(bert::io::to_text({{"metadata", {{"total_size", total}}}, {"weight_map", map}}));
    stale.erase(index);
  }
  for (const auto& name : stale) out.remove(name);
}

/// What transformers needs to know of Google's model beside its bert_config.json.
void complete(json& config, std::span<const stored_tensor> tensors) {
  const auto find = [&](std::string_view name) {
    const auto at = std::find_if(tensors.begin(), tensors.end(), [&](const stored_tensor& t) { return t.name == name; });
    return at == tensors.end() ? nullptr : &*at;
  };
  const stored_tensor* classes = find("classifier.weight");
  const bool fills = find("cls.predictions.bias") != nullptr, pairs = find("cls.seq_relationship.weight") != nullptr;
  config["model_type"] = "bert";
  config["architectures"] = std::vector<std::string>{fills && pairs                         ? "BertForPreTraining"
                                                     : fills                                ? "BertForMaskedLM"
                                                     : find("qa_outputs.weight") != nullptr ? "BertForQuestionAnswering"
                                                     : classes != nullptr                   ? "BertForSequenceClassification"
                                                                                            : "BertModel"};
  if (classes != nullptr && !classes->shape.empty())
    for (std::size_t i = 0; i < classes->shape[0]; ++i) {
      config["id2label"][std::to_string(i)] = cat("LABEL_", i);
      config["label2id"][cat("LABEL_", i)] = i;
    }
}

void write_config(bert::io::atomic_folder& out, const fs::path& files, const weight_files& weights, const settings& s) {
  const auto path = bert::pipelines::config_file(files);
  if (!fs::exists(path)) {
    std::cout << "note: " << bert::path_text(files) << " has no config.json\n";
    return;
  }
  const bool google = path.filename() != "config.json";
  if (!google && s.type.empty()) return out.file("config.json").write(bert::io::mapped_file(path).bytes());
  json config = bert::io::read_json(path);
  if (google) complete(config, weights.tensors());
  if (!s.type.empty()) config[config.contains("dtype") ? "dtype" : "torch_dtype"] = named(s.type).config;
  out.file("config.json").write(bert::io::to_text(config));
}

/// Copies the tokenizer and whatever else stands beside the weights.
void copy_files(bert::io::atomic_folder& out, const fs::path& files, const weight_files& weights) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(files))
    if (entry.is_regular_file()) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  for (const auto& path : paths) {
    const std::string name = bert::path_text(path.filename());
    if (!is_weights(name) && name != "config.json" && name != "bert_config.json" && !name.starts_with('.'))
      out.file(name).write(bert::io::mapped_file(path).bytes());
  }
  const bool settled = fs::exists(files / "tokenizer_config.json") || fs::exists(files / "tokenizer.json");
  if (weights.kind() != weight_files::format::tensorflow || settled || !fs::exists(files / "vocab.txt")) return;
  bert::pipelines::reading_notes notes;
  const bool lower = bert::pipelines::read_tokenizer(files, &notes).options().lowercase;
  support::tell(notes, std::cout);
  out.file("tokenizer_config.json").write(bert::io::to_text({{"tokenizer_class", "BertTokenizer"}, {"do_lower_case", lower}}));
}

/// Copies the files of sentence-transformers around the encoder's folder: modules.json, 1_Pooling, …
void copy_modules(const fs::path& model, const fs::path& files, const fs::path& out) {
  if (!fs::exists(model / "modules.json")) return;
  const auto copy = [&](const fs::path& from) {
    const fs::path to = out / fs::relative(from, model);
    fs::create_directories(to.parent_path());
    bert::io::write_file(to, bert::io::mapped_file(from).text());
  };
  if (!fs::equivalent(model, files))
    for (const auto& entry : fs::directory_iterator(model))
      if (entry.is_regular_file() && !bert::path_text(entry.path().filename()).starts_with('.')) copy(entry.path());
  for (const auto& m : bert::pipelines::detail::read_modules(model)) {
    const fs::path folder = model / m.path;
    if (m.path.empty() || !fs::is_directory(folder) || fs::equivalent(folder, files)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(folder))
      if (entry.is_regular_file()) copy(entry.path());
  }
}

void work(const settings& s) {
  const fs::path model = bert::path_from(s.model), target = bert::path_from(s.out);
  if (!fs::is_directory(model))
    throw bert::error({s.model, "a model's folder", fs::exists(model) ? "no folder" : "nothing of that name", {}});
  const fs::path files = bert::pipelines::transformer_folder(model);
  const weight_files weights(files);
  if (s.check) return check(weights);
  const fs::path folder = files == model ? target : target / fs::relative(files, model);
  if (fs::exists(target) && fs::equivalent(target, model))
    throw bert::error({s.out, "another folder than --model", "the same", "a form of weights replaces the others in --out"});
  bert::io::check_output_folder(folder);
  const auto shards = plan(weights, s);
  bert::io::atomic_folder out(folder);
  write_weights(out, weights, shards);
  write_config(out, files, weights, s);
  copy_files(out, files, weights);
  out.commit();
  copy_modules(model, files, target);
  std::cout << "read " << describe(weights) << '\n'
            << totals(weights.tensors()) << "\nwrote " << bert::path_text(folder / shards.front().name);
  if (shards.size() > 1) std::cout << " and " << shards.size() - 1 << " more";
  std::cout << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  settings s;
  CLI::App app(
      "Converts the weights of a model folder to safetensors, from PyTorch's .bin, TensorFlow's checkpoints, and shards.",
      "convert");
  app.add_option("--model", s.model, "folder with model.safetensors, pytorch_model.bin, shards of either, or bert_model.ckpt")
      ->required();
  auto* out = app.add_option("--out", s.out, "folder to write");
  auto* type = app.add_option("--dtype", s.type, "of the weights; default: as they are. Whole numbers stay as they are")
                   ->check(CLI::IsMember({"f32", "f16", "bf16"}));
  auto* size =
      support::number(app, "--shard-size", s.shard_size, "most bytes of weights in a file; default: one file", {.least = 1});
  auto* check = app.add_flag("--check", s.check, "read and check every tensor, write nothing");
  check->excludes(out)->excludes(type)->excludes(size);
  app.callback([&] {
    if (!s.check && out->empty()) throw CLI::RequiredError("--out or --check");
  });
  return support::run(app, argc, argv, [&] { work(s); });
}
