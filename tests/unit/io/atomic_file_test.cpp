// The atomic file: old or new, never half.
// Layer: tests.
#include "bert/io/atomic_file.hpp"

#include <doctest/doctest.h>

#include "scratch.hpp"
#include "support/platform.hpp"

using namespace bert::io;
using bert::testing::has;
using bert::testing::message_of;
using bert::testing::scratch;
using bert::testing::slurp;

TEST_CASE("before commit the path does not exist, after it the file is complete") {
  const scratch dir;
  const auto path = dir.file("state", "old");
  {
    atomic_file file(path);
    file.write("new, ");
    file.write(std::string(200'000, 'x'));
    file.write(" end");
    CHECK(slurp(path) == "old");
    file.commit();
    CHECK(slurp(path) == "new, " + std::string(200'000, 'x') + " end");
  }
  CHECK_FALSE(std::filesystem::exists(dir / "state.part"));
}

TEST_CASE("a writer without commit leaves the old file and no other") {
  const scratch dir;
  const auto path = dir.file("state", "old");
  {
    atomic_file file(path);
    file.write(std::string(100'000, 'x'));
  }
  CHECK(slurp(path) == "old");
  CHECK_FALSE(std::filesystem::exists(dir / "state.part"));
}

TEST_CASE("the .part file of a killed writer is overwritten completely") {
  const scratch dir;
  dir.file("state.part", std::string(1000, 'z'));
  write_file(dir / "state", "short");
  CHECK(slurp(dir / "state") == "short");
  CHECK_FALSE(std::filesystem::exists(dir / "state.part"));
}

TEST_CASE("of two writers of one file the second is refused, and the first is not affected") {
  const scratch dir;
  atomic_file first(dir / "state");
  first.write("first");
  CHECK(has(message_of([&] { atomic_file second(dir / "state"); }), "another writer"));
  first.commit();
  CHECK(slurp(dir / "state") == "first");
  write_file(dir / "state", "next");
  CHECK(slurp(dir / "state") == "next");
}

TEST_CASE("writing through a symbolic link replaces its target, not the link" * support::posix_only) {
  const scratch dir;
  const auto target = dir.file("target", "old");
  std::filesystem::create_symlink(target, dir / "link");
  write_file(dir / "link", "new");
  CHECK(std::filesystem::is_symlink(dir / "link"));
  CHECK(slurp(target) == "new");
}

TEST_CASE("a folder that does not exist is an error that names the path") {
  const scratch dir;
  CHECK(has(message_of([&] { write_file(dir / "none" / "file", "x"); }),
            (std::filesystem::path("none") / "file").string() + ": expected a file to write"));
  CHECK(has(message_of([&] { write_file(dir.folder(), "x"); }), "expected a file to write"));
}
