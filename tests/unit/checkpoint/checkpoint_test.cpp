// Checkpoint folders: opened, written, opened again; refused if they do not agree with the type.
// Layer: tests.
#include "bert/checkpoint/checkpoint.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "bert/labels/dynamic_set.hpp"
#include "support/golden.hpp"
#include "support/golden_models.hpp"
#include "unit/io/scratch.hpp"

using namespace bert;
using namespace bert::testing;

namespace {

struct reordered : labels::one_of<"soon", "routine", "urgent"> {};
struct two : labels::one_of<"no", "yes"> {};
using open_classifier = model<open_vocabulary<golden::pocket>, heads::classify<labels::dynamic_set>>;

template <class A, class B>
bool same_weights(const A& a, const B& b) {
  return std::equal(a.block().begin(), a.block().end(), b.block().begin(), b.block().end());
}

}  // namespace

TEST_CASE("every golden checkpoint opens as its model and is saved byte for byte") {
  const scratch dir;
  const auto round = [&]<class Model>(const char* name, Model*) {
    const checkpoint files(golden::folder(name));
    const auto m = files.load<Model>();
    save(dir / name, m);
    const checkpoint again(dir / name);
    CHECK(again.config().architectures == files.config().architectures);
    CHECK(same_weights(again.load<Model>(), m));
    save(dir / "again", again.load<Model>());
    CHECK(slurp(dir / "again" / "model.safetensors") == slurp(dir / name / "model.safetensors"));
    CHECK(slurp(dir / "again" / "config.json") == slurp(dir / name / "config.json"));
  };
  round("pretraining", static_cast<golden::odd_model*>(nullptr));
  round("tanh", static_cast<golden::tanh_model*>(nullptr));
  round("relu", static_cast<golden::relu_model*>(nullptr));
  round("classifier", static_cast<golden::classifier_model*>(nullptr));
  round("encoder", static_cast<golden::plain_model*>(nullptr));
  round("answers", static_cast<golden::answers_model*>(nullptr));
}

TEST_CASE("a save makes the folder with all four files, and model and tokenizer load back equal") {
  const scratch dir;
  const checkpoint files(golden::folder("classifier"));
  save(dir.folder() / "new" / "folder", files.load<golden::classifier_model>(), files.tokenizer());
  for (const char* name : {"config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"})
    CHECK(std::filesystem::exists(dir.folder() / "new" / "folder" / name));
  const checkpoint again(dir.folder() / "new" / "folder");
  CHECK(again.config().labels == std::vector<std::string>{"routine", "soon", "urgent"});
  CHECK(again.tokenizer().vocabulary() == files.tokenizer().vocabulary());
  CHECK(std::distance(std::filesystem::directory_iterator(again.folder()), {}) == 4);
}

TEST_CASE("a vocabulary and labels that the type leaves open are the checkpoint's") {
  const scratch dir;
  const checkpoint files(golden::folder("classifier"));
  const auto m = files.load<open_classifier>();
  CHECK(m.sizes().vocab == 101);
  CHECK(m.label_names() == std::vector<std::string>{"routine", "soon", "urgent"});
  save(dir / "open", m);
  CHECK(checkpoint(dir / "open").config().labels == m.label_names());
  CHECK(same_weights(checkpoint(dir / "open").load<open_classifier>(), m));
}

TEST_CASE("class names in another order than the type's, or another number of them, are refused") {
  const checkpoint files(golden::folder("classifier"));
  CHECK(has(message_of([&] { (void)files.load<model<golden::pocket, heads::classify<reordered>>>(); }),
            "\"id2label\": expected soon, routine, urgent, found routine, soon, urgent"));
  CHECK(has(message_of([&] { (void)files.load<model<golden::pocket, heads::classify<two>>>(); }),
            "\"id2label\": expected no, yes"));
  const scratch dir;
  std::filesystem::copy(files.folder(), dir.folder(), std::filesystem::copy_options::recursive);
  auto j = io::read_json(files.folder() / "config.json");
  j["id2label"] = {{"0", "LABEL_0"}, {"1", "LABEL_1"}};
  dir.file("config.json", j.dump());
  CHECK(has(message_of([&] { (void)checkpoint(dir.folder()).load<model<golden::pocket, heads::classify<two>>>(); }),
            "tensor \"classifier.weight\": expected [2, 32], found [3, 32]"));
  CHECK_NOTHROW((void)checkpoint(dir.folder()).load<golden::classifier_model>());
}

TEST_CASE("a head of another use than config.json says is refused, naming the key") {
  const scratch dir;
  const checkpoint files(golden::folder("classifier"));
  std::filesystem::copy(files.folder(), dir.folder(), std::filesystem::copy_options::recursive);
  const auto with = [&](const char* key, const io::json& value) {
    auto j = io::read_json(files.folder() / "config.json");
    j[key] = value;
    dir.file("config.json", j.dump());
    CHECK_NOTHROW((void)checkpoint(dir.folder()).load<model<golden::pocket>>());  // the encoder alone needs none of these
    return message_of([&] { (void)checkpoint(dir.folder()).load<open_classifier>(); });
  };
  CHECK(with("problem_type", "single_label_classification").empty());
  CHECK(has(
      with("problem_type", "multi_label_classification"),
      "config.json, \"problem_type\": expected single_label_classification, one class of several a text, found multi_label"));
  CHECK(has(with("problem_type", "regression"), "\"problem_type\""));
  CHECK(has(with("id2label", {{"0", "LABEL_0"}}), "\"id2label\": expected two classes or more, found one label"));
  CHECK(has(with("id2label", {{"0", "x"}, {"1", "x"}, {"2", "y"}}),
            "\"id2label\": expected a name of its own for each class, from \"0\" on, found \"x\" for \"0\" and \"1\""));
  CHECK(has(with("architectures", {"BertForTokenClassification"}),
            "\"architectures\": expected BertForSequenceClassification, found BertForTokenClassification"));
  CHECK(with("architectures", {"BertModel"}).empty());
  CHECK(has(with("num_labels", 5), "3 names and num_labels 5"));
}

TEST_CASE("holds() says whether a folder has a head, and notes() lists the tensors that are not used") {
  const checkpoint classifier(golden::folder("classifier")), masked(golden::folder("tanh"));
  CHECK(classifier.holds<open_classifier>());
  CHECK(classifier.holds<model<golden::pocket>>());
  CHECK(masked.holds<golden::tanh_model>());
  CHECK_FALSE(masked.holds<model<golden::tanh, heads::classify<two>>>());
  CHECK(classifier.notes<open_classifier>().empty());
  const scratch dir;
  std::filesystem::copy(golden::folder("relu"), dir.folder(), std::filesystem::copy_options::recursive);
  save(dir / "sub", checkpoint(golden::folder("relu")).load<golden::relu_model>());
  CHECK(checkpoint(dir / "sub").notes<golden::relu_model>().empty());
}

TEST_CASE("a folder without heads gives a model to go on with, and a note for each tensor that is new") {
  using pretraining = model<golden::plain, heads::masked_lm, heads::next_sentence>;
  const checkpoint files(golden::folder("encoder"));
  pipelines::reading_notes notes;
  const auto m = files.load_or_initialize<pretraining>({.seed = 3}, &notes);
  CHECK(std::ranges::equal(m.values("bert.embeddings.word_embeddings.weight"),
                           files.load<model<golden::plain>>().values("bert.embeddings.word_embeddings.weight")));
  CHECK(std::ranges::equal(m.values("cls.seq_relationship.weight"),
                           pretraining::random({.seed = 3}).values("cls.seq_relationship.weight")));
  REQUIRE(notes.size() >= 7);
  CHECK(std::any_of(notes.begin(), notes.end(), [](const auto& note) {
    return note.ends_with("has no tensor \"cls.seq_relationship.weight\"; it is initialized, with the seed 3");
  }));
  CHECK_THROWS_AS((void)files.load_or_initialize<golden::tanh_model>({.seed = 3}), error);
}

TEST_CASE("an encoder is opened in the folder that modules.json names") {
  const scratch dir;
  std::filesystem::copy(golden::folder("encoder"), dir / "0_Transformer", std::filesystem::copy_options::recursive);
  dir.file("config.json", R"({"__version__": "0.3.6"})");
  dir.file("modules.json", R"([{"type": "sentence_transformers.models.Transformer", "path": "0_Transformer"}])");
  const checkpoint files(dir.folder());
  CHECK(files.files() == dir / "0_Transformer");
  CHECK(same_weights(files.load<golden::plain_model>(), checkpoint(golden::folder("encoder")).load<golden::plain_model>()));
  CHECK(files.tokenizer().size() == 101);
}

TEST_CASE("an architecture that config.json contradicts is refused before any tensor is read") {
  const checkpoint files(golden::folder("classifier"));
  CHECK(has(message_of([&] { (void)files.load<golden::plain_model>(); }),
            "\"hidden_size\": expected 24, as the architecture's type says, found 32"));
}

TEST_CASE("a missing folder, and one without config or weights, is an error that says which") {
  const scratch dir;
  CHECK(has(message_of([&] { checkpoint{dir / "none"}; }), "none: expected the folder of a checkpoint, found nothing"));
  CHECK(has(message_of([&] { checkpoint{dir.folder()}; }), "config.json: expected a file to read, found No such file"));
  std::filesystem::copy_file(golden::folder("tanh") / "config.json", dir / "config.json");
  const checkpoint files(dir.folder());
  CHECK(has(message_of([&] { (void)files.load<golden::tanh_model>(); }), "or bert_model.ckpt.index, found no weights"));
  dir.file("pytorch_model.bin", "x");
  CHECK(has(message_of([&] { (void)files.load<golden::tanh_model>(); }), "pytorch_model.bin: expected a file of torch.save"));
  dir.file("model.safetensors", slurp(golden::folder("tanh") / "model.safetensors").substr(0, 5000));
  CHECK(has(message_of([&] { (void)files.load<golden::tanh_model>(); }), "model.safetensors"));
}

TEST_CASE("an encoder with a new head is saved and loaded with equal weights") {
  const scratch dir;
  const auto m = checkpoint(golden::folder("tanh")).load<model<golden::tanh>>().with_head<heads::classify<two>>({.seed = 7});
  save(dir / "x", m);
  CHECK(checkpoint(dir / "x").config().architectures == std::vector<std::string>{"BertForSequenceClassification"});
  CHECK(same_weights(checkpoint(dir / "x").load<model<golden::tanh, heads::classify<two>>>(), m));
}

TEST_CASE("a tokenizer with more pieces than the model is refused") {
  const scratch dir;
  const auto tokenizer = checkpoint(golden::folder("classifier")).tokenizer();
  const auto small = golden::relu_model::random({.seed = 1});
  CHECK(has(message_of([&] { save(dir / "x", small, tokenizer); }), "at most 97 pieces, as the model has, found 101"));
}

TEST_CASE("a folder that cannot be made is an error that names it") {
  const scratch dir;
  dir.file("file", "");
  const auto m = golden::relu_model::random({.seed = 1});
  CHECK(has(message_of([&] { save(dir / "file/x", m); }), "file/x: expected a folder to write to"));
}
