// Embeds lines of text: writes one vector per line, made as the folder says.
//   embed_sentences --model all-MiniLM-L6-v2 < sentences.txt > vectors.txt
//   embed_sentences --model e5-small-v2 --prompt query --out queries.npy < queries.txt
#include <bit>
#include <charconv>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include "architectures.hpp"
#include "bert/io/npy.hpp"
#include "bert/pipeline/embedder.hpp"
#include "precisions.hpp"
#include "support.hpp"

namespace {

/// What can be opened: the compiled architectures and DistilBERT, of which there are many that embed.
using openable =
    architectures::of<compiled::with<bert::named<"distilbert_base", bert::open_vocabulary<bert::arch::distilbert_base>>>>::type;

struct settings {
  std::string model, pooling, prompt, out, precision = "f32";
  std::size_t max_tokens = 0, threads = bert::execution::available_cores();
  bool json = false, binary = false, no_prompt = false, as_folder = false;
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

template <class A, class Precision>
void embed_lines(const settings& s, const bert::embedder_options& options) {
  const auto threads = support::start_threads(s.threads);
  const auto embed = bert::embedder<A, bert::pooling::from_folder, Precision>::open(bert::path_from(s.model), options, threads);
  support::tell(embed.notes());
  bert::embedding_report report;
  std::uint64_t all = 0;
  constexpr std::size_t at_once = 256;  // lines in memory
  support::progress bar("embed");
  std::vector<std::string> lines;
  std::vector<float> kept;  // all vectors, for --out
  std::string line, row;
  for (std::uint64_t done = 0, more = 1; more != 0;) {
    lines.clear();
    while (lines.size() < at_once && (more = std::getline(std::cin, line) ? 1 : 0) != 0) {
      if (line.ends_with('\r')) line.pop_back();
      lines.push_back(line);
    }
    const auto vectors = embed(lines, threads, &report);
    all += lines.size();
    if (s.out.empty()) {
      for (std::size_t i = 0; i < vectors.rows(); ++i) write_row(s, vectors[i], row);
      support::flush_output();  // stops if nobody reads the output
    } else {
      kept.insert(kept.end(), vectors.flat().begin(), vectors.flat().end());
    }
    bar.count(done += lines.size(), "lines");
  }
  bar.clear();
  if (!s.out.empty())
    bert::io::write_npy(bert::path_from(s.out), std::span<const float>(kept), {kept.size() / embed.columns(), embed.columns()});
  if (report.cut != 0)
    std::cerr << "note: " << report.cut << " of " << all << " lines cut to " << embed.max_tokens() << " tokens\n";
}

/// The options of the command line, else of the folder; prints a note of everything guessed.
bert::embedder_options options_of(settings& s, const bert::checkpoint& files) {
  const auto folder = files.sentences();
  bert::embedder_options options{.max_tokens = s.max_tokens,
                                 .length = s.as_folder ? bert::vector_length::as_folder : bert::vector_length::unit};
  if (!s.pooling.empty()) {
    options.pooling = bert::pooling::mode_named(s.pooling);
    if (!folder.pooling_file.empty() && s.pooling != folder.pooling)
      std::cerr << "note: pooling " << s.pooling << ", where " << folder.pooling_file << " says " << folder.pooling << '\n';
  } else {
    s.pooling = folder.pooling;
    if (folder.pooling_file.empty())
      std::cerr << "note: " << s.model << " names no pooling: using the mean; --pooling changes that\n";
  }
  if (s.no_prompt) options.prompt = "";
  else options.prompt = folder.prompt(s.prompt, s.model);
  if (!options.prompt->empty() && s.prompt.empty())
    std::cerr << "note: the folder's default prompt \"" << *options.prompt
              << "\" is added before every line; --no-prompt omits it\n";
  if (!s.as_folder && !folder.pooling_file.empty() && !folder.normalized)
    std::cerr
        << "note: the folder has no Normalize; vectors are brought to unit length, and --as-folder leaves them as they are\n";
  if (!folder.similarity.empty() && folder.similarity != "cosine")
    std::cerr << "note: the folder compares vectors by " << folder.similarity << '\n';
  bert::pipelines::reading_notes notes;
  (void)files.tokenizer(&notes);
  support::tell(notes);
  return options;
}

void work(settings& s) {
  if (!s.out.empty()) bert::io::check_output_file(bert::path_from(s.out));
  const bert::checkpoint files{bert::path_from(s.model)};
  const auto options = options_of(s, files);
  openable::by_config(files.config(), [&]<class A>(std::type_identity<A>) {
    support::tell(files.notes<bert::model<A>>());
    precisions::by_name(s.precision, [&]<class P>(std::type_identity<P>) { embed_lines<A, P>(s, options); });
  });
}

}  // namespace

int main(int argc, char** argv) {
  settings s;
  CLI::App app("Embeds lines of standard input: writes one vector per line, made as the folder says.", "embed_sentences");
  app.option_defaults()->always_capture_default();
  app.add_option("--model", s.model, "folder of a BERT")->required();
  const std::vector<std::string> poolings(bert::pooling::mode_names.begin(), bert::pooling::mode_names.end());
  app.add_option("--pooling", s.pooling,
                 "of a line's tokens, in place of the folder's: mean, first token, maximum per dimension, and so on")
      ->check(CLI::IsMember(poolings));
  app.add_flag("--as-folder", s.as_folder, "vectors of the length that the folder's modules give, in place of unit length");
  auto* prompt =
      app.add_option("--prompt", s.prompt, "name of a prompt of the folder to add before every line; default: the folder's");
  app.add_flag("--no-prompt", s.no_prompt, "add no prompt")->excludes(prompt);
  app.add_option("--precision", s.precision, "of the computation")->check(CLI::IsMember(precisions::names));
  support::number(app, "--max-tokens", s.max_tokens,
                  "truncate longer lines; 0: the folder's limit, at most the model's positions", {.most = 32'767});
  support::threads_option(app, s.threads);
  auto* json = app.add_flag("--json", s.json, "write each vector as a JSON array");
  auto* binary = app.add_flag("--binary", s.binary, "write vectors as little-endian f32 without separators")->excludes(json);
  app.add_option("--out", s.out, "write all vectors to this file, as NumPy's .npy")->excludes(json)->excludes(binary);
  return support::run(app, argc, argv, [&] { work(s); });
}
