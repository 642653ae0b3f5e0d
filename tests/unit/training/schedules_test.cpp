#include "bert/training/schedules.hpp"

#include <doctest/doctest.h>

using namespace bert::schedules;

static_assert(schedule<warmup_linear> && schedule<warmup_cosine> && schedule<constant>);
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

TEST_CASE("a schedule's description has its name and numbers, each under its word") {
  CHECK(warmup_linear{.peak = 0.5f, .warmup = 2, .total = 10}.describe() == "warmup_linear peak=0.5 warmup=2 total=10");
  CHECK(warmup_cosine{.peak = 0.5f, .warmup = 2, .total = 10}.describe() == "warmup_cosine peak=0.5 warmup=2 total=10");
  CHECK(constant{.peak = 0.5f, .warmup = 2, .total = 10}.describe() == "constant peak=0.5 warmup=2 total=10");
}

TEST_CASE("a schedule says nothing of its length by itself") {
  CHECK(bert::schedules::warmup_linear{}.total == 0);
  CHECK(bert::schedules::warmup_linear{}.warmup == 0);
}
