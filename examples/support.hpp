// Shared by the example programs: command lines, numeric options, errors, signals, progress.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <concepts>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/core/cores.hpp"
#include "bert/core/error.hpp"
#include "bert/core/execution.hpp"
#include "bert/core/path.hpp"
#include "platform.hpp"

namespace support {

/// The range of a numeric option: [least, most], or (least, most] if `above`.
template <class T>
struct range {
  T least = std::numeric_limits<T>::lowest();
  T most = std::numeric_limits<T>::max();
  bool above = false;
};

/// `text` as a T within `allowed`, or throws CLI::ValidationError. The whole text must be a number, finite and not rounded to
/// fit.
template <class T>
[[nodiscard]] T parsed(const std::string& text, const range<T>& allowed) {
  using wide = std::conditional_t<std::floating_point<T>, double, T>;
  wide value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  const T number = static_cast<T>(value);
  if (code != std::errc{} || end != text.data() + text.size() || !std::isfinite(static_cast<double>(number)) ||
      number > allowed.most || (allowed.above ? number <= allowed.least : number < allowed.least)) {
    const bool bounded = allowed.most != std::numeric_limits<T>::max(),
               signed_too = allowed.least != std::numeric_limits<T>::lowest();
    std::string what = std::integral<T> ? "a whole number" : "a number";
    if (allowed.above) what += bert::cat(" above ", +allowed.least);
    else if (signed_too || std::integral<T>) what += bert::cat(" from ", +allowed.least);
    if (bounded || std::integral<T>) what += bert::cat(allowed.above ? ", at most " : " to ", +allowed.most);
    throw CLI::ValidationError("must be " + what + ", found \"" + text + '"');
  }
  return number;
}

/// Adds a numeric option to a program.
template <class T>
requires(std::integral<T> || std::floating_point<T>) CLI::Option* number(CLI::App& app, const std::string& name, T& value,
                                                                         const std::string& help, range<T> allowed = {}) {
  // Rewrites the text, so that CLI11 reads "010" as ten.
  const CLI::Validator check(
      [allowed](std::string& text) -> std::string {
        try {
          if constexpr (std::integral<T>) text = std::to_string(parsed(text, allowed));
          else (void)parsed(text, allowed);
          return {};
        } catch (const CLI::ValidationError& e) {
          return e.what();
        }
      },
      "", "number");
  return app.add_option(name, value, help)->transform(check);
}

/// Adds `--threads`; the default is the number of cores this process may use.
inline CLI::Option* threads_option(CLI::App& app, std::size_t& threads) {
  return number(app, "--threads", threads, "number of threads; does not change the result", {.least = 1, .most = 4096});
}

/// Starts `n` threads; warns on stderr if the process has fewer cores.
inline bert::execution::threads start_threads(std::size_t n) {
  bert::execution::threads threads{n};
  if (threads.beyond_cores() != 0)
    std::cerr << "--threads " << n << ": this process may use " << bert::execution::available_cores()
              << (bert::execution::available_cores() == 1 ? " core" : " cores") << ", more threads gain nothing\n";
  return threads;
}

/// Ends a program that a signal stopped: exit status 128 + the signal's number.
struct stopped : std::exception {
  int signal;
  std::string text;
  stopped(int number, std::string what) : signal(number), text(std::move(what)) {}
  [[nodiscard]] const char* what() const noexcept override { return text.c_str(); }
};

/// While it exists, the first SIGINT or SIGTERM (on Windows Ctrl-C or Ctrl-Break) is only recorded, so that a step can end and
/// a state be saved; the second ends the program at once. Signals that the caller ignores (nohup, a background job) stay
/// ignored.
class signals {
 public:
  signals() = default;
  signals(const signals&) = delete;
  signals& operator=(const signals&) = delete;

  /// The signal received, or 0.
  [[nodiscard]] static int received() noexcept { return received_; }
  [[nodiscard]] static const char* name() noexcept { return name(received_); }
  [[nodiscard]] static const char* name(int number) noexcept { return number == SIGINT ? "SIGINT" : end_signal_name; }

 private:
  static void note(int number) noexcept {
    if (received_ != 0) {  // the other of the two came first
      std::signal(number, SIG_DFL);
      std::raise(number);
    }
    received_ = number;
  }

  using handler = void (*)(int);
  static handler ready() {
    received_ = 0;
    return note;
  }

  static inline volatile std::sig_atomic_t received_ = 0;
  signal_action interrupt_{SIGINT, ready()}, end_{end_signal, note};
};

/// Throws if standard output failed: a full disk, a closed pipe.
inline void flush_output() {
  if (!std::cout.flush()) throw bert::error({"standard output", "a place to write to", "an error", {}});
}

/// Prints each note on a line: on standard error for programs whose standard output is data.
template <class Notes>
void tell(const Notes& notes, std::ostream& out = std::cerr) {
  for (const auto& note : notes) out << "note: " << note << '\n';
}

/// Parses the command line and runs `work`. Exit status: 0 success or --help, 1 error, 2 wrong usage, 128 + n stopped by
/// signal n. Prints an error as one line on stderr.
template <class Work>
int run(CLI::App& app, int argc, char** argv, Work&& work) {
  // In one piece, as mpirun and other ranks write there, too.
  const auto say = [&](std::string_view text) { std::cerr << bert::cat(app.get_name(), ": ", text, '\n'); };
  prepare_console();
  try {
    app.allow_windows_style_options(false);  // /dev/stdin is no option
    const std::vector<std::string> given = arguments(argc, argv);
    app.parse(std::vector<std::string>(given.rbegin(), given.rend()));
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return 0;
  } catch (const CLI::ParseError& e) {
    say(bert::printable(e.what()) + "; see --help");
    return 2;
  }
  try {
    work();
    flush_output();
    return 0;
  } catch (const stopped& e) {
    std::cout.flush();
    say(e.what());
    return 128 + e.signal;
  } catch (const std::bad_alloc&) {
    say("out of memory; use a smaller batch or architecture");
  } catch (const std::filesystem::filesystem_error& e) {
    say(bert::error({bert::path_text(e.path1()), "a path that can be used", e.code().default_error_condition().message(),
                     "check the path and its permissions"})
            .what());
  } catch (const bert::error& e) {
    say(e.what());
  } catch (const std::exception& e) {
    say(bert::printable(e.what()));
  }
  return 1;
}

/// A progress bar on stderr if that is a terminal.
class progress {
 public:
  explicit progress(std::string what) : what_(std::move(what)), shown_(has_progress()) {}
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
  /// The same with an unknown total.
  void count(std::uint64_t done, const char* what) {
    const auto now = std::chrono::steady_clock::now();
    if (!shown_ || now - last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    const double elapsed = std::chrono::duration<double>(now - start_).count();
    std::fprintf(stderr, "\r\033[K%s %llu %s, %.0f a second", what_.c_str(), static_cast<unsigned long long>(done), what,
                 static_cast<double>(done) / std::max(elapsed, 1e-3));
    std::fflush(stderr);
  }
  /// Clears the line for other output.
  void clear() const {
    if (shown_) std::fputs("\r\033[K", stderr);
  }

 private:
  std::string what_;
  bool shown_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now(), last_{};
};

}  // namespace support
