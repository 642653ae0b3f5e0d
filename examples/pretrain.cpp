// Pretrains a BERT on a text file by masked LM and pairs of sentences: from random weights with a vocabulary that it trains or
// reads, or from a folder, to learn the language of a domain.
//   pretrain --text corpus.txt --arch mini --vocab-size 8192 --steps 3000 --batch 32 --tokens 128 --lr 1e-3 --warmup 300 --out
//   folder
//   pretrain --text corpus.txt --objective replaced_token --steps 3000 --out folder
//   pretrain --from folder --text reviews.txt --documents line --general wiki.txt --steps 2000 --lr 5e-5 --out adapted
#include "bert/training/reduction.hpp"
#include "pretrain/program.hpp"

int main(int argc, char** argv) {
  return pretraining::run("pretrain", {}, argc, argv, bert::training::alone{},
                          [](const auto&, const auto& alone) { return alone; });
}
