// Reads a LevelDB table, an immutable file of sorted keys and values, as TensorFlow's indexes are: every block is checked.
// Layer: io. Test: tests/unit/io/sorted_table_test.cpp, tests/fuzz/tensorflow_fuzz.cpp
// Format: LevelDB's doc/table_format.md
#ifndef BERT_IO_SORTED_TABLE_HPP
#define BERT_IO_SORTED_TABLE_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/crc32c.hpp"
#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/io/byte_reader.hpp"

namespace bert::inline BERT_ISA::io {

/// The entries of a table in the order of their keys. Keys are copied, as blocks store what differs from the key before; values
/// are spans of the file.
///
/// Throws bert::error for: no table; a block outside the file, compressed, or with another checksum than its own; entries that
/// do not fill their block; keys that are not in order; more than 1 million entries or 128 MB of keys.
class sorted_table {
 public:
  struct entry {
    std::string key;
    std::span<const std::byte> value;
  };

  sorted_table(std::span<const std::byte> bytes, const std::string& where) : bytes_(bytes), where_(where) {
    constexpr std::size_t footer = 48, magic_at = 40;
    constexpr std::uint64_t magic = 0xdb4775248b80fb57;
    if (bytes.size() < footer) fail(cat("a table of at least ", footer, " bytes"), cat(bytes.size(), " bytes"));
    byte_reader end(bytes.last(footer), where_);
    const block_range metaindex = read_range(end), index = read_range(end);
    if (end.at() > magic_at) fail("two block handles before the magic number", "more");
    std::uint64_t last = 0;
    std::memcpy(&last, bytes.data() + bytes.size() - sizeof last, sizeof last);
    if (last != magic) fail("the magic number of a table at the end", "another");
    // Blocks must not be read twice, so that a small file cannot name a large one many times over.
    left_ = bytes.size() - footer;
    static_cast<void>(block(metaindex));
    std::vector<entry> handles;
    read_block(block(index), handles);
    for (const entry& h : handles) {
      byte_reader in(h.value, where_);
      const block_range range = read_range(in);
      read_block(block(range), entries_);
    }
  }

  [[nodiscard]] const std::vector<entry>& entries() const noexcept { return entries_; }

 private:
  struct block_range {
    std::uint64_t offset, size;
  };
  static constexpr std::size_t most_entries = std::size_t{1} << 20, most_key_bytes = std::size_t{1} << 27;

  [[noreturn]] void fail(std::string expected, std::string found, const char* hint = detail::damaged) const {
    throw_error({where_, std::move(expected), std::move(found), hint});
  }

  static block_range read_range(byte_reader& in) {
    const std::uint64_t offset = in.varint(), size = in.varint();
    return {offset, size};
  }

  /// The bytes of a block: its trailer holds a byte of its compression and the checksum of both.
  std::span<const std::byte> block(block_range range) {
    constexpr std::size_t trailer = 5;
    const std::string what = cat("the block of ", range.size, " bytes at ", range.offset);
    if (range.offset > bytes_.size() || range.size > bytes_.size() - range.offset ||
        bytes_.size() - range.offset - range.size < trailer || range.size + trailer > left_)
      fail(what + " within the file, once", cat("a file of ", bytes_.size(), " bytes"));
    left_ -= static_cast<std::size_t>(range.size) + trailer;
    const auto whole = bytes_.subspan(static_cast<std::size_t>(range.offset), static_cast<std::size_t>(range.size) + trailer);
    byte_reader end(whole.last(trailer), where_);
    const auto compression = end.byte();
    if (end.little<std::uint32_t>() != masked_crc32c(whole.first(whole.size() - 4)))
      fail("the bytes of " + what, "others: the checksum disagrees");
    if (compression != 0)
      fail(what + " without compression", compression == 1 ? std::string("snappy's") : cat("number ", +compression),
           "TensorFlow writes indexes without compression; write it again");
    return whole.first(whole.size() - trailer);
  }

  void read_block(std::span<const std::byte> block, std::vector<entry>& out) {
    if (block.size() < 4) fail("a block with its restarts", cat(block.size(), " bytes"));
    byte_reader tail(block.last(4), where_);
    const std::uint64_t restarts = tail.little<std::uint32_t>(), tail_size = 4 * (restarts + 1);
    if (tail_size > block.size()) fail(cat(restarts, " restarts"), cat(block.size(), " bytes"));
    byte_reader in(block.first(block.size() - static_cast<std::size_t>(tail_size)), where_);
    std::string key;
    while (!in.done()) {
      const std::uint64_t shared = in.varint(), own = in.varint(), length = in.varint();
      if (shared > key.size()) fail(cat("at most ", key.size(), " bytes in common with the key before"), cat(shared));
      key.resize(static_cast<std::size_t>(shared));
      key += as_text(in.take(own));
      const auto value = in.take(length);
      if (!out.empty() && out.back().key >= key) fail("keys in order", cat('"', key, "\" after \"", out.back().key, '"'));
      key_bytes_ += key.size();
      if (out.size() == most_entries || key_bytes_ > most_key_bytes)
        fail(cat("at most ", most_entries, " entries and ", most_key_bytes, " bytes of keys"), "more");
      out.push_back({key, value});
    }
  }

  std::span<const std::byte> bytes_;
  const std::string& where_;
  std::size_t left_ = 0, key_bytes_ = 0;
  std::vector<entry> entries_;
};

}  // namespace bert::io

#endif  // BERT_IO_SORTED_TABLE_HPP
