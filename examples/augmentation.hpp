// The words and the options of augmentation, from the command line.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "bert/core/error.hpp"
#include "bert/data/eda.hpp"
#include "bert/data/thesaurus.hpp"
#include "bert/data/tsv.hpp"

namespace augmentation {

inline const char* const synonyms_help =
    "words that mean the same: wordnet:FOLDER (WordNet's database files; on Debian /usr/share/wordnet), the .dat of a MyThes "
    "thesaurus, or a file of a group a line";
inline const char* const words_help =
    "list of words, in the first column, by which Chinese is split, as those of --synonyms are";

/// The thesaurus that --synonyms names.
[[nodiscard]] inline bert::data::thesaurus thesaurus(const std::string& name) {
  constexpr std::string_view wordnet = "wordnet:";
  if (name.starts_with(wordnet)) return bert::data::wordnet(bert::path_from(name.substr(wordnet.size())));
  const std::filesystem::path path = bert::path_from(name);
  return path.extension() == ".dat" ? bert::data::mythes(path) : bert::data::synonym_groups(path);
}

/// What --augment asks for: "eda", or "eda:alpha=0.05,copies=8", each with a default.
struct recipe {
  float alpha = 0.1f;
  unsigned copies = 4;

  [[nodiscard]] static recipe parse(const std::string& text) {
    recipe r;
    const auto refuse = [&] {
      throw bert::error({"--augment", "eda or eda:alpha=A,copies=N, A from 0 to 1, N of 1 or more", text, {}});
    };
    if (text != "eda" && !text.starts_with("eda:")) refuse();
    for (std::string_view rest = std::string_view(text).substr(std::min<std::size_t>(text.size(), 4)); !rest.empty();) {
      const std::string_view word = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(rest.size(), word.size() + 1));
      const std::size_t equals = word.find('=');
      const auto value = equals == std::string_view::npos ? std::nullopt : bert::data::finite_number(word.substr(equals + 1));
      if (!value) refuse();
      if (word.substr(0, equals) == "alpha" && *value > 0 && *value <= 1) r.alpha = *value;
      else if (word.substr(0, equals) == "copies" && *value >= 1 && *value <= 1'000) r.copies = static_cast<unsigned>(*value);
      else refuse();
    }
    return r;
  }
};

/// EDA whose four operations have the share `alpha`.
[[nodiscard]] inline bert::data::eda eda(const std::string& synonyms, const std::string& words, float alpha,
                                         std::uint64_t seed) {
  return bert::data::eda(thesaurus(synonyms), {.replace = alpha, .insert = alpha, .swap = alpha, .remove = alpha, .seed = seed},
                         words.empty() ? bert::data::word_list{} : bert::data::word_list::read(bert::path_from(words)));
}

}  // namespace augmentation
