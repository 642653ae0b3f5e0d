// The mapped file: its bytes, and its errors.
// Layer: tests.
#include "bert/io/mapped_file.hpp"

#include <doctest/doctest.h>

#include "scratch.hpp"

using bert::io::mapped_file;
using bert::testing::has;
using bert::testing::message_of;
using bert::testing::scratch;

TEST_CASE("a mapped file has the bytes of the file, before and after a move") {
  const scratch dir;
  mapped_file a(dir.file("a", std::string("one\0two", 7)));
  CHECK(a.text() == std::string_view("one\0two", 7));
  const mapped_file b(std::move(a));
  CHECK(b.text() == std::string_view("one\0two", 7));
  CHECK(a.bytes().empty());  // NOLINT: the state after a move is promised
  mapped_file c(dir.file("c", "other"));
  c = mapped_file(dir.file("d", "third"));
  CHECK(c.text() == "third");
}

TEST_CASE("an empty file maps to an empty span") {
  const scratch dir;
  const mapped_file a(dir.file("empty", ""));
  CHECK(a.size() == 0);
  CHECK(a.text().empty());
}

TEST_CASE("a missing file, a folder, a pipe without a writer and a device are immediate errors that name the path") {
  const scratch dir;
  const auto missing = message_of([&] { mapped_file(dir / "nowhere"); });
  CHECK(has(missing, "nowhere"));
  CHECK(has(missing, "No such file"));
  CHECK(has(message_of([&] { mapped_file(dir.folder()); }), "a folder"));
  CHECK(has(message_of([&] { mapped_file("/dev/null"); }), "no regular file"));
  REQUIRE(::mkfifo((dir / "pipe").c_str(), 0600) == 0);
  CHECK(has(message_of([&] { mapped_file(dir / "pipe"); }), "a pipe, no regular file"));
}
