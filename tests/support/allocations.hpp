// Counts the allocations of a test binary. Include in exactly one file of it.
// Not inlined: g++ would see free() of what a plain new returned, and warn.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(_WIN32)
#include <malloc.h>
#endif

#include "support/allocation_count.hpp"

// ThreadSanitizer has operators of its own, which a program cannot replace: there nothing is counted.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BERT_TESTS_COUNT_NOTHING
#endif
#endif

namespace support {
#if defined(BERT_TESTS_COUNT_NOTHING)
inline constexpr bool counts_allocations = false;
#else
inline constexpr bool counts_allocations = true;
#endif

// On Windows aligned memory is returned by a function of its own, so all is aligned.
inline void* allocated(std::size_t bytes, std::size_t aligned) noexcept {
  ++allocations;
#if defined(_WIN32)
  return ::_aligned_malloc(bytes == 0 ? 1 : bytes, aligned);
#else
  // aligned_alloc wants a multiple of the alignment.
  return std::aligned_alloc(aligned, (bytes + aligned - 1) / aligned * aligned + (bytes == 0 ? aligned : 0));
#endif
}
inline void* counted(std::size_t bytes, std::size_t aligned) {
  if (void* p = allocated(bytes, aligned)) return p;
  throw std::bad_alloc();
}
inline void returned(void* p) noexcept {
#if defined(_WIN32)
  ::_aligned_free(p);
#else
  std::free(p);
#endif
}
}  // namespace support

#if !defined(BERT_TESTS_COUNT_NOTHING)
[[gnu::noinline]] void* operator new(std::size_t n) { return support::counted(n, alignof(std::max_align_t)); }
[[gnu::noinline]] void* operator new[](std::size_t n) { return support::counted(n, alignof(std::max_align_t)); }
[[gnu::noinline]] void* operator new(std::size_t n, std::align_val_t a) {
  return support::counted(n, static_cast<std::size_t>(a));
}
[[gnu::noinline]] void* operator new[](std::size_t n, std::align_val_t a) {
  return support::counted(n, static_cast<std::size_t>(a));
}
[[gnu::noinline]] void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  return support::allocated(n, alignof(std::max_align_t));
}
[[gnu::noinline]] void* operator new[](std::size_t n, const std::nothrow_t&) noexcept {
  return support::allocated(n, alignof(std::max_align_t));
}
[[gnu::noinline]] void operator delete(void* p) noexcept { support::returned(p); }
[[gnu::noinline]] void operator delete[](void* p) noexcept { support::returned(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { support::returned(p); }
[[gnu::noinline]] void operator delete[](void* p, std::size_t) noexcept { support::returned(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { support::returned(p); }
[[gnu::noinline]] void operator delete[](void* p, std::align_val_t) noexcept { support::returned(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept { support::returned(p); }
[[gnu::noinline]] void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { support::returned(p); }
#endif
