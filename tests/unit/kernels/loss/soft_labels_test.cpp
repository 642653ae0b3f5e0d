#include "bert/kernels/loss/soft_labels.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

#include "bert/kernels/reference/distil.hpp"
#include "support/golden.hpp"
#include "support/kernel_description.hpp"

namespace {
using bert::matrix, bert::execution::serial, bert::execution::threads;
using bert::kernels::gradients;
using bert::test::array;
constexpr float temperature = 2.5f, scale = 0.3f;

array<float> random(std::size_t count, std::uint64_t seed) {
  bert::random_stream stream(seed, bert::draw::user, 1);
  array<float> out(count);
  for (float& x : out) x = 2 * stream.normal();
  return out;
}
std::vector<double> doubles(const float* from, std::size_t count, std::size_t step = 1) {
  std::vector<double> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<double>(from[i * step]));
  return out;
}
matrix<const float> const_of(const array<float>& x, std::size_t cols) { return {x.data(), x.size() / cols, cols}; }
matrix<float> of(array<float>& x, std::size_t cols) { return {x.data(), x.size() / cols, cols}; }
}  // namespace

TEST_CASE("the divergence of rows and its gradient agree with the plain loops in double, rows that are not counted are 0") {
  for (const auto& size : {std::array<std::size_t, 2>{1, 1}, {5, 2}, {9, 17}, {3, 1003}, {4, 31}}) {
    const std::size_t rows = size[0], cols = size[1];
    CAPTURE(cols);
    const auto z = random(rows * cols, 1), u = random(rows * cols, 2);
    array<float> losses(rows), d(rows * cols, 0.5f), added(rows * cols, 0.5f);
    std::vector<std::int32_t> targets(rows, 0);
    if (rows > 2) targets[2] = -1;
    bert::kernels::soft_labels(serial{}, const_of(z, cols), const_of(u, cols), targets, temperature, losses.data(), of(d, cols),
                               scale, gradients::written);
    bert::kernels::soft_labels(serial{}, const_of(z, cols), const_of(u, cols), targets, temperature, losses.data(),
                               of(added, cols), scale, gradients::added);
    for (std::size_t m = 0; m < rows; ++m) {
      std::vector<double> slope(cols);
      const double loss = bert::kernels::reference::soft_labels(doubles(&z[m * cols], cols), doubles(&u[m * cols], cols),
                                                                static_cast<double>(temperature), slope.data());
      const bool counts = targets[m] >= 0;
      CHECK(std::abs(static_cast<double>(losses[m]) - (counts ? loss : 0)) < 3e-6 * (1 + loss));
      for (std::size_t v = 0; v < cols; ++v) {
        const double wanted = counts ? static_cast<double>(scale) * slope[v] : 0;
        CHECK(std::abs(static_cast<double>(d[m * cols + v]) - wanted) < 1e-6);
        CHECK(std::abs(static_cast<double>(added[m * cols + v]) - 0.5 - wanted) < 1e-6);
      }
    }
    auto same = z;  // in place
    bert::kernels::soft_labels(threads{2}, const_of(same, cols), const_of(u, cols), targets, temperature, losses.data(),
                               of(same, cols), scale, gradients::written);
    CHECK(same == d);
  }
}

TEST_CASE("the divergence of yes-or-no decisions agrees with the plain loops, and certain ones do not overflow") {
  const std::size_t rows = 5, cols = 19;
  const auto z = random(rows * cols, 3), u = random(rows * cols, 4);
  array<float> losses(rows), d(rows * cols, 0.5f);
  bert::kernels::soft_decisions(serial{}, const_of(z, cols), const_of(u, cols), temperature, losses.data(), of(d, cols), scale,
                                gradients::added);
  for (std::size_t m = 0; m < rows; ++m) {
    double loss = 0;
    for (std::size_t v = 0; v < cols; ++v) {
      double slope = 0;
      loss += bert::kernels::reference::soft_decision(
          static_cast<double>(z[m * cols + v]), static_cast<double>(u[m * cols + v]), static_cast<double>(temperature), slope);
      CHECK(std::abs(static_cast<double>(d[m * cols + v]) - 0.5 - static_cast<double>(scale) * slope) < 1e-6);
    }
    CHECK(std::abs(static_cast<double>(losses[m]) - loss) < 1e-5 * loss);
  }
  array<float> sure{200.0f, -200.0f}, other{-200.0f, -200.0f}, slope(2);
  bert::kernels::soft_decisions(serial{}, const_of(sure, 2), const_of(other, 2), 1.0f, losses.data(), of(slope, 2), 1.0f,
                                gradients::written);
  CHECK(losses[0] == doctest::Approx(200.0f));
  CHECK(slope[0] == 1.0f);
  CHECK(slope[1] == 0.0f);
}

TEST_CASE("the divergence over the tokens of each sequence agrees with the plain loops") {
  const std::vector<std::size_t> starts{0, 1, 20, 53};
  const auto z = random(2 * 53, 5), u = random(2 * 53, 6);
  array<float> losses(3), d(2 * 53, 0.5f), scratch(6 * 53);
  const auto run = [&](const auto& e, array<float>& to, gradients how) {
    bert::kernels::soft_spans(e, const_of(z, 2), const_of(u, 2), starts, temperature, losses.data(), of(to, 2), scale, how,
                              scratch.data());
  };
  run(serial{}, d, gradients::added);
  for (std::size_t s = 0; s < 3; ++s) {
    const std::size_t count = starts[s + 1] - starts[s];
    double loss = 0;
    for (std::size_t c = 0; c < 2; ++c) {
      std::vector<double> slope(count);
      loss += 0.5 * bert::kernels::reference::soft_labels(doubles(&z[2 * starts[s] + c], count, 2),
                                                          doubles(&u[2 * starts[s] + c], count, 2),
                                                          static_cast<double>(temperature), slope.data());
      for (std::size_t n = 0; n < count; ++n)
        CHECK(std::abs(static_cast<double>(d[2 * (starts[s] + n) + c]) - 0.5 - 0.5 * static_cast<double>(scale) * slope[n]) <
              1e-6);
    }
    CHECK(std::abs(static_cast<double>(losses[s]) - loss) < 1e-5 * (1 + loss));
  }
  array<float> one(2 * 53), two(2 * 53);
  run(serial{}, one, gradients::written);
  run(threads{2}, two, gradients::written);
  CHECK(one == two);
}

TEST_CASE("soft labels are PyTorch's, values and gradients") {
  const bert::io::safetensors file(golden::folder("losses") / "distil.safetensors");
  const auto read = [&](const char* name) {
    const auto from = golden::floats(file, name);
    return array<float>(from.begin(), from.end());
  };
  const auto lengths = golden::integers<std::int32_t>(file, "lengths");
  std::vector<std::size_t> starts{0};
  for (const auto n : lengths) starts.push_back(starts.back() + static_cast<std::size_t>(n));
  const auto check = [&](const std::string& name, const array<float>& losses, double count, const array<float>& d) {
    CAPTURE(name);
    double loss = 0;
    for (const float x : losses) loss += static_cast<double>(x) / count;
    CHECK(std::abs(loss - golden::integers<double>(file, name + ".loss")[0]) < 1e-5 * loss);
    const auto wanted = golden::floats(file, name + ".grad.z");
    CHECK(golden::relative_difference(std::span<const float>(d.data(), d.size()), wanted) < 1e-5);
  };
  {
    const auto z = read("labels.z"), u = read("labels.u");
    array<float> losses(7), d(z.size());
    bert::kernels::soft_labels(serial{}, const_of(z, 19), const_of(u, 19), {}, temperature, losses.data(), of(d, 19), 1.0f / 7,
                               gradients::written);
    check("labels", losses, 7, d);
  }
  {
    const auto z = read("decisions.z"), u = read("decisions.u");
    array<float> losses(7), d(z.size());
    bert::kernels::soft_decisions(serial{}, const_of(z, 6), const_of(u, 6), temperature, losses.data(), of(d, 6), 1.0f / 42,
                                  gradients::written);
    check("decisions", losses, 42, d);
  }
  {
    const auto z = read("span.z"), u = read("span.u");
    array<float> losses(lengths.size()), d(z.size()), scratch(3 * z.size());
    const auto count = static_cast<float>(lengths.size());
    bert::kernels::soft_spans(serial{}, const_of(z, 2), const_of(u, 2), starts, temperature, losses.data(), of(d, 2),
                              1.0f / count, gradients::written, scratch.data());
    check("span", losses, static_cast<double>(count), d);
  }
}
