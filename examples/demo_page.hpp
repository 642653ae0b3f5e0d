// The parts of the demo's report that only it has: questions with their candidates, attention maps.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "bert/model/attention_map.hpp"
#include "page.hpp"

namespace demo {

using html::escaped;
using html::line_chart;
using html::page;
using html::print;

struct candidate {
  std::string piece;
  double probability = 0;
};

/// A question with `[MASK]`, and the model's candidates.
struct answer {
  std::string topic, question, right;
  std::vector<candidate> candidates;
  bool correct = false;
};

[[nodiscard]] inline std::string answer_card(const answer& a) {
  std::string question = escaped(a.question);
  if (const auto at = question.find("[MASK]"); at != std::string::npos) question.replace(at, 6, "<b class='blank'>?</b>");
  std::string out = "<div class='card'><div class='topic'>" + escaped(a.topic) + (a.correct ? "" : " &middot; wrong") +
                    "</div><p>" + question + "</p>";
  constexpr double width = 300, row = 22, label = 96, bar = 150;
  out += print("<svg viewBox='0 0 %g %g'>", width, row * static_cast<double>(a.candidates.size()));
  for (std::size_t i = 0; i < a.candidates.size(); ++i) {
    const auto& c = a.candidates[i];
    const double y = row * static_cast<double>(i);
    out +=
        print("<text class='axis%s' text-anchor='end' x='%g' y='%g'>", c.piece == a.right ? " right" : "", label - 8, y + 15) +
        escaped(c.piece) +
        print("</text><rect class='%s' x='%g' y='%g' width='%.1f' height='12' rx='2'/>", c.piece == a.right ? "right" : "other",
              label, y + 4, std::max(1.0, bar * c.probability)) +
        print("<text class='axis' x='%.1f' y='%g'>%.1f %%</text>", label + bar * c.probability + 6, y + 15,
              100 * c.probability);
  }
  return out + "</svg></div>";
}

/// One square per head: row i shows what token i attends to; darker is more.
[[nodiscard]] inline std::string attention_panels(const bert::attention_probabilities& map,
                                                  const std::vector<std::string>& tokens) {
  std::string out = "<div class='heads'>";
  constexpr double cell = 26, margin = 96;
  const double side = margin + cell * static_cast<double>(tokens.size()) + 4;
  for (std::size_t a = 0; a < map.heads(); ++a) {
    out += print("<figure><svg viewBox='0 0 %g %g' role='img'>", side, side);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const double at = margin + cell * static_cast<double>(i);
      out +=
          print("<text class='token' text-anchor='end' x='%g' y='%g'>", margin - 6, at + 17) + escaped(tokens[i]) + "</text>";
      out += print("<text class='token' transform='translate(%g %g) rotate(-60)'>", at + 15, margin - 6) + escaped(tokens[i]) +
             "</text>";
      for (std::size_t j = 0; j < tokens.size(); ++j) {
        const float p = map[a](i, j);
        out += print("<rect class='cell' x='%g' y='%g' width='%g' height='%g' fill-opacity='%.3f'><title>",
                     margin + cell * static_cast<double>(j) + 1, at + 1, cell - 2, cell - 2,
                     0.03 + 0.97 * static_cast<double>(p)) +
               escaped(tokens[i]) + " &#8594; " + escaped(tokens[j]) + print(": %.3f</title></rect>", static_cast<double>(p));
      }
    }
    out += print("</svg><figcaption>head %zu</figcaption></figure>", a + 1);
  }
  return out + "</div>";
}

}  // namespace demo
