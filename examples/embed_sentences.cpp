// Lines of text in, one row of numbers of unit length a line out.
//   embed_sentences --model all-MiniLM-L6-v2 < sentences.txt > vectors.txt
#include <bit>
#include <charconv>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include "architectures.hpp"
#include "bert/pipeline/embedder.hpp"
#include "precisions.hpp"
#include "support.hpp"

namespace {

struct settings {
  std::string model, pooling = "mean", precision = "f32";
  std::size_t max_tokens = 0, threads = bert::execution::available_cores();
  bool json = false, binary = false;
};

void write_row(const settings& s, std::span<const float> row, std::string& out) {
  out.clear();
  if (s.binary) {
    static_assert(std::endian::native == std::endian::little, "the binary format is little-endian");
    out.assign(reinterpret_cast<const char*>(row.data()), row.size_bytes());
  } else {
    char digits[32];
    for (const float x : row) {
      out += out.empty() ? (s.json ? "[" : "") : (s.json ? "," : " ");
      out.append(digits, std::to_chars(digits, digits + sizeof digits, x).ptr);
    }
    out += s.json ? "]\n" : "\n";
  }
  std::cout << out;
}

template <class A, class Pooling, class Precision>
void embed_lines(const settings& s) {
  const auto threads = support::start_threads(s.threads);
  const auto embed = bert::embedder<A, Pooling, Precision>::open(s.model, {.max_tokens = s.max_tokens}, threads);
  constexpr std::size_t at_once = 256;  // lines held in memory
  support::progress bar("embed");
  std::vector<std::string> lines;
  std::string line, row;
  for (std::uint64_t done = 0, more = 1; more != 0;) {
    lines.clear();
    while (lines.size() < at_once && (more = std::getline(std::cin, line) ? 1 : 0) != 0) {
      if (line.ends_with('\r')) line.pop_back();
      lines.push_back(line);
    }
    const auto vectors = embed(lines, threads);
    for (std::size_t i = 0; i < vectors.rows(); ++i) write_row(s, vectors[i], row);
    support::flush_output();  // nobody reads on: nothing more is computed
    bar.count(done += lines.size(), "lines");
  }
}

void work(const settings& s) {
  const bert::checkpoint files{s.model};
  compiled::by_config(files.config(), [&]<class A>(std::type_identity<A>) {
    precisions::by_name(s.precision, [&]<class P>(std::type_identity<P>) {
      if (s.pooling == "cls") embed_lines<A, bert::pooling::cls, P>(s);
      else if (s.pooling == "max") embed_lines<A, bert::pooling::max, P>(s);
      else embed_lines<A, bert::pooling::mean, P>(s);
    });
  });
}

}  // namespace

int main(int argc, char** argv) {
  settings s;
  CLI::App app("Embeds lines of standard input: one row of numbers, of unit length, a line.", "embed_sentences");
  app.option_defaults()->always_capture_default();
  app.add_option("--model", s.model, "folder of a BERT")->required();
  app.add_option("--pooling", s.pooling, "of a line's tokens: their mean, the first one, the largest of each dimension")
      ->check(CLI::IsMember({"mean", "cls", "max"}));
  app.add_option("--precision", s.precision, "of the computation")->check(CLI::IsMember(precisions::names));
  support::number(app, "--max-tokens", s.max_tokens,
                  "longer lines are cut; 0: what the folder says, at most the model's positions", {.most = 32'767});
  support::threads_option(app, s.threads);
  auto* json = app.add_flag("--json", s.json, "each row as a JSON array");
  app.add_flag("--binary", s.binary, "each row as little-endian f32, nothing between rows")->excludes(json);
  return support::run(app, argc, argv, [&] { work(s); });
}
