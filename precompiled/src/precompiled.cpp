// Detects the levels that the processor runs and calls the one chosen. Compiled for any x86-64.
#include <cpuid.h>

#include <algorithm>
#include <array>

#include "bert/core/amx_permission.hpp"
#include "engine.hpp"
#include "precompiled_levels.hpp"

namespace bert::precompiled {
namespace {

// x86-64 psABI, "Micro-Architecture Levels". __builtin_cpu_supports also checks that the operating system saves the
// registers. Features that some compilers have no name for are read from cpuid leaves 1 and 0x80000001.
bool runs(level l) noexcept {
  __builtin_cpu_init();
  unsigned eax = 0, ebx = 0, leaf1 = 0, extended = 0, edx = 0;
  __get_cpuid(1, &eax, &ebx, &leaf1, &edx);
  __get_cpuid(0x80000001, &eax, &ebx, &extended, &edx);
  constexpr unsigned cmpxchg16b = 1u << 13, movbe = 1u << 22, f16c = 1u << 29, lahf = 1u << 0, lzcnt = 1u << 5;
  switch (l) {
    case level::v2:
      return __builtin_cpu_supports("sse3") && __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.1") &&
             __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt") && (leaf1 & cmpxchg16b) != 0 &&
             (extended & lahf) != 0;
    case level::v3:
      return runs(level::v2) && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
             __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") && (leaf1 & movbe) != 0 && (leaf1 & f16c) != 0 &&
             (extended & lzcnt) != 0;
    case level::v4:
      return runs(level::v3) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    case level::v4_vnni: return runs(level::v4) && __builtin_cpu_supports("avx512vnni");
    case level::v4_bf16: return runs(level::v4_vnni) && __builtin_cpu_supports("avx512bf16");
    case level::v4_amx: {
      constexpr unsigned amx = 1u << 22 | 1u << 24 | 1u << 25;  // AMX_BF16, AMX_TILE, AMX_INT8
      unsigned leaf7 = 0;
      __get_cpuid_count(7, 0, &eax, &ebx, &leaf1, &leaf7);
      return runs(level::v4_bf16) && (leaf7 & amx) == amx && tile_registers_permitted();
    }
  }
  return false;
}

struct compiled {
  level at;
  open_function* open;
};

constexpr std::array all{
#define BERT_PRECOMPILED_ENTRY(name) compiled{level::name, &bert_precompiled_open_##name},
    BERT_PRECOMPILED_LEVELS(BERT_PRECOMPILED_ENTRY)
#undef BERT_PRECOMPILED_ENTRY
};

std::string listed(std::span<const level> some) {
  std::string text;
  for (const level l : some) text += (text.empty() ? "" : ", ") + std::string(name_of(l));
  return text.empty() ? "none" : text;
}

}  // namespace

std::string_view name_of(level l) noexcept {
  switch (l) {
    case level::v2: return "x86-64-v2";
    case level::v3: return "x86-64-v3";
    case level::v4: return "x86-64-v4";
    case level::v4_vnni: return "x86-64-v4 with VNNI";
    case level::v4_bf16: return "x86-64-v4 with BF16 and VNNI";
    case level::v4_amx: return "x86-64-v4 with BF16, VNNI and AMX";
  }
  return "no level";
}

std::span<const level> levels() {
  static const std::vector<level> found = [] {
    std::vector<level> some;
    for (const compiled& c : all)
      if (runs(c.at)) some.push_back(c.at);
    // On Intel's processors bf16 products are faster widened to f32 than by VDPBF16PS (core/isa.hpp): prefer v4_vnni.
    const auto bf16 = std::ranges::find(some, level::v4_bf16), vnni = std::ranges::find(some, level::v4_vnni);
    if (__builtin_cpu_is("intel") && bf16 != some.end() && vnni != some.end()) std::iter_swap(bf16, vnni);
    return some;
  }();
  return found;
}

namespace {

/// The engine of the level that `o` asks for, and that level.
std::pair<std::shared_ptr<const engine>, level> open_engine(const std::filesystem::path& folder, const options& o,
                                                            bool by_head) {
  const auto here = levels();
  if (here.empty()) {
    std::vector<level> compiled_in;
    for (const compiled& c : all) compiled_in.push_back(c.at);
    throw error({"bert::precompiled", "a processor for " + listed(compiled_in), "one that runs none of them",
                 "compile the library for a lower level"});
  }
  const level wanted = o.on.value_or(here.back());
  for (const compiled& c : all)
    if (c.at == wanted && runs(wanted)) return {std::shared_ptr<const engine>(c.open(folder, o, by_head)), wanted};
  throw error({"bert::precompiled::options::on", listed(here), std::string(name_of(wanted)), "leave it out for the fastest"});
}

}  // namespace

encoder encoder::open(const std::filesystem::path& folder, const options& o) {
  auto [opened, at] = open_engine(folder, o, false);
  return {std::move(opened), at};
}

reader reader::open(const std::filesystem::path& folder, const options& o) {
  auto [opened, at] = open_engine(folder, o, true);
  return {std::move(opened), at};
}

task reader::does() const noexcept { return engine_->does(); }

std::span<const std::string> reader::labels() const noexcept { return engine_->labels(); }

rows reader::classify(std::span<const std::string_view> texts, std::span<const std::string_view> seconds) const {
  return engine_->classify(texts, seconds);
}

std::vector<std::vector<entity>> reader::tag(std::span<const std::string_view> texts) const { return engine_->tag(texts); }

answer reader::answer(std::string_view question, std::string_view passage) const { return engine_->answer(question, passage); }

rows reader::embed(std::span<const std::string_view> sentences, pooling how) const { return engine_->embed(sentences, how); }

std::string_view reader::model() const noexcept { return engine_->model(); }

std::size_t reader::dimension() const noexcept { return engine_->dimension(); }

rows encoder::hidden(std::span<const sequence> sequences) const { return engine_->hidden(sequences); }

rows encoder::embed(std::span<const sequence> sequences, pooling how) const { return engine_->embed(sequences, how); }

rows encoder::embed(std::span<const std::string_view> sentences, pooling how) const { return engine_->embed(sentences, how); }

rows encoder::embed(std::span<const std::string> sentences, pooling how) const {
  return embed(std::vector<std::string_view>(sentences.begin(), sentences.end()), how);
}

std::string_view encoder::model() const noexcept { return engine_->model(); }

std::size_t encoder::dimension() const noexcept { return engine_->dimension(); }

}  // namespace bert::precompiled
