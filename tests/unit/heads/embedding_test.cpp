// Layer: tests. Of: include/bert/heads/embedding.hpp, the backward passes of include/bert/heads/pooling.hpp
#include "bert/heads/embedding.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "../../support/small_models.hpp"
#include "support/largest.hpp"
#include "support/slopes.hpp"

namespace {

using bert::heads::as_pooled, bert::heads::embedding, bert::heads::unit_length;

bert::token_batch batch_of(std::initializer_list<std::size_t> lengths) {
  bert::token_batch batch;
  std::size_t number = 0;
  for (const auto n : lengths) batch.add(support::ids(number++, n));
  return batch;
}

/// The vectors of the pooling and to_unit_length as bert::embedder calls them.
template <class Pooling>
std::vector<float> by_hand(const auto& model, const bert::token_batch& batch, bool unit) {
  const auto plain = bert::freeze(model);
  auto run = plain.session(batch.shape());
  run(batch);
  const bert::matrix<const float> hidden = run.hidden();
  std::vector<float> all(batch.sequences() * hidden.cols);
  for (std::size_t s = 0; s < batch.sequences(); ++s) {
    const std::span<float> y(all.data() + s * hidden.cols, hidden.cols);
    Pooling::pool(hidden.block(batch.starts()[s], batch.length(s)), y);
    if (unit) bert::to_unit_length(y);
  }
  return all;
}

template <class Head>
void check_bits(bool unit) {
  using model_type = bert::model<support::pocket, Head>;
  const auto m = model_type::random({.stddev = 0.2f, .seed = 3});
  const auto batch = batch_of({1, 9, 24, 2, 17});
  const auto expected = by_hand<typename Head::pooling_type>(m, batch, unit);
  const auto frozen = bert::freeze(m);
  for (const std::size_t n : {1u, 3u}) {
    auto run = frozen.session(batch.shape(), bert::execution::threads{n});
    const auto y = run(batch);
    CHECK(y.extent(0) == 5);
    CHECK(std::equal(y.flat().begin(), y.flat().end(), expected.begin(), expected.end()));
  }
}

/// The gradient of sum(w y) by `backward` against central differences in double of the same formula.
template <class Pooling, class Formula>
double pooling_error(const Formula& formula) {
  constexpr std::size_t rows = 5, cols = 70;  // more than a block of columns
  std::vector<float> x(rows * cols), y(cols), w(cols), d(rows * cols, 0.5f);
  bert::random_stream random(2, bert::draw::user);
  for (float& v : x) v = random.normal();
  for (float& v : w) v = random.normal();
  Pooling::pool({x.data(), rows, cols}, y);
  Pooling::backward({x.data(), rows, cols}, y, w, {d.data(), rows, cols});
  std::vector<double> moved(x.begin(), x.end());
  const auto value = [&] {
    double total = 0;
    for (std::size_t h = 0; h < cols; ++h)
      total += static_cast<double>(w[h]) * formula([&](std::size_t t) { return moved[t * cols + h]; }, rows);
    return total;
  };
  support::largest worst;
  for (std::size_t i = 0; i < moved.size(); ++i) {
    const double kept = moved[i];
    moved[i] = kept + 1e-6;
    const double above = value();
    moved[i] = kept - 1e-6;
    const double below = value();
    moved[i] = kept;
    worst.add(std::abs((above - below) / 2e-6 + 0.5 - static_cast<double>(d[i])));
  }
  return worst.value();
}

}  // namespace

TEST_CASE("a session's vectors have the bits of the embedder's pooling") {
  check_bits<embedding<bert::pooling::mean>>(true);
  check_bits<embedding<bert::pooling::cls>>(true);
  check_bits<embedding<bert::pooling::max>>(true);
  check_bits<embedding<bert::pooling::mean, as_pooled>>(false);
}

TEST_CASE("a tape without dropout gives the vectors of a session") {
  using model_type = bert::model<support::pocket, embedding<bert::pooling::mean>>;
  const auto m = model_type::random({.stddev = 0.2f, .seed = 3});
  const auto batch = batch_of({3, 20, 11});
  const auto frozen = bert::freeze(m);
  auto run = frozen.session(batch.shape());
  const auto expected = run(batch);
  bert::tape<model_type> tape(batch.shape(), m.sizes());
  tape.forward(bert::execution::serial{}, m, batch);
  const auto y = tape.head<0>().vectors();
  CHECK(support::largest_difference(bert::matrix<const float>(y), expected.as_matrix()) < 2e-6);
}

TEST_CASE("a dense layer behind the pooling has the values of its formula in double, in a session and on a tape") {
  using head = embedding<bert::pooling::mean, unit_length, bert::heads::dense<11>>;
  using model_type = bert::model<support::pocket, head>;
  const auto m = model_type::random({.stddev = 0.3f, .seed = 3});
  const auto batch = batch_of({3, 20, 11});
  const auto pooled = by_hand<bert::pooling::mean>(m, batch, false);
  const auto w = m.values("2_Dense.linear.weight"), b = m.values("2_Dense.linear.bias");
  std::vector<float> expected;
  for (std::size_t s = 0; s < 3; ++s) {
    std::vector<double> z(11);
    double squares = 0;
    for (std::size_t d = 0; d < 11; ++d) {
      double sum = static_cast<double>(b[d]);
      for (std::size_t h = 0; h < 40; ++h) sum += static_cast<double>(w[d * 40 + h]) * static_cast<double>(pooled[s * 40 + h]);
      z[d] = std::tanh(sum);
      squares += z[d] * z[d];
    }
    for (const double value : z) expected.push_back(static_cast<float>(value / std::sqrt(squares)));
  }
  const bert::matrix<const float> want{expected.data(), 3, 11};
  const auto frozen = bert::freeze(m);
  auto run = frozen.session(batch.shape());
  CHECK(support::largest_difference(want, run(batch).as_matrix()) < 2e-6);
  bert::tape<model_type> tape(batch.shape(), m.sizes());
  tape.forward(bert::execution::serial{}, m, batch);
  CHECK(support::largest_difference(want, bert::matrix<const float>(tape.head<0>().vectors())) < 2e-6);
}

TEST_CASE("the gradients of a head with a dense layer are the slopes of a loss on its vectors") {
  const auto error = []<class Head>(Head) {
    using model_type = bert::model<support::pocket, Head>;
    auto m = model_type::random({.stddev = 0.2f, .seed = 3});
    const auto batch = batch_of({3, 20, 11});
    std::vector<float> along(3 * Head::template width<support::pocket>);
    bert::random_stream random(2, bert::draw::user);
    for (float& v : along) v = random.normal();
    bert::tape<model_type> tape(batch.shape(), m.sizes());
    const bert::execution::threads two{2};
    const auto loss = [&] {
      tape.forward(two, m, batch);
      const auto y = tape.template head<0>().vectors();
      double sum = 0;
      for (std::size_t i = 0; i < along.size(); ++i) sum += static_cast<double>(y.data[i]) * static_cast<double>(along[i]);
      return sum;
    };
    loss();
    std::copy(along.begin(), along.end(), tape.template head<0>().vectors().data);
    bert::buffer<float> gradients(m.block().size());
    tape.backward(two, m, batch, gradients.data());
    return support::slope_error(m, m.view(gradients.data()), loss);
  };
  CHECK(error(embedding<bert::pooling::mean, unit_length, bert::heads::dense<11>>{}) < 0.03);
  CHECK(error(embedding<bert::pooling::cls, as_pooled, bert::heads::dense<7, bert::heads::identity>>{}) < 0.03);
  CHECK(error(embedding<bert::pooling::mean, as_pooled, bert::heads::dense<7, bert::kernels::gelu_erf>>{}) < 0.03);
}

TEST_CASE("bf16 and int8 serve the head, near f32") {
  using model_type = bert::model<support::pocket, embedding<bert::pooling::mean>>;
  const auto m = model_type::random({.stddev = 0.1f, .seed = 3});
  const auto batch = batch_of({3, 20, 11});
  const auto frozen = bert::freeze(m);
  auto run = frozen.session(batch.shape());
  const auto expected = run(batch);
  const auto cosine = [&]<class P>(P) {
    const auto other = bert::freeze<P>(m);
    auto session = other.session(batch.shape());
    const auto y = session(batch);
    double least = 1;
    for (std::size_t s = 0; s < 3; ++s) {
      double sum = 0;
      for (std::size_t i = 0; i < support::pocket::hidden; ++i)
        sum += static_cast<double>(y(s, i)) * static_cast<double>(expected(s, i));
      least = std::min(least, sum);
    }
    return least;
  };
  CHECK(cosine(bert::precision::bf16{}) > 0.999);
  CHECK(cosine(bert::precision::int8{}) > 0.99);
}

TEST_CASE("each pooling adds the gradient of its formula") {
  CHECK(pooling_error<bert::pooling::mean>([](const auto& x, std::size_t n) {
          double sum = 0;
          for (std::size_t t = 0; t < n; ++t) sum += x(t);
          return sum / static_cast<double>(n);
        }) < 1e-6);
  CHECK(pooling_error<bert::pooling::max>([](const auto& x, std::size_t n) {
          double most = x(0);
          for (std::size_t t = 1; t < n; ++t) most = std::max(most, x(t));
          return most;
        }) < 1e-6);
  CHECK(pooling_error<bert::pooling::cls>([](const auto& x, std::size_t) { return x(0); }) < 1e-6);
}

TEST_CASE("of equal greatest elements the first has the gradient of max pooling") {
  const std::vector<float> x{1, 5, 2, 5, 2, 5}, y{2, 5}, d_y{3, 7};
  std::vector<float> d(6);
  bert::pooling::max::backward({x.data(), 3, 2}, y, d_y, {d.data(), 3, 2});
  CHECK(d == std::vector<float>{0, 7, 3, 0, 0, 0});
}
