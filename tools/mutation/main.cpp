// main() of the test binary that tools/mutate builds: BERT_MUTANT chooses; with BERT_MUTANT=-1 the file BERT_MUTANT_REPORT
// gets a line a test case: seconds, name, and the mutations that the case evaluates (inert ones with a minus).
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>

#include "mutants.hpp"

namespace {

[[gnu::constructor(101)]] void choose() {  // before any other initializer of the program
  if (const char* number = std::getenv("BERT_MUTANT")) bert_mutants::chosen = std::atoi(number);
}

struct report : doctest::IReporter {
  std::ofstream out;
  const char* name = "";
  std::chrono::steady_clock::time_point begin;

  explicit report(const doctest::ContextOptions&) {
    if (const char* path = std::getenv("BERT_MUTANT_REPORT")) out.open(path);
  }
  void line(double seconds, const char* what) {
    if (!out.is_open()) return;
    out << seconds << '\t' << what << '\t';
    for (int n = 0; n < bert_mutants::most; ++n)
      if (bert_mutants::seen[n] != 0) out << (bert_mutants::seen[n] == bert_mutants::inert_site ? -n : n) << ' ';
    out << std::endl;
    std::fill(std::begin(bert_mutants::seen), std::end(bert_mutants::seen), static_cast<unsigned char>(0));
  }
  void test_run_start() override { line(0, ""); }
  void test_case_start(const doctest::TestCaseData& data) override {
    name = data.m_name;
    begin = std::chrono::steady_clock::now();
  }
  void test_case_end(const doctest::CurrentTestCaseStats&) override {
    line(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(), name);
  }
  void report_query(const doctest::QueryData&) override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};
REGISTER_LISTENER("mutants", 1, report);

}  // namespace
