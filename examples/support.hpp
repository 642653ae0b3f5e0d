// What the example programs share: command lines, errors, progress.
#pragma once

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

#include "bert/core/error.hpp"

namespace support {

/// A number above 0, as one clear line says.
inline const CLI::Validator positive{
    [](std::string& text) {
      double value = 0;
      return CLI::detail::lexical_cast(text, value) && value > 0 ? std::string() : "must be a number above 0, found " + text;
    },
    "POSITIVE"};

/// Says what was guessed, a line each: on standard error, where standard output is data.
template <class Notes>
void tell(const Notes& notes, std::ostream& out = std::cerr) {
  for (const auto& note : notes) out << "note: " << note << '\n';
}

/// Parses the command line, runs `work`. Exit status: 0 done or --help, 2 wrong usage, 1 failed work; one line on stderr.
template <class Work>
int run(CLI::App& app, int argc, char** argv, Work&& work) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return 0;
  } catch (const CLI::ParseError& e) {
    std::cerr << app.get_name() << ": " << e.what() << "; see --help\n";
    return 2;
  }
  try {
    work();
    if (!std::cout.flush()) throw bert::error({"standard output", "a place to write to", "an error", {}});
    return 0;
  } catch (const std::bad_alloc&) {
    std::cerr << app.get_name() << ": out of memory; take a smaller batch or architecture\n";
  } catch (const std::exception& e) {
    std::cerr << app.get_name() << ": " << e.what() << '\n';
  }
  return 1;
}

/// A bar on stderr where that is a terminal; nothing elsewhere.
class progress {
 public:
  explicit progress(std::string what) : what_(std::move(what)), shown_(isatty(STDERR_FILENO) == 1) {}
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;
  ~progress() { clear(); }

  [[nodiscard]] bool shown() const noexcept { return shown_; }

  void show(std::uint64_t done, std::uint64_t total, const std::string& note = {}) {
    const auto now = std::chrono::steady_clock::now();
    if (!shown_ || (done != total && now - last_ < std::chrono::milliseconds(100))) return;
    last_ = now;
    const double elapsed = std::chrono::duration<double>(now - start_).count();
    const double left = done == 0 ? 0 : elapsed / static_cast<double>(done) * static_cast<double>(total - done);
    constexpr std::uint64_t width = 30;
    const auto filled = static_cast<std::size_t>(total == 0 ? width : width * done / total);
    std::fprintf(stderr, "\r\033[K%s [%s%s] %llu/%llu %.0f s left %s", what_.c_str(), std::string(filled, '#').c_str(),
                 std::string(width - filled, '.').c_str(), static_cast<unsigned long long>(done),
                 static_cast<unsigned long long>(total), left, note.c_str());
    std::fflush(stderr);
  }
  /// The same where nobody knows how much is to come.
  void count(std::uint64_t done, const char* what) {
    const auto now = std::chrono::steady_clock::now();
    if (!shown_ || now - last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    const double elapsed = std::chrono::duration<double>(now - start_).count();
    std::fprintf(stderr, "\r\033[K%s %llu %s, %.0f a second", what_.c_str(), static_cast<unsigned long long>(done), what,
                 static_cast<double>(done) / std::max(elapsed, 1e-3));
    std::fflush(stderr);
  }
  /// Makes room for a line of output.
  void clear() const {
    if (shown_) std::fputs("\r\033[K", stderr);
  }

 private:
  std::string what_;
  bool shown_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now(), last_{};
};

}  // namespace support
