// Predicts the most probable pieces for every [MASK] of a text.
//   fill_mask --model bert-base-uncased "The [MASK] sat on the mat." "Paris is the [MASK] of [MASK]."
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

#include "architectures.hpp"
#include "bert/checkpoint/checkpoint.hpp"
#include "bert/heads/masked_lm.hpp"
#include "bert/pipeline/pipeline.hpp"
#include "precisions.hpp"
#include "support.hpp"

namespace {

struct settings {
  std::string model, precision = "f32";
  std::vector<std::string> texts;
  std::size_t top = 5;
};

template <class Pipeline>
void print(const settings& s, const Pipeline& fill, const bert::text::tokenizer& tokenizer) {
  std::cout << std::fixed << std::setprecision(4);
  for (const auto& text : s.texts) {
    const auto blanks = fill(text);
    std::cout << text << '\n';
    if (const std::size_t all = tokenizer.encode(text).scored().size(); all > blanks.size())
      std::cerr << "note: " << all - blanks.size() << " of " << all << ' ' << tokenizer.options().mask
                << " lie beyond the model's positions and are not filled\n";
    for (std::size_t i = 0; i < blanks.size(); ++i)
      for (const auto& c : blanks[i]) {
        if (blanks.size() > 1) std::cout << "  " << i + 1 << '.';
        std::cout << "  " << c.probability << "  " << c.piece << '\n';
      }
  }
}

void work(const settings& s) {
  const bert::checkpoint files{bert::path_from(s.model)};
  bert::pipelines::reading_notes notes;
  const auto tokenizer = files.tokenizer(&notes);
  support::tell(notes);
  (void)tokenizer.mask_id();  // throws an error that names the vocabulary's file
  compiled::by_config(files.config(), [&]<class A>(std::type_identity<A>) {
    precisions::by_name(s.precision, [&]<class P>(std::type_identity<P>) {
      print(s, bert::pipeline<bert::model<A, bert::heads::masked_lm>, P>::open(bert::path_from(s.model), {.top = s.top}),
            tokenizer);
    });
  });
}

}  // namespace

int main(int argc, char** argv) {
  settings s;
  CLI::App app("Prints the most probable pieces for every [MASK] of a text.", "fill_mask");
  app.option_defaults()->always_capture_default();
  app.add_option("--model", s.model, "folder of a BertForMaskedLM or a BertForPreTraining")->required();
  support::number(app, "--top", s.top, "candidates per [MASK]", {.least = 1, .most = 1'000'000});
  app.add_option("--precision", s.precision, "of the computation")->check(CLI::IsMember(precisions::names));
  app.add_option("TEXT", s.texts, "texts, each with at least one [MASK]")->required();
  return support::run(app, argc, argv, [&] { work(s); });
}
