// A tensor as stored in a file: name, dtype, shape, bytes; and its conversion to f32.
// Layer: io. Test: tests/unit/io/safetensors_test.cpp
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/execution.hpp"
#include "bert/core/finite.hpp"
#include "bert/core/isa.hpp"
#include "bert/tensor/storage.hpp"

namespace bert::inline BERT_ISA::io {

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian; add byte swaps for this machine");

/// Dtypes, in the order in which the reference writer sorts them.
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

/// The name in a header: "F32", "BF16", …
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

  /// Number of elements.
  [[nodiscard]] std::size_t size() const noexcept { return bytes.size() / bytes_of(type); }
};

namespace detail {

/// Whether `to_floats` can convert elements of this dtype to f32.
[[nodiscard]] constexpr bool converts_to_f32(dtype type) noexcept {
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
/// Throws bert::error naming the tensor for any other dtype, or if `out` has another size. `e` converts chunks in parallel.
template <executor E = execution::serial>
void to_floats(const stored_tensor& tensor, std::span<float> out, const E& e = {}) {
  if (out.size() != tensor.size())
    throw error({tensor.name, cat(out.size(), " elements"), cat(tensor.size(), ' ', shape_text(tensor.shape)), {}});
  if (!detail::converts_to_f32(tensor.type))
    throw error({tensor.name, "a tensor of F32, F16, BF16 or F64", std::string(name_of(tensor.type)),
                 "convert the weights to one of these"});
  constexpr std::size_t step = std::size_t{1} << 18;  // 1 MB: some 50 µs
  e.parallel_for((out.size() + step - 1) / step, [&](std::size_t chunk) {
    const std::size_t first = chunk * step;
    detail::convert(tensor.type, tensor.bytes.data() + first * bytes_of(tensor.type),
                    out.subspan(first, std::min(step, out.size() - first)));
  });
}

namespace detail {

/// Index of the first element of [first, first + count) that is not finite as an f32, or `all_finite`.
[[nodiscard]] inline std::size_t first_not_finite(const stored_tensor& tensor, std::size_t first, std::size_t count) noexcept {
  const std::byte* const from = tensor.bytes.data() + first * bytes_of(tensor.type);
  if (tensor.type == dtype::f32) {
    const std::size_t at = bert::first_not_finite(from, count);
    return at == all_finite ? at : first + at;
  }
  std::array<float, 1024> block;
  for (std::size_t i = 0; i < count; i += block.size()) {
    const std::span<float> out(block.data(), std::min(block.size(), count - i));
    convert(tensor.type, from + i * bytes_of(tensor.type), out);
    if (const std::size_t at = bert::first_not_finite(out); at != all_finite) return first + i + at;
  }
  return all_finite;
}

}  // namespace detail

/// Throws bert::error naming `where`, the tensor and the element unless every element is finite as an f32. `e` checks chunks in
/// parallel.
template <executor E = execution::serial>
void check_finite(const stored_tensor& tensor, const std::string& where, const E& e = {}) {
  constexpr std::size_t step = std::size_t{1} << 18;
  std::atomic<std::size_t> found{all_finite};
  e.parallel_for((tensor.size() + step - 1) / step, [&](std::size_t chunk) {
    const std::size_t at = detail::first_not_finite(tensor, chunk * step, std::min(step, tensor.size() - chunk * step));
    for (std::size_t before = found.load(); at < before && !found.compare_exchange_weak(before, at);) {
    }
  });
  if (const std::size_t at = found.load(); at != all_finite)
    throw error({cat(where, ", tensor \"", tensor.name, '"'), "finite numbers", cat("an infinity or a NaN at ", at),
                 "the file is damaged, or a training went wrong; take other weights"});
}

}  // namespace bert::io
