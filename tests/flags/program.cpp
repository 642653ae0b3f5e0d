// A tokenizer, a classifier from a folder and sentence vectors: what flags.py compiles with the flags of other programs. Prints
// numbers, which are to be the same whatever the flags.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/checkpoint/sentence_writer.hpp"
#include "bert/heads/classify.hpp"
#include "bert/heads/tag.hpp"
#include "bert/labels/bio.hpp"
#include "bert/labels/one_of.hpp"
#include "bert/pipeline/embedder.hpp"
#include "bert/pipeline/pipeline.hpp"
#include "bert/pipeline/tagging.hpp"

namespace {

struct pocket : bert::architecture_of<bert::dims{
                    .vocab = 12, .hidden = 32, .layers = 2, .heads = 2, .intermediate = 64, .positions = 32}> {};
struct mood : bert::labels::one_of<"good", "bad"> {};
struct entities : bert::labels::bio<"PER", "LOC"> {};

void print(const char* name, const std::vector<float>& values) {
  std::printf("%s", name);
  for (const float x : values) std::printf(" %.6f", static_cast<double>(x));
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string folder = argv[1];
  if (folder == "missing") {  // in a program without exceptions
    bert::error_handler() = [](const bert::error& e) {
      std::printf("%s", e.what());
      std::exit(3);
    };
    const bert::checkpoint none(folder);
    return 0;
  }
  const bert::text::tokenizer tokenizer(
      bert::text::vocabulary({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "##s", "Bern", "猫", "."}));
  const auto ids = tokenizer.encode("The cats sat, 猫 ÉTÉ.");
  std::printf("tokens");
  for (const auto id : ids.ids()) std::printf(" %d", static_cast<int>(id));
  std::printf("\n");

  const auto model = bert::model<pocket, bert::heads::classify<mood>>::random({.stddev = 0.3f, .seed = 3});
  bert::save(folder, model, tokenizer);
  const bert::checkpoint files(folder);
  const auto same = files.load<bert::model<pocket, bert::heads::classify<mood>>>();
  if (same.block().size() != model.block().size()) return 1;
  const bert::pipeline answer(same, files.tokenizer());
  const auto found = answer("the cat sat .");
  print(std::string(found.label).c_str(), {found.score});
  const auto small =
      bert::pipeline<bert::model<pocket, bert::heads::classify<mood>>, bert::precision::int8>(same, files.tokenizer());
  if (small("the cat sat .").label != found.label) return 1;

  const auto tagger = model.with_head<bert::heads::tag<entities>>({.stddev = 0.3f, .seed = 4});
  const bert::pipeline tags(tagger, tokenizer);
  for (const auto& word : tags("Bern sat").words) print(std::string(word.tag).c_str(), {word.score});

  const auto embed = bert::embedder<pocket, bert::pooling::mean>::open(folder);
  const auto rows = embed({"the cat", "cats sat ."});
  print("vector", std::vector<float>(rows[1].begin(), rows[1].begin() + 4));
}
