// Writes labeled texts with augmented copies of each.
//   augment --tsv train.tsv --out more.tsv --copies 4 --alpha 0.1 --synonyms wordnet:/usr/share/wordnet
//   augment --conll train.conll --out more.conll --synonyms synonyms.tsv
//   augment --tsv train.tsv --out more.tsv --rewrite bert-base-uncased
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "architectures.hpp"
#include "augmentation.hpp"
#include "bert/checkpoint/checkpoint.hpp"
#include "bert/data/augmenting.hpp"
#include "bert/data/conll.hpp"
#include "bert/data/rewriting.hpp"
#include "bert/data/tsv.hpp"
#include "bert/heads/masked_lm.hpp"
#include "bert/io/atomic_file.hpp"
#include "bert/pipeline/pipeline.hpp"
#include "columns.hpp"
#include "support.hpp"

namespace {

struct settings {
  std::string tsv, conll, out, synonyms, words, rewrite;
  support::columns columns;
  float alpha = 0.1f;
  unsigned copies = 4;
  std::size_t top = 10;
  std::uint64_t seed = 42;
};

/// Text as a field of the output: a TAB or a line end in it would be read as the end of the field.
std::string field(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c == '\t' || c == '\n' || c == '\r') c = ' ';
  return out;
}

template <class Augment>
void rows(const settings& s, const Augment& augment) {
  const auto options = s.columns.options();
  const auto labels = bert::data::tsv_labels(bert::path_from(s.tsv), [&] {
    auto any = options;
    any.scores = bert::data::score_labels::as_names;  // a score is kept, too
    return any;
  }());
  bert::data::tsv_reader reader(bert::path_from(s.tsv), options);
  bert::data::with_variants more(augment, {.copies = s.copies});
  std::string text = options.second_column ? "sentence1\tsentence2\tlabel\n" : "sentence\tlabel\n";
  std::uint64_t read = 0, written = 0;
  while (reader.next([&](std::string_view name) { return labels.parse(name).has_value(); })) {
    ++read;
    more(reader.text(), reader.second(), [&](std::string_view first, std::string_view second) {
      text += field(first) + '\t';
      if (options.second_column) text += field(second) + '\t';
      text.append(reader.label()) += '\n';
      ++written;
    });
  }
  support::tell(reader.notes(), std::cout);
  bert::io::write_file(bert::path_from(s.out), text);
  std::cout << "read " << read << " examples, wrote " << written << " to " << s.out << '\n';
}

template <class Augment>
void sentences(const settings& s, Augment& augment) {
  std::vector<bert::data::conll_word> sentence;
  std::vector<std::string> words, tags;
  const auto split = [&] {
    words.clear();
    tags.clear();
    for (const auto& word : sentence) {
      words.push_back(word.text);
      tags.push_back(word.tag);
    }
  };
  if constexpr (std::is_same_v<Augment, bert::data::eda>)
    for (bert::data::conll_reader reader(bert::path_from(s.conll)); reader.next(sentence);) {
      split();
      augment.learn(words, tags);
    }
  std::string text;
  std::uint64_t key = 0;
  const auto add = [&] {
    for (std::size_t i = 0; i < words.size(); ++i) text += words[i] + '\t' + tags[i] + '\n';
    text += '\n';
  };
  for (bert::data::conll_reader reader(bert::path_from(s.conll)); reader.next(sentence); ++key) {
    split();
    add();
    for (unsigned copy = 0; copy < s.copies; ++copy) {
      split();
      augment.tagged(words, tags, {.key = 2 * key, .round = copy});
      add();
    }
  }
  bert::io::write_file(bert::path_from(s.out), text);
  std::cout << "read " << key << " sentences, wrote " << key * (s.copies + 1) << " to " << s.out << '\n';
}

template <class Augment>
void write(const settings& s, Augment&& augment) {
  if (s.conll.empty()) rows(s, augment);
  else sentences(s, augment);
}

/// Has the masked LM of a folder write words anew.
void rewritten(const settings& s) {
  const bert::checkpoint files{bert::path_from(s.rewrite)};
  compiled::by_config(files.config(), [&]<class A>(std::type_identity<A>) {
    const auto fill = bert::pipeline<bert::model<A, bert::heads::masked_lm>>::open(bert::path_from(s.rewrite), {.top = s.top});
    const auto tokenizer = files.tokenizer();
    write(s, bert::data::rewriter(fill, {.share = s.alpha, .mask = tokenizer.options().mask, .seed = s.seed},
                                  s.words.empty() ? bert::data::word_list{} : bert::data::word_list::read(s.words)));
  });
}

void work(const settings& s) {
  const auto one = [](const char* what, const std::string& a, const std::string& b, const char* fix) {
    if (a.empty() == b.empty()) throw bert::error({"augment", what, a.empty() ? "neither" : "both", fix});
  };
  one("--tsv or --conll", s.tsv, s.conll, "name the file of examples");
  one("--synonyms or --rewrite", s.synonyms, s.rewrite, "say where other words come from");
  bert::io::check_output_file(bert::path_from(s.out));
  if (s.rewrite.empty()) write(s, augmentation::eda(s.synonyms, s.words, s.alpha, s.seed));
  else rewritten(s);
}

}  // namespace

int main(int argc, char** argv) {
  settings s;
  CLI::App app(
      "Writes labeled texts, each followed by copies in which a few words are replaced by synonyms, inserted, swapped or "
      "deleted (EDA), or written anew by a masked LM. Of tagged words the entities keep their tags. The same seed writes the "
      "same "
      "file.",
      "augment");
  app.option_defaults()->always_capture_default();
  app.add_option("--tsv", s.tsv, "tab- or comma-separated file of texts or pairs with a label or a score");
  app.add_option("--conll", s.conll, "file in CoNLL format: a word a line, its tag in the last column");
  app.add_option("--out", s.out, "file to write: text, label, with a header; or word, tag")->required();
  app.add_option("--synonyms", s.synonyms, augmentation::synonyms_help);
  app.add_option(
      "--rewrite", s.rewrite,
      "folder of a masked LM, which writes words anew in place of EDA; its config.json is one of " + compiled::names());
  support::number(app, "--top", s.top, "candidates of --rewrite for a word, drawn by their probability", {.least = 1});
  app.add_option("--words", s.words, augmentation::words_help);
  support::number(app, "--copies", s.copies, "of each example, beside itself", {.least = 1});
  support::number(app, "--alpha", s.alpha, "share of the words that a copy changes", {.least = 0, .most = 1, .above = true});
  support::number(app, "--seed", s.seed, "seed of all random numbers");
  s.columns.add_to(app);
  return support::run(app, argc, argv, [&] { work(s); });
}
