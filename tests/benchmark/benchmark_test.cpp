// Layer: tests. Of: include/bert/benchmark.hpp
#include "bert/benchmark.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

namespace {

struct pocket : bert::architecture_of<bert::dims{
                    .vocab = bert::dynamic, .hidden = 64, .layers = 2, .heads = 4, .intermediate = 128, .positions = 64}> {};

/// Keeps the rows instead of printing them.
class collected : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs)
      for (const auto& [name, counter] : run.counters) rows[run.benchmark_name()][name] = counter.value;
  }
  std::map<std::string, std::map<std::string, double>> rows;
};

std::map<std::string, std::map<std::string, double>> run() {
  int count = 2;
  char name[] = "test", least[] = "--benchmark_min_time=0.001";
  char* arguments[] = {name, least};
  benchmark::Initialize(&count, arguments);
  collected to;
  benchmark::RunSpecifiedBenchmarks(&to);
  benchmark::ClearRegisteredBenchmarks();
  return to.rows;
}

}  // namespace

TEST_CASE("an encoder, its kernels and its training step have a row each, with rates and shares of the machine's peaks") {
  bert::benchmark::encoder<pocket>({.sequences = 4, .tokens = 32, .threads = {1}, .vocab = 100});
  bert::benchmark::encoder<pocket, bert::precision::int8>({.sequences = 4, .tokens = 32, .threads = {1}, .name = "mine"});
  bert::benchmark::layer_kernels<pocket>({.sequences = 4, .tokens = 32, .threads = {2}});
  bert::benchmark::training_step<pocket>({.sequences = 4, .tokens = 32, .threads = {1}});
  auto rows = run();
  REQUIRE(rows.size() == 9);
  for (const char* name :
       {"encoder/h64-l2-a4/4x32/1/real_time", "mine/4x32/int8/1/real_time", "training_step/h64-l2-a4/4x32/1/real_time",
        "kernels/h64-l2-a4/qkv/4x32/2/real_time", "kernels/h64-l2-a4/attention_output/4x32/2/real_time",
        "kernels/h64-l2-a4/intermediate/4x32/2/real_time", "kernels/h64-l2-a4/output/4x32/2/real_time",
        "kernels/h64-l2-a4/attention/4x32/2/real_time", "kernels/h64-l2-a4/layer_norm/4x32/2/real_time"}) {
    CAPTURE(name);
    REQUIRE(rows.contains(name));
    auto& row = rows[name];
    CHECK(row["ms"] > 0);
    CHECK(row["roofline"] > 0);
    CHECK(row["GB/s"] > 0);
    if (std::string(name).find("layer_norm") == std::string::npos) {
      CHECK(row["GFLOP/s"] > 0);
      CHECK(row["share"] <= row["best"]);
      CHECK(row["best"] < 1.2);
    }
  }
  // 128 tokens a call: rates of one row are of one time.
  auto& encoder = rows["encoder/h64-l2-a4/4x32/1/real_time"];
  CHECK(encoder["tokens/s"] * encoder["ms"] == doctest::Approx(128e3).epsilon(1e-6));
  CHECK(encoder["GFLOP/s"] * encoder["ms"] ==
        doctest::Approx(bert::operations<pocket>({.sequences = 4, .tokens = 128}).total() * 1e-6).epsilon(1e-6));
  CHECK(rows["training_step/h64-l2-a4/4x32/1/real_time"]["GB"] > 0);
}

TEST_CASE("a sweep visits each combination of sizes and precisions whose heads divide the hidden size") {
  using namespace bert::benchmark;
  std::vector<std::string> seen;
  sweep<bert::dims{.vocab = 100, .positions = 32}>(
      hidden_sizes<12, 16>{}, layer_counts<1>{}, head_counts<2, 3>{}, precisions<bert::precision::f32, bert::precision::int8>{},
      [&]<class A, class P>() { seen.push_back(bert::cat(A::hidden, ' ', A::heads, ' ', A::intermediate, suffix_of<P>())); });
  CHECK(seen == std::vector<std::string>{"12 2 48", "12 2 48/int8", "12 3 48", "12 3 48/int8", "16 2 64", "16 2 64/int8"});
}
