// Tokenizes text: one line of output per line of input.
//
//   tokenize --vocab bert-base-uncased/vocab.txt < corpus.txt > ids.txt
//   tokenize --vocab vocab.txt --tokens notes.txt
//   tokenize --vocab vocab.txt --json --offsets code_points < questions.txt
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bert/text.hpp"
#include "support.hpp"

namespace {

using bert::text::tokenizer;

struct settings {
  std::string vocabulary;
  std::vector<std::string> files;
  bool lowercase = false, cased = false, ids = false, tokens = false, json = false, special = false;
  bool strip_accents = false, keep_accents = false;
  std::string unit = "bytes";
  std::size_t max_tokens = 0, stride = 0;
};

// Buffers output; the C library's buffer locks for every line.
class writer {
 public:
  ~writer() { std::fwrite(text.data(), 1, text.size(), stdout); }
  writer() = default;
  writer(const writer&) = delete;
  writer& operator=(const writer&) = delete;
  void line() {
    text += '\n';
    if (text.size() >= limit) flush();
  }
  void flush() {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
      throw bert::error({"standard output", "a place to write to", "an error", {}});
    text.clear();
  }
  void number(std::size_t n) {
    char digits[24];
    text.append(digits, std::to_chars(digits, digits + sizeof digits, n).ptr);
  }
  void quoted(std::string_view s) {
    text += '"';
    for (const char c : s) {
      if (c == '"' || c == '\\') text += '\\';
      if (static_cast<unsigned char>(c) < 0x20) {
        char code[8];
        std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
        text += code;
      } else {
        text += c;
      }
    }
    text += '"';
  }
  std::string text;

 private:
  static constexpr std::size_t limit = std::size_t{1} << 18;
};

template <class List, class Put>
void json_list(writer& out, const char* name, const List& list, Put&& put) {
  out.quoted(name);
  out.text += ":[";
  bool first = true;
  for (const auto& item : list) {
    if (!first) out.text += ',';
    first = false;
    put(item);
  }
  out.text += ']';
}

template <class Offsets>
void json_window(writer& out, const tokenizer& t, const bert::text::encoding<Offsets>& e) {
  const auto number = [&](const auto& n) { out.text += std::to_string(n); };
  out.text += '{';
  json_list(out, "tokens", e.ids, [&](bert::token_id id) { out.quoted(t.vocabulary().piece(id)); });
  out.text += ',';
  json_list(out, "ids", e.ids, number);
  out.text += ',';
  json_list(out, "offsets", e.ranges, [&](const bert::text::text_range& r) {
    out.text += '[';
    out.number(r.first);
    out.text += ',';
    out.number(r.last);
    out.text += ']';
  });
  out.text += ',';
  json_list(out, "words", e.words, number);
  out.text += ",\"cut\":";
  out.number(e.cut);
  out.text += '}';
}

template <class Offsets>
void json_line(writer& out, const tokenizer& t, std::string_view line, const settings& s) {
  const bert::text::encode_options options{.max_tokens = s.max_tokens, .stride = s.stride, .special_tokens = s.special};
  const auto windows = s.stride != 0 ? t.windows<Offsets>(line, options) : std::vector{t.encode<Offsets>(line, options)};
  for (const auto& e : windows) {
    json_window(out, t, e);
    out.line();
  }
}

void one_line(writer& out, const tokenizer& t, std::string_view line, const settings& s, std::vector<bert::token_id>& ids) {
  if (s.json) {
    if (s.unit == "bytes") json_line<bert::text::offsets::bytes>(out, t, line, s);
    else if (s.unit == "utf16") json_line<bert::text::offsets::utf16>(out, t, line, s);
    else json_line<bert::text::offsets::code_points>(out, t, line, s);
    return;
  }
  ids.clear();
  if (s.special) ids.push_back(t.cls_id());
  t.append_ids(line, ids);
  const std::size_t most = s.max_tokens == 0 ? ids.size() + 1 : s.max_tokens - s.special;
  if (ids.size() > most) ids.resize(most);
  if (s.special) ids.push_back(t.sep_id());
  bool first = true;
  for (const bert::token_id id : ids) {
    if (!first) out.text += ' ';
    first = false;
    if (s.ids) out.number(static_cast<std::size_t>(id));
    else out.text += t.vocabulary().piece(id);
  }
  out.line();
}

void whole_file(writer& out, const tokenizer& t, std::FILE* in, const std::string& name, const settings& s) {
  std::string buffered;
  std::vector<bert::token_id> ids;
  std::vector<char> block(std::size_t{1} << 18);
  std::size_t begin = 0;
  for (;;) {
    const std::ptrdiff_t got = support::read_some(in, block.data(), block.size());
    if (got < 0) throw bert::error({name, "a file that can be read", "a read error", {}});
    if (got == 0) break;
    const auto n = static_cast<std::size_t>(got);
    buffered.erase(0, begin);
    std::size_t seek = buffered.size();
    buffered.append(block.data(), n);
    begin = 0;
    for (std::size_t end; (end = buffered.find('\n', seek)) != std::string::npos; begin = seek = end + 1) {
      const std::size_t length = end - begin - (end > begin && buffered[end - 1] == '\r' ? 1 : 0);
      one_line(out, t, std::string_view(buffered).substr(begin, length), s, ids);
    }
    if (n < block.size()) out.flush();  // a slow pipe or a terminal: answer now
  }
  if (begin < buffered.size()) one_line(out, t, std::string_view(buffered).substr(begin), s, ids);
  out.flush();
}

void work(const settings& s) {
  bert::text::tokenizer_options options{.lowercase = !s.cased};
  if (s.strip_accents) options.strip_accents = true;
  if (s.keep_accents) options.strip_accents = false;
  const auto t = tokenizer::open(bert::path_from(s.vocabulary), options);
  writer out;
  if (s.files.empty()) whole_file(out, t, stdin, "standard input", s);
  for (const auto& name : s.files) {
    const std::filesystem::path path = bert::path_from(name);
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(bert::open_binary(path), std::fclose);
    if (!file || std::filesystem::is_directory(path))
      throw bert::error({name, "a text file that can be read", "none", "give the path of a text file"});
    whole_file(out, t, file.get(), name, s);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Splits text into the tokens of a BERT vocabulary: one line of output per line of input.", "tokenize");
  settings s;
  app.add_option("--vocab", s.vocabulary, "vocab.txt: one piece per line")->required()->type_name("FILE");
  app.add_option("files", s.files, "text files; default: standard input")->type_name("TEXT");
  auto* const lowercase = app.add_flag("--lowercase", s.lowercase, "lower case without accents (default)");
  app.add_flag("--cased", s.cased, "keep case and accents")->excludes(lowercase);
  auto* const strip = app.add_flag("--strip-accents", s.strip_accents, "strip accents, with --cased too");
  app.add_flag("--keep-accents", s.keep_accents, "keep accents, in lower case too")->excludes(strip);
  auto* const ids = app.add_flag("--ids", s.ids, "write ids");
  auto* const tokens = app.add_flag("--tokens", s.tokens, "write pieces (default)")->excludes(ids);
  app.add_flag("--json", s.json, "write a JSON object: tokens, ids, offsets, words")->excludes(ids)->excludes(tokens);
  app.add_option("--offsets", s.unit, "unit of the offsets in --json")
      ->check(CLI::IsMember({"bytes", "code_points", "utf16"}))
      ->capture_default_str();
  app.add_flag("--special", s.special, "add [CLS] and [SEP]");
  auto* const most = support::number(app, "--max-tokens", s.max_tokens, "truncate longer lines", {.least = 1});
  support::number(app, "--stride", s.stride,
                  "with --json and --max-tokens: tokens that a window shares with the next; one window per line")
      ->needs(most);
  return support::run(app, argc, argv, [&] { work(s); });
}
