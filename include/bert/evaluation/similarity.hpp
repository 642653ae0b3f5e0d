// How bert::evaluate scores a head that embeds sentences: the cosines of pairs against their scores.
// Layer: evaluation. Test: tests/unit/evaluation/similarity_test.cpp
#ifndef BERT_EVALUATION_SIMILARITY_HPP
#define BERT_EVALUATION_SIMILARITY_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/evaluation/evaluation_of.hpp"
#include "bert/heads/embedding.hpp"
#include "bert/metrics/similarity.hpp"
#include "bert/objectives/on_vectors.hpp"
#include "bert/tensor/training_batch.hpp"

namespace bert::inline BERT_ISA {

/// Spearman's and Pearson's correlation over scored pairs (data::scored_pairs).
template <heads::predicts<target::embedding> Head>
struct evaluation_of<Head> {
  using needs = target_list<target::group, target::value>;

  static metrics::similarity_report report(const std::vector<std::string>&) { return {}; }
  static void add(metrics::similarity_report& report, matrix<const float> y, const training_batch& batch) {
    objectives::detail::check_groups(batch, 2, 2, "bert::evaluate");
    objectives::detail::check_values(batch, "bert::evaluate");
    for (std::size_t g = 0; g < batch.examples(); ++g) {
      const std::size_t a = batch.groups[g];
      double ab = 0, aa = 0, bb = 0;
      for (std::size_t i = 0; i < y.cols; ++i) {
        const auto p = static_cast<double>(y(a, i)), q = static_cast<double>(y(a + 1, i));
        ab += p * q;
        aa += p * p;
        bb += q * q;
      }
      report.add(static_cast<double>(batch.values[a]), ab / std::max(std::sqrt(aa * bb), 1e-24));
    }
  }
};

}  // namespace bert

#endif  // BERT_EVALUATION_SIMILARITY_HPP
