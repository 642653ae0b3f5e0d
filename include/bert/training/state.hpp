// The state file of a run: all that it takes to resume bit for bit, written atomically, with a checksum.
// Layer: training. Test: tests/unit/training/state_test.cpp, tests/fuzz/state_fuzz.cpp
#ifndef BERT_TRAINING_STATE_HPP
#define BERT_TRAINING_STATE_HPP

#include <algorithm>
#include <charconv>
#include <cstddef>
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
#include "bert/core/finite.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/safetensors.hpp"
#include "bert/io/safetensors_writer.hpp"

namespace bert::inline BERT_ISA::training {

/// The blocks of floats of a state file, by name. The file is safetensors; its `run` lists the settings that made it, as
/// "key=value" separated by spaces.
using state_blocks = std::span<const std::pair<const char*, std::span<float>>>;

/// Version of the files that `write_state` writes. Files of version 1, from before 0.1, have no version and no checksum.
inline constexpr std::string_view state_version = "2";

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
    throw_error({path_text(path), expected + ", as this run has", found + ", as the state was made with",
                 "resume with what the state was made with, or remove it to start anew"});
}

namespace detail {

inline constexpr const char* state_kind = "bert training state";

/// Metadata keys of the facts of source and objective are this and the fact's name.
inline constexpr std::string_view fact_prefix = "fact: ";

/// The words of `a` that are not in `b`: the settings in which two runs differ.
[[nodiscard]] inline std::string words_beyond(std::string_view a, std::string_view b) {
  const std::string others = cat(' ', b, ' ');
  std::string out;
  while (!a.empty()) {
    const std::string_view word = a.substr(0, a.find(' '));
    if (!word.empty() && others.find(cat(' ', word, ' ')) == std::string::npos) out.append(out.empty() ? "" : " ").append(word);
    a.remove_prefix(std::min(a.size(), word.size() + 1));
  }
  return out;
}

// Checks all of the file before the first block is changed, so that blocks never mix two steps.
inline std::uint64_t check_state(const io::safetensors& file, state_blocks blocks, const std::string& run,
                                 std::uint64_t total) {
  const std::string& where = file.where();
  const auto fact = [&](const char* key) {
    const auto found = file.metadata().find(key);
    return found == file.metadata().end() ? std::string() : found->second;
  };
  if (fact("kind") != state_kind)
    throw_error({where, "a training state", "another kind of file", "name another file, or move this one away"});
  if (const std::string version = fact("version"); version != state_version)
    throw_error({where, cat("a training state of version ", state_version),
                 version.empty() ? "one of version 1, without a checksum" : cat("one of version ", version),
                 "finish that run with the release that began it, or remove the file to start anew"});
  file.verify_checksum();
  if (const std::string other = fact("run"); other != run)
    throw_error({where, words_beyond(run, other), words_beyond(other, run),
                 "resume with the settings that the state was made with, or remove it to start anew"});
  const std::string text = fact("step");
  std::uint64_t step = 0;
  if (const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), step);
      code != std::errc{} || end != text.data() + text.size() || step > total)
    throw_error({where, cat("a step from 0 to ", total), text, "the file is damaged; remove it to start anew"});
  for (const auto& [name, values] : blocks) {
    const io::stored_tensor& tensor = file.at(name);
    if (tensor.type != io::dtype::f32 || tensor.size() != values.size())
      throw_error({cat(where, ", tensor \"", name, '"'), cat(values.size(), " elements of F32"),
                   cat(tensor.size(), " of ", io::name_of(tensor.type)), "resume the model that the state was made of"});
    io::check_finite(tensor, where);
  }
  return step;
}

}  // namespace detail

/// Writes the blocks, and the facts of source and objective. Throws bert::error if the file cannot be written, or if an element
/// is not finite; the old file is then unchanged.
inline void write_state(const std::filesystem::path& path, state_blocks blocks, std::uint64_t step, const std::string& run,
                        const named_facts& facts = {}) {
  std::vector<io::stored_tensor> tensors;
  for (const auto& [name, values] : blocks) {
    if (const std::size_t i = first_not_finite(values); i != all_finite)
      throw_error({cat(path_text(path), ", tensor \"", name, '"'), "finite numbers",
                   cat(values[i], " at ", i, ", to be written"),
                   "the training went wrong; lower the learning rate, and go on from the state that is there"});
    tensors.push_back(io::stored(name, values, {values.size()}));
  }
  io::safetensors_metadata words{
      {"kind", detail::state_kind}, {"version", std::string(state_version)}, {"step", std::to_string(step)}, {"run", run}};
  for (const auto& [name, value] : facts) words[std::string(detail::fact_prefix) + name] = value;
  io::write_safetensors(path, tensors, words, io::checksums::at_end);
}

/// Reads the blocks, writes the facts of source and objective to `facts`, and returns the step. Throws bert::error, and changes
/// no block, if the file is no state, of another version, of other settings (naming them), damaged in any bit, of a step beyond
/// `total`, or not finite.
inline std::uint64_t read_state(const std::filesystem::path& path, state_blocks blocks, const std::string& run,
                                std::uint64_t total, named_facts* facts = nullptr) {
  const io::safetensors file(path);
  const std::uint64_t step = detail::check_state(file, blocks, run, total);
  for (const auto& [name, values] : blocks) io::to_floats(file.at(name), values);
  if (facts == nullptr) return step;
  facts->clear();
  for (const auto& [name, value] : file.metadata())
    if (name.starts_with(detail::fact_prefix)) facts->emplace_back(name.substr(detail::fact_prefix.size()), value);
  return step;
}

}  // namespace bert::training

#endif  // BERT_TRAINING_STATE_HPP
