// The parts of finetune's page about a model's answers: confusion, calibration, the worst examples.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/data/tsv.hpp"
#include "bert/metrics/calibration.hpp"
#include "bert/pipeline/pipeline.hpp"
#include "finetune/settings.hpp"
#include "page.hpp"

namespace finetune {

/// Rows and columns of the most frequent classes, at most 20.
template <class Report>
void confusion_section(html::page& page, const Report& report) {
  std::vector<int> shown(static_cast<std::size_t>(report.classes()));
  for (std::size_t i = 0; i < shown.size(); ++i) shown[i] = static_cast<int>(i);
  std::stable_sort(shown.begin(), shown.end(), [&](int a, int b) { return report.expected(a) > report.expected(b); });
  shown.resize(std::min<std::size_t>(shown.size(), 20));
  std::sort(shown.begin(), shown.end());
  std::string body = "<table><tr><th>is &#92; predicted as";
  for (const int c : shown) body += "<th>" + html::escaped(report.names().name(c));
  body += "<th>precision<th>recall<th>F1</tr>";
  for (const int c : shown) {
    body += "<tr><th>" + html::escaped(report.names().name(c));
    for (const int p : shown) {
      const auto n = report.count(c, p);
      body += (c == p ? "<td><b>" : "<td>") + std::to_string(n) + (c == p ? "</b>" : "");
    }
    body += html::print("<td>%.3f<td>%.3f<td>%.3f</tr>", report.precision(c), report.recall(c), report.f1(c));
  }
  page.section("Confusion",
               report.classes() > 20 ? "The 20 most frequent classes." : "How often each class was predicted as each.",
               body + "</table>");
}

/// Accuracy by confidence, in ten bins: bars on the diagonal are well calibrated.
inline void calibration_section(html::page& page, const bert::metrics::reliability& answers) {
  constexpr double side = 260, left = 44, top = 10;
  std::string svg = html::print("<svg viewBox='0 0 500 320' role='img'><line class='grid' x1='%g' y1='%g' x2='%g' y2='%g'/>",
                                left, top + side, left + side, top);
  for (const auto& bin : answers.bins()) {
    if (bin.count == 0) continue;
    svg += html::print(
        "<rect class='other' x='%.1f' y='%.1f' width='%.1f' height='%.1f'><title>%llu answers, sure of %.3f, right %.3f"
        "</title></rect>",
        left + side * bin.lower + 1, top + side * (1 - bin.frequency), side * (bin.upper - bin.lower) - 2, side * bin.frequency,
        static_cast<unsigned long long>(bin.count), bin.probability, bin.frequency);
  }
  for (const double v : {0.0, 0.5, 1.0})
    svg += html::print(
        "<text class='axis' x='%g' y='%g' text-anchor='middle'>%g</text>"
        "<text class='axis' x='%g' y='%g' text-anchor='end'>%g</text>",
        left + side * v, top + side + 18, v, left - 6, top + side * (1 - v) + 4, v);
  svg +=
      html::print("<text class='axis' x='%g' y='%g' text-anchor='middle'>confidence; height: share that was right</text></svg>",
                  left + side / 2, top + side + 38);
  page.section("Calibration",
               html::print("Expected calibration error %.3f over %llu answers.", answers.expected_calibration_error(),
                           static_cast<unsigned long long>(answers.total())),
               svg, html::page::size::half);
}

/// The examples that a classifier was surest of and got wrong.
template <class Model, class E>
void worst_examples_section(html::page& page, const std::string& path, const bert::data::tsv_options& options,
                            const Model& model, const bert::text::tokenizer& tokenizer, const E& threads) {
  struct example {
    std::string text, second, label, predicted;
    double confidence = 0;
  };
  std::vector<example> all;
  const auto names = model.label_names();
  const auto known = [&](std::string_view label) { return std::find(names.begin(), names.end(), label) != names.end(); };
  for (bert::data::tsv_reader rows(bert::path_from(path), options); rows.next(known);)
    all.push_back({std::string(rows.text()), std::string(rows.second()), std::string(rows.label()), {}, 0});
  const bert::pipeline answer(model, tokenizer, {.max_tokens = static_cast<std::size_t>(options.max_tokens)});
  std::vector<bert::classified> answers;
  if (options.second_column) {
    for (const auto& x : all) answers.push_back(answer(x.text, x.second));
  } else {
    std::vector<std::string_view> texts;
    for (const auto& x : all) texts.push_back(x.text);
    answers = answer(texts, threads);
  }
  std::vector<const example*> wrong;
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].predicted = answers[i].label;
    all[i].confidence = static_cast<double>(answers[i].score);
    if (all[i].predicted != all[i].label) wrong.push_back(&all[i]);
  }
  std::stable_sort(wrong.begin(), wrong.end(), [](const auto* a, const auto* b) { return a->confidence > b->confidence; });
  wrong.resize(std::min<std::size_t>(wrong.size(), 20));
  std::string body = "<table><tr><th>text<th>is<th>predicted<th>confidence</tr>";
  for (const auto* x : wrong)
    body += "<tr><td>" + html::escaped(x->text) + (x->second.empty() ? "" : "<br>" + html::escaped(x->second)) + "<td>" +
            html::escaped(x->label) + "<td>" + html::escaped(x->predicted) + html::print("<td>%.3f</tr>", x->confidence);
  page.section("Worst examples", "Wrong answers, the surest first.", body + "</table>");
}

}  // namespace finetune
