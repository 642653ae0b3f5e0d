#include "bert/layers/pooler.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

#include "../../support/small_models.hpp"

TEST_CASE("the pooler is tanh of a dense layer on each sequence's first token, and its gradient reaches that token alone") {
  using A = support::pocket;
  constexpr std::size_t h = A::hidden;
  bert::random_stream random(1, bert::draw::user);
  std::vector<float> hidden(9 * h), weight(h * h), bias(h), d_hidden(9 * h), d_weight(h * h), d_bias(h);
  for (auto* v : {&hidden, &weight, &bias})
    for (float& x : *v) x = 0.3f * random.normal();
  const std::array<std::size_t, 3> starts{0, 4, 9};
  const bert::batch_shape shape{.sequences = 2, .tokens = 9};
  bert::carver count;
  (void)bert::layers::pooler::tape<A>(count, shape, {});
  bert::buffer<float> block(count.used());
  bert::carver carve{block.data()};
  const bert::layers::pooler::tape<A> tape(carve, shape, {});
  const auto tensors = bert::layers::pooler::parameters<A>();
  bert::module_parameters<const float> p(tensors, {});
  p.set(bert::layers::pooler::weight, weight.data());
  p.set(bert::layers::pooler::bias, bias.data());
  tape.forward(bert::execution::serial{}, p, starts, bert::matrix<const float>{hidden.data(), 9, h});
  const auto pooled = tape.output(2);
  std::vector<double> expected(2 * h);
  for (std::size_t s = 0; s < 2; ++s)
    for (std::size_t o = 0; o < h; ++o) {
      double sum = static_cast<double>(bias[o]);
      for (std::size_t k = 0; k < h; ++k)
        sum += static_cast<double>(hidden[starts[s] * h + k]) * static_cast<double>(weight[o * h + k]);
      expected[s * h + o] = std::tanh(sum);
      CHECK(static_cast<double>(pooled(s, o)) == doctest::Approx(expected[s * h + o]).epsilon(1e-4));
    }

  std::vector<float> d_pooled(2 * h, 1.0f);
  bert::module_parameters<float> g(tensors, {});
  g.set(bert::layers::pooler::weight, d_weight.data());
  g.set(bert::layers::pooler::bias, d_bias.data());
  tape.backward(bert::execution::serial{}, p, g, starts, bert::matrix<float>{d_pooled.data(), 2, h},
                bert::matrix<float>{d_hidden.data(), 9, h});
  for (std::size_t n = 0; n < 9; ++n)
    for (std::size_t k = 0; k < h; ++k) {
      double sum = 0;
      if (n == 0 || n == 4)
        for (std::size_t o = 0; o < h; ++o) {
          const double y = expected[(n == 0 ? 0 : 1) * h + o];
          sum += (1 - y * y) * static_cast<double>(weight[o * h + k]);
        }
      CHECK(std::abs(static_cast<double>(d_hidden[n * h + k]) - sum) < 1e-4);
    }
}
