// Layer: tests. Of: include/bert/heads/pooling_modes.hpp
#include "bert/heads/pooling_modes.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace pooling = bert::pooling;
using pooling::mode;

namespace {

std::vector<float> pooled(mode m, std::size_t skip) {
  const std::vector<float> x{1, 8, 2, -6, 4, 1, 7, 3};  // [4, 2]
  std::vector<float> y(2);
  pooling::pool(m, {x.data(), 4, 2}, skip, y);
  return y;
}

}  // namespace

TEST_CASE("each mode has the value of its formula, with and without the tokens of a prompt") {
  CHECK(pooled(mode::cls, 0) == std::vector<float>{1, 8});
  CHECK(pooled(mode::cls, 2) == std::vector<float>{1, 8});
  CHECK(pooled(mode::lasttoken, 2) == std::vector<float>{7, 3});
  CHECK(pooled(mode::max, 0) == std::vector<float>{7, 8});
  CHECK(pooled(mode::max, 1) == std::vector<float>{7, 3});
  CHECK(pooled(mode::mean, 0) == std::vector<float>{3.5f, 1.5f});
  CHECK(pooled(mode::mean, 2) == std::vector<float>{5.5f, 2});
  CHECK(pooled(mode::mean_sqrt_len, 0) == std::vector<float>{7, 3});
  CHECK(pooled(mode::weightedmean, 0) == std::vector<float>{4.5f, 1.1f});                   // (1 + 4 + 12 + 28) / 10
  CHECK(pooled(mode::weightedmean, 2) == std::vector<float>{(12.0f + 28) / 7, 15.0f / 7});  // weights 3 and 4
}

TEST_CASE("a mode is known by its name with and without the ending of the older files") {
  CHECK(pooling::mode_named("cls_token") == mode::cls);
  CHECK(pooling::mode_named("mean_sqrt_len_tokens") == mode::mean_sqrt_len);
  CHECK(pooling::mode_named("weightedmean") == mode::weightedmean);
  CHECK(pooling::mode_named("lasttoken") == mode::lasttoken);
  CHECK_FALSE(pooling::mode_named("median_tokens"));
  for (const auto m : {mode::cls, mode::max, mode::mean, mode::lasttoken}) CHECK(pooling::mode_named(pooling::name_of(m)) == m);
}
