// What the example programs need of the operating system, on POSIX and on Windows.
#pragma once

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "bert/core/path.hpp"
#include "bert/core/windows.hpp"

#if defined(_WIN32)
#include <fcntl.h>
#include <io.h>
#include <psapi.h>
#include <shellapi.h>
#else
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigaction
#include <sys/resource.h>
#include <unistd.h>
#endif

namespace support {

#if defined(_WIN32)

/// Standard input and output in bytes, "\n" without "\r"; a console reads and writes UTF-8.
inline void prepare_console() {
  for (std::FILE* const file : {stdin, stdout}) ::_setmode(::_fileno(file), _O_BINARY);
  ::SetConsoleCP(CP_UTF8);
  ::SetConsoleOutputCP(CP_UTF8);
}

/// The arguments after the program's name, in UTF-8: those of main are in the code page of the machine.
[[nodiscard]] inline std::vector<std::string> arguments(int, char**) {
  int count = 0;
  wchar_t** const all = ::CommandLineToArgvW(::GetCommandLineW(), &count);
  std::vector<std::string> texts;
  for (int i = 1; i < count; ++i) texts.push_back(bert::path_text(all[i]));
  ::LocalFree(all);
  return texts;
}

/// Whether standard error is a console that understands escape sequences.
[[nodiscard]] inline bool has_progress() {
  const HANDLE console = ::GetStdHandle(STD_ERROR_HANDLE);
  DWORD mode = 0;
  return ::GetConsoleMode(console, &mode) != 0 && ::SetConsoleMode(console, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING) != 0;
}

/// The most memory that this process has had, in bytes.
[[nodiscard]] inline std::uint64_t peak_memory() {
  PROCESS_MEMORY_COUNTERS counters{};
  return ::K32GetProcessMemoryInfo(::GetCurrentProcess(), &counters, sizeof counters) != 0 ? counters.PeakWorkingSetSize : 0;
}

/// Bytes read from the file's descriptor as soon as there are some; 0 at its end, negative on failure.
[[nodiscard]] inline std::ptrdiff_t read_some(std::FILE* file, void* to, std::size_t size) {
  return ::_read(::_fileno(file), to, static_cast<unsigned>(size));
}

/// Has a signal call `handler`, once: then it ends the program again. Ignored ones stay ignored.
class signal_action {
 public:
  signal_action(int number, void (*handler)(int)) : number_(number), before_(std::signal(number, handler)) {
    if (before_ == SIG_IGN) std::signal(number_, SIG_IGN);
  }
  signal_action(const signal_action&) = delete;
  signal_action& operator=(const signal_action&) = delete;
  ~signal_action() { std::signal(number_, before_); }

 private:
  int number_;
  void (*before_)(int);
};

/// Ctrl-Break, and the one that other systems send to end a program.
inline constexpr int end_signal = SIGBREAK;
inline constexpr const char* end_signal_name = "SIGBREAK";

#else

inline void prepare_console() {}

[[nodiscard]] inline std::vector<std::string> arguments(int argc, char** argv) {
  return argc < 1 ? std::vector<std::string>{} : std::vector<std::string>(argv + 1, argv + argc);
}

[[nodiscard]] inline bool has_progress() { return ::isatty(STDERR_FILENO) == 1; }

[[nodiscard]] inline std::uint64_t peak_memory() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

[[nodiscard]] inline std::ptrdiff_t read_some(std::FILE* file, void* to, std::size_t size) {
  return ::read(::fileno(file), to, size);
}

class signal_action {
 public:
  signal_action(int number, void (*handler)(int)) : number_(number) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
    ::sigaction(number_, nullptr, &before_);
    if (before_.sa_handler != SIG_IGN) ::sigaction(number_, &action, nullptr);
  }
  signal_action(const signal_action&) = delete;
  signal_action& operator=(const signal_action&) = delete;
  ~signal_action() { ::sigaction(number_, &before_, nullptr); }

 private:
  int number_;
  struct sigaction before_ {};
};

inline constexpr int end_signal = SIGTERM;
inline constexpr const char* end_signal_name = "SIGTERM";

#endif

}  // namespace support
