// The state file of a run: all that is needed to go on bit for bit, written atomically.
// Layer: training. Test: tests/unit/training/trainer_test.cpp
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/io/safetensors.hpp"
#include "bert/io/safetensors_writer.hpp"

namespace bert::inline BERT_ISA::training {

/// Blocks of floats by name, and the step they belong to. A safetensors file; `run` describes what made it.
using state_blocks = std::span<const std::pair<const char*, std::span<float>>>;

/// Writes the blocks. Throws bert::error if the file cannot be written; the old one is then still whole.
inline void write_state(const std::filesystem::path& path, state_blocks blocks, std::uint64_t step, const std::string& run) {
  std::vector<io::stored_tensor> tensors;
  for (const auto& [name, values] : blocks) tensors.push_back(io::stored(name, values, {values.size()}));
  io::write_safetensors(path, tensors, {{"kind", "bert training state"}, {"step", std::to_string(step)}, {"run", run}});
}

/// Reads the blocks back and returns the step. Throws bert::error if the file is damaged, no state, or of another run.
inline std::uint64_t read_state(const std::filesystem::path& path, state_blocks blocks, const std::string& run) {
  const io::safetensors file(path);
  const auto& facts = file.metadata();
  const auto fact = [&](const char* key) {
    const auto found = facts.find(key);
    return found == facts.end() ? std::string() : found->second;
  };
  if (fact("kind") != "bert training state")
    throw error({path.string(), "a training state", "another kind of file", "name another file, or move this one away"});
  if (fact("run") != run)
    throw error(
        {path.string(), run, fact("run"), "resume with the settings that the state was made with, or remove it to start anew"});
  for (const auto& [name, values] : blocks) io::to_floats(file.at(name), values);
  const std::string text = fact("step");
  std::uint64_t step = 0;
  if (const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), step);
      code != std::errc{} || end != text.data() + text.size())
    throw error({path.string(), "a step number", text, "the file is damaged; remove it to start anew"});
  return step;
}

}  // namespace bert::training
