// What tools/compile_cost measures a machine by: the standard library alone, a fifth of the README's first program.
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <random>
#include <regex>
#include <string>
#include <unordered_map>
int main(int argc, char** argv) {
  std::map<std::string, std::function<bool(const std::string&)>> tests;
  for (int i = 1; i < argc; ++i)
    tests[argv[i]] = [r = std::regex(argv[i])](const std::string& s) { return std::regex_search(s, r); };
  std::unordered_map<std::string, double> counts;
  std::mt19937 draw(1);
  for (std::string line; std::getline(std::cin, line);)
    for (const auto& [name, test] : tests)
      if (test(line)) counts[name] += std::normal_distribution<>(1, 0.1)(draw);
  for (const auto& [name, count] : counts) std::cout << name << ' ' << count << '\n';
}
