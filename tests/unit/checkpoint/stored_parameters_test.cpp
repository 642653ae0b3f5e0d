// Freezing directly from a file gives the bits of loading and freezing, for any dtypes and names of the file.
// Layer: tests.
#include "bert/checkpoint/stored_parameters.hpp"

#include <doctest/doctest.h>

#include "bert/checkpoint/checkpoint.hpp"
#include "support/golden.hpp"
#include "support/golden_models.hpp"
#include "unit/io/scratch.hpp"

using namespace bert;
using namespace bert::testing;

namespace {

token_batch some_batch() {
  token_batch b;
  b.add(std::array{2, 7, 11, 5, 3});
  b.add(std::array{2, 9, 3});
  b.score(2);
  return b;
}

template <class Frozen, class Other>
void check_same(const Frozen& a, const Other& b) {
  const auto batch = some_batch();
  auto one = a.session(batch.shape()), other = b.session(batch.shape());
  const auto x = one(batch).flat(), y = other(batch).flat();
  CHECK(x.size() == y.size());
  CHECK(std::equal(x.begin(), x.end(), y.begin()));
  const auto h = one.hidden().flat(), k = other.hidden().flat();
  CHECK(std::equal(h.begin(), h.end(), k.begin()));
}

template <class Model>
void check_folder(const checkpoint& files) {
  const auto m = files.load<Model>();
  check_same(freeze(m), files.freeze<Model>());
  check_same(freeze(m), files.freeze<Model>(execution::threads{2}));
}

}  // namespace

TEST_CASE("every golden checkpoint frozen from its file computes the bits of the loaded model") {
  check_folder<golden::odd_model>(checkpoint(golden::folder("pretraining")));
  check_folder<golden::tanh_model>(checkpoint(golden::folder("tanh")));
  check_folder<golden::relu_model>(checkpoint(golden::folder("relu")));
  check_folder<golden::classifier_model>(checkpoint(golden::folder("classifier")));
  check_folder<golden::plain_model>(checkpoint(golden::folder("encoder")));
}

TEST_CASE("a file in bf16 and one with unaligned data freeze to the bits of the loaded model") {
  const scratch dir;
  const auto m = checkpoint(golden::folder("pretraining")).load<golden::odd_model>();
  std::vector<std::vector<bf16>> rounded;
  std::vector<io::stored_tensor> tensors;
  for (const parameter& p : m.table()) {
    auto& numbers = rounded.emplace_back();
    for (const float x : m.values(p)) numbers.push_back(to_bf16(x));
    std::vector<std::size_t> shape{static_cast<std::size_t>(p.rows)};
    if (p.cols != 0) shape.push_back(static_cast<std::size_t>(p.cols));
    tensors.push_back({p.name(), io::dtype::bf16, shape, std::as_bytes(std::span(numbers))});
  }
  io::write_safetensors(dir / "bf16.safetensors", tensors);
  const auto compare = [](const io::safetensors& file) {
    const auto loaded = pipelines::load_weights<golden::odd_model>(file, golden::odd::vocab);
    const execution::serial e;
    check_same(freeze(loaded),
               pipelines::freeze_weights<golden::odd_model, precision::f32>(file, {.vocab = golden::odd::vocab}, e));
  };
  compare(io::safetensors(dir / "bf16.safetensors"));
  const std::string bytes = slurp(golden::folder("pretraining") / "model.safetensors");
  std::vector<std::byte> moved(bytes.size() + 1);
  std::memcpy(moved.data() + 1, bytes.data(), bytes.size());
  compare(io::safetensors(std::span<const std::byte>(moved).subspan(1), "moved"));
}

TEST_CASE("a file that does not match the model is refused by freeze as by load") {
  const checkpoint files(golden::folder("classifier"));
  CHECK(has(message_of([&] { (void)files.freeze<golden::plain_model>(); }), "\"hidden_size\": expected 24"));
  CHECK(has(message_of([&] { (void)files.freeze<model<golden::pocket, heads::masked_lm>>(); }),
            "a tensor \"cls.predictions.bias\", found none of that name"));
}
