// One half of the comparison of checkpoint folders with transformers; parity.py is the other, `run` drives both.
//
//   parity write VOCAB TEXTS FOLDER    writes random models with bert::save, and beside each what it computes for the texts
//   parity check FOLDER                opens folders that transformers wrote, and compares with what it computed
//
// TEXTS is a JSON array of [a] or [a, b]. A folder holds one folder a model, each a checkpoint with expected.safetensors:
// ids, segments, lengths, scored, hidden, and pooler, mlm, nsp, logits as far as the model has them.
#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/heads/choice.hpp"
#include "bert/heads/classify.hpp"
#include "bert/heads/classify_many.hpp"
#include "bert/heads/masked_lm.hpp"
#include "bert/heads/next_sentence.hpp"
#include "bert/heads/pooled.hpp"
#include "bert/heads/span.hpp"
#include "bert/heads/tag.hpp"
#include "bert/io/json.hpp"
#include "bert/io/safetensors_writer.hpp"
#include "bert/labels/bio.hpp"
#include "bert/labels/one_of.hpp"
#include "bert/model/session.hpp"
#include "support/largest.hpp"

namespace {

namespace fs = std::filesystem;

constexpr double tolerance = 2e-5;

struct odd : bert::architecture_of<bert::dims{
                 .vocab = bert::dynamic, .hidden = 72, .layers = 2, .heads = 6, .intermediate = 200, .positions = 128}> {};
struct flat : bert::architecture_of<bert::dims{.vocab = bert::dynamic,
                                               .hidden = 40,
                                               .layers = 1,
                                               .heads = 5,
                                               .intermediate = 56,
                                               .positions = 128,
                                               .norm_epsilon_exponent = -6},
                                    bert::layers::post_norm<bert::activation::gelu_tanh>> {};
struct urgency : bert::labels::one_of<"routine", "soon", "urgent"> {};

using pretraining = bert::model<odd, bert::heads::masked_lm, bert::heads::next_sentence>;
using masked = bert::model<flat, bert::heads::masked_lm>;
using classifier = bert::model<odd, bert::heads::classify<urgency>>;
using several_labels = bert::model<odd, bert::heads::classify_many<urgency>>;
using choice = bert::model<odd, bert::heads::choice>;
using tagger = bert::model<odd, bert::heads::tag<bert::labels::bio<"person", "place">>>;
using reader = bert::model<odd, bert::heads::span>;
using encoder = bert::model<flat, bert::heads::pooled>;

/// Calls `f.operator()<Model>(name)` for every model that is compared.
template <class F>
void for_each_model(const F& f) {
  f.template operator()<pretraining>("pretraining");
  f.template operator()<masked>("masked_lm");
  f.template operator()<classifier>("classifier");
  f.template operator()<several_labels>("several_labels");
  f.template operator()<choice>("choice");
  f.template operator()<tagger>("tagger");
  f.template operator()<reader>("reader");
  f.template operator()<encoder>("encoder");
}

/// Every output of a model for a batch, by name.
template <class Model>
std::map<std::string, std::vector<float>> outputs(const Model& m, const bert::token_batch& batch) {
  const auto frozen = bert::freeze(m);
  auto run = frozen.session(batch.shape());
  (void)run(batch);
  std::map<std::string, std::vector<float>> out;
  const auto add = [&](const char* name, auto view) { out[name].assign(view.begin(), view.end()); };
  add("hidden", run.hidden());
  if constexpr (Model::reads_pooler) add("pooler", run.pooled());
  if constexpr (Model::template has_head<bert::heads::masked_lm>) add("mlm", run.template output<bert::heads::masked_lm>());
  if constexpr (Model::template has_head<bert::heads::next_sentence>)
    add("nsp", run.template output<bert::heads::next_sentence>());
  const auto add_logits = [&]<class Head>(std::type_identity<Head>) {
    if constexpr (Model::template has_head<Head>) add("logits", run.template output<Head>());
  };
  add_logits(std::type_identity<bert::heads::classify<urgency>>{});
  add_logits(std::type_identity<bert::heads::classify_many<urgency>>{});
  add_logits(std::type_identity<bert::heads::choice>{});
  add_logits(std::type_identity<bert::heads::tag<bert::labels::bio<"person", "place">>>{});
  add_logits(std::type_identity<bert::heads::span>{});
  return out;
}

bert::token_batch encode(const bert::text::tokenizer& tokenizer, const bert::io::json& texts) {
  bert::token_batch batch;
  for (const auto& text : texts) {
    const auto parts = bert::io::json_as<std::vector<std::string>>(text, "TEXTS");
    if (parts.size() == 1) tokenizer.encode_into(batch, parts[0], {.max_tokens = 128});
    else tokenizer.encode_into(batch, parts[0], parts[1], {.max_tokens = 128});
  }
  batch.score_each(tokenizer.mask_id());
  return batch;
}

/// Numbers that no forgotten bias and no transposed matrix survives.
template <class Model>
Model random_model(int vocab, std::uint64_t seed) {
  auto m = Model::random({.stddev = 0.2f, .seed = seed, .vocab = vocab});
  bert::random_stream noise(seed, bert::draw::user);
  for (const auto& p : m.table())
    if (p.initial != bert::initialization::normal)
      for (float& x : m.values(p)) x += 0.15f * noise.normal();
  return m;
}

void write(const fs::path& vocab, const fs::path& texts_file, const fs::path& folder) {
  const auto texts = bert::io::read_json(texts_file);
  const bert::text::tokenizer tokenizer(bert::text::vocabulary::open(vocab));
  const auto batch = encode(tokenizer, texts);
  std::uint64_t seed = 1;
  for_each_model([&]<class Model>(const char* name) {
    const auto m = random_model<Model>(static_cast<int>(tokenizer.size()), seed++);
    bert::save(folder / name, m, tokenizer);
    std::vector<std::int32_t> lengths, scored(batch.scored().begin(), batch.scored().end());
    for (std::size_t s = 0; s < batch.sequences(); ++s) lengths.push_back(static_cast<std::int32_t>(batch.length(s)));
    std::vector<bert::io::stored_tensor> tensors{
        {"ids", bert::io::dtype::i32, {batch.tokens()}, std::as_bytes(batch.ids())},
        {"segments", bert::io::dtype::u8, {batch.tokens()}, std::as_bytes(batch.segments())},
        {"lengths", bert::io::dtype::i32, {lengths.size()}, std::as_bytes(std::span(lengths))},
        {"scored", bert::io::dtype::i32, {scored.size()}, std::as_bytes(std::span(scored))}};
    const auto found = outputs(m, batch);
    for (const auto& [key, numbers] : found) tensors.push_back(bert::io::stored(key, numbers, {numbers.size()}));
    bert::io::write_safetensors(folder / name / "expected.safetensors", tensors);
    bert::io::write_file(folder / name / "texts.json", texts.dump());
  });
}

bool check(const fs::path& folder) {
  bool good = true;
  for_each_model([&]<class Model>(const char* name) {
    const bert::checkpoint files(folder / name);
    const bert::io::safetensors expected(folder / name / "expected.safetensors");
    const auto batch = encode(files.tokenizer(), bert::io::read_json(folder / name / "texts.json"));
    const auto& ids = expected.at("ids");
    const bool same_ids =
        ids.size() == batch.tokens() && std::memcmp(ids.bytes.data(), batch.ids().data(), ids.bytes.size()) == 0;
    std::cout << name << ": ids " << (same_ids ? "equal" : "DIFFER");
    good = good && same_ids;
    const auto m = files.load<Model>();
    if (same_ids)
      for (const auto& [key, numbers] : outputs(m, batch)) {
        std::vector<float> wanted(numbers.size());
        bert::io::to_floats(expected.at(key), wanted);
        const double worst = support::largest_difference(wanted, numbers);
        std::cout << ", " << key << ' ' << worst;
        good = good && worst <= tolerance;
      }
    // What is opened and saved again must be the same weights to the byte, where transformers names them as we do.
    bert::save(folder / name / "again", m, files.tokenizer());
    const auto a = bert::io::mapped_file(folder / name / "model.safetensors"),
               b = bert::io::mapped_file(folder / name / "again/model.safetensors");
    std::cout << ", saved again " << (a.text() == b.text() ? "to the same bytes" : "to other bytes") << '\n';
  });
  return good;
}

}  // namespace

int main(int count, char** words) try {
  const std::vector<std::string> arguments(words + 1, words + count);
  if (arguments.size() == 4 && arguments[0] == "write") {
    write(arguments[1], arguments[2], arguments[3]);
    return 0;
  }
  if (arguments.size() == 2 && arguments[0] == "check") return check(arguments[1]) ? 0 : 1;
  std::cerr << "usage: parity write VOCAB TEXTS FOLDER | parity check FOLDER\n";
  return 2;
} catch (const bert::error& e) {
  std::cerr << "parity: " << e.what() << '\n';
  return 1;
}
