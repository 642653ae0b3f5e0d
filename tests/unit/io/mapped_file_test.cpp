// The mapped file: its bytes, and its errors.
// Layer: tests.
#include "bert/io/mapped_file.hpp"

#include <doctest/doctest.h>

#include "scratch.hpp"
#include "support/platform.hpp"

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

TEST_CASE("a missing file and a folder are errors that name the path") {
  const scratch dir;
  const auto missing = message_of([&] { mapped_file(dir / "nowhere"); });
  CHECK(has(missing, "nowhere"));
  CHECK(has(missing, "No such file"));
  CHECK(has(message_of([&] { mapped_file(dir.folder()); }), "a folder"));
}

TEST_CASE("a pipe without a writer and a device are refused at once" * support::posix_only) {
  const scratch dir;
  CHECK(has(message_of([&] { mapped_file("/dev/null"); }), "no regular file"));
  REQUIRE(support::make_pipe(dir / "pipe"));
  CHECK(has(message_of([&] { mapped_file(dir / "pipe"); }), "a pipe, no regular file"));
}
