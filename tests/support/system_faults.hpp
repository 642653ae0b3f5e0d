// Makes the n-th system call that writes fail, or kills the process in its place. Include in exactly one file of a test binary.
//
// The functions below stand in for those of the C library in the whole binary, libstdc++ included, and pass on to them.
#pragma once

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <string>
#include <vector>

namespace support::faults {

enum class act : unsigned char { pass, fail, kill };

struct plan {
  int left = -1;  // calls until the one that is hit; negative: none is
  act what = act::pass;
  int code = EIO;                 // errno of the failure
  std::vector<std::string> seen;  // the calls so far, in order
  bool recording = false;
};
inline plan& current() {
  static plan p;
  return p;
}

/// Whether the call called `name` is to fail, with errno set; does not come back if it is to be killed.
inline bool hit(const char* name, const char* path) {
  plan& p = current();
  if (!p.recording) return false;
  const char* file = path;
  for (const char* c = path; *c != 0; ++c)
    if (*c == '/') file = c + 1;
  p.seen.push_back(std::string(name) + " " + file);
  if (p.left < 0 || p.left-- != 0) return false;
  if (p.what == act::kill) ::raise(SIGKILL);
  errno = p.code;
  return p.what == act::fail;
}

template <class F>
F* real(const char* name) {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

/// Runs `work` with call `number` hit; all calls that it made.
template <class Work>
std::vector<std::string> with(act what, int number, int code, Work&& work) {
  plan& p = current();
  p = {.left = number, .what = what, .code = code, .seen = {}, .recording = true};
  try {
    work();
  } catch (...) {
    p.recording = false;
    throw;
  }
  p.recording = false;
  return p.seen;
}

}  // namespace support::faults

extern "C" {
int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? static_cast<mode_t>(va_arg(rest, unsigned)) : 0;
  va_end(rest);
  static auto* const next = support::faults::real<int(const char*, int, ...)>("open");
  if ((flags & O_CREAT) != 0 && support::faults::hit("open", path)) return -1;
  return next(path, flags, mode);
}
ssize_t write(int fd, const void* bytes, size_t count) {
  static auto* const next = support::faults::real<ssize_t(int, const void*, size_t)>("write");
  return support::faults::hit("write", "") ? -1 : next(fd, bytes, count);
}
int fsync(int fd) {
  static auto* const next = support::faults::real<int(int)>("fsync");
  return support::faults::hit("fsync", "") ? -1 : next(fd);
}
int ftruncate(int fd, off_t size) noexcept {
  static auto* const next = support::faults::real<int(int, off_t)>("ftruncate");
  return support::faults::hit("ftruncate", "") ? -1 : next(fd, size);
}
int rename(const char* from, const char* to) noexcept {
  static auto* const next = support::faults::real<int(const char*, const char*)>("rename");
  return support::faults::hit("rename", to) ? -1 : next(from, to);
}
int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) noexcept {
  static auto* const next = support::faults::real<int(int, const char*, int, const char*, unsigned)>("renameat2");
  return support::faults::hit("renameat2", to) ? -1 : next(from_folder, from, to_folder, to, flags);
}
int mkdir(const char* path, mode_t mode) noexcept {
  static auto* const next = support::faults::real<int(const char*, mode_t)>("mkdir");
  return support::faults::hit("mkdir", path) ? -1 : next(path, mode);
}
int unlink(const char* path) noexcept {
  static auto* const next = support::faults::real<int(const char*)>("unlink");
  return support::faults::hit("unlink", path) ? -1 : next(path);
}
}
