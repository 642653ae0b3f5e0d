// Rows of TSV and CSV.
// Layer: tests.
#include "bert/io/delimited.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "scratch.hpp"

using namespace bert::io;
using bert::testing::has;
using bert::testing::message_of;
using bert::testing::scratch;

namespace {
using table = std::vector<std::vector<std::string>>;
table rows_of(const std::filesystem::path& path, delimited_format format) {
  row_reader reader(path, format);
  table rows;
  while (reader.next()) rows.emplace_back(reader.fields().begin(), reader.fields().end());
  return rows;
}
}  // namespace

TEST_CASE("a tab separates and a quote is text, as in GLUE") {
  const scratch dir;
  CHECK(rows_of(dir.file("a", "sentence\tlabel\nsaid \"hi\tthere\t1\r\n\t\n\nx"), tsv) ==
        table{{"sentence", "label"}, {"said \"hi", "there", "1"}, {"", ""}, {""}, {"x"}});
}

TEST_CASE("quoted fields may contain separators, doubled quotes and line ends") {
  const scratch dir;
  CHECK(rows_of(dir.file("a", "a,\"b,c\",\"d \"\"e\"\"\",\n\"two\nlines\",\"\",x\r\n"), csv) ==
        table{{"a", "b,c", "d \"e\"", ""}, {"two\nlines", "", "x"}});
  CHECK(rows_of(dir.file("b", "say \"hi\",2"), csv) == table{{"say \"hi\"", "2"}});
}

TEST_CASE("every field of a quoted row is equal after writing and reading") {
  const scratch dir;
  const table rows{{"", "\"", "\"\""}, {",", "\n", "\n\n\""}, {"plain", " spaced ", "\t"}};
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += i == 0 ? "\"" : ",\"";
      for (const char c : row[i]) text += c == '"' ? std::string("\"\"") : std::string(1, c);
      text += '"';
    }
    text += '\n';
  }
  CHECK(rows_of(dir.file("a", text), csv) == rows);
}

TEST_CASE("an unclosed quote and text after a closing quote are errors that name the line") {
  const scratch dir;
  CHECK(has(message_of([&] { rows_of(dir.file("a", "x\n\"open\nstill"), csv); }), "a, line 2: expected a closing quote"));
  CHECK(has(message_of([&] { rows_of(dir.file("b", "x\n\"shut\"y,z"), csv); }), "b, line 2: expected a separator"));
  auto small = csv;
  small.limits.longest = 100;
  std::string endless = "\"";
  for (int i = 0; i < 1000; ++i) endless += "0123456789\n";
  CHECK(has(message_of([&] { rows_of(dir.file("c", endless), small); }), "a closing quote"));
}

TEST_CASE("a column that a row does not have is an error that names the line") {
  const scratch dir;
  row_reader reader(dir.file("a", "x\ty\nz\n"));
  REQUIRE(reader.next());
  CHECK(reader[1] == "y");
  REQUIRE(reader.next());
  CHECK(reader.line() == 2);
  CHECK(has(message_of([&] { (void)reader[1]; }), "a, line 2: expected at least 2 columns, found 1"));
}
