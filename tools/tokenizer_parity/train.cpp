// Learns a vocabulary from a text file, for tools/tokenizer_parity/vocabularies.py to weigh.
//
//   train TEXT SIZE pair_counts|likelihood_gain SURPLUS OUTPUT
#include <cstddef>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>

#include "bert/core/error.hpp"
#include "bert/data/corpus.hpp"
#include "bert/text/wordpiece/train_wordpiece.hpp"

int main(int argc, char** argv) try {
  namespace text = bert::text;
  if (argc != 6) {
    std::cerr << "usage: train TEXT SIZE pair_counts|likelihood_gain SURPLUS OUTPUT\n";
    return 2;
  }
  const bert::data::corpus corpus(argv[1]);
  const text::wordpiece_options options{.vocab = std::stoul(argv[2]), .surplus = std::stof(argv[4]), .threads = 2};
  const std::string_view scoring = argv[3];
  if (scoring != "pair_counts" && scoring != "likelihood_gain") throw bert::error("no scoring of that name");
  const auto made = scoring == "pair_counts" ? text::train_wordpiece<text::scoring::pair_counts>(corpus, options)
                                             : text::train_wordpiece<text::scoring::likelihood_gain>(corpus, options);
  made.vocabulary().save(argv[5]);
  return 0;
} catch (const std::exception& e) {
  std::cerr << "train: " << e.what() << '\n';
  return 1;
}
