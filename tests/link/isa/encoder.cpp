// Compiled for several instruction sets in one program: a small encoder, and products in bf16 and int8.
// BERT_TEST_ENCODE and BERT_TEST_MULTIPLY name its functions.
#include <span>
#include <vector>

#include "bert/core/random.hpp"
#include "bert/model/session.hpp"

namespace {

struct pocket : bert::architecture_of<bert::dims{
                    .vocab = 200, .hidden = 96, .layers = 2, .heads = 3, .intermediate = 200, .positions = 64}> {};

constexpr std::size_t tokens = 37, outputs = 75;

std::vector<float> numbers(std::size_t count, std::uint64_t seed) {
  std::vector<float> out(count);
  bert::random_stream random(seed, bert::draw::user);
  for (float& x : out) x = random.uniform() * 2 - 1;
  return out;
}

template <class Precision>
void multiply(std::size_t inputs, std::vector<float>& out) {
  const bert::execution::serial run;
  const auto x = numbers(tokens * inputs, 1), w = numbers(outputs * inputs, 2), bias = numbers(outputs, 3);
  std::vector<float> y(tokens * outputs);
  bert::buffer<float> operand(Precision::template operand_size<float>(tokens, inputs)),
      weight(Precision::weight_size(inputs, outputs));
  const auto packed = Precision::pack(run, {w.data(), outputs, inputs}, weight.data());
  Precision::multiply(run, Precision::convert(run, bert::matrix<const float>(x.data(), tokens, inputs), operand.data()), packed,
                      bert::kernels::epilogue::bias{{y.data(), tokens, outputs}, bias.data()});
  out.insert(out.end(), y.begin(), y.end());
}

}  // namespace

std::vector<float> BERT_TEST_ENCODE(std::span<const int> ids);
std::vector<float> BERT_TEST_MULTIPLY();

std::vector<float> BERT_TEST_ENCODE(std::span<const int> ids) {
  const auto frozen = bert::freeze(bert::model<pocket>::random({.stddev = 0.2f, .seed = 1}));
  bert::token_batch batch;
  batch.add(ids);
  auto run = frozen.session(batch.shape());
  const bert::matrix<const float> x = run(batch);
  return {x.data, x.data + x.rows * x.cols};
}

/// x W^T + bias in bf16, then the same in int8.
std::vector<float> BERT_TEST_MULTIPLY() {
  std::vector<float> out;
  for (const std::size_t inputs : {203u, 1203u}) {  // one K block, several K blocks
    multiply<bert::precision::bf16>(inputs, out);
    multiply<bert::precision::int8>(inputs, out);
  }
  return out;
}
