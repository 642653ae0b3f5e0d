#include "bert/data/scratch_array.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <utility>

namespace {

using bert::data::scratch_array;

TEST_CASE("appended items can be read after sealing, across blocks, and after a move") {
  scratch_array<std::uint64_t> array(std::filesystem::temp_directory_path());
  constexpr std::uint64_t count = 100'003;
  for (std::uint64_t i = 0; i < count; ++i) array.append(i * i);
  CHECK(array.items().empty());
  array.seal();
  const auto moved = std::move(array);
  REQUIRE(moved.items().size() == count);
  for (std::uint64_t i = 0; i < count; ++i) REQUIRE(moved[i] == i * i);
}

TEST_CASE("an empty array can be sealed") {
  scratch_array<std::uint16_t> array(std::filesystem::temp_directory_path());
  array.seal();
  CHECK(array.size() == 0);
  CHECK(array.items().empty());
}

TEST_CASE("a folder that does not exist is an error that names it") {
  CHECK_THROWS_AS(scratch_array<std::uint16_t>("/no/such/folder"), bert::error);
}

}  // namespace
