// The line reader against a plain split, over every kind of line end and block edge.
// Layer: tests.
#include "bert/io/lines.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "scratch.hpp"
#include "support/platform.hpp"

using bert::io::line_reader;
using bert::testing::has;
using bert::testing::message_of;
using bert::testing::scratch;

namespace {
std::vector<std::string> lines_of(const std::filesystem::path& path) {
  line_reader reader(path);
  std::vector<std::string> lines;
  for (std::string_view line; reader.next(line);) lines.emplace_back(line);
  return lines;
}
using list = std::vector<std::string>;
}  // namespace

TEST_CASE("lines end in LF, CRLF or with the file, and a byte order mark is skipped") {
  const scratch dir;
  CHECK(lines_of(dir.file("a", "one\ntwo\n")) == list{"one", "two"});
  CHECK(lines_of(dir.file("b", "one\r\ntwo")) == list{"one", "two"});
  CHECK(lines_of(dir.file("c", "")) == list{});
  CHECK(lines_of(dir.file("d", "\n")) == list{""});
  CHECK(lines_of(dir.file("e", "\n\nx\n\n")) == list{"", "", "x", ""});
  CHECK(lines_of(dir.file("f", "\xEF\xBB\xBFone\n\xEF\xBB\xBFtwo\n")) == list{"one", "\xEF\xBB\xBFtwo"});
  CHECK(lines_of(dir.file("g", "a\rb\r\n")) == list{"a\rb"});
  CHECK(lines_of(dir.file("h", std::string("a\0b\n", 4))) == list{std::string("a\0b", 3)});
  CHECK(lines_of(dir.file("i", "\r\n")) == list{""});
}

TEST_CASE("lines of any length are read whole across the edges of the reader's blocks") {
  const scratch dir;
  std::string text;
  list expected;
  for (std::size_t n : {0u, 1u, 262'143u, 262'144u, 262'145u, 5u, 524'288u, 600'001u, 3u, 0u, 100u}) {
    expected.push_back(std::string(n, static_cast<char>('a' + expected.size())));
    text += expected.back() + (expected.size() % 2 == 0 ? "\r\n" : "\n");
  }
  CHECK(lines_of(dir.file("long", text)) == expected);
}

TEST_CASE("a line beyond the limit is an error that names its number, with or without a line end") {
  const scratch dir;
  const auto path = dir.file("x", "short\n" + std::string(1001, 'x') + "\nshort\n");
  line_reader reader(path, {.longest = 1000});
  std::string_view line;
  CHECK(reader.next(line));
  CHECK(has(message_of([&] { reader.next(line); }), "x, line 2: expected a line of at most 1000 bytes"));
  line_reader exact(dir.file("y", std::string(1000, 'x') + "\r\n"), {.longest = 1000});
  CHECK(exact.next(line));
}

TEST_CASE("a device without an end is an error at the longest line" * support::posix_only) {
  const auto endless = message_of([] {
    line_reader zeros("/dev/zero", {.longest = 1'000'000});
    std::string_view text;
    zeros.next(text);
  });
  CHECK(has(endless, "/dev/zero, line 1"));
}

TEST_CASE("after seeking to the offset of a line, next returns that line again") {
  const scratch dir;
  std::string text = "\xEF\xBB\xBF";
  for (int i = 0; i < 100'000; ++i) text += "line " + std::to_string(i) + (i % 3 == 0 ? "\r\n" : "\n");
  line_reader reader(dir.file("x", text));
  std::vector<std::uint64_t> offsets;
  for (std::string_view line; reader.next(line);) offsets.push_back(reader.offset());
  REQUIRE(offsets.size() == 100'000);
  CHECK(reader.line() == 100'000);
  std::string_view line;
  for (const std::size_t i : {99'999u, 0u, 31'415u, 12u, 0u}) {
    reader.seek(offsets[i]);
    REQUIRE(reader.next(line));
    CHECK(line == "line " + std::to_string(i));
    CHECK(reader.offset() == offsets[i]);
  }
}

TEST_CASE("a file in UTF-16 is refused, with a byte order mark or without; single zero bytes are text") {
  const scratch dir;
  std::string little, big;
  for (const char c : std::string("good book\tpos\nbad film\tneg\n")) {
    little += {c, '\0'};
    big += {'\0', c};
  }
  const auto refusal = [&](const std::string& text) { return message_of([&] { (void)lines_of(dir.file("x", text)); }); };
  CHECK(has(refusal("\xFF\xFE" + little), "x: expected text in UTF-8, found the byte order mark of UTF-16"));
  CHECK(has(refusal("\xFE\xFF" + big), "the byte order mark of UTF-16"));
  CHECK(has(refusal(little), "zero bytes in the first"));
  CHECK(has(refusal(big), "zero bytes in the first"));
  CHECK(lines_of(dir.file("y", std::string("good\0book\tpos\n", 14))).size() == 1);
  CHECK(lines_of(dir.file("z", std::string(20, '\0'))).size() == 1);
}

TEST_CASE("a file whose lines end in carriage returns alone is refused, a carriage return within a line is text") {
  const scratch dir;
  CHECK(has(message_of([&] { (void)lines_of(dir.file("x", "one\rtwo\rthree\r")); }),
            "x: expected lines that end in \\n or \\r\\n, found one line, with carriage returns"));
  CHECK(lines_of(dir.file("y", "one\rtwo\nthree")) == list{"one\rtwo", "three"});
  CHECK(lines_of(dir.file("z", "one\r")) == list{"one"});
}

TEST_CASE("a missing file and a folder are errors that name the path") {
  const scratch dir;
  CHECK(has(message_of([&] { line_reader(dir / "none"); }), "No such file"));
  CHECK(has(message_of([&] { line_reader(dir.folder()); }), "a folder"));
}
