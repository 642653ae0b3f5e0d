// Layer: tests. Of: include/bert/core/parsed_number.hpp
#include "bert/core/parsed_number.hpp"

#include <doctest/doctest.h>

#include <string>

TEST_CASE("numbers are read whole, and nothing else is a number") {
  using bert::parsed_number;
  CHECK(parsed_number<float>("0.1") == 0.1f);
  CHECK(parsed_number<double>("-12.5e-3") == -12.5e-3);
  CHECK(parsed_number<double>("4.9406564584124654e-324") == 4.9406564584124654e-324);
  CHECK(parsed_number<float>("16777217") == 16777216.0f);
  for (const std::string text : {"", " 1", "1 ", "+1", "1,5", "0x10", "one", "-", "1e", "1.2.3", "1e999"})
    CHECK_MESSAGE(!parsed_number<float>(text), text);
}
