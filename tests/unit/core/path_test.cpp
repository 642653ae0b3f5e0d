#include "bert/core/path.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "support/temporary_file.hpp"

TEST_CASE("a path as text is in UTF-8, and that text names the path again") {
  const std::string text = "文件夹-é.txt";
  const std::filesystem::path path = bert::path_from(text);
  CHECK(bert::path_text(path) == text);
  CHECK(path == std::filesystem::path(u8"文件夹-é.txt"));
  CHECK(bert::path_text({}).empty());
}

TEST_CASE("a suffix is appended to the name, not to the stem") {
  CHECK(bert::path_with("a.bin", ".part") == "a.bin.part");
  CHECK(bert::path_text(bert::path_with(u8"词表", ".part")) == "词表.part");
}

TEST_CASE("a file of a Chinese name is opened for the C library") {
  const support::temporary_file file("contents", "-词表.txt");
  std::FILE* const opened = bert::open_binary(file.path());
  REQUIRE(opened != nullptr);
  char text[16] = {};
  CHECK(std::fread(text, 1, sizeof text, opened) == 8);
  CHECK(std::string(text) == "contents");
  std::fclose(opened);
  CHECK(bert::open_binary(bert::path_with(file.path(), ".none")) == nullptr);
}
