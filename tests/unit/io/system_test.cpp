#include "bert/io/system.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "bert/io/atomic_file.hpp"
#include "bert/io/mapped_file.hpp"
#include "unit/io/scratch.hpp"

namespace system_ = bert::io::system;
using bert::io::file_kind;
using bert::io::file_status;
using bert::testing::scratch;
using bert::testing::slurp;

namespace {
std::string content(system_::handle file) {
  std::string text(64, '\0');
  const std::ptrdiff_t got = system_::read(file, text.data(), text.size());
  text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return text;
}
}  // namespace

TEST_CASE("a file is written, sought, truncated and read in bytes, with \\r\\n as it is") {
  const scratch dir;
  const auto path = dir / "文件.bin";
  const system_::handle out = system_::open_to_replace(path);
  REQUIRE(out != system_::none);
  CHECK(system_::write(out, "wrong", 5) == 5);
  CHECK(system_::truncate(out));
  CHECK(system_::seek(out, 0));
  CHECK(system_::write(out, "a\r\nb\n\x1a", 6) == 6);
  CHECK(system_::flush(out));
  system_::close(out);

  const system_::handle in = system_::open_to_read(path);
  REQUIRE(in != system_::none);
  CHECK(content(in) == "a\r\nb\n\x1a");
  CHECK(system_::read(in, nullptr, 0) == 0);
  CHECK(system_::seek(in, 3));
  CHECK(content(in) == "b\n\x1a");
  const auto* const mapped = static_cast<const char*>(system_::map(in, 6));
  system_::close(in);
  REQUIRE(mapped != nullptr);
  CHECK(std::string_view(mapped, 6) == "a\r\nb\n\x1a");
  system_::unmap(mapped, 6);
}

TEST_CASE("memory of a map that is given back is read from the file again; the pages at its borders stay") {
  const scratch dir;
  const std::string bytes(100'000, 'x');
  const system_::handle in = system_::open_to_read(dir.file("a", bytes));
  REQUIRE(in != system_::none);
  const auto* const mapped = static_cast<const char*>(system_::map(in, bytes.size()));
  system_::close(in);
  REQUIRE(mapped != nullptr);
  for (const auto& [first, size] : {std::pair<std::size_t, std::size_t>{0, 100'000}, {5, 99'000}, {70'000, 10}, {9'000, 0}}) {
    system_::give_back(mapped + first, size);
    CHECK(std::string_view(mapped, bytes.size()) == bytes);
  }
  system_::unmap(mapped, bytes.size());
}

TEST_CASE("the status says what a path is, and whether two name one file") {
  const scratch dir;
  const auto a = dir.file("a", "123"), b = dir.file("b", "");
  file_status one, other;
  REQUIRE(system_::status_of(a, one));
  CHECK(one.kind == file_kind::regular);
  CHECK(one.size == 3);
  REQUIRE(system_::status_of(dir.folder() / "." / "a", other));
  CHECK(one.same_file(other));
  REQUIRE(system_::status_of(b, other));
  CHECK_FALSE(one.same_file(other));
  REQUIRE(system_::status_of(dir.folder(), other));
  CHECK(other.kind == file_kind::folder);
  CHECK(bert::io::kind_of_file(other) == "a folder");
  CHECK_FALSE(system_::status_of(dir / "none", other));
  CHECK(errno == ENOENT);
  CHECK(system_::open_to_read(dir / "none") == system_::none);
  CHECK(errno == ENOENT);
  CHECK(bert::io::reason(ENOENT) == "No such file or directory");
}

TEST_CASE("a locked file can be read, not locked again; nor can a folder") {
  const scratch dir;
  const system_::handle first = system_::open_to_replace(dir / "file");
  REQUIRE(first != system_::none);
  REQUIRE(system_::lock(first));
  CHECK(system_::write(first, "text", 4) == 4);
  const system_::handle second = system_::open_to_replace(dir / "file");
  REQUIRE(second != system_::none);
  CHECK_FALSE(system_::lock(second));
  CHECK(errno == EWOULDBLOCK);
  CHECK(slurp(dir / "file") == "text");
  system_::close(first);
  CHECK(system_::lock(second));
  system_::close(second);

  const system_::handle folder = system_::lock_folder(dir.folder());
  REQUIRE(folder != system_::none);
  CHECK(system_::lock_folder(dir.folder()) == system_::none);
  CHECK(errno == EWOULDBLOCK);
  system_::close(folder);
  const system_::handle again = system_::lock_folder(dir.folder());
  REQUIRE(again != system_::none);
  system_::close(again);
}

TEST_CASE("names are exchanged, replaced and removed") {
  const scratch dir;
  const auto a = dir.file("a", "A"), b = dir.file("b", "B");
  if (system_::exchange(a, b)) {
    CHECK(slurp(a) == "B");
    CHECK(slurp(b) == "A");
    REQUIRE(system_::exchange(a, b));
  }
  CHECK_FALSE(system_::exchange(a, dir / "none"));
  CHECK(slurp(a) == "A");
  REQUIRE(system_::rename(a, b));
  CHECK(slurp(b) == "A");
  CHECK_FALSE(std::filesystem::exists(a));
  CHECK_FALSE(system_::rename(a, b));
  CHECK(system_::remove(b));
  CHECK_FALSE(system_::remove(b));
  CHECK(system_::make_folder(dir / "folder"));
  CHECK_FALSE(system_::make_folder(dir / "folder"));
  CHECK(errno == EEXIST);
  CHECK(system_::is_writable(dir / "folder"));
  CHECK(system_::remove_folder(dir / "folder"));
  CHECK(std::filesystem::is_empty(dir.folder()));
}

TEST_CASE("a file that is open or mapped can be replaced; its reader keeps the old bytes") {
  const scratch dir;
  const auto path = dir.file("weights", "old");
  {
    const bert::io::mapped_file mapped(path);
    const system_::handle opened = system_::open_to_read(path);
    REQUIRE(opened != system_::none);
    bert::io::write_file(path, "new bytes");
    CHECK(slurp(path) == "new bytes");
    CHECK(mapped.text() == "old");
    CHECK(content(opened) == "old");
    system_::close(opened);
  }
  bert::io::write_file(path, "newest");
  CHECK(slurp(path) == "newest");
}

TEST_CASE("a scratch file has no name once it is closed, a temporary one has") {
  const scratch dir;
  const system_::handle file = system_::create_scratch(dir.folder());
  REQUIRE(file != system_::none);
  CHECK(system_::write(file, "x", 1) == 1);
  const void* const mapped = system_::map(file, 1);
  REQUIRE(mapped != nullptr);
  CHECK(*static_cast<const char*>(mapped) == 'x');
  system_::unmap(mapped, 1);
  system_::close(file);
  CHECK(std::filesystem::is_empty(dir.folder()));

  std::filesystem::path first, second;
  const system_::handle one = system_::create_temporary(dir.folder(), "名-", first);
  const system_::handle two = system_::create_temporary(dir.folder(), "名-", second);
  REQUIRE(one != system_::none);
  REQUIRE(two != system_::none);
  CHECK(first != second);
  CHECK(std::filesystem::exists(first));
  system_::close(one);
  system_::close(two);
  CHECK(system_::create_scratch(dir / "none") == system_::none);
  CHECK(errno == ENOENT);
}

TEST_CASE("a path of more than 260 characters can be written and read") {
  const scratch dir;
  std::filesystem::path folder = dir.folder();
  for (int i = 0; i < 6; ++i) {
    folder /= std::string(60, 'x');
    REQUIRE(system_::make_folder(folder));
  }
  bert::io::write_file(folder / "file", "far");
  CHECK(bert::io::mapped_file(folder / "file").text() == "far");
  REQUIRE(system_::remove(folder / "file"));
  for (int i = 0; i < 6; ++i, folder = folder.parent_path()) REQUIRE(system_::remove_folder(folder));
}
