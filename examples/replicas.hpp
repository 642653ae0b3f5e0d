// What a training program does with the ranks that it may be one of; programs of one process pass training::alone.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "bert/core/fingerprint.hpp"
#include "bert/distributed/agree.hpp"
#include "support.hpp"

namespace support {

/// Adds `--leaves`.
inline CLI::Option* leaves_option(CLI::App& app, unsigned& leaves) {
  const CLI::Validator power_of_two(
      [](const std::string& text) {
        const auto n = parsed<unsigned>(text, {.least = 1, .most = 256});
        return std::has_single_bit(n) ? std::string() : "must be a power of two, found \"" + text + '"';
      },
      "", "power of two");
  return number(
             app, "--leaves", leaves,
             "groups of a batch whose gradients are summed on their own, a power of two: the result is the same with up to as "
             "many ranks of pretrain_mpi",
             {.least = 1, .most = 256})
      ->check(power_of_two);
}

/// A digest of the program's own file, or "unknown" where the system does not tell.
inline std::string program_digest() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  bert::hash64 digest;
  std::vector<char> part(std::size_t{1} << 20);
  bool any = false;
  while (file.read(part.data(), static_cast<std::streamsize>(part.size())) || file.gcount() > 0) {
    digest.add(std::string_view(part.data(), static_cast<std::size_t>(file.gcount())));
    any = true;
  }
  return any ? digest.text() : "unknown";
}

/// The program and the options that the command line gave, as facts that ranks must have in common. Of `paths` only whether
/// they are given, as the same file may be elsewhere on another machine; `--threads` may differ.
inline bert::named_facts given_options(const CLI::App& app, const std::set<std::string>& paths) {
  bert::named_facts facts{{"program", program_digest()}};
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() == 0 || option->get_name() == "--threads") continue;
    std::string value;
    for (const auto& result : option->results()) value += (value.empty() ? "" : " ") + result;
    facts.emplace_back(option->get_name(), paths.count(option->get_name()) != 0 ? "given" : value);
  }
  return facts;
}

/// The signal that any of `ranks` received, 0 for none: the same in all of them. Every rank calls it.
template <class Ranks>
[[nodiscard]] int received_by_any(const Ranks& ranks) {
  const auto all = bert::distributed::gathered(ranks, static_cast<std::uint64_t>(signals::received()));
  return static_cast<int>(*std::max_element(all.begin(), all.end()));
}

}  // namespace support
