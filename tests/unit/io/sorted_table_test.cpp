// LevelDB's tables: keys that share their beginnings, and hostile blocks.
// Layer: tests.
#include "bert/io/sorted_table.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "scratch.hpp"
#include "support/checkpoint_writers.hpp"

using namespace bert::io;
using bert::testing::has;
using bert::testing::message_of;
using support::key_value;

namespace {

std::string message(const std::string& bytes) {
  return message_of([&] { (void)sorted_table(support::bytes_of(bytes), "file"); });
}

/// A table whose one block of data holds these bytes, under a right checksum.
std::string with_block(std::string content) {
  content += '\0';
  content += support::little(bert::masked_crc32c(support::bytes_of(content)));
  std::string out = content;
  const auto add = [&](const std::string& block) {
    const std::string handle = support::varint(out.size()) + support::varint(block.size() - 5);
    out += block;
    return handle;
  };
  std::string footer = add(support::table_block({}));
  footer += add(support::table_block({{"z", support::varint(0) + support::varint(content.size() - 5)}}));
  footer.resize(40, '\0');
  return out + footer + support::little(std::uint64_t{0xdb4775248b80fb57});
}

std::string one_restart() { return support::little(std::uint32_t{0}) + support::little(std::uint32_t{1}); }

}  // namespace

TEST_CASE("a table gives every key and value in order, over several blocks and restarts") {
  std::vector<std::vector<key_value>> blocks;
  std::vector<key_value> all;
  for (int b = 0; b < 5; ++b) {
    blocks.emplace_back();
    for (int i = 0; i < 40; ++i) {
      key_value entry{"bert/layer_" + std::to_string(1000 + 40 * b + i), std::string(static_cast<std::size_t>(i), 'v')};
      blocks.back().push_back(entry);
      all.push_back(entry);
    }
  }
  const std::string bytes = support::table(blocks), where = "file";
  const sorted_table table(support::bytes_of(bytes), where);
  REQUIRE(table.entries().size() == all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK(table.entries()[i].key == all[i].first);
    CHECK(as_text(table.entries()[i].value) == all[i].second);
  }
}

TEST_CASE("a hostile block is an error, under a right checksum too") {
  CHECK(message(with_block(std::string("\0\1\1av", 5) + one_restart())).empty());
  CHECK(has(message(with_block(std::string("\1\1\1av", 5) + one_restart())), "at most 0 bytes in common"));
  CHECK(has(message(with_block(std::string("\0\1\x7f"
                                           "av",
                                           5) +
                               one_restart())),
            "127 bytes more"));
  CHECK(has(message(with_block(std::string("\0\1\1bv\0\1\1av", 10) + one_restart())), "keys in order"));
  CHECK(has(message(with_block(std::string("\0\1\1av\0\1\1av", 10) + one_restart())), "keys in order"));
  CHECK(has(message(with_block(std::string(11, '\xff') + one_restart())), "at most 64 bits"));
  CHECK(has(message(with_block("\xff\xff\xff\x7f")), "restarts"));
  CHECK(has(message(with_block("ab")), "a block with its restarts"));
}

TEST_CASE("a small table cannot name a large block many times over") {
  std::string out = support::table_block({{"a", std::string(1000, 'v')}});
  std::vector<key_value> index;
  for (char c = 'b'; c < 'z'; ++c) index.emplace_back(std::string(1, c), support::varint(0) + support::varint(out.size() - 5));
  std::string footer;
  for (const auto& block : {support::table_block({}), support::table_block(index)}) {
    footer += support::varint(out.size()) + support::varint(block.size() - 5);
    out += block;
  }
  footer.resize(40, '\0');
  CHECK(!message(out + footer + support::little(std::uint64_t{0xdb4775248b80fb57})).empty());
}

TEST_CASE("a file without the magic number, and handles that point nowhere, are errors") {
  CHECK(has(message("short"), "at least 48 bytes"));
  CHECK(has(message(std::string(48, '\0')), "the magic number"));
  std::string footer = support::varint(1ull << 63) + support::varint(1ull << 63) + support::varint(0) + support::varint(0);
  footer.resize(40, '\0');
  CHECK(has(message(footer + support::little(std::uint64_t{0xdb4775248b80fb57})), "within the file"));
}
