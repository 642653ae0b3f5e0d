// From a safetensors folder to the first answer: open, load, freeze, session, a query of 16 tokens. Milliseconds of each step,
// with the file in the page cache. "MB" is the process's peak memory while it opens and answers, measured on Linux: the weights
// of base are 438.
//   opening_bench --benchmark_filter=base/freeze
// "load" loads a model first, as a program that keeps it does; "freeze" packs directly from the file.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/model/presets.hpp"
#include "workloads.hpp"

namespace {

/// A checkpoint of random weights, written once and removed at exit.
template <class A>
const std::filesystem::path& folder() {
  struct temporary {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / bert::cat("bert-opening-", ::getpid(), '-', A::hidden);
    temporary() { bert::save(path, bert::model<A>::random({.seed = 1})); }
    ~temporary() { std::filesystem::remove_all(path); }
  };
  static const temporary made;
  return made.path;
}

/// The peak memory of this process since `forget`, in MB; 0 where the system does not tell.
class peak_memory {
 public:
  static void forget() { std::ofstream("/proc/self/clear_refs") << 5; }
  [[nodiscard]] static double megabytes() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) * 1024e-6;
    return 0;
  }
};

template <class A, bool Straight>
void open(benchmark::State& state, const bench::threads& run) {
  using model = bert::model<A>;
  const auto& path = folder<A>();
  const auto query = bench::random_batch(1, 16, A::vocab);
  const auto answer = [&](const auto& frozen) {
    auto session = frozen.session(query.shape(), run);
    benchmark::DoNotOptimize(session(query).data());
  };
  bench::stopwatch all, loading, freezing, answering;
  peak_memory::forget();
  for (auto _ : state)
    all.time([&] {
      const bert::checkpoint files{path};
      if constexpr (Straight) {
        auto frozen = freezing.time([&] { return files.freeze<model>(run); });
        answering.time([&] { answer(frozen); });
      } else {
        const auto loaded = loading.time([&] { return files.load<model>(run); });
        auto frozen = freezing.time([&] { return bert::freeze(loaded, run); });
        answering.time([&] { answer(frozen); });
      }
    });
  state.counters["ms"] = all.median() * 1e3;
  state.counters["MB"] = peak_memory::megabytes();
  if (!Straight) state.counters["load"] = loading.median() * 1e3;
  state.counters["freeze"] = freezing.median() * 1e3;
  state.counters["answer"] = answering.median() * 1e3;
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  using namespace bert::arch;
  bench::add_rows("base/freeze", {1, 2}, open<base_uncased, true>);
  bench::add_rows("base/load", {1, 2}, open<base_uncased, false>);
  bench::add_rows("minilm_l6/freeze", {1, 2}, open<minilm_l6, true>);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
