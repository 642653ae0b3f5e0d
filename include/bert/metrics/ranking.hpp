// Metrics of rankings: nDCG, MRR, MAP, recall and precision at k.
// Layer: metrics. Test: tests/unit/metrics/ranking_test.cpp. Paper: Järvelin and Kekäläinen 2002, "Cumulated gain-based
// evaluation".
#ifndef BERT_METRICS_RANKING_HPP
#define BERT_METRICS_RANKING_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <limits>
#include <ostream>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::metrics {

/// Rankings of documents, query by query, with the values of sentence-transformers' information retrieval evaluator. All are
/// means over the queries that have a relevant document; 0 of none.
///
///     ranking_report report;
///     report.add(hits, relevant);           // hits[r]: whether the document at rank r + 1 is relevant
///     std::cout << report.ndcg(10) << report.mrr(10);
class ranking_report {
 public:
  static constexpr std::size_t all = std::numeric_limits<std::size_t>::max();

  /// Adds a query with `relevant` relevant documents, of which the ranking need not have all. Throws bert::error if it has
  /// more.
  void add(const std::vector<bool>& hits, std::size_t relevant) {
    const auto found = static_cast<std::size_t>(std::count(hits.begin(), hits.end(), true));
    if (found > relevant)
      throw_error({"bert::metrics::ranking_report::add", cat("at most ", relevant, " relevant documents"), cat(found), {}});
    if (relevant == 0) return;
    queries_.push_back({ranks_.size(), found, relevant});
    for (std::size_t r = 0; r < hits.size(); ++r)
      if (hits[r]) ranks_.push_back(r + 1);
  }
  /// The same by the numbers of the documents, best first. A document counts once.
  template <class Document>
  void add(std::span<const Document> ranking, std::span<const Document> relevant) {
    std::vector<Document> wanted(relevant.begin(), relevant.end());
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    std::vector<bool> seen(wanted.size()), hits;
    for (const Document& d : ranking) {
      const auto at = std::lower_bound(wanted.begin(), wanted.end(), d);
      const bool hit = at != wanted.end() && *at == d && !seen[static_cast<std::size_t>(at - wanted.begin())];
      if (hit) seen[static_cast<std::size_t>(at - wanted.begin())] = true;
      hits.push_back(hit);
    }
    add(hits, wanted.size());
  }

  /// Queries with a relevant document.
  [[nodiscard]] std::size_t total() const noexcept { return queries_.size(); }

  /// sum over hits of 1 / log2(rank + 1), over the same sum for ranks 1 to min(k, relevant)
  [[nodiscard]] double ndcg(std::size_t k = 10) const {
    return mean([&](std::span<const std::size_t> ranks, std::size_t relevant) {
      double gain = 0, ideal = 0;
      for (const std::size_t r : ranks)
        if (r <= k) gain += discount(r);
      for (std::size_t r = 1; r <= std::min(k, relevant); ++r) ideal += discount(r);
      return gain / ideal;
    });
  }
  /// 1 / rank of the first hit, 0 if that is beyond k
  [[nodiscard]] double mrr(std::size_t k = 10) const {
    return mean([&](std::span<const std::size_t> ranks, std::size_t) {
      return ranks.empty() || ranks.front() > k ? 0.0 : 1.0 / static_cast<double>(ranks.front());
    });
  }
  /// sum over hits at ranks up to k of the precision there, over min(k, relevant)
  [[nodiscard]] double map(std::size_t k = all) const {
    return mean([&](std::span<const std::size_t> ranks, std::size_t relevant) {
      double sum = 0;
      for (std::size_t i = 0; i < ranks.size() && ranks[i] <= k; ++i)
        sum += static_cast<double>(i + 1) / static_cast<double>(ranks[i]);
      return sum / static_cast<double>(std::min(k, relevant));
    });
  }
  /// hits at ranks up to k, over the relevant documents
  [[nodiscard]] double recall(std::size_t k) const {
    return mean([&](std::span<const std::size_t> ranks, std::size_t relevant) {
      return hits(ranks, k) / static_cast<double>(relevant);
    });
  }
  /// hits at ranks up to k, over k
  [[nodiscard]] double precision(std::size_t k) const {
    return mean([&](std::span<const std::size_t> ranks, std::size_t) { return hits(ranks, k) / static_cast<double>(k); });
  }
  /// The share of queries with a hit at a rank up to k.
  [[nodiscard]] double accuracy(std::size_t k) const {
    return mean([&](std::span<const std::size_t> ranks, std::size_t) { return hits(ranks, k) > 0 ? 1.0 : 0.0; });
  }

  /// "ndcg@10=0.7430 mrr@10=0.3901 map@100=0.3812": one line for scripts.
  [[nodiscard]] std::string line() const {
    std::ostringstream out;
    out << std::fixed << std::setprecision(4) << "ndcg@10=" << ndcg(10) << " mrr@10=" << mrr(10) << " map@100=" << map(100);
    return std::move(out).str();
  }
  friend std::ostream& operator<<(std::ostream& stream, const ranking_report& r) {
    return stream << cat("nDCG@10 ", r.ndcg(10), ", MRR@10 ", r.mrr(10), ", MAP@100 ", r.map(100), ", ", r.total(),
                         " queries\n");
  }

 private:
  struct query {
    std::size_t first, hits, relevant;
  };

  static double discount(std::size_t rank) noexcept { return 1 / std::log2(static_cast<double>(rank) + 1); }
  static double hits(std::span<const std::size_t> ranks, std::size_t k) noexcept {
    return static_cast<double>(std::upper_bound(ranks.begin(), ranks.end(), k) - ranks.begin());
  }
  template <class Value>
  [[nodiscard]] double mean(const Value& value) const {
    double sum = 0;
    for (const query& q : queries_) sum += value(std::span(ranks_).subspan(q.first, q.hits), q.relevant);
    return queries_.empty() ? 0.0 : sum / static_cast<double>(queries_.size());
  }

  std::vector<std::size_t> ranks_;  // of the hits, ascending, query by query
  std::vector<query> queries_;
};

}  // namespace bert::metrics

#endif  // BERT_METRICS_RANKING_HPP
