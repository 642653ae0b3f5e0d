// Exact match and F1 of Chinese answers as the script of CMRC 2018 counts them.
// Layer: metrics. Test: tests/unit/metrics/answers_test.cpp. Paper: Cui et al. 2019.
#ifndef BERT_METRICS_CMRC_HPP
#define BERT_METRICS_CMRC_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/text/english_words.hpp"
#include "bert/text/unicode/lower.hpp"
#include "bert/text/unicode/spaces.hpp"
#include "bert/text/unicode/utf8.hpp"

namespace bert::inline BERT_ISA::metrics {

/// Exact match (0 or 1) and F1 of an answer.
struct answer_score {
  double exact = 0, f1 = 0;
};

namespace detail {

/// 2 p r / (p + r) with p = common / predicted, r = common / gold; 0 if nothing is common.
[[nodiscard]] inline double f1_of(std::size_t common, std::size_t predicted, std::size_t gold) noexcept {
  if (common == 0) return 0;
  const double p = static_cast<double>(common) / static_cast<double>(predicted),
               r = static_cast<double>(common) / static_cast<double>(gold);
  return 2 * p * r / (p + r);
}

/// `text` in lower case, without white space at its ends and without the punctuation that CMRC deletes. The script's list also
/// has "……", which its test of single characters never finds, so ellipses stay.
[[nodiscard]] inline std::string without_punctuation(std::string_view text) {
  constexpr std::u32string_view deleted = U"-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』";
  const std::string lowered = text::lowercased(text);
  const std::string_view whole = text::stripped(lowered);
  std::string out;
  for (const char *p = whole.data(), *const end = p + whole.size(); p < end;) {
    const auto [code, bytes] = text::utf8::decode(p, end);
    if (deleted.find(code) == std::u32string_view::npos) out.append(p, bytes);
    p += bytes;
  }
  return out;
}

}  // namespace detail

/// What CMRC's F1 compares: each character of U+4E00 to U+9FA5, and the English words of what stands between.
[[nodiscard]] inline std::vector<std::string> cmrc_segments(std::string_view text) {
  const std::string kept = detail::without_punctuation(text);
  std::vector<std::string> out;
  std::string other;
  const auto flush = [&] {
    if (other.empty()) return;
    for (auto& word : text::english_words(other)) out.push_back(std::move(word));
    other.clear();
  };
  for (const char *p = kept.data(), *const end = p + kept.size(); p < end;) {
    const auto [code, bytes] = text::utf8::decode(p, end);
    if (code >= 0x4E00 && code <= 0x9FA5) {
      flush();
      out.emplace_back(p, bytes);
    } else {
      other.append(p, bytes);
    }
    p += bytes;
  }
  flush();
  return out;
}

/// em = [prediction = gold, both without punctuation]; F1 with P = run / prediction's segments, R = run / gold's segments,
/// where run is the longest sequence of segments that stands in both without a gap.
[[nodiscard]] inline answer_score cmrc_score(std::string_view prediction, std::string_view gold) {
  answer_score out{.exact = detail::without_punctuation(prediction) == detail::without_punctuation(gold) ? 1.0 : 0.0};
  const auto p = cmrc_segments(prediction), g = cmrc_segments(gold);
  std::vector<std::size_t> before(g.size() + 1), now(g.size() + 1);  // longest common run that ends here
  std::size_t longest = 0;
  for (const auto& segment : p) {
    for (std::size_t j = 0; j < g.size(); ++j) {
      now[j + 1] = segment == g[j] ? before[j] + 1 : 0;
      longest = std::max(longest, now[j + 1]);
    }
    std::swap(before, now);
  }
  out.f1 = detail::f1_of(longest, p.size(), g.size());
  return out;
}

}  // namespace bert::metrics

#endif  // BERT_METRICS_CMRC_HPP
