// A CRF's losses, gradients, marginals and best paths against PyTorch in f64 (tools/golden_crf.py).
// Layer: tests. Of: include/bert/kernels/loss/crf.hpp, include/bert/kernels/loss/viterbi.hpp
#include <doctest/doctest.h>

#include <numeric>
#include <string>
#include <vector>

#include "bert/kernels/loss/crf.hpp"
#include "bert/kernels/loss/viterbi.hpp"
#include "support/golden.hpp"

using namespace bert;

TEST_CASE("losses, gradients, marginals and best paths are PyTorch's") {
  const io::safetensors file(golden::folder("crf") / "golden.safetensors");
  for (const std::string name : {"bio.", "free.", "large."}) {
    CAPTURE(name);
    const auto lengths = golden::integers<std::int32_t>(file, name + "lengths");
    const auto tags = golden::integers<std::int32_t>(file, name + "tags"),
               best = golden::integers<std::int32_t>(file, name + "best");
    const auto emissions = golden::floats(file, name + "emissions"), weights = golden::floats(file, name + "weights"),
               allowed = golden::floats(file, name + "allowed");
    const auto losses = golden::integers<double>(file, name + "losses");
    const std::size_t count = lengths.size(), words = tags.size(), l = emissions.size() / words;
    std::vector<std::size_t> starts{0};
    for (const auto n : lengths) starts.push_back(starts.back() + static_cast<std::size_t>(n));
    std::vector<std::uint32_t> rows(words);
    std::iota(rows.begin(), rows.end(), 0u);
    const float* w = weights.data();
    const kernels::crf c{l, w, w + l, w + 2 * l, allowed.data()};
    const kernels::crf_chains chains{starts, rows};
    std::vector<float> scratch(std::max(kernels::crf_scratch(l, words, count), kernels::viterbi_scratch(l, words, count))),
        shares(count * kernels::crf_share(l));

    auto x = emissions;
    std::vector<double> found(count);
    std::vector<std::int32_t> right(count), path(words);
    kernels::crf_loss(execution::serial{}, c, chains, {x.data(), words, l}, tags, found.data(), right.data(), shares.data(),
                      1.0f / static_cast<float>(count), scratch.data());
    for (std::size_t s = 0; s < count; ++s) CHECK(found[s] == doctest::Approx(losses[s]).epsilon(2e-6));
    CHECK(golden::largest_difference(x, golden::floats(file, name + "grad.emissions")) < 1e-5);
    std::vector<float> d_weights(weights.size());
    for (std::size_t s = 0; s < count; ++s)
      for (std::size_t i = 0; i < l + 2; ++i)
        for (std::size_t j = 0; j < l; ++j)
          d_weights[i * l + j] += shares[s * kernels::crf_share(l) + i * kernels::crf_width(l) + j];
    CHECK(golden::largest_difference(d_weights, golden::floats(file, name + "grad.weights")) < 2e-5);

    x = emissions;
    kernels::crf_marginals(execution::serial{}, c, chains, {x.data(), words, l}, scratch.data());
    CHECK(golden::largest_difference(x, golden::floats(file, name + "marginals")) < 2e-5);
    kernels::viterbi(execution::serial{}, c, chains, {emissions.data(), words, l}, path.data(), right.data(), scratch.data());
    CHECK(path == best);
  }
}
