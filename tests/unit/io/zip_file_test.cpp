// ZIP archives: stored entries are spans of the file; what is compressed, cut off or contradictory is refused.
// Layer: tests.
#include "bert/io/zip_file.hpp"

#include <doctest/doctest.h>

#include <string>

#include "scratch.hpp"
#include "support/checkpoint_writers.hpp"

using namespace bert::io;
using bert::testing::has;
using bert::testing::message_of;
using support::little;
using support::zipped;

namespace {

std::string message(const std::string& bytes) {
  return message_of([&] { (void)zip_file(support::bytes_of(bytes), "file"); });
}

/// An archive of "a" in the ZIP64 form: sizes and offsets stand in extra fields, counts in a record of their own.
std::string zip64(std::uint64_t size = 3) {
  const std::string all(4, '\xff'), none2(2, '\0'), none4(4, '\0');
  const std::string extra =
      little(std::uint16_t{1}) + little(std::uint16_t{24}) + little(size) + little(size) + little(std::uint64_t{0});
  const std::string local = "PK\3\4" + std::string(14, '\0') + all + all + little(std::uint16_t{1}) + none2 + "a" + "xyz";
  const std::string entry = "PK\1\2" + std::string(16, '\0') + all + all + little(std::uint16_t{1}) +
                            little(static_cast<std::uint16_t>(extra.size())) + std::string(10, '\0') + all + "a" + extra;
  const std::uint64_t at = local.size(), end = at + entry.size();
  const std::string record = "PK\6\6" + little(std::uint64_t{44}) + std::string(4, '\0') + none4 + none4 +
                             little(std::uint64_t{1}) + little(std::uint64_t{1}) + little(std::uint64_t{entry.size()}) +
                             little(at);
  const std::string locator = "PK\6\7" + none4 + little(end) + little(std::uint32_t{1});
  return local + entry + record + locator + "PK\5\6" + none4 + std::string(4, '\xff') + all + all + none2;
}

}  // namespace

TEST_CASE("entries are found by name, and their bytes lie in the file") {
  const std::string bytes = zipped({{"b/second", "22"}, {"a", "1"}, {"c", ""}}), where = "file";
  const zip_file file(support::bytes_of(bytes), where);
  REQUIRE(file.entries().size() == 3);
  CHECK(file.entries()[0].name == "a");
  CHECK(as_text(file.find("b/second")->bytes) == "22");
  CHECK(file.find("b/second")->bytes.data() == support::bytes_of(bytes).data() + bytes.find("22"));
  CHECK(file.find("c")->bytes.empty());
  CHECK(file.find("d") == nullptr);
  CHECK(zip_file::is_one(support::bytes_of(bytes)));
  CHECK(message(bytes.substr(0, bytes.size() - 2) + little(std::uint16_t{7}) + "comment").empty());
}

TEST_CASE("the ZIP64 form is read where the short fields say so") {
  const std::string bytes = zip64(), where = "file";
  const zip_file file(support::bytes_of(bytes), where);
  CHECK(as_text(file.find("a")->bytes) == "xyz");
  CHECK(has(message(zip64(std::uint64_t{1} << 60)), "1152921504606846976 bytes of \"a\""));
  std::string no_locator = bytes;
  no_locator[no_locator.rfind("PK\6\7")] = 'x';
  CHECK(has(message(no_locator), "a ZIP64 locator"));
}

TEST_CASE("what cannot be read in place, or contradicts itself, is refused by name") {
  const std::string fine = zipped({{"a", "xyz"}});
  const std::size_t entry = fine.find("PK\1\2");
  const auto with = [&](std::size_t at, const std::string& text) {
    std::string bytes = fine;
    return bytes.replace(at, text.size(), text);
  };
  CHECK(message(fine).empty());
  CHECK(has(message(with(entry + 10, "\x08")), "\"a\" stored as it is, found compressed, method 8"));
  CHECK(has(message(with(entry + 20, "\x02")), "stored as it is"));
  CHECK(has(message(with(entry + 8, "\x01")), "it encrypted"));
  CHECK(has(message(with(entry + 46, "b")), "\"b\" in its local header, found another name"));
  CHECK(has(message(with(entry + 42, "\x01")), "a local header at byte 1"));
  CHECK(has(message(with(entry + 20, std::string("\x03\x01\0\0\x03\x01", 6))), "259 bytes of \"a\""));
  CHECK(has(message(zipped({{"a", "1"}, {"a", "2"}})), "\"a\" twice"));
  const std::size_t end = fine.rfind("PK\5\6");
  CHECK(has(message(with(end + 10, "\x02")), "at most 1 entries"));
  CHECK(has(message(with(end + 16, "\xff")), "a directory within"));
  CHECK(has(message(with(end + 4, "\x01")), "one of several disks"));
  for (std::size_t n = 0; n < fine.size(); ++n) CHECK(!message(fine.substr(0, n)).empty());
}
