// The entries of a ZIP archive that are stored as they are, without compression: spans of a mapped file.
// Layer: io. Test: tests/unit/io/zip_file_test.cpp, tests/fuzz/zip_checkpoint_fuzz.cpp
// Format: APPNOTE.TXT of PKWARE, sections 4.3.7 to 4.3.16 and 4.5.3
#ifndef BERT_IO_ZIP_FILE_HPP
#define BERT_IO_ZIP_FILE_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/io/byte_reader.hpp"

namespace bert::inline BERT_ISA::io {

/// The central directory of an archive, ZIP64 too. Does not own the bytes. Its checksums are not verified: programs that write
/// checkpoints may leave them out.
///
/// Throws bert::error naming the entry for: no directory; a directory or an entry outside the file; compressed or encrypted
/// entries; several disks; a name given twice.
class zip_file {
 public:
  struct entry {
    std::string_view name;
    std::span<const std::byte> bytes;
  };

  zip_file(std::span<const std::byte> bytes, const std::string& where) : bytes_(bytes), where_(where) { read_directory(); }

  /// Whether bytes start as an archive does.
  [[nodiscard]] static bool is_one(std::span<const std::byte> bytes) noexcept { return as_text(bytes).starts_with("PK\3\4"); }

  /// In the order of their names.
  [[nodiscard]] std::span<const entry> entries() const noexcept { return entries_; }
  /// The entry of that name, or nullptr.
  [[nodiscard]] const entry* find(std::string_view name) const noexcept {
    const auto at =
        std::lower_bound(entries_.begin(), entries_.end(), name, [](const entry& e, std::string_view n) { return e.name < n; });
    return at != entries_.end() && at->name == name ? &*at : nullptr;
  }

 private:
  static constexpr std::uint32_t local_header = 0x04034b50, directory_entry = 0x02014b50, directory_end = 0x06054b50,
                                 end64 = 0x06064b50, locator64 = 0x07064b50;
  static constexpr std::uint32_t in_extra32 = 0xFFFFFFFF;
  static constexpr std::uint16_t in_extra16 = 0xFFFF;

  [[noreturn]] void fail(std::string expected, std::string found, const char* hint = detail::damaged) const {
    throw_error({where_, std::move(expected), std::move(found), hint});
  }

  /// A reader of the file from `offset` on, which must start with `signature`.
  [[nodiscard]] byte_reader at(std::uint64_t offset, std::uint32_t signature, const char* what) const {
    if (offset > bytes_.size()) fail(cat(what, " within ", bytes_.size(), " bytes"), cat("one at ", offset));
    byte_reader in(bytes_.subspan(static_cast<std::size_t>(offset)), where_);
    if (in.left() < 4 || in.little<std::uint32_t>() != signature) fail(cat(what, " at byte ", offset), "something else");
    return in;
  }

  void read_directory() {
    // The end record is the last thing in the file, but for a comment of at most 65,535 bytes.
    constexpr std::size_t record = 22, longest = record + 65'535;
    if (bytes_.size() < record) fail("a ZIP archive of at least 22 bytes", cat(bytes_.size(), " bytes"));
    const std::string_view text = as_text(bytes_);
    const std::size_t end = text.rfind(std::string_view("PK\5\6", 4), bytes_.size() - record);
    if (end == std::string_view::npos || bytes_.size() - end > longest)
      fail("the directory of a ZIP archive at its end", "none", "the file is cut off; fetch it again");
    byte_reader in = at(end, directory_end, "an end record");
    std::uint64_t disk = in.little<std::uint16_t>();
    in.take(2 + 2);
    std::uint64_t count = in.little<std::uint16_t>(), size = in.little<std::uint32_t>(), offset = in.little<std::uint32_t>();
    if (count == in_extra16 || size == in_extra32 || offset == in_extra32) {
      if (end < 20) fail("a ZIP64 locator before the end record", "none");
      byte_reader locator = at(end - 20, locator64, "a ZIP64 locator");
      locator.take(4);
      byte_reader last = at(locator.little<std::uint64_t>(), end64, "a ZIP64 end record");
      last.take(8 + 2 + 2);
      disk = last.little<std::uint32_t>();
      last.take(4 + 8);
      count = last.little<std::uint64_t>();
      size = last.little<std::uint64_t>();
      offset = last.little<std::uint64_t>();
    }
    if (disk != 0) fail("an archive of one file", "one of several disks", "join its parts");
    if (offset > bytes_.size() || size > bytes_.size() - offset)
      fail(cat("a directory within ", bytes_.size(), " bytes"), cat(size, " bytes at ", offset));
    byte_reader directory(bytes_.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size)), where_);
    constexpr std::size_t least = 46;  // bytes of an entry without a name
    if (count > size / least) fail(cat("at most ", size / least, " entries in ", size, " bytes"), cat(count));
    entries_.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) entries_.push_back(read_entry(directory));
    std::sort(entries_.begin(), entries_.end(), [](const entry& a, const entry& b) { return a.name < b.name; });
    for (std::size_t i = 1; i < entries_.size(); ++i)
      if (entries_[i].name == entries_[i - 1].name)
        fail("every entry once", cat('"', entries_[i].name, "\" twice"), "the file is damaged or hostile");
  }

  [[nodiscard]] entry read_entry(byte_reader& in) const {
    if (in.little<std::uint32_t>() != directory_entry) fail("an entry of the directory", "something else");
    in.take(2 + 2);
    const auto flags = in.little<std::uint16_t>(), method = in.little<std::uint16_t>();
    in.take(4 + 4);
    std::uint64_t stored = in.little<std::uint32_t>(), size = in.little<std::uint32_t>();
    const auto name_length = in.little<std::uint16_t>(), extra_length = in.little<std::uint16_t>(),
               comment_length = in.little<std::uint16_t>();
    in.take(2 + 2 + 4);
    std::uint64_t offset = in.little<std::uint32_t>();
    const std::string_view name = as_text(in.take(name_length));
    const std::string shown = cat("\"", name, '"');
    byte_reader extra(in.take(extra_length), where_);
    in.take(comment_length);
    while (extra.left() >= 4) {
      const auto id = extra.little<std::uint16_t>(), length = extra.little<std::uint16_t>();
      byte_reader field(extra.take(length), where_);
      if (id != 1) continue;
      for (std::uint64_t* value : {&size, &stored, &offset})
        if (*value == in_extra32) *value = field.little<std::uint64_t>();
    }
    if ((flags & 1u) != 0) fail(shown + " as it is", "it encrypted", "decrypt it");
    if (method != 0 || stored != size)
      fail(shown + " stored as it is", cat("compressed, method ", method), "save it by torch.save, which does not compress");
    byte_reader header = at(offset, local_header, "a local header");
    header.take(2 + 2 + 2 + 2 + 2 + 4 + 4 + 4);
    const auto local_name = header.little<std::uint16_t>(), local_extra = header.little<std::uint16_t>();
    if (as_text(header.take(local_name)) != name) fail(shown + " in its local header", "another name");
    header.take(local_extra);
    if (size > header.left()) fail(cat(size, " bytes of ", shown), cat(header.left(), " up to the end of the file"));
    return {name, header.take(size)};
  }

  std::span<const std::byte> bytes_;
  const std::string& where_;
  std::vector<entry> entries_;
};

}  // namespace bert::io

#endif  // BERT_IO_ZIP_FILE_HPP
