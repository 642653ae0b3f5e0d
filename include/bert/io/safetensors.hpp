// The safetensors format, read: named tensors in a mapped file, every claim of its header checked.
// Layer: io. Test: tests/unit/io/safetensors_test.cpp, tests/fuzz/safetensors_fuzz.cpp
// Format: https://github.com/huggingface/safetensors#format
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/io/json.hpp"
#include "bert/io/mapped_file.hpp"
#include "bert/tensor/storage.hpp"

namespace bert::inline BERT_ISA::io {

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian; add byte swaps for this machine");

/// Element types, in the order in which the reference writer sorts them.
enum class dtype : std::uint8_t { boolean, u8, i8, f8_e5m2, f8_e4m3, i16, u16, f16, bf16, i32, u32, f32, f64, i64, u64 };

namespace detail {
struct dtype_facts {
  std::string_view name;
  std::size_t bytes;
};
inline constexpr std::array<dtype_facts, 15> dtypes{{{"BOOL", 1},
                                                     {"U8", 1},
                                                     {"I8", 1},
                                                     {"F8_E5M2", 1},
                                                     {"F8_E4M3", 1},
                                                     {"I16", 2},
                                                     {"U16", 2},
                                                     {"F16", 2},
                                                     {"BF16", 2},
                                                     {"I32", 4},
                                                     {"U32", 4},
                                                     {"F32", 4},
                                                     {"F64", 8},
                                                     {"I64", 8},
                                                     {"U64", 8}}};
}  // namespace detail

/// As it stands in a header: "F32", "BF16", …
[[nodiscard]] constexpr std::string_view name_of(dtype type) noexcept {
  return detail::dtypes[static_cast<std::size_t>(type)].name;
}
[[nodiscard]] constexpr std::size_t bytes_of(dtype type) noexcept {
  return detail::dtypes[static_cast<std::size_t>(type)].bytes;
}
[[nodiscard]] constexpr std::optional<dtype> dtype_named(std::string_view name) noexcept {
  for (std::size_t i = 0; i < detail::dtypes.size(); ++i)
    if (detail::dtypes[i].name == name) return static_cast<dtype>(i);
  return std::nullopt;
}

/// "[2, 768]".
[[nodiscard]] inline std::string shape_text(std::span<const std::size_t> shape) {
  std::string text = "[";
  for (const std::size_t extent : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  return text + ']';
}

/// One tensor as it is stored: little-endian, row-major, at any alignment. Does not own its bytes.
struct stored_tensor {
  std::string name;
  dtype type = dtype::f32;
  std::vector<std::size_t> shape;  ///< empty: a scalar
  std::span<const std::byte> bytes;

  /// Elements.
  [[nodiscard]] std::size_t size() const noexcept { return bytes.size() / bytes_of(type); }
};

namespace detail {

/// Whether `to_floats` can turn elements of that type into f32.
[[nodiscard]] constexpr bool is_number(dtype type) noexcept {
  return type == dtype::f32 || type == dtype::f16 || type == dtype::bf16 || type == dtype::f64;
}

/// out[i] = the i-th element at `bytes` as f32.
inline void convert(dtype type, const std::byte* bytes, std::span<float> out) noexcept {
  const auto each = [&]<class T>(T) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      T element;
      std::memcpy(&element, bytes + i * sizeof(T), sizeof(T));
      if constexpr (std::is_same_v<T, double>) out[i] = static_cast<float>(element);
      else out[i] = to_float(element);
    }
  };
  if (type == dtype::f16) each(f16{});
  else if (type == dtype::bf16) each(bf16{});
  else if (type == dtype::f64) each(double{});
  else if (!out.empty()) std::memcpy(out.data(), bytes, out.size_bytes());
}

}  // namespace detail

/// out[i] = the i-th element as f32: F32, F16 and BF16 exactly, F64 rounded to nearest.
/// Throws bert::error naming the tensor for any other type, or if `out` has another size. `e` runs parts of the tensor.
template <executor E = execution::serial>
void to_floats(const stored_tensor& tensor, std::span<float> out, const E& e = {}) {
  if (out.size() != tensor.size())
    throw error({tensor.name, cat(out.size(), " elements"), cat(tensor.size(), ' ', shape_text(tensor.shape)), {}});
  if (!detail::is_number(tensor.type))
    throw error({tensor.name, "a tensor of F32, F16, BF16 or F64", std::string(name_of(tensor.type)),
                 "convert the weights to one of these"});
  constexpr std::size_t step = std::size_t{1} << 18;  // 1 MB: some 50 µs
  e.parallel_for((out.size() + step - 1) / step, [&](std::size_t part) {
    const std::size_t first = part * step;
    detail::convert(tensor.type, tensor.bytes.data() + first * bytes_of(tensor.type),
                    out.subspan(first, std::min(step, out.size() - first)));
  });
}

/// The tensors of one file, in the order of their bytes. Opening reads and checks the header alone; the system pages the
/// rest in as it is touched.
///
/// Checked, and refused by a bert::error naming file and tensor: a length of the header beyond the file or 100 MB, a header
/// that is no JSON, names given twice, unknown types, shapes whose product overflows, bytes that do not match type and shape,
/// that overlap, leave gaps, or lie outside the file.
class safetensors {
 public:
  explicit safetensors(const std::filesystem::path& path) : safetensors(mapped_file(path)) {}
  explicit safetensors(mapped_file file) : file_(std::move(file)) { parse(file_->bytes(), file_->path().string()); }
  /// Over bytes in memory, which must live as long; `where` names them in errors.
  safetensors(std::span<const std::byte> bytes, const std::string& where) { parse(bytes, where); }

  [[nodiscard]] std::span<const stored_tensor> tensors() const noexcept { return tensors_; }
  /// The tensor of that name, or nullptr.
  [[nodiscard]] const stored_tensor* find(std::string_view name) const noexcept {
    const auto at = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                     [this](std::size_t i, std::string_view n) { return tensors_[i].name < n; });
    return at != by_name_.end() && tensors_[*at].name == name ? &tensors_[*at] : nullptr;
  }
  /// The tensor of that name. Throws bert::error naming file and tensor.
  [[nodiscard]] const stored_tensor& at(std::string_view name) const {
    if (const stored_tensor* tensor = find(name)) return *tensor;
    throw error({where_, cat("a tensor \"", name, '"'), "none of that name", {}});
  }
  /// The file's "__metadata__"; empty if it has none.
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }
  /// The file, as errors name it.
  [[nodiscard]] const std::string& where() const noexcept { return where_; }

 private:
  // The reference implementation's limit: no honest header comes near, and it bounds what a hostile one makes us allocate.
  static constexpr std::uint64_t header_limit = 100'000'000;
  static constexpr const char* advice = "the file is damaged; fetch or write it again";

  void parse(std::span<const std::byte> bytes, const std::string& where) {
    where_ = where;
    std::uint64_t length = 0;
    if (bytes.size() < sizeof length)
      throw error({where, "a safetensors file of at least 8 bytes", cat(bytes.size(), " bytes"), advice});
    std::memcpy(&length, bytes.data(), sizeof length);
    const std::uint64_t most = std::min<std::uint64_t>(bytes.size() - sizeof length, header_limit);
    if (length > most) throw error({where, cat("a header of at most ", most, " bytes"), cat(length), advice});
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + sizeof length, static_cast<std::size_t>(length));
    const json header = parse_json(text, where + ", header");
    if (!header.is_object()) throw error({where, "an object as header", kind_of(header), advice});
    read_entries(header, bytes.subspan(sizeof length + static_cast<std::size_t>(length)));
    by_name_.resize(tensors_.size());
    for (std::size_t i = 0; i < by_name_.size(); ++i) by_name_[i] = i;
    std::sort(by_name_.begin(), by_name_.end(),
              [this](std::size_t a, std::size_t b) { return tensors_[a].name < tensors_[b].name; });
  }

  void read_entries(const json& header, std::span<const std::byte> data) {
    struct range {
      std::uint64_t begin, end;
      stored_tensor tensor;
    };
    std::vector<range> ranges;
    for (const auto& [name, entry] : header.items()) {
      const std::string place = cat(where_, ", tensor \"", name, '"');
      if (name == "__metadata__") {
        if (!entry.is_object()) throw error({cat(where_, ", __metadata__"), "an object", kind_of(entry), advice});
        for (const auto& [key, value] : entry.items())
          metadata_[key] = json_as<std::string>(value, cat(where_, ", __metadata__, ", key));
        continue;
      }
      const auto type_name = require<std::string>(entry, "dtype", place);
      const auto type = dtype_named(type_name);
      if (!type)
        throw error({place, "a known type such as F32, F16 or BF16", type_name, "convert the weights to one of these"});
      auto shape = require<std::vector<std::size_t>>(entry, "shape", place);
      const auto offsets = require<std::vector<std::uint64_t>>(entry, "data_offsets", place);
      if (offsets.size() != 2) throw error({place, "two data_offsets", cat(offsets.size()), advice});
      if (offsets[0] > offsets[1] || offsets[1] > data.size())
        throw error(
            {place, cat("bytes within the ", data.size(), " of the file's data"), cat(offsets[0], " to ", offsets[1]), advice});
      const auto claimed = product(shape, bytes_of(*type));
      if (claimed != offsets[1] - offsets[0])
        throw error(
            {place,
             cat(claimed ? std::to_string(*claimed) : "more than 2^64", " bytes for ", type_name, ' ', shape_text(shape)),
             cat(offsets[1] - offsets[0]), advice});
      const auto bytes = data.subspan(static_cast<std::size_t>(offsets[0]), static_cast<std::size_t>(offsets[1] - offsets[0]));
      ranges.push_back({offsets[0], offsets[1], {name, *type, std::move(shape), bytes}});
    }
    std::sort(ranges.begin(), ranges.end(), [](const range& a, const range& b) {
      return std::tie(a.begin, a.end, a.tensor.name) < std::tie(b.begin, b.end, b.tensor.name);
    });
    std::uint64_t covered = 0;
    for (range& r : ranges) {
      if (r.begin != covered)
        throw error({cat(where_, ", tensor \"", r.tensor.name, '"'),
                     cat("its bytes to start at ", covered, ", where those before it end"), cat(r.begin), advice});
      covered = r.end;
      tensors_.push_back(std::move(r.tensor));
    }
    if (covered != data.size())
      throw error({where_, cat(covered, " bytes of data, as the header says"), cat(data.size()), advice});
  }

  static std::optional<std::uint64_t> product(std::span<const std::size_t> shape, std::uint64_t unit) noexcept {
    std::uint64_t n = unit;
    for (const std::size_t extent : shape) {
      std::uint64_t next = 0;
      if (__builtin_mul_overflow(n, std::uint64_t{extent}, &next)) return std::nullopt;
      n = next;
    }
    return n;
  }

  std::optional<mapped_file> file_;
  std::string where_;
  std::vector<stored_tensor> tensors_;
  std::vector<std::size_t> by_name_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace bert::io
