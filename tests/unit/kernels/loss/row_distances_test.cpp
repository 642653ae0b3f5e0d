#include "bert/kernels/loss/row_distances.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "bert/layers/linear.hpp"
#include "support/golden.hpp"

namespace {
using bert::matrix, bert::execution::serial, bert::execution::threads;
using bert::kernels::gradients;

struct tensors {
  bert::io::safetensors file{golden::folder("losses") / "distil.safetensors"};
  [[nodiscard]] std::vector<float> operator()(const std::string& name) const { return golden::floats(file, name); }
  [[nodiscard]] double loss(const std::string& name) const { return golden::integers<double>(file, name + ".loss")[0]; }
};
matrix<const float> rows_of(const std::vector<float>& x, std::size_t cols) { return {x.data(), x.size() / cols, cols}; }
double total(const std::vector<float>& losses) { return std::accumulate(losses.begin(), losses.end(), 0.0); }
}  // namespace

TEST_CASE("the squared distance of projected rows is PyTorch's, with the gradients of rows and projection") {
  const tensors golden;
  const auto x = golden("hidden.x"), y = golden("hidden.y"), w = golden("hidden.w"), b = golden("hidden.b");
  const std::size_t n = x.size() / 20;
  std::vector<float> projected(n * 28), losses(n), scratch(bert::layers::linear_scratch(n, 20, 28) + 64), d_x(n * 20),
      d_w(w.size()), d_b(28);
  const matrix<float> out{projected.data(), n, 28};
  bert::layers::linear_forward(serial{}, rows_of(x, 20), rows_of(w, 20), bert::kernels::epilogue::bias{out, b.data()},
                               scratch.data());
  bert::kernels::squared_distance(serial{}, out, rows_of(y, 28), losses.data(), out, 1.0f / static_cast<float>(n * 28),
                                  gradients::written);
  bert::layers::linear_backward(serial{}, rows_of(x, 20), rows_of(w, 20), out, {d_w.data(), 28, 20}, d_b.data(),
                                bert::kernels::epilogue::store{matrix<float>{d_x.data(), n, 20}}, scratch.data());
  CHECK(std::abs(total(losses) / static_cast<double>(n * 28) - golden.loss("hidden")) < 1e-5 * golden.loss("hidden"));
  CHECK(golden::relative_difference(d_x, golden("hidden.grad.x")) < 1e-5);
  CHECK(golden::relative_difference(d_w, golden("hidden.grad.w")) < 1e-5);
  CHECK(golden::relative_difference(d_b, golden("hidden.grad.b")) < 1e-5);
}

TEST_CASE("the cosine's distance and gradient are those of PyTorch's CosineEmbeddingLoss") {
  const tensors golden;
  const auto x = golden("cosine.x"), y = golden("cosine.y");
  const std::size_t n = x.size() / 20;
  std::vector<float> losses(n), d(x.size(), 0.25f);
  bert::kernels::cosine_distance(serial{}, rows_of(x, 20), rows_of(y, 20), losses.data(), {d.data(), n, 20},
                                 1.0f / static_cast<float>(n));
  for (float& v : d) v -= 0.25f;
  CHECK(std::abs(total(losses) / static_cast<double>(n) - golden.loss("cosine")) < 1e-5);
  CHECK(golden::relative_difference(d, golden("cosine.grad.x")) < 1e-5);
}

TEST_CASE("distances have the same bits with two threads, and a squared distance is added to what was there") {
  const std::size_t n = 300, h = 131;
  std::vector<float> x(n * h), y(n * h), losses(n), one(n * h, 0.5f), two(n * h, 0.5f), alone(n * h);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = std::sin(static_cast<float>(i));
    y[i] = std::cos(static_cast<float>(3 * i));
  }
  const auto run = [&](const auto& e, std::vector<float>& d, gradients how) {
    bert::kernels::squared_distance(e, rows_of(x, h), rows_of(y, h), losses.data(), {d.data(), n, h}, 0.1f, how);
    bert::kernels::cosine_distance(e, rows_of(x, h), rows_of(y, h), losses.data(), {d.data(), n, h}, 0.1f);
  };
  run(serial{}, one, gradients::added);
  run(threads{2}, two, gradients::added);
  CHECK(one == two);
  run(serial{}, alone, gradients::written);
  CHECK(std::abs(one[77] - 0.5f - alone[77]) < 1e-6f);
}
