// A tensor as stored in a file: name, dtype, shape, bytes, strides; and its conversion to f32.
// Layer: io. Test: tests/unit/io/stored_tensor_test.cpp, tests/unit/io/safetensors_test.cpp
#ifndef BERT_IO_STORED_TENSOR_HPP
#define BERT_IO_STORED_TENSOR_HPP

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "bert/core/crc32c.hpp"
#include "bert/core/error.hpp"
#include "bert/core/execution.hpp"
#include "bert/core/finite.hpp"
#include "bert/core/isa.hpp"
#include "bert/io/system.hpp"
#include "bert/tensor/storage.hpp"

namespace bert::inline BERT_ISA::io {

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian; add byte swaps for this machine");

/// Dtypes, in the order in which the reference writer sorts them.
enum class dtype : std::uint8_t { boolean, u8, i8, f8_e5m2, f8_e4m3, i16, u16, f16, bf16, i32, u32, f32, f64, i64, u64 };

namespace detail {

/// Writes a * b modulo 2^64 to `product`; false if that is not the product.
inline bool multiply(std::uint64_t a, std::uint64_t b, std::uint64_t& product) noexcept {
  const bool fits = b == 0 || a <= std::numeric_limits<std::uint64_t>::max() / b;
  product = a * b;
  return fits;
}

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

/// One tensor as it is stored: little-endian, at any alignment. Does not own its bytes.
///
/// Element [i, j, …] lies at element i * strides[0] + j * strides[1] + … of `bytes`, which end behind the last one: a view of
/// another order, such as a transpose, needs no copy.
struct stored_tensor {
  std::string name;
  dtype type = dtype::f32;
  std::vector<std::size_t> shape;  ///< empty: a scalar
  std::span<const std::byte> bytes;
  std::vector<std::size_t> strides = {};            ///< in elements, one a dimension; empty: row-major without gaps
  std::optional<std::uint32_t> masked_crc32c = {};  ///< of `bytes`, where the file has it; see `check_bytes`
  bool mapped = false;  ///< whether `bytes` are those of a mapped file: their memory can be given back and is read again

  /// Number of elements.
  [[nodiscard]] std::size_t size() const noexcept {
    if (strides.empty()) return bytes.size() / bytes_of(type);
    std::size_t n = 1;
    for (const std::size_t extent : shape) n *= extent;
    return n;
  }
};

namespace detail {
/// out[i - first] = element i in row-major order, for i of [first, first + count), each of W bytes.
template <std::size_t W>
void copy_strided(const stored_tensor& t, std::size_t first, std::size_t count, std::byte* out) noexcept {
  const std::size_t inner = t.shape.back(), step = t.strides.back() * W;
  while (count != 0) {
    // The row of element `first`: its index in all dimensions but the last.
    std::size_t row = first / inner, at = 0;
    for (std::size_t d = t.shape.size() - 1; d-- > 0; row /= t.shape[d]) at += row % t.shape[d] * t.strides[d];
    const std::size_t column = first % inner, n = std::min(count, inner - column);
    const std::byte* from = t.bytes.data() + at * W + column * step;
    for (std::size_t i = 0; i < n; ++i, from += step, out += W) std::memcpy(out, from, W);
    first += n;
    count -= n;
  }
}
}  // namespace detail

/// Copies elements [first, first + count) in row-major order to `out`, as they are stored.
inline void copy_elements(const stored_tensor& t, std::size_t first, std::size_t count, std::byte* out) noexcept {
  if (count == 0) return;
  const std::size_t width = bytes_of(t.type);
  if (t.strides.empty()) std::memcpy(out, t.bytes.data() + first * width, count * width);
  else if (width == 1) detail::copy_strided<1>(t, first, count, out);
  else if (width == 2) detail::copy_strided<2>(t, first, count, out);
  else if (width == 4) detail::copy_strided<4>(t, first, count, out);
  else detail::copy_strided<8>(t, first, count, out);
}

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

/// As `convert`, of elements [first, first + out.size()) of any order.
inline void convert_elements(const stored_tensor& t, std::size_t first, std::span<float> out) noexcept {
  const std::size_t width = bytes_of(t.type);
  if (t.strides.empty()) return convert(t.type, t.bytes.data() + first * width, out);
  std::array<std::byte, 4096> block;
  const std::size_t most = block.size() / width;
  for (std::size_t i = 0; i < out.size(); i += most) {
    const std::size_t n = std::min(most, out.size() - i);
    copy_elements(t, first + i, n, block.data());
    convert(t.type, block.data(), out.subspan(i, n));
  }
}

/// out = the transpose of a stored matrix, by tiles of 64 x 16: four cache lines of f32 in a row are read, whole lines written.
/// Calls `after(first, count)` for each range of `out` that is complete.
template <executor E, class After>
void convert_transposed(const stored_tensor& t, std::span<float> out, const E& e, const After& after) {
  constexpr std::size_t high = 64, wide = 16;
  const std::size_t rows = t.shape[0], cols = t.shape[1], width = bytes_of(t.type), step = t.strides[1] * width;
  e.parallel_for((rows + high - 1) / high, [&](std::size_t band) {
    const std::size_t first = band * high, n = std::min(high, rows - first);
    std::array<float, high * wide> tile;
    for (std::size_t c = 0; c < cols; c += wide) {
      const std::size_t m = std::min(wide, cols - c);
      for (std::size_t j = 0; j < m; ++j)
        convert(t.type, t.bytes.data() + first * width + (c + j) * step, {tile.data() + j * high, n});
      float* to = out.data() + first * cols + c;
      if (m == wide)  // the usual case, with a number of columns that the compiler knows
        for (std::size_t i = 0; i < n; ++i)
          for (std::size_t j = 0; j < wide; ++j) to[i * cols + j] = tile[j * high + i];
      else
        for (std::size_t i = 0; i < n; ++i)
          for (std::size_t j = 0; j < m; ++j) to[i * cols + j] = tile[j * high + i];
    }
    after(first * cols, n * cols);
  });
}

/// Elements as f32, in chunks, whose memory is given back if it is a mapped file's: opening a model needs the memory of the
/// model, not twice that. `after(first, count)` is called by the thread that has converted these, while they are in its
/// cache.
template <executor E, class After>
void convert_chunks(const stored_tensor& tensor, std::span<float> out, const E& e, const After& after) {
  if (out.size() != tensor.size())
    throw_error({tensor.name, cat(out.size(), " elements"), cat(tensor.size(), ' ', shape_text(tensor.shape)), {}});
  if (!converts_to_f32(tensor.type))
    throw_error({tensor.name, "a tensor of F32, F16, BF16 or F64", std::string(name_of(tensor.type)),
                 "convert the weights to one of these"});
  if (tensor.strides.size() == 2 && tensor.strides[0] == 1) {
    convert_transposed(tensor, out, e, after);
    if (tensor.mapped) system::give_back(tensor.bytes.data(), tensor.bytes.size());
    return;
  }
  constexpr std::size_t step = std::size_t{1} << 18;  // 1 MB: some 50 µs
  e.parallel_for((out.size() + step - 1) / step, [&](std::size_t chunk) {
    const std::size_t first = chunk * step, count = std::min(step, out.size() - first), width = bytes_of(tensor.type);
    convert_elements(tensor, first, out.subspan(first, count));
    if (tensor.mapped && tensor.strides.empty()) system::give_back(tensor.bytes.data() + first * width, count * width);
    after(first, count);
  });
  if (tensor.mapped && !tensor.strides.empty()) system::give_back(tensor.bytes.data(), tensor.bytes.size());
}

[[noreturn]] inline void not_finite(const stored_tensor& tensor, const std::string& where, std::size_t at) {
  throw_error({cat(where, ", tensor \"", tensor.name, '"'), "finite numbers", cat("an infinity or a NaN at ", at),
               "the file is damaged, or a training went wrong; take other weights"});
}

/// Keeps the least of the positions that threads give.
class least_position {
 public:
  void add(std::size_t at) noexcept {
    for (std::size_t before = least_.load(); at < before && !least_.compare_exchange_weak(before, at);) {
    }
  }
  [[nodiscard]] std::size_t value() const noexcept { return least_.load(); }

 private:
  std::atomic<std::size_t> least_{all_finite};
};

}  // namespace detail

/// out[i] = the i-th element as f32: F32, F16 and BF16 exactly, F64 rounded to nearest.
/// Throws bert::error naming the tensor for any other dtype, or if `out` has another size. `e` converts chunks in parallel.
template <executor E = execution::serial>
void to_floats(const stored_tensor& tensor, std::span<float> out, const E& e = {}) {
  detail::convert_chunks(tensor, out, e, [](std::size_t, std::size_t) {});
}

namespace detail {

/// Index of the first element of [first, first + count) that is not finite as an f32, or `all_finite`.
[[nodiscard]] inline std::size_t first_not_finite(const stored_tensor& tensor, std::size_t first, std::size_t count) noexcept {
  if (tensor.type == dtype::f32 && tensor.strides.empty()) {
    const std::size_t at = bert::first_not_finite(tensor.bytes.data() + first * sizeof(float), count);
    return at == all_finite ? at : first + at;
  }
  std::array<float, 1024> block;
  for (std::size_t i = 0; i < count; i += block.size()) {
    const std::span<float> out(block.data(), std::min(block.size(), count - i));
    convert_elements(tensor, first + i, out);
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
  const auto search = [&](const stored_tensor& t) {
    detail::least_position found;
    e.parallel_for((t.size() + step - 1) / step, [&](std::size_t chunk) {
      found.add(detail::first_not_finite(t, chunk * step, std::min(step, t.size() - chunk * step)));
    });
    return found.value();
  };
  // Of another order: first all that lies between its elements, in the order of the file.
  if (!tensor.strides.empty() && search({{}, tensor.type, {}, tensor.bytes}) == all_finite) return;
  if (const std::size_t at = search(tensor); at != all_finite) detail::not_finite(tensor, where, at);
}

/// Throws bert::error naming `where` and the tensor unless its bytes have the checksum that the file says, if it says one.
inline void check_bytes(const stored_tensor& tensor, const std::string& where) {
  if (tensor.masked_crc32c && bert::masked_crc32c(tensor.bytes) != *tensor.masked_crc32c)
    throw_error({cat(where, ", tensor \"", tensor.name, '"'), "the bytes that were written", "others: the checksum disagrees",
                 "the file is damaged; fetch or write it again"});
}

/// `check_bytes` and `check_finite`, for a tensor that `to_floats` can convert.
template <executor E = execution::serial>
void check_stored(const stored_tensor& tensor, const std::string& where, const E& e = {}) {
  check_bytes(tensor, where);
  check_finite(tensor, where, e);
}

/// `to_floats` and `check_stored` in one pass.
template <executor E = execution::serial>
void to_checked_floats(const stored_tensor& tensor, const std::string& where, std::span<float> out, const E& e = {}) {
  check_bytes(tensor, where);
  detail::least_position found;
  detail::convert_chunks(tensor, out, e, [&](std::size_t first, std::size_t count) {
    if (const std::size_t at = bert::first_not_finite(out.subspan(first, count)); at != all_finite) found.add(first + at);
  });
  if (found.value() != all_finite) detail::not_finite(tensor, where, found.value());
}

}  // namespace bert::io

#endif  // BERT_IO_STORED_TENSOR_HPP
