// Reads TensorFlow's checkpoints of format V2: NAME.index and NAME.data-00000-of-00001.
// Layer: io. Test: tests/unit/io/tensorflow_checkpoint_test.cpp, tests/fuzz/tensorflow_fuzz.cpp
// Format: tensorflow/core/util/tensor_bundle/tensor_bundle.h, tensorflow/core/protobuf/tensor_bundle.proto
#ifndef BERT_IO_TENSORFLOW_CHECKPOINT_HPP
#define BERT_IO_TENSORFLOW_CHECKPOINT_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/byte_reader.hpp"
#include "bert/io/mapped_file.hpp"
#include "bert/io/sorted_table.hpp"
#include "bert/io/stored_tensor.hpp"

namespace bert::inline BERT_ISA::io {

namespace detail {

/// Gives the fields of a protocol buffer's message one by one: number, its value if it is a varint or a fixed number, its bytes
/// if it has a length. Throws for other wire types.
template <class Field>
void read_message(std::span<const std::byte> message, const std::string& where, Field&& field) {
  byte_reader in(message, where);
  while (!in.done()) {
    const std::uint64_t tag = in.varint();
    std::uint64_t value = 0;
    std::span<const std::byte> bytes;
    switch (tag & 7u) {
      case 0: value = in.varint(); break;
      case 1: value = in.little<std::uint64_t>(); break;
      case 2: bytes = in.take(in.varint()); break;
      case 5: value = in.little<std::uint32_t>(); break;
      default: throw_error({where, "a field of a message", cat("wire type ", tag & 7u), damaged});
    }
    field(tag >> 3, value, bytes);
  }
}

/// The element type of TensorFlow's DataType; none for types without a name here.
[[nodiscard]] inline std::optional<dtype> tensorflow_type(std::uint64_t number) noexcept {
  constexpr std::array<std::pair<std::uint64_t, dtype>, 13> known{{{1, dtype::f32},
                                                                   {2, dtype::f64},
                                                                   {3, dtype::i32},
                                                                   {4, dtype::u8},
                                                                   {5, dtype::i16},
                                                                   {6, dtype::i8},
                                                                   {9, dtype::i64},
                                                                   {10, dtype::boolean},
                                                                   {14, dtype::bf16},
                                                                   {17, dtype::u16},
                                                                   {19, dtype::f16},
                                                                   {22, dtype::u32},
                                                                   {23, dtype::u64}}};
  for (const auto& [code, type] : known)
    if (code == number) return type;
  return std::nullopt;
}

}  // namespace detail

/// Index of a checkpoint: name, type, shape, and where the bytes are. Reads the index alone.
///
/// Throws bert::error naming file and variable for: a table that is damaged (see sorted_table); a checkpoint of TensorFlow 2's
/// objects; big-endian numbers; types beyond numbers, such as texts; variables that are stored in slices; sizes that do not
/// match their shapes.
class tensorflow_index {
 public:
  struct variable {
    std::string name;
    dtype type;
    std::vector<std::size_t> shape;
    std::uint64_t shard, offset, size;
    std::uint32_t masked_crc32c;
  };

  tensorflow_index(std::span<const std::byte> bytes, const std::string& where) : where_(where) {
    const sorted_table table(bytes, where_);
    if (table.entries().empty() || !table.entries().front().key.empty()) fail({}, "a header, under the empty name", "none");
    read_header(table.entries().front().value);
    for (const auto& [key, value] : table.entries()) {
      if (key.empty()) continue;
      if (key == "_CHECKPOINTABLE_OBJECT_GRAPH" || key.ends_with("/.ATTRIBUTES/VARIABLE_VALUE"))
        fail({}, "a checkpoint of variables by name, of TensorFlow 1's Saver", "one of TensorFlow 2's objects",
             "load it in TensorFlow and save its variables by tf.compat.v1.train.Saver, or convert it by transformers");
      read_variable(key, value);
    }
  }

  [[nodiscard]] std::span<const variable> variables() const noexcept { return variables_; }
  [[nodiscard]] std::uint64_t shards() const noexcept { return shards_; }

 private:
  static constexpr std::uint64_t most_shards = 10'000;  // its files are numbered by five digits
  static constexpr std::size_t most_dimensions = 64;

  [[noreturn]] void fail(std::string_view name, std::string expected, std::string found,
                         const char* hint = detail::damaged) const {
    throw_error({name.empty() ? where_ : cat(where_, ", tensor \"", name, '"'), std::move(expected), std::move(found), hint});
  }

  void read_header(std::span<const std::byte> message) {
    std::uint64_t order = 0;
    shards_ = 0;
    detail::read_message(message, where_, [&](std::uint64_t field, std::uint64_t value, auto) {
      if (field == 1) shards_ = value;
      if (field == 2) order = value;
    });
    if (order != 0) fail({}, "little-endian numbers", "big-endian ones", "save it on a little-endian machine");
    if (shards_ == 0 || shards_ > most_shards) fail({}, cat("1 to ", most_shards, " files of data"), cat(shards_));
  }

  void read_variable(const std::string& name, std::span<const std::byte> message) {
    variable v{name, dtype::f32, {}, 0, 0, 0, 0};
    std::uint64_t type = 0;
    detail::read_message(message, where_, [&](std::uint64_t field, std::uint64_t value, std::span<const std::byte> bytes) {
      if (field == 1) type = value;
      else if (field == 2) read_shape(v, bytes);
      else if (field == 3) v.shard = value;
      else if (field == 4) v.offset = value;
      else if (field == 5) v.size = value;
      else if (field == 6) v.masked_crc32c = static_cast<std::uint32_t>(value);
      else if (field == 7) fail(name, "a variable in one piece", "one in slices", "save it without partitioned variables");
    });
    const auto known = detail::tensorflow_type(type);
    if (!known) fail(name, "numbers", cat("TensorFlow's type ", type), "save the model's weights alone");
    v.type = *known;
    std::uint64_t size = bytes_of(v.type);
    bool overflow = false;
    for (const std::size_t extent : v.shape) overflow |= !detail::multiply(size, extent, size);
    if (overflow || size != v.size)
      fail(name,
           cat(overflow ? "more than 2^64" : std::to_string(size), " bytes for ", name_of(v.type), ' ', shape_text(v.shape)),
           cat(v.size));
    if (v.shard >= shards_) fail(name, cat("a file of data from 0 to ", shards_ - 1), cat(v.shard));
    variables_.push_back(std::move(v));
  }

  void read_shape(variable& v, std::span<const std::byte> message) const {
    detail::read_message(message, where_, [&](std::uint64_t field, std::uint64_t value, std::span<const std::byte> bytes) {
      if (field == 3 && value != 0) fail(v.name, "a shape", "an unknown rank");
      if (field != 2) return;
      if (v.shape.size() == most_dimensions) fail(v.name, cat("at most ", most_dimensions, " dimensions"), "more");
      std::size_t extent = 0;
      detail::read_message(bytes, where_, [&](std::uint64_t inner, std::uint64_t n, auto) {
        if (inner == 1) extent = static_cast<std::size_t>(n);
      });
      v.shape.push_back(extent);
    });
  }

  const std::string& where_;
  std::uint64_t shards_ = 0;
  std::vector<variable> variables_;
};

/// The variables of a checkpoint, in the order of their names, under TensorFlow's names and in its shapes. Data files are
/// mapped. Each tensor carries its checksum, for `check_stored`.
///
/// Throws as tensorflow_index does, and for a data file that is missing or too short.
class tensorflow_checkpoint {
 public:
  /// Opens NAME.index and NAME.data-….
  explicit tensorflow_checkpoint(const std::filesystem::path& index) : where_(path_text(index)) {
    const mapped_file file(index);
    const tensorflow_index read(file.bytes(), where_);
    const std::filesystem::path stem = index.parent_path() / index.stem();
    for (std::uint64_t i = 0; i < read.shards(); ++i) {
      std::array<char, 32> ending{};
      std::snprintf(ending.data(), ending.size(), ".data-%05u-of-%05u", static_cast<unsigned>(i),
                    static_cast<unsigned>(read.shards()));
      const std::filesystem::path path = path_with(stem, ending.data());
      if (!std::filesystem::exists(path))
        throw_error({where_, cat("its data in ", path_text(path)), "no such file", "fetch or copy it too"});
      files_.emplace_back(path);
    }
    for (const auto& v : read.variables()) {
      const auto data = files_[static_cast<std::size_t>(v.shard)].bytes();
      if (v.offset > data.size() || v.size > data.size() - v.offset)
        throw_error({cat(where_, ", tensor \"", v.name, '"'),
                     cat(v.size, " bytes from ", v.offset, " of ", path_text(files_[static_cast<std::size_t>(v.shard)].path())),
                     cat("a file of ", data.size()), detail::damaged});
      stored_tensor t{v.name, v.type, v.shape,
                      data.subspan(static_cast<std::size_t>(v.offset), static_cast<std::size_t>(v.size))};
      t.masked_crc32c = v.masked_crc32c;
      t.mapped = true;
      tensors_.push_back(std::move(t));
    }
  }

  [[nodiscard]] std::span<const stored_tensor> tensors() const noexcept { return tensors_; }
  /// The index, as errors name it.
  [[nodiscard]] const std::string& where() const noexcept { return where_; }

 private:
  std::string where_;
  std::vector<mapped_file> files_;
  std::vector<stored_tensor> tensors_;
};

}  // namespace bert::io

#endif  // BERT_IO_TENSORFLOW_CHECKPOINT_HPP
