// The figures of a report by name: one line for scripts, and the choice of the figure that a training keeps the best of.
// Layer: metrics. Test: tests/unit/metrics/figures_test.cpp
#ifndef BERT_METRICS_FIGURES_HPP
#define BERT_METRICS_FIGURES_HPP

#include <array>
#include <cstddef>
#include <iomanip>
#include <span>
#include <sstream>
#include <string>
#include <string_view>

#include "bert/core/ensure.hpp"
#include "bert/core/error.hpp"
#include "bert/core/fixed_string.hpp"
#include "bert/core/isa.hpp"
#include "bert/labels/one_of.hpp"

namespace bert::inline BERT_ISA::metrics {

/// A report with figures of fixed names:
///
///     static constexpr std::array<std::string_view, 2> figure_names{"f1", "loss"};
///     std::array<double, 2> figures() const;                                          // in that order
template <class R>
concept has_figures = requires(const R& report) {
  {std::span<const std::string_view>(R::figure_names)};
  {std::span<const double>(report.figures())};
};

/// "f1=0.8101 loss=0.4312": the figures with four decimals, for scripts.
template <has_figures Report>
[[nodiscard]] std::string line_of(const Report& report) {
  const auto values = report.figures();
  std::ostringstream out;
  out << std::fixed << std::setprecision(4);
  for (std::size_t i = 0; i < values.size(); ++i) out << (i == 0 ? "" : " ") << Report::figure_names[i] << '=' << values[i];
  return std::move(out).str();
}

/// "f1, loss": the names, for a message.
template <has_figures Report>
[[nodiscard]] std::string figure_list() {
  std::string text;
  for (const auto name : Report::figure_names) text.append(text.empty() ? "" : ", ").append(name);
  return text;
}

/// The figure `Name`; one that the report does not have does not compile.
///
///     bert::metrics::figure<"f1">(report)
template <fixed_string Name, has_figures Report>
[[nodiscard]] double figure(const Report& report) {
  constexpr int found = labels::find(Report::figure_names, Name.view());
  static_assert(ensure<(found >= 0), facts<labels::label<Name>, Report>>,
                "bert::metrics::figure: the report has no figure of this name; see its figure_names");
  if constexpr (found >= 0) return report.figures()[static_cast<std::size_t>(found)];
  else return 0;
}

/// The figure of a name known at run time. Throws bert::error, naming those that the report has, if it is none of them.
template <has_figures Report>
[[nodiscard]] double figure(const Report& report, std::string_view name) {
  const int found = labels::find(Report::figure_names, name);
  if (found < 0)
    throw_error({"bert::metrics::figure", "one of " + figure_list<Report>(), std::string(name), "choose one of them"});
  return report.figures()[static_cast<std::size_t>(found)];
}

/// Whether less of the figure is better: a loss or an error.
[[nodiscard]] constexpr bool less_is_better(std::string_view name) noexcept {
  return name == "loss" || name.ends_with("_loss") || name == "error" || name.ends_with("_error") || name == "mse";
}

/// The figure as a score, of which more is better: what bert::fit_options::keep_best returns.
///
///     .keep_best = [&](const auto& m) { return bert::metrics::score<"f1">(bert::evaluate(m, dev)); }
template <fixed_string Name, has_figures Report>
[[nodiscard]] double score(const Report& report) {
  return less_is_better(Name.view()) ? -figure<Name>(report) : figure<Name>(report);
}
template <has_figures Report>
[[nodiscard]] double score(const Report& report, std::string_view name) {
  return less_is_better(name) ? -figure(report, name) : figure(report, name);
}

}  // namespace bert::metrics

#endif  // BERT_METRICS_FIGURES_HPP
