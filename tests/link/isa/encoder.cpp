// One file of a program, compiled for several instruction sets: the same small encoder in each. BERT_TEST_ENCODE names its function.
#include <span>
#include <vector>

#include "bert/model/session.hpp"

namespace {

struct pocket : bert::architecture_of<bert::dims{
                    .vocab = 200, .hidden = 96, .layers = 2, .heads = 3, .intermediate = 200, .positions = 64}> {};

}  // namespace

std::vector<float> BERT_TEST_ENCODE(std::span<const int> ids);

std::vector<float> BERT_TEST_ENCODE(std::span<const int> ids) {
  const auto frozen = bert::freeze(bert::model<pocket>::random({.stddev = 0.2f, .seed = 1}));
  bert::token_batch batch;
  batch.add(ids);
  auto run = frozen.session(batch.shape());
  const bert::matrix<const float> x = run(batch);
  return {x.data, x.data + x.rows * x.cols};
}
