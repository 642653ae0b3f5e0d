// The state file: round trips, and everything that it refuses.
// Layer: tests.
#include "bert/training/state.hpp"

#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <utility>
#include <vector>

#include "bert/core/random.hpp"
#include "unit/io/scratch.hpp"

using namespace bert::testing;

namespace {

const std::string run = "adamw beta1=0.9 peak=0.001 seed=11";

struct blocks_of_a_run {
  std::vector<float> parameters, m;
  std::array<std::pair<const char*, std::span<float>>, 2> all;

  explicit blocks_of_a_run(float value) : parameters(300, value), m(7, 2 * value), all{{{"parameters", parameters}, {"m", m}}} {
    for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i] += static_cast<float>(i);
  }
  blocks_of_a_run(const blocks_of_a_run&) = delete;
};

std::string refusal(const std::filesystem::path& path, const std::string& of = run, std::uint64_t total = 60) {
  blocks_of_a_run b(9);
  const blocks_of_a_run before(9);
  const auto message = message_of([&] { (void)bert::training::read_state(path, b.all, of, total); });
  if (!message.empty()) CHECK((b.parameters == before.parameters && b.m == before.m));  // and nothing was changed
  return message;
}

}  // namespace

TEST_CASE("a state that is written and read has the same blocks and step") {
  const scratch dir;
  blocks_of_a_run written(1), read(5);
  bert::training::write_state(dir / "s", written.all, 20, run);
  CHECK(bert::training::read_state(dir / "s", read.all, run, 20) == 20);
  CHECK(read.parameters == written.parameters);
  CHECK(read.m == written.m);
}

TEST_CASE("every flipped bit of a state is detected, and the model is unchanged") {
  const scratch dir;
  blocks_of_a_run written(1);
  bert::training::write_state(dir / "s", written.all, 20, run);
  const std::string good = slurp(dir / "s");
  std::size_t accepted = 0;
  for (std::size_t bit = 0; bit<8 * good.size(); bit += good.size()> 4096 ? 1009 : 1) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    if (refusal(dir.file("bad", bad)).empty()) ++accepted;
  }
  CHECK(accepted == 0);
  bert::random_stream random(7, bert::draw::user);
  for (int i = 0; i < 200; ++i) {  // two bytes at once
    std::string bad = good;
    for (int k = 0; k < 2; ++k) {
      const std::uint32_t at = random.below(static_cast<std::uint32_t>(bad.size()));
      bad[at] = static_cast<char>(bad[at] ^ static_cast<char>(1 + random.below(255)));
    }
    if (bad != good && refusal(dir.file("bad", bad)).empty()) ++accepted;
  }
  for (std::size_t size = 0; size < good.size(); size += 13)
    if (refusal(dir.file("bad", good.substr(0, size))).empty()) ++accepted;
  CHECK(accepted == 0);
  CHECK(refusal(dir.file("good", good)) == "");
}

TEST_CASE("a state of another version or of none is refused with its version") {
  const scratch dir;
  blocks_of_a_run b(1);
  std::vector<bert::io::stored_tensor> tensors;
  for (const auto& [name, values] : b.all) tensors.push_back(bert::io::stored(name, values, {values.size()}));
  bert::io::safetensors_metadata facts{{"kind", "bert training state"}, {"step", "20"}, {"run", run}};
  bert::io::write_safetensors(dir / "s", tensors, facts);
  CHECK(has(refusal(dir / "s"), "expected a training state of version 2, found one of version 1, without a checksum"));
  facts["version"] = "3";
  bert::io::write_safetensors(dir / "s", tensors, facts, bert::io::checksums::at_end);
  CHECK(has(refusal(dir / "s"), "found one of version 3"));
  facts["version"] = "2";
  bert::io::write_safetensors(dir / "s", tensors, facts);
  CHECK(has(refusal(dir / "s"), "expected a file that ends in its checksum, found none"));
  facts["kind"] = "other";
  bert::io::write_safetensors(dir / "s", tensors, facts);
  CHECK(has(refusal(dir / "s"), "expected a training state, found another kind of file"));
}

TEST_CASE("a run of other settings is refused, naming only those that differ") {
  const scratch dir;
  blocks_of_a_run b(1);
  bert::training::write_state(dir / "s", b.all, 20, run);
  CHECK(has(refusal(dir / "s", "adamw beta1=0.9 peak=0.001 seed=12"), "expected seed=12, found seed=11; resume"));
  CHECK(has(refusal(dir / "s", "adamw beta1=0.8 peak=0.001 seed=12"), "expected beta1=0.8 seed=12, found beta1=0.9 seed=11;"));
  CHECK(has(refusal(dir / "s", run + " products=bf16"), "expected products=bf16; resume"));
}

TEST_CASE("a step beyond the total, a block of another size and elements that are not finite are refused") {
  const scratch dir;
  blocks_of_a_run b(1);
  bert::training::write_state(dir / "s", b.all, 20, run);
  CHECK(has(refusal(dir / "s", run, 19), "expected a step from 0 to 19, found 20"));
  std::vector<float> other(299);
  std::array<std::pair<const char*, std::span<float>>, 1> smaller{{{"parameters", other}}};
  CHECK(has(message_of([&] { (void)bert::training::read_state(dir / "s", smaller, run, 60); }),
            "\"parameters\": expected 299 elements of F32, found 300 of F32"));
  const std::string before = slurp(dir / "s");
  b.m[3] = -std::numeric_limits<float>::infinity();
  CHECK(has(message_of([&] { bert::training::write_state(dir / "s", b.all, 21, run); }),
            "tensor \"m\": expected finite numbers, found -inf at 3"));
  CHECK(slurp(dir / "s") == before);
  std::vector<bert::io::stored_tensor> tensors;
  for (const auto& [name, values] : b.all) tensors.push_back(bert::io::stored(name, values, {values.size()}));
  bert::io::write_safetensors(dir / "s", tensors,
                              {{"kind", "bert training state"}, {"version", "2"}, {"step", "20"}, {"run", run}},
                              bert::io::checksums::at_end);
  CHECK(has(refusal(dir / "s"), "tensor \"m\": expected finite numbers, found an infinity or a NaN at 3"));
}

TEST_CASE("what differs between two descriptions is the words of the one that the other lacks, one space apart") {
  using bert::training::detail::words_beyond;
  CHECK(words_beyond("a=1 b=2 c=3", "a=1 c=3") == "b=2");
  CHECK(words_beyond("a=1  b=2 ", "a=1") == "b=2");
  CHECK(words_beyond("a=1 b=2", "") == "a=1 b=2");
  CHECK(words_beyond("a=1", "a=12 b").substr(0, 3) == "a=1");
  CHECK(words_beyond("a", "a").empty());
}

TEST_CASE("a step that no counter holds is refused") {
  const scratch dir;
  blocks_of_a_run b(1);
  std::vector<bert::io::stored_tensor> tensors;
  for (const auto& [name, values] : b.all) tensors.push_back(bert::io::stored(name, values, {values.size()}));
  for (const char* step : {"99999999999999999999999", "-1", "20x", ""}) {
    bert::io::write_safetensors(dir / "s", tensors,
                                {{"kind", "bert training state"}, {"version", "2"}, {"step", step}, {"run", run}},
                                bert::io::checksums::at_end);
    CHECK(has(refusal(dir / "s"), "expected a step from 0 to"));
  }
}
