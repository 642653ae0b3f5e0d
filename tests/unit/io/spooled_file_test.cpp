// A pipe read many times.
// Layer: tests.
#include "bert/io/spooled_file.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <string>
#include <thread>

#include "scratch.hpp"
#include "support/platform.hpp"

using bert::io::spooled_file;
using bert::testing::has;
using bert::testing::message_of;
using bert::testing::scratch;
using bert::testing::slurp;

TEST_CASE("a regular file is not copied") {
  const scratch dir;
  const spooled_file file(dir.file("a", "text"));
  CHECK(file.path() == dir / "a");
  CHECK_FALSE(file.copied());
}

TEST_CASE("the bytes of a pipe can be read twice, and the copy is removed with the object" * support::posix_only) {
  const scratch dir;
  REQUIRE(support::make_pipe(dir / "pipe"));
  const std::string text(1'000'000, 'x');
  std::thread writer([&] { std::ofstream(dir / "pipe") << text << "end"; });
  std::filesystem::path copy;
  {
    const spooled_file file(dir / "pipe");
    copy = file.path();
    CHECK(file.copied());
    CHECK(slurp(copy) == text + "end");
    CHECK(slurp(copy) == text + "end");
  }
  writer.join();
  CHECK_FALSE(std::filesystem::exists(copy));
}

TEST_CASE("a folder, a device and a missing file are immediate errors that name the path") {
  const scratch dir;
  CHECK(has(message_of([&] { spooled_file(dir.folder()); }), "a folder"));
  CHECK(has(message_of([] { spooled_file("/dev/zero"); }), "/dev/zero: expected a file or a pipe to read, found a device"));
  CHECK(has(message_of([&] { spooled_file(dir / "none"); }), "No such file"));
}
