// NumPy's .npy files: one array of numbers, read and written.
// Layer: io. Test: tests/unit/io/npy_test.cpp
#ifndef BERT_IO_NPY_HPP
#define BERT_IO_NPY_HPP

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/atomic_file.hpp"
#include "bert/io/mapped_file.hpp"
#include "bert/tensor/storage.hpp"

namespace bert::inline BERT_ISA::io {

static_assert(std::endian::native == std::endian::little, "bert/io/npy.hpp: files hold little-endian numbers, as memory must");

/// NumPy's name of a number type, of those that are written: float, double, int8, uint8, int32, int64.
template <class T>
[[nodiscard]] constexpr std::string_view npy_type() noexcept {
  if constexpr (std::is_same_v<T, float>) return "<f4";
  else if constexpr (std::is_same_v<T, double>) return "<f8";
  else if constexpr (std::is_same_v<T, std::int8_t>) return "|i1";
  else if constexpr (std::is_same_v<T, std::uint8_t>) return "|u1";
  else if constexpr (std::is_same_v<T, std::int32_t>) return "<i4";
  else if constexpr (std::is_same_v<T, std::int64_t>) return "<i8";
  else return "";
}

/// Writes `values`, rows in order, as an array of `shape`, atomically; numpy.load reads it. Throws bert::error unless the shape
/// has as many elements.
///
///     bert::io::write_npy("index.npy", index.flat(), {index.rows(), 384});
template <class T>
void write_npy(const std::filesystem::path& path, std::span<const T> values, const std::vector<std::size_t>& shape) {
  static_assert(!npy_type<T>().empty(), "bert::io::write_npy: float, double, int8_t, uint8_t, int32_t or int64_t");
  std::size_t count = 1;
  std::string sizes;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    count *= shape[i];
    sizes += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  if (shape.size() == 1) sizes += ',';  // Python's tuple of one
  if (count != values.size())
    throw_error({path_text(path), cat("a shape of ", values.size(), " elements"), cat('(', sizes, ')'), {}});
  std::string header = cat("{'descr': '", npy_type<T>(), "', 'fortran_order': False, 'shape': (", sizes, "), }");
  constexpr std::size_t before = 10, aligned = 64;  // magic, version, length of the header; data begins at a multiple of 64
  header.append(aligned - (before + header.size() + 1) % aligned, ' ');
  header += '\n';
  atomic_file file(path);
  file.write(std::string_view("\x93NUMPY\x01\x00", 8));
  const char length[2] = {static_cast<char>(header.size() & 255u), static_cast<char>(header.size() >> 8)};
  file.write(std::string_view(length, 2));
  file.write(header);
  file.write(std::as_bytes(values));
  file.commit();
}
template <class T>
void write_npy(const std::filesystem::path& path, std::span<T> values, const std::vector<std::size_t>& shape) {
  write_npy(path, std::span<const T>(values), shape);
}

/// An array of a .npy file, mapped: its bytes are read when they are asked for.
///
///     const bert::io::npy file("index.npy");
///     const std::vector<float> all = file.as<float>();       // file.shape() is {rows, columns}
class npy {
 public:
  /// Throws bert::error naming what is wrong: no .npy file, a damaged one, columns in order (Fortran), a type other than <f2,
  /// <f4, <f8, |i1, |u1, <i4, <i8.
  explicit npy(const std::filesystem::path& path) : file_(path), where_(path_text(path)) {
    const std::string_view text = file_.text();
    if (text.size() < 10 || !text.starts_with("\x93NUMPY")) fail("a .npy file", "another one");
    const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(text[i])); };
    const std::size_t version = byte(6);
    if (version < 1 || version > 3) fail("version 1, 2 or 3 of the format", cat("version ", version));
    std::size_t begin = 10, length = byte(8) | byte(9) << 8;
    if (version > 1) {
      if (text.size() < 12) fail("a header", "the end of the file");
      begin = 12;
      length |= byte(10) << 16 | byte(11) << 24;
    }
    if (length > text.size() - begin) fail(cat("a header of ", length, " bytes"), "the end of the file");
    read_header(text.substr(begin, length));
    data_ = file_.bytes().subspan(begin + length);
    std::size_t count = 1;
    for (const std::size_t n : shape_) {
      if (n != 0 && count > std::numeric_limits<std::size_t>::max() / 8 / n)
        fail("a shape that fits into memory", "a larger one");
      count *= n;
    }
    if (data_.size() != count * width_) fail(cat(count, " elements of ", width_, " bytes"), cat(data_.size(), " bytes"));
    count_ = count;
  }

  [[nodiscard]] const std::vector<std::size_t>& shape() const noexcept { return shape_; }
  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  /// NumPy's name of the type, "<f4".
  [[nodiscard]] const std::string& type() const noexcept { return type_; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return data_; }

  /// The elements, converted to T.
  template <class T>
  [[nodiscard]] std::vector<T> as() const {
    std::vector<T> out(count_);
    if (type_ == "<f2") copy<T, f16>(out);
    else if (type_ == "<f4") copy<T, float>(out);
    else if (type_ == "<f8") copy<T, double>(out);
    else if (type_ == "|i1") copy<T, std::int8_t>(out);
    else if (type_ == "|u1") copy<T, std::uint8_t>(out);
    else if (type_ == "<i4") copy<T, std::int32_t>(out);
    else copy<T, std::int64_t>(out);
    return out;
  }

 private:
  template <class T, class Stored>
  void copy(std::vector<T>& out) const {
    for (std::size_t i = 0; i < count_; ++i) {
      Stored x;
      std::memcpy(&x, data_.data() + i * sizeof(Stored), sizeof(Stored));
      if constexpr (std::is_same_v<Stored, f16>) out[i] = static_cast<T>(to_float(x));
      else out[i] = static_cast<T>(x);
    }
  }

  // The header is a Python literal: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
  void read_header(std::string_view header) {
    const auto after = [&](std::string_view key) {
      const auto at = header.find(cat('\'', key, '\''));
      const auto colon = at == std::string_view::npos ? at : header.find_first_not_of(": ", at + key.size() + 2);
      if (colon == std::string_view::npos) fail(cat("a header with '", key, '\''), std::string(header.substr(0, 80)));
      return header.substr(colon);
    };
    const std::string_view descr = after("descr");
    const auto end = descr.size() > 1 ? descr.find('\'', 1) : std::string_view::npos;
    if (descr.front() != '\'' || end == std::string_view::npos) fail("one type of numbers", "a structure of several");
    type_ = std::string(descr.substr(1, end - 1));
    constexpr std::pair<std::string_view, std::size_t> known[] = {{"<f2", 2}, {"<f4", 4}, {"<f8", 8}, {"|i1", 1},
                                                                  {"|u1", 1}, {"<i4", 4}, {"<i8", 8}};
    for (const auto& [name, width] : known)
      if (type_ == name) width_ = width;
    if (width_ == 0) fail("numbers of type <f2, <f4, <f8, |i1, |u1, <i4 or <i8", type_);
    if (!after("fortran_order").starts_with("False")) fail("rows in order", "columns in order (fortran_order)");
    std::string_view list = after("shape");
    const auto close = list.find(')');
    if (!list.starts_with('(') || close == std::string_view::npos) fail("a shape", std::string(list.substr(0, 40)));
    for (list = list.substr(1, close - 1); !list.empty();) {
      if (list.front() == ' ' || list.front() == ',') {
        list.remove_prefix(1);
        continue;
      }
      std::size_t n = 0;
      const auto [stop, failed] = std::from_chars(list.data(), list.data() + list.size(), n);
      if (failed != std::errc{}) fail("whole numbers in the shape", std::string(list.substr(0, 40)));
      shape_.push_back(n);
      list.remove_prefix(static_cast<std::size_t>(stop - list.data()));
    }
  }
  [[noreturn]] void fail(std::string expected, std::string found) const {
    throw_error({where_, std::move(expected), std::move(found), "write it by numpy.save as an array of numbers, in rows"});
  }

  mapped_file file_;
  std::string where_, type_;
  std::vector<std::size_t> shape_;
  std::size_t width_ = 0, count_ = 0;
  std::span<const std::byte> data_;
};

}  // namespace bert::io

#endif  // BERT_IO_NPY_HPP
