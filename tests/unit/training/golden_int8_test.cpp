// int8 outputs against PyTorch's f32 ones, from tests/golden.
#include "../../support/golden.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "../../support/golden_models.hpp"
#include "bert/model/session.hpp"

namespace {

/// Largest |int8 - expected| of an output as a share of its largest |expected|, and the same by norm.
struct distance {
  double largest = 0, by_norm = 0;
  void add(std::span<const float> found, std::span<const float> expected) {
    double top = 0;
    for (const float x : expected) top = std::max(top, std::abs(static_cast<double>(x)));
    largest = std::max(largest, golden::largest_difference(found, expected) / top);
    by_norm = std::max(by_norm, static_cast<double>(golden::relative_difference(found, expected)));
  }
};

template <class Model>
distance in_int8(const char* name) {
  const auto model = golden::load<Model>(name);
  const bert::io::safetensors file(golden::folder(name) / "golden.safetensors");
  const auto batch = golden::batch(file, "eval");
  const auto frozen = bert::freeze<bert::precision::int8>(model);
  auto run = frozen.session(batch.shape(), bert::execution::threads{2});
  run(batch);
  distance d;
  d.add(run.hidden().flat(), golden::floats(file, "eval.hidden"));
  if constexpr (Model::template has_head<bert::heads::masked_lm>) d.add(run.template output<bert::heads::masked_lm>().flat(), golden::floats(file, "eval.mlm"));
  if constexpr (Model::template has_head<bert::heads::classify<golden::urgency>>)
    d.add(run.template output<bert::heads::classify<golden::urgency>>().flat(), golden::floats(file, "eval.logits"));
  return d;
}

void check(const distance& d) {
  CHECK(d.largest < 0.05);
  CHECK(d.by_norm < 0.04);
  CHECK(d.by_norm > 1e-4);  // it is int8
}

}  // namespace

// A byte errs by up to 2^-8 of the largest number beside it, inputs and weights do, and each layer adds its part. Measured on these
// models, whose rows are 72 numbers and whose weights are random: up to 0.038 and 0.029.
TEST_CASE("int8 outputs are within 0.05 of the largest of transformers' f32, and within 0.04 of it by norm") {
  check(in_int8<golden::odd_model>("pretraining"));
  check(in_int8<golden::tanh_model>("tanh"));
  check(in_int8<golden::relu_model>("relu"));
  check(in_int8<golden::classifier_model>("classifier"));
  check(in_int8<golden::plain_model>("encoder"));
}
