// A report for a browser: one HTML file with inline SVG, without scripts or network.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace html {

[[gnu::format(printf, 1, 2)]] inline std::string print(const char* format, ...) {
  std::va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  std::string text(static_cast<std::size_t>(std::vsnprintf(nullptr, 0, format, arguments)), '\0');
  std::vsnprintf(text.data(), text.size() + 1, format, again);
  va_end(arguments);
  va_end(again);
  return text;
}

[[nodiscard]] inline std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else out += c;
  }
  return out;
}

struct series {
  std::string name, style;  ///< CSS class: "a" or "b"
  std::vector<double> values;
};

/// Curves over steps (or `x_name`s) 1, 2, …: the values faint, their running mean, and the name at its end.
[[nodiscard]] inline std::string line_chart(const std::vector<series>& all, const char* number_format,
                                            const char* x_name = "step") {
  constexpr double width = 500, height = 270, left = 52, right = 108, top = 12, bottom = 40;
  double most = 0;
  std::size_t steps = 2;
  for (const auto& s : all) {
    steps = std::max(steps, s.values.size());
    for (const double v : s.values) most = std::max(most, v);
  }
  if (!(most > 0)) most = 1;
  const double magnitude = std::pow(10, std::floor(std::log10(most / 4)));
  double unit = magnitude;
  for (const double u : {1.0, 2.0, 2.5, 5.0, 10.0})
    if (most / (u * magnitude) <= 5) {
      unit = u * magnitude;
      break;
    }
  const double ceiling = unit * std::ceil(most / unit - 1e-9);
  const auto x = [&](double step) { return left + (width - left - right) * step / static_cast<double>(steps - 1); };
  const auto y = [&](double v) { return top + (height - top - bottom) * (1 - v / ceiling); };

  std::string out = print("<svg viewBox='0 0 %g %g' role='img'>", width, height);
  for (double v = 0; v <= ceiling * 1.0001; v += unit)
    out +=
        print("<line class='grid' x1='%g' x2='%g' y1='%.1f' y2='%.1f'/><text class='axis' text-anchor='end' x='%g' y='%.1f'>",
              left, width - right, y(v), y(v), left - 8, y(v) + 4) +
        print(number_format, v) + "</text>";
  for (int i = 0; i <= 4; ++i) {
    const double step = std::round(static_cast<double>(steps) * i / 4);
    out += print("<text class='axis' text-anchor='middle' x='%.1f' y='%g'>%.0f</text>", x(std::max(0.0, step - 1)), height - 20,
                 step);
  }
  out += print("<text class='axis' text-anchor='middle' x='%.1f' y='%g'>%s</text>", (left + width - right) / 2, height - 5,
               x_name);
  double last_label = -100;
  std::vector<std::pair<double, const series*>> ends;
  for (const auto& s : all) {
    const auto curve = [&](const std::vector<double>& values, const char* kind) {
      std::string points;
      const std::size_t stride = std::max<std::size_t>(1, values.size() / 400);
      for (std::size_t i = 0; i < values.size(); i += stride)
        points += print("%.1f,%.1f ", x(static_cast<double>(i)), y(values[i]));
      out += print("<polyline class='%s %s' points='", kind, s.style.c_str()) + points + "'/>";
    };
    std::vector<double> smooth;
    const std::size_t half = s.values.size() / 80;
    for (std::size_t i = 0; i < s.values.size(); ++i) {
      const std::size_t reach = std::min({half, i, s.values.size() - 1 - i});
      double sum = 0;
      for (std::size_t j = i - reach; j <= i + reach; ++j) sum += s.values[j];
      smooth.push_back(sum / static_cast<double>(2 * reach + 1));
    }
    if (half > 1) curve(s.values, "faint");
    curve(smooth, "line");
    if (!smooth.empty()) ends.emplace_back(y(smooth.back()), &s);
  }
  std::sort(ends.begin(), ends.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto [at, s] : ends) {
    at = std::max(at, last_label + 16);
    last_label = at;
    out += print("<text class='name %s' x='%g' y='%.1f'>", s->style.c_str(), width - right + 8, at + 4) + escaped(s->name) +
           "</text>";
  }
  return out + "</svg>";
}

/// Dots (x, y), each axis from its least to its greatest value.
template <class Numbers>
[[nodiscard]] std::string scatter(const Numbers& x, const Numbers& y, const char* names) {
  const auto scale = [](const Numbers& values) {
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    const double low = values.empty() ? 0 : static_cast<double>(*least), high = values.empty() ? 1 : static_cast<double>(*most);
    return std::pair(low, high > low ? high - low : 1.0);
  };
  const auto [x0, width] = scale(x);
  const auto [y0, height] = scale(y);
  std::string svg = "<svg viewBox='0 0 500 330' role='img'>";
  for (std::size_t i = 0; i < x.size(); ++i)
    svg += print("<circle class='dot' cx='%.1f' cy='%.1f' r='2'/>", 50 + 400 * (static_cast<double>(x[i]) - x0) / width,
                 280 - 270 * (static_cast<double>(y[i]) - y0) / height);
  return svg +
         print(
             "<text class='axis' x='50' y='300'>%.3g</text><text class='axis' x='450' y='300' text-anchor='end'>%.3g</text>"
             "<text class='axis' x='44' y='284' text-anchor='end'>%.3g</text><text class='axis' x='44' y='14' "
             "text-anchor='end'>"
             "%.3g</text><text class='axis' x='250' y='320' text-anchor='middle'>%s</text></svg>",
             x0, x0 + width, y0, y0 + height, names);
}

/// A page of sections.
class page {
 public:
  explicit page(std::string title, std::string lead) : title_(std::move(title)), lead_(std::move(lead)) {}

  /// A figure with a name, in the row at the top.
  void tile(const std::string& number, const std::string& name) {
    tiles_ += "<div class='tile'><b>" + escaped(number) + "</b><span>" + escaped(name) + "</span></div>";
  }
  enum class size { whole, half };
  /// `body` is HTML. Two halves are side by side on a wide screen.
  void section(const std::string& heading, const std::string& words, const std::string& body, size how_wide = size::whole) {
    sections_ += std::string("<section") + (how_wide == size::half ? " class='half'" : "") + "><h2>" + escaped(heading) +
                 "</h2><p>" + escaped(words) + "</p>" + body + "</section>\n";
  }
  void write(const std::string& path) const {
    std::ofstream out(bert::path_from(path), std::ios::binary);
    out.exceptions(std::ios::badbit | std::ios::failbit);
    out << "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><meta name='viewport' "
           "content='width=device-width'>\n<title>"
        << escaped(title_) << "</title>\n<style>" << style << "</style></head>\n<body><main><h1>" << escaped(title_)
        << "</h1><p class='lead'>" << escaped(lead_) << "</p>\n<div class='tiles'>" << tiles_
        << "</div>\n<div class='sections'>" << sections_ << "</div></main></body></html>\n";
    out.close();
  }

 private:
  static constexpr const char* style = R"(
:root{--ink:#1c2330;--soft:#5b6576;--line:#e3e7ee;--paper:#fff;--ground:#f5f7fa;--a:#2563c9;--b:#c96a1a;--good:#1d8a57}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf2;--soft:#9aa5b8;--line:#2c3444;--paper:#1a202c;--ground:#12161f;--a:#6ea4ff;--b:#f0a35e;--good:#4cc38a}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,"Segoe UI","DejaVu Sans",sans-serif}
main{max-width:1060px;margin:0 auto;padding:36px 20px 60px}h1{font-size:30px;line-height:1.2;margin:0 0 6px}h2{font-size:19px;margin:0 0 4px}
p{margin:0 0 14px}.lead,section>p{color:var(--soft);max-width:52em}.tiles{display:flex;flex-wrap:wrap;gap:12px;margin:22px 0}
.tile{flex:1 1 140px;background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:12px 16px}
.tile b{display:block;font-size:24px;line-height:1.25}.tile span{color:var(--soft);font-size:13px}
section{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:20px 22px}
svg{display:block;width:100%;height:auto}.grid{stroke:var(--line)}.axis{fill:var(--soft);font-size:12px}.axis.right{fill:var(--good);font-weight:600}
.line,.faint{fill:none;stroke-width:2}.faint{stroke-width:1;opacity:.22}.line.a,.faint.a{stroke:var(--a)}.line.b,.faint.b{stroke:var(--b)}
.name{font-size:12px;font-weight:600}.name.a{fill:var(--a)}.name.b{fill:var(--b)}
.sections{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:16px}section{grid-column:span 2}
@media(min-width:860px){section.half{grid-column:span 1}}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(290px,1fr));gap:14px}.card{border:1px solid var(--line);border-radius:8px;padding:12px 14px}
.card p{margin:0 0 8px;min-height:3em}.topic{color:var(--soft);font-size:12px;text-transform:uppercase;letter-spacing:.05em}
.blank{color:var(--a);border-bottom:2px solid var(--a);padding:0 .7em}rect.right{fill:var(--good)}rect.other{fill:var(--soft);opacity:.45}.dot{fill:var(--a);opacity:.5}sub{color:var(--b)}
.heads{display:grid;grid-template-columns:repeat(auto-fit,minmax(380px,1fr));gap:14px}figure{margin:0}figcaption{text-align:center;color:var(--soft);font-size:13px}
.cell{fill:var(--a)}.token{fill:var(--ink);font-size:13px}table{border-collapse:collapse}td,th{text-align:left;padding:4px 18px 4px 0;border-bottom:1px solid var(--line)}
code{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:13px}
)";

  std::string title_, lead_, tiles_, sections_;
};

}  // namespace html
