// Layer: tests. Of: include/bert/kernels/rows/embedding.hpp
#include "bert/kernels/rows/embedding.hpp"

#include <doctest/doctest.h>

#include "support/kernel_description.hpp"
#include "support/kernels/parameter_kernels.hpp"

using namespace bert;
using namespace bert::test;

TEST_CASE("embeddings and their gradients agree with the plain loops, repeated ids and single-token sequences included") {
  check_kernel(embedding_kernel{{1}, 1, 1});
  check_kernel(embedding_kernel{{3, 1, 1, 9}, 72, 5});
  check_kernel(embedding_kernel{{40, 7}, 200, 30});
  check_kernel(embedding_kernel{{5, 128, 1, 60}, 129, 1003});
}
