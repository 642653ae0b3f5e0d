// Numbers from bytes: each form, and the end of the bytes at every position.
// Layer: tests.
#include "bert/io/byte_reader.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <span>
#include <string>

#include "scratch.hpp"

using bert::io::byte_reader;
using bert::testing::has;
using bert::testing::message_of;

TEST_CASE("numbers are read with their least byte first, and the position moves behind them") {
  const std::string text("\x01\x02\x03\x04\xff\xff\xff\xff\xac\x02line\nrest", 19), where = "file";
  byte_reader in(std::as_bytes(std::span(text)), where);
  CHECK(in.byte() == 1);
  CHECK(in.little<std::uint16_t>() == 0x0302);
  CHECK(in.at() == 3);
  (void)in.byte();
  CHECK(in.little<std::int32_t>() == -1);
  CHECK(in.varint() == 300);
  CHECK(in.line() == "line");
  CHECK(bert::io::as_text(in.take(3)) == "res");
  CHECK(in.left() == 1);
  CHECK(has(message_of([&] { (void)in.line(); }), "file, byte 18: expected a line"));
  CHECK(has(message_of([&] { in.take(2); }), "file, byte 18: expected 2 bytes more, found 1 left"));
  in.take(1);
  CHECK(in.done());
  CHECK(has(message_of([&] { (void)in.byte(); }), "expected 1 byte more, found the end"));
  CHECK(has(message_of([&] { in.take(~std::uint64_t{0}); }), "found the end"));
}

TEST_CASE("a varint has at most 64 bits") {
  const std::string where = "file", most = std::string(9, '\xff') + '\x01', more = std::string(9, '\xff') + '\x02';
  byte_reader in(std::as_bytes(std::span(most)), where), beyond(std::as_bytes(std::span(more)), where);
  CHECK(in.varint() == ~std::uint64_t{0});
  CHECK(has(message_of([&] { (void)beyond.varint(); }), "at most 64 bits"));
}
