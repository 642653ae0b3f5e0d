// The state file of a run: all that is needed to go on bit for bit, written atomically.
// Layer: training. Test: tests/unit/training/trainer_test.cpp
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/io/safetensors.hpp"
#include "bert/io/safetensors_writer.hpp"

namespace bert::inline BERT_ISA::training {

/// Blocks of floats by name, and the step they belong to. A safetensors file; `run` describes what made it.
using state_blocks = std::span<const std::pair<const char*, std::span<float>>>;

/// What a state says of the source and the objective of its run stands under these words and the fact's name.
inline constexpr const char* fact_prefix = "fact: ";

/// Writes the blocks, and the facts of source and objective. Throws bert::error if the file cannot be written; the old one is
/// then still whole.
inline void write_state(const std::filesystem::path& path, state_blocks blocks, std::uint64_t step, const std::string& run,
                        const named_facts& facts = {}) {
  std::vector<io::stored_tensor> tensors;
  for (const auto& [name, values] : blocks) tensors.push_back(io::stored(name, values, {values.size()}));
  std::map<std::string, std::string> words{{"kind", "bert training state"}, {"step", std::to_string(step)}, {"run", run}};
  for (const auto& [name, value] : facts) words[fact_prefix + name] = value;
  io::write_safetensors(path, tensors, words);
}

/// The words of `a` that `b` lacks, of texts such as "adamw beta1=0.9 seed=7".
[[nodiscard]] inline std::string words_beyond(const std::string& a, const std::string& b) {
  std::istringstream words(a);
  const std::string all = " " + b + " ";
  std::string out;
  for (std::string word; words >> word;)
    if (all.find(" " + word + " ") == std::string::npos) out += (out.empty() ? "" : " ") + word;
  return out.empty() ? "nothing more" : out;
}

/// Throws bert::error naming the facts that `run` and `state` both have and in which they differ.
inline void check_facts(const std::filesystem::path& path, const named_facts& run, const named_facts& state) {
  std::string expected, found;
  for (const auto& [name, value] : run)
    for (const auto& [stored, other] : state)
      if (name == stored && value != other) {
        expected += (expected.empty() ? "" : ", ") + name + " " + value;
        found += (found.empty() ? "" : ", ") + name + " " + other;
      }
  if (!expected.empty())
    throw error({path.string(), expected + ", as this run has", found + ", as the state was made with",
                 "resume with what the state was made with, or remove it to start anew"});
}

/// Reads the blocks back, writes the facts of source and objective to `found`, and returns the step. Throws bert::error if the
/// file is damaged, no state, or of a run of other settings, naming those alone.
inline std::uint64_t read_state(const std::filesystem::path& path, state_blocks blocks, const std::string& run,
                                named_facts* found_facts = nullptr) {
  const io::safetensors file(path);
  const auto& facts = file.metadata();
  const auto fact = [&](const char* key) {
    const auto found = facts.find(key);
    return found == facts.end() ? std::string() : found->second;
  };
  if (fact("kind") != "bert training state")
    throw error({path.string(), "a training state", "another kind of file", "name another file, or move this one away"});
  if (fact("run") != run)
    throw error({path.string(), words_beyond(run, fact("run")), words_beyond(fact("run"), run),
                 "resume with the settings that the state was made with, or remove it to start anew"});
  if (found_facts != nullptr) {
    found_facts->clear();
    for (const auto& [name, value] : facts)
      if (name.starts_with(fact_prefix)) found_facts->emplace_back(name.substr(std::string_view(fact_prefix).size()), value);
  }
  for (const auto& [name, values] : blocks) io::to_floats(file.at(name), values);
  const std::string text = fact("step");
  std::uint64_t step = 0;
  if (const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), step);
      code != std::errc{} || end != text.data() + text.size())
    throw error({path.string(), "a step number", text, "the file is damaged; remove it to start anew"});
  return step;
}

}  // namespace bert::training
