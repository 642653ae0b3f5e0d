// Reads the safetensors format: named tensors in a mapped file, with a fully checked header.
// Layer: io. Test: tests/unit/io/safetensors_test.cpp, tests/fuzz/safetensors_fuzz.cpp
// Format: https://github.com/huggingface/safetensors#format
#ifndef BERT_IO_SAFETENSORS_HPP
#define BERT_IO_SAFETENSORS_HPP

#include <algorithm>
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
#include <utility>
#include <vector>

#include "bert/core/checksum.hpp"
#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/json_events.hpp"
#include "bert/io/mapped_file.hpp"
#include "bert/io/safetensors_header.hpp"
#include "bert/io/stored_tensor.hpp"

namespace bert::inline BERT_ISA::io {

/// Name of the tensor that holds a file's checksum.
inline constexpr std::string_view checksum_name = "checksum";

/// The tensors of one file, in the order of their bytes. Opening reads and checks the header alone; tensors are read when they
/// are first touched.
///
/// Throws bert::error naming file and tensor for: a header longer than the file or than 100 MB, or that is no JSON; names given
/// twice; unknown dtypes; shapes whose product overflows; bytes that do not match dtype and shape, overlap, leave gaps, or lie
/// outside the file; more than 64 dimensions; more than 10,000 metadata entries.
class safetensors {
 public:
  explicit safetensors(const std::filesystem::path& path) : safetensors(mapped_file(path)) {}
  explicit safetensors(mapped_file file) : file_(std::move(file)) {
    parse(file_->bytes(), path_text(file_->path()));
    for (stored_tensor& t : tensors_) t.mapped = true;
  }
  /// Reads bytes in memory, which must outlive the object; `where` names them in errors.
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
    throw_error({where_, cat("a tensor \"", name, '"'), "none of that name", {}});
  }
  /// The file's "__metadata__"; empty if it has none.
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }
  /// Throws bert::error unless the file ends in the checksum of all bytes before it: a last tensor "checksum" of U8 [8], as
  /// `write_safetensors` writes it with checksums::at_end.
  void verify_checksum() const {
    const stored_tensor* sum = find(checksum_name);
    if (sum == nullptr || sum->type != dtype::u8 || sum->bytes.size() != 8 ||
        sum->bytes.data() + 8 != bytes_.data() + bytes_.size())
      throw_error({where_, "a file that ends in its checksum", "none", detail::damaged});
    checksum whole;
    whole.add(bytes_.first(bytes_.size() - 8));
    std::uint64_t value = 0;
    std::memcpy(&value, sum->bytes.data(), sizeof value);
    if (value != whole.value())
      throw_error({where_, "the bytes that were written", "others: the checksum disagrees", detail::damaged});
  }
  /// The file, as errors name it.
  [[nodiscard]] const std::string& where() const noexcept { return where_; }

 private:
  // The reference implementation's limit; it bounds the memory that a hostile header takes.
  static constexpr std::uint64_t header_limit = 100'000'000;

  void parse(std::span<const std::byte> bytes, const std::string& where) {
    where_ = where;
    bytes_ = bytes;
    std::uint64_t length = 0;
    if (bytes.size() < sizeof length)
      throw_error({where, "a safetensors file of at least 8 bytes", cat(bytes.size(), " bytes"), detail::damaged});
    std::memcpy(&length, bytes.data(), sizeof length);
    const std::uint64_t most = std::min<std::uint64_t>(bytes.size() - sizeof length, header_limit);
    if (length > most) throw_error({where, cat("a header of at most ", most, " bytes"), cat(length), detail::damaged});
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + sizeof length, static_cast<std::size_t>(length));
    const auto data = bytes.subspan(sizeof length + static_cast<std::size_t>(length));
    detail::safetensors_header header(data, where_);
    // The number of values needs no limit of its own: the memory for each is bounded by its length in the text.
    read_events(text, where + ", header", header, {.values = text.size() + 1});
    tensors_ = std::move(header.tensors);
    metadata_ = std::move(header.metadata);
    order_by_bytes(data.size());
    by_name_.resize(tensors_.size());
    for (std::size_t i = 0; i < by_name_.size(); ++i) by_name_[i] = i;
    std::sort(by_name_.begin(), by_name_.end(),
              [this](std::size_t a, std::size_t b) { return tensors_[a].name < tensors_[b].name; });
    for (std::size_t i = 1; i < by_name_.size(); ++i)
      if (const auto& name = tensors_[by_name_[i]].name; name == tensors_[by_name_[i - 1]].name)
        throw_error({where_, "every key once", cat('"', name, "\" twice"), "the file is damaged or hostile"});
  }

  // Sorts tensors by offset. Throws for a gap or an overlap.
  void order_by_bytes(std::size_t size) {
    const auto begin = [](const stored_tensor& t) { return t.bytes.data(); };
    std::sort(tensors_.begin(), tensors_.end(), [&](const stored_tensor& a, const stored_tensor& b) {
      return std::forward_as_tuple(begin(a), a.bytes.size(), a.name) < std::forward_as_tuple(begin(b), b.bytes.size(), b.name);
    });
    const std::byte* const data = bytes_.data() + bytes_.size() - size;
    std::uint64_t covered = 0;
    for (const stored_tensor& t : tensors_) {
      if (const auto at = static_cast<std::uint64_t>(begin(t) - data); at != covered)
        throw_error({cat(where_, ", tensor \"", t.name, '"'),
                     cat("its bytes to start at ", covered, ", where those before it end"), cat(at), detail::damaged});
      covered += t.bytes.size();
    }
    if (covered != size) throw_error({where_, cat(covered, " bytes of data, as the header says"), cat(size), detail::damaged});
  }

  std::optional<mapped_file> file_;
  std::span<const std::byte> bytes_;  ///< the whole file
  std::string where_;
  std::vector<stored_tensor> tensors_;
  std::vector<std::size_t> by_name_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace bert::io

#endif  // BERT_IO_SAFETENSORS_HPP
