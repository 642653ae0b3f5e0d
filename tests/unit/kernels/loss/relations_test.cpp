#include "bert/kernels/loss/relations.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "bert/kernels/reference/distil.hpp"
#include "support/golden.hpp"

namespace {
using bert::matrix, bert::execution::serial, bert::execution::threads;
using bert::kernels::relation_loss;

std::vector<float> random(std::size_t count, std::uint64_t seed) {
  bert::random_stream stream(seed, bert::draw::user, 1);
  std::vector<float> out(count);
  for (float& x : out) x = stream.normal();
  return out;
}
matrix<const float> rows_of(const std::vector<float>& x, std::size_t cols) { return {x.data(), x.size() / cols, cols}; }

struct result {
  double loss = 0;
  std::vector<float> d_x, d_y;
};
/// One relation of made-up rows: x and y of the student with heads of `own` columns, of the teacher with heads of `other`.
struct setting {
  std::vector<std::size_t> starts;
  std::size_t heads, own, other;
  bool of_itself = false;  // x is y

  [[nodiscard]] std::size_t tokens() const { return starts.back(); }
  std::vector<float> x = random(tokens() * heads * own, 1), y = of_itself ? x : random(tokens() * heads * own, 2),
                     u = random(tokens() * heads * other, 3), v = of_itself ? u : random(tokens() * heads * other, 4);

  template <class E>
  result run(const E& e, relation_loss loss, float scale) const {
    result r{0, std::vector<float>(x.size()), std::vector<float>(of_itself ? 0 : x.size())};
    std::vector<double> losses((starts.size() - 1) * heads);
    std::size_t longest = 0;
    for (std::size_t s = 1; s < starts.size(); ++s) longest = std::max(longest, starts[s] - starts[s - 1]);
    std::vector<float> scratch(e.width() * bert::kernels::relation_scratch(longest, own, other));
    const std::size_t cols = heads * own;
    const matrix<float> d_x{r.d_x.data(), tokens(), cols}, d_y{of_itself ? r.d_x.data() : r.d_y.data(), tokens(), cols};
    const auto& right = of_itself ? x : y;
    bert::kernels::relation_losses(e, loss, {rows_of(x, cols), rows_of(right, cols)},
                                   {rows_of(u, heads * other), rows_of(of_itself ? u : v, heads * other)}, starts, heads, d_x,
                                   d_y, scale, losses.data(), scratch);
    for (const double l : losses) r.loss += l;
    return r;
  }
  [[nodiscard]] double reference(relation_loss loss, std::vector<double>& d_x, std::vector<double>& d_y) const {
    const auto doubles = [](const std::vector<float>& in) { return std::vector<double>(in.begin(), in.end()); };
    const auto a = doubles(x), b = doubles(y), c = doubles(u), d = doubles(v);
    d_x.assign(x.size(), 0);
    d_y.assign(x.size(), 0);
    double total = 0;
    for (std::size_t s = 0; s + 1 < starts.size(); ++s)
      for (std::size_t h = 0; h < heads; ++h) {
        const auto part = [&](auto* data, std::size_t size) {
          using value = std::remove_pointer_t<decltype(data)>;
          return matrix<value>{data, tokens(), heads * size}
              .block(starts[s], starts[s + 1] - starts[s])
              .columns(h * size, size);
        };
        total += bert::kernels::reference::relations<double>(
            part(a.data(), own), part(b.data(), own), part(c.data(), other), part(d.data(), other),
            loss == relation_loss::distributions, part(d_x.data(), own), part(of_itself ? d_x.data() : d_y.data(), own));
      }
    return total;
  }
};
double apart(const std::vector<float>& got, const std::vector<double>& wanted) {
  double squares = 0, norm = 1e-30;
  for (std::size_t i = 0; i < got.size(); ++i) {
    squares += std::pow(static_cast<double>(got[i]) - wanted[i], 2);
    norm += wanted[i] * wanted[i];
  }
  return std::sqrt(squares / norm);
}
}  // namespace

TEST_CASE("relations agree with the plain loops in double: lengths from 1 to 130, odd head sizes, a matrix with itself") {
  for (const setting& s : {setting{{0, 1, 3, 20, 37}, 3, 8, 12}, setting{{0, 130}, 2, 33, 16}, setting{{0, 70, 80}, 1, 64, 100},
                           setting{{0, 5, 69}, 2, 7, 9, true}, setting{{0, 130, 131}, 4, 16, 16, true}})
    for (const auto loss : {relation_loss::scores, relation_loss::distributions}) {
      CAPTURE(s.own);
      std::vector<double> d_x, d_y;
      const double wanted = s.reference(loss, d_x, d_y);
      const auto one = s.run(serial{}, loss, 1.0f), two = s.run(threads{3}, loss, 1.0f);
      CHECK(std::abs(one.loss - wanted) < 3e-6 * (1 + wanted));
      CHECK(apart(one.d_x, d_x) < 3e-6);
      if (!s.of_itself) CHECK(apart(one.d_y, d_y) < 3e-6);
      CHECK(one.loss == two.loss);
      CHECK(one.d_x == two.d_x);
      CHECK(one.d_y == two.d_y);
    }
}

TEST_CASE("a sequence's gradients have the same bits beside other sequences") {
  const setting together{{0, 9, 50, 71}, 2, 24, 40};
  setting alone{{0, 41}, 2, 24, 40};
  const auto cut = [](const std::vector<float>& from, std::size_t cols) {
    return std::vector<float>(from.begin() + static_cast<std::ptrdiff_t>(9 * cols),
                              from.begin() + static_cast<std::ptrdiff_t>(50 * cols));
  };
  alone.x = cut(together.x, 48);
  alone.y = cut(together.y, 48);
  alone.u = cut(together.u, 80);
  alone.v = cut(together.v, 80);
  CHECK(cut(together.run(serial{}, relation_loss::distributions, 0.7f).d_x, 48) ==
        alone.run(serial{}, relation_loss::distributions, 0.7f).d_x);
}

TEST_CASE("the gradient of the plain loops is the slope of their loss") {
  setting s{{0, 4, 9}, 2, 3, 5};
  for (const bool of_itself : {false, true})
    for (const auto loss : {relation_loss::scores, relation_loss::distributions}) {
      std::vector<double> d_x, d_y, ignored_x, ignored_y;
      s.of_itself = of_itself;
      if (of_itself) s.y = s.x, s.v = s.u;
      (void)s.reference(loss, d_x, d_y);
      for (const std::size_t i : {std::size_t{0}, std::size_t{13}, std::size_t{40}}) {
        const float kept = s.x[i], h = 1.0f / 256;
        const auto at = [&](float value) {
          s.x[i] = value;
          if (of_itself) s.y[i] = value;
          return s.reference(loss, ignored_x, ignored_y);
        };
        const double slope = (at(kept + h) - at(kept - h)) / (2.0 / 256);
        at(kept);
        CHECK(std::abs(slope - d_x[i]) < 1e-3 * (1 + std::abs(slope)));
      }
    }
}

TEST_CASE("scores and MiniLM's relations are PyTorch's, values and gradients") {
  const bert::io::safetensors file(golden::folder("losses") / "distil.safetensors");
  const auto s = golden::floats(file, "relations.s"), t = golden::floats(file, "relations.t");
  std::vector<std::size_t> starts{0};
  std::size_t pairs = 0;
  for (const auto n : golden::integers<std::int32_t>(file, "lengths")) {
    starts.push_back(starts.back() + static_cast<std::size_t>(n));
    pairs += static_cast<std::size_t>(n) * static_cast<std::size_t>(n);
  }
  const std::size_t n = starts.back(), heads = 4;
  struct between {
    std::size_t x, y;
  };
  const auto check = [&](const std::string& name, relation_loss loss, const std::vector<between>& all, std::size_t count) {
    CAPTURE(name);
    std::vector<float> d(s.size()), scratch(bert::kernels::relation_scratch(n, 6, 10));
    std::vector<double> losses((starts.size() - 1) * heads);
    const matrix<const float> student = rows_of(s, 72), teacher = rows_of(t, 120);
    const matrix<float> gradient{d.data(), n, 72};
    double sum = 0;
    for (const auto& [x, y] : all) {
      bert::kernels::relation_losses(serial{}, loss, {student.columns(x * 24, 24), student.columns(y * 24, 24)},
                                     {teacher.columns(x * 40, 40), teacher.columns(y * 40, 40)}, starts, heads,
                                     gradient.columns(x * 24, 24), gradient.columns(y * 24, 24),
                                     1.0f / static_cast<float>(count), losses.data(), scratch);
      for (const double l : losses) sum += l / static_cast<double>(count);
    }
    const double wanted = golden::integers<double>(file, name + ".loss")[0];
    CHECK(std::abs(sum - wanted) < 1e-5 * wanted);
    CHECK(golden::relative_difference(d, golden::floats(file, name + ".grad.s")) < 1e-5);
  };
  check("scores", relation_loss::scores, {{0, 1}}, pairs * heads);
  check("v1", relation_loss::distributions, {{0, 1}, {2, 2}}, n * heads);
  check("v2", relation_loss::distributions, {{0, 0}, {1, 1}, {2, 2}}, n * heads);
}
