// Atomic writes of several files. Failing system calls: tests/unit/checkpoint/save_faults_test.cpp.
// Layer: tests.
#include "bert/io/atomic_folder.hpp"

#include <doctest/doctest.h>

#include "scratch.hpp"
#include "support/platform.hpp"

using namespace bert::io;
using bert::testing::has;
using bert::testing::message_of;
using bert::testing::scratch;
using bert::testing::slurp;

namespace {
std::size_t entries(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}
}  // namespace

TEST_CASE("commit writes all new files and removes the named old ones, and nothing changes before it") {
  const scratch dir;
  dir.file("a", "old a");
  dir.file("stale", "old");
  {
    atomic_folder out(dir.folder());
    out.file("a").write("new a");
    out.file("b").write("new b");
    out.remove("stale");
    out.remove("never there");
    CHECK(slurp(dir / "a") == "old a");
    out.commit();
  }
  CHECK(slurp(dir / "a") == "new a");
  CHECK(slurp(dir / "b") == "new b");
  CHECK(entries(dir.folder()) == 2);
}

TEST_CASE("a writer without commit leaves the old files, and no folder that it made") {
  const scratch dir;
  dir.file("a", "old a");
  {
    atomic_folder out(dir.folder());
    out.file("a").write("new a");
    out.remove("a");
    atomic_folder other(dir.folder() / "x" / "y");
    other.file("b").write("new b");
  }
  CHECK(slurp(dir / "a") == "old a");
  CHECK(entries(dir.folder()) == 1);
}

TEST_CASE("a folder within is made for its files, and is gone again without a commit") {
  const scratch dir;
  std::filesystem::create_directory(dir / "kept");
  {
    atomic_folder out(dir.folder());
    out.folder("1_Pooling");
    out.folder("kept");
    out.file("1_Pooling/config.json").write("{}");
  }
  CHECK(entries(dir.folder()) == 1);
  atomic_folder out(dir.folder());
  out.folder("1_Pooling");
  out.folder("empty");
  out.file("1_Pooling/config.json").write("{}");
  out.commit();
  CHECK(slurp(dir / "1_Pooling/config.json") == "{}");
  CHECK(entries(dir.folder()) == 3);
  CHECK(entries(dir / "1_Pooling") == 1);
  dir.file("plain", "x");
  CHECK(has(message_of([&] { atomic_folder(dir.folder()).folder("plain"); }), "a folder to write to"));
}

TEST_CASE("missing folders are made, with or without a trailing slash") {
  const scratch dir;
  for (const char* name : {"x/y/z", "u/v/"}) {
    atomic_folder out(dir / name);
    out.file("a").write("1");
    out.commit();
    CHECK(slurp(dir / name / "a") == "1");
  }
}

TEST_CASE("of two writers of one folder the second is refused, and the first is not affected") {
  const scratch dir;
  atomic_folder first(dir.folder());
  first.file("a").write("1");
  CHECK(has(message_of([&] { atomic_folder second(dir.folder()); }), "another writer"));
  first.commit();
  CHECK(slurp(dir / "a") == "1");
}

TEST_CASE("a file where a folder is needed, and a folder where a file is, are refused by name") {
  const scratch dir;
  dir.file("file", "x");
  std::filesystem::create_directory(dir / "sub");
  for (const auto& path : {dir / "file", dir / "file/x"}) {
    CHECK(has(message_of([&] { atomic_folder out(path); }), "expected a folder to write to, found"));
    CHECK(has(message_of([&] { check_output_folder(path); }), "expected a folder to write to, found"));
  }
  CHECK(has(message_of([] { check_output_folder(""); }), "an empty path"));
  CHECK(has(message_of([&] { atomic_folder(dir.folder()).file("sub"); }), "a folder"));
  CHECK(has(message_of([&] { check_output_file(dir / "sub"); }), "a folder"));
  CHECK(has(message_of([&] { check_output_file(dir / "none/x"); }), "No such file"));
  CHECK_NOTHROW(check_output_file(dir / "new"));
  CHECK_NOTHROW(check_output_file(dir / "file"));
  CHECK_NOTHROW(check_output_folder(dir / "a/b/c"));
  CHECK(entries(dir.folder()) == 2);
}

TEST_CASE("a pipe, a device and a link to nothing are refused by name" * support::posix_only) {
  const scratch dir;
  REQUIRE(support::make_pipe(dir / "pipe"));
  CHECK(has(message_of([&] { atomic_folder out(dir / "pipe/x"); }), "expected a folder to write to, found"));
  CHECK(has(message_of([&] { check_output_folder(dir / "pipe/x"); }), "expected a folder to write to, found"));
  CHECK(has(message_of([&] { atomic_folder(dir.folder()).file("pipe"); }), "a pipe"));
  CHECK(has(message_of([&] { check_output_file(dir / "pipe"); }), "a pipe"));
  std::filesystem::create_symlink(dir / "nowhere", dir / "dangling");
  CHECK(has(message_of([&] { check_output_folder(dir / "dangling/x"); }), "a link to nothing"));
  CHECK(has(message_of([] { atomic_file("/dev/null"); }), "/dev/null: expected a file to write, found a device"));
  CHECK(std::filesystem::exists("/dev/null"));
  CHECK(entries(dir.folder()) == 2);
}

TEST_CASE("a pipe or a link under the .part name is refused at once, and nothing is written through it" * support::posix_only) {
  const scratch dir;
  dir.file("victim", "precious");
  std::filesystem::create_symlink(dir / "victim", dir / "a.part");
  REQUIRE(support::make_pipe(dir / "b.part"));
  CHECK(has(message_of([&] { write_file(dir / "a", "x"); }), "a: expected a file to write"));
  CHECK(has(message_of([&] { write_file(dir / "b", "x"); }), "b: expected a file to write"));
  CHECK(slurp(dir / "victim") == "precious");
}
