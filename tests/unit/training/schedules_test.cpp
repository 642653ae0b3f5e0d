#include "bert/training/schedules.hpp"

#include <doctest/doctest.h>

#include "support/golden.hpp"

using namespace bert::schedules;

static_assert(schedule<warmup_linear> && schedule<warmup_cosine> && schedule<constant> && schedule<inverse_sqrt> &&
              schedule<one_cycle>);
static_assert(warmup_linear{.peak = 1.0f, .warmup = 4, .total = 14}.rate(0) == 0.25f);
static_assert(warmup_linear{.peak = 1.0f, .warmup = 4, .total = 14}.rate(3) == 1.0f);
static_assert(warmup_linear{.peak = 1.0f, .warmup = 4, .total = 14}.rate(9) == 0.5f);
static_assert(warmup_linear{.peak = 1.0f, .warmup = 4, .total = 14}.rate(14) == 0.0f);

TEST_CASE("without warm-up the first step has the peak rate, and a run of warm-up alone never decays") {
  CHECK(warmup_linear{.peak = 2.0f, .warmup = 0, .total = 10}.rate(0) == 2.0f);
  CHECK(warmup_linear{.peak = 2.0f, .warmup = 10, .total = 10}.rate(9) == 2.0f);
  CHECK(constant{.peak = 2.0f, .warmup = 2, .total = 10}.rate(9) == 2.0f);
  CHECK(constant{.peak = 2.0f, .warmup = 4, .total = 10}.rate(0) == 0.5f);
}

TEST_CASE("the default peak of every schedule is 1e-4, as in pretraining") {
  CHECK(warmup_linear{.total = 2}.rate(0) == 1e-4f);
  CHECK(warmup_cosine{.total = 2}.rate(0) == 1e-4f);
  CHECK(constant{.total = 2}.rate(0) == 1e-4f);
}

TEST_CASE("the cosine starts at the peak, is half of it in the middle and ends at 0") {
  const warmup_cosine s{.peak = 1.0f, .warmup = 2, .total = 12};
  CHECK(s.rate(0) == 0.5f);
  CHECK(s.rate(2) == doctest::Approx(1.0));
  CHECK(s.rate(7) == doctest::Approx(0.5));
  CHECK(s.rate(12) == doctest::Approx(0.0));
}

TEST_CASE("the inverse square root falls from the peak at the end of the warm-up, to half of it at four times its length") {
  const inverse_sqrt s{.peak = 1.0f, .warmup = 4, .total = 100};
  CHECK(s.rate(0) == 0.25f);
  CHECK(s.rate(3) == 1.0f);
  CHECK(s.rate(4) == doctest::Approx(std::sqrt(0.8)));
  CHECK(s.rate(15) == doctest::Approx(0.5));
  CHECK(inverse_sqrt{.peak = 1.0f, .total = 9}.rate(0) == 1.0f);
  CHECK(inverse_sqrt{.peak = 1.0f, .total = 9}.rate(3) == doctest::Approx(0.5));
}

TEST_CASE("one cycle has the rates of PyTorch's OneCycleLR") {
  const bert::io::safetensors file(golden::folder("optimizers") / "golden.safetensors");
  const auto rates = golden::floats(file, "one_cycle");
  const one_cycle s{.peak = 0.5f, .warmup = 6, .total = 20};
  REQUIRE(rates.size() == 20);
  for (std::size_t step = 0; step < 20; ++step) {
    CAPTURE(step);
    CHECK(s.rate(step) == doctest::Approx(static_cast<double>(rates[step])).epsilon(1e-5));
  }
  CHECK(one_cycle{.peak = 0.5f, .warmup = 0, .total = 20}.rate(0) == 0.5f);
  CHECK(one_cycle{.peak = 0.5f, .warmup = 1, .total = 1}.rate(0) == 0.5f);
}

TEST_CASE("a schedule's description has its name and numbers, each under its word") {
  CHECK(warmup_linear{.peak = 0.5f, .warmup = 2, .total = 10}.describe() == "warmup_linear peak=0.5 warmup=2 total=10");
  CHECK(warmup_cosine{.peak = 0.5f, .warmup = 2, .total = 10}.describe() == "warmup_cosine peak=0.5 warmup=2 total=10");
  CHECK(constant{.peak = 0.5f, .warmup = 2, .total = 10}.describe() == "constant peak=0.5 warmup=2 total=10");
  CHECK(inverse_sqrt{.peak = 0.5f, .warmup = 2, .total = 10}.describe() == "inverse_sqrt peak=0.5 warmup=2 total=10");
  CHECK(one_cycle{.peak = 0.5f, .warmup = 2, .total = 10}.describe() ==
        "one_cycle peak=0.5 warmup=2 total=10 start_divisor=25 final_divisor=10000");
}

TEST_CASE("a schedule says nothing of its length by itself") {
  CHECK(bert::schedules::warmup_linear{}.total == 0);
  CHECK(bert::schedules::warmup_linear{}.warmup == 0);
}
