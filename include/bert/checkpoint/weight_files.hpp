// The weights of a model folder, whatever their format: safetensors, PyTorch's .bin, shards of either, TensorFlow's.
// Layer: checkpoint. Test: tests/unit/checkpoint/weight_files_test.cpp, tests/functional/convert.py
#ifndef BERT_CHECKPOINT_WEIGHT_FILES_HPP
#define BERT_CHECKPOINT_WEIGHT_FILES_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "bert/checkpoint/tensorflow_names.hpp"
#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/json.hpp"
#include "bert/io/pytorch_file.hpp"
#include "bert/io/safetensors.hpp"
#include "bert/io/stored_tensor.hpp"
#include "bert/io/tensorflow_checkpoint.hpp"

namespace bert::inline BERT_ISA {

namespace pipelines::detail {

/// The files of a folder of these endings, in the order of their names; "x.ckpt.index" has both ".ckpt" and ".index".
[[nodiscard]] inline std::vector<std::string> tensorflow_indexes(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    std::string name = path_text(entry.path().filename());
    if (name.ends_with(".index") && name.find(".ckpt") != std::string::npos) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// The file of each tensor, by its name. Throws bert::error unless every file is one of the index's own folder.
[[nodiscard]] inline std::map<std::string, std::string> read_weight_map(const std::filesystem::path& index) {
  const std::string where = path_text(index);
  const auto map = io::require<io::json>(io::read_json(index), "weight_map", where);
  if (!map.is_object() || map.empty())
    throw_error({where + ", \"weight_map\"", "a file for each tensor", io::kind_of(map), {}});
  std::map<std::string, std::string> out;
  for (const auto& [name, value] : map.items()) {
    const std::string location = cat(where, ", \"weight_map\", \"", name, '"');
    auto file = io::json_as<std::string>(value, location);
    const std::filesystem::path path = path_from(file);
    if (file.empty() || file == "." || file == ".." || path.has_parent_path() || path.has_root_path() ||
        file.find('\0') != std::string::npos)
      throw_error({location, "the name of a file in the same folder", '"' + file + '"', "the file is damaged or hostile"});
    out.emplace(name, std::move(file));
  }
  return out;
}

}  // namespace pipelines::detail

/// The tensors of a folder, under the names of transformers; files are mapped and stay so as long as the object lives.
///
/// Of several forms, takes the first of: model.safetensors, model.safetensors.index.json with its shards, pytorch_model.bin,
/// pytorch_model.bin.index.json with its shards, bert_model.ckpt.index or the only *.ckpt*.index of the folder. Adam's moments
/// and the step in TensorFlow's files are left out.
///
///     const bert::weight_files weights{"bert-base-uncased"};
///     for (const auto& t : weights.tensors()) std::cout << t.name << ' ' << bert::io::shape_text(t.shape) << '\n';
class weight_files {
 public:
  enum class format : std::uint8_t { safetensors, pytorch, tensorflow };
  static constexpr const char *safetensors_name = "model.safetensors", *pytorch_name = "pytorch_model.bin";

  /// Throws bert::error naming the file for: none of these; a shard that is missing, a tensor that its shard lacks, a tensor in
  /// two shards; and what the readers of the files refuse.
  explicit weight_files(const std::filesystem::path& folder) { open_folder(folder); }

  /// Adds the tensors of another folder, their names behind `prefix`; errors go on naming the first folder's file.
  void add(const std::filesystem::path& folder, std::string_view prefix) {
    weight_files other(folder);
    const auto move = [](auto& from, auto& to) {
      for (auto& file : from) to.push_back(std::move(file));
    };
    move(other.safetensors_, safetensors_);
    move(other.pytorch_, pytorch_);
    move(other.tensorflow_, tensorflow_);
    for (auto& t : other.tensors_) {
      t.name.insert(0, prefix);
      tensors_.push_back(std::move(t));
    }
  }

  [[nodiscard]] std::span<const io::stored_tensor> tensors() const noexcept { return tensors_; }
  /// The file of the weights, or the index of its shards, as errors name it.
  [[nodiscard]] const std::string& where() const noexcept { return where_; }
  [[nodiscard]] format kind() const noexcept { return format_; }
  /// The files that are mapped.
  [[nodiscard]] std::size_t files() const noexcept { return safetensors_.size() + pytorch_.size() + tensorflow_.size(); }
  /// The files of safetensors, with their metadata; empty for other formats.
  [[nodiscard]] std::span<const io::safetensors> safetensors() const noexcept { return safetensors_; }

 private:
  void open_folder(const std::filesystem::path& folder) {
    const auto exists = [&](const std::string& name) {
      std::error_code ignored;
      return std::filesystem::exists(folder / name, ignored);
    };
    for (const auto& [name, kind] :
         {std::pair{safetensors_name, format::safetensors}, std::pair{pytorch_name, format::pytorch}}) {
      format_ = kind;
      const std::string index = std::string(name) + ".index.json";
      if (exists(name)) return open_file(folder / name);
      if (exists(index)) return open_shards(folder / index);
    }
    format_ = format::tensorflow;
    open_tensorflow(folder);
  }

  std::span<const io::stored_tensor> open(const std::filesystem::path& path) {
    return format_ == format::safetensors ? safetensors_.emplace_back(path).tensors() : pytorch_.emplace_back(path).tensors();
  }

  void open_file(const std::filesystem::path& path) {
    where_ = path_text(path);
    const auto tensors = open(path);
    tensors_.assign(tensors.begin(), tensors.end());
  }

  void open_shards(const std::filesystem::path& index) {
    where_ = path_text(index);
    const auto map = pipelines::detail::read_weight_map(index);
    std::map<std::string, std::size_t> files;  // and how many tensors the index expects of each
    for (const auto& [name, file] : map) ++files[file];
    std::map<std::string, std::string> found;  // tensor, file
    for (const auto& [file, count] : files) {
      const auto path = index.parent_path() / path_from(file);
      std::error_code ignored;
      if (!std::filesystem::exists(path, ignored))
        throw_error({where_, cat("the shard ", file, " of ", count, " tensors"), "no such file", "fetch it too"});
      for (const auto& t : open(path)) {
        if (const auto [at, added] = found.emplace(t.name, file); !added)
          throw_error({cat(where_, ", tensor \"", t.name, '"'), "one shard that holds it", cat(at->second, " and ", file),
                       io::detail::damaged});
        tensors_.push_back(t);
      }
    }
    for (const auto& [name, file] : map)
      if (const auto at = found.find(name); at == found.end() || at->second != file)
        throw_error({cat(where_, ", tensor \"", name, '"'), "it in " + file,
                     at == found.end() ? std::string("none of that name") : "it in " + at->second, io::detail::damaged});
  }

  void open_tensorflow(const std::filesystem::path& folder) {
    const auto indexes = pipelines::detail::tensorflow_indexes(folder);
    const std::string usual = "bert_model.ckpt.index";
    const bool has_usual = std::find(indexes.begin(), indexes.end(), usual) != indexes.end();
    if (indexes.empty())
      throw_error({path_text(folder), "model.safetensors, pytorch_model.bin, an index of their shards or bert_model.ckpt.index",
                   other_form(folder), "open it in transformers and save_pretrained() it, which writes model.safetensors"});
    if (!has_usual && indexes.size() > 1)
      throw_error({path_text(folder), "one checkpoint of TensorFlow", cat(indexes.front(), " and ", indexes[1]),
                   "keep one of them in the folder, or name it " + usual});
    const auto& file = tensorflow_.emplace_back(folder / path_from(has_usual ? usual : indexes.front()));
    where_ = file.where();
    for (const auto& variable : file.tensors())
      if (auto t = pipelines::tensor_of_variable(variable)) tensors_.push_back(std::move(*t));
  }

  static std::string other_form(const std::filesystem::path& folder) {
    std::error_code ignored;
    for (const char* name :
         {"tf_model.h5", "flax_model.msgpack", "model.onnx", "pytorch_model.pt", "bert_model.ckpt.data-00000-of-00001"})
      if (std::filesystem::exists(folder / name, ignored)) return std::string(name) + " alone";
    return "no weights";
  }

  format format_ = format::safetensors;
  std::string where_;
  std::vector<io::safetensors> safetensors_;
  std::vector<io::pytorch_file> pytorch_;
  std::vector<io::tensorflow_checkpoint> tensorflow_;
  std::vector<io::stored_tensor> tensors_;
};

}  // namespace bert

#endif  // BERT_CHECKPOINT_WEIGHT_FILES_HPP
