// Counts the allocations of a test binary. Include in exactly one file of it.
// Not inlined: g++ would see free() of what a plain new returned, and warn.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

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

inline void* counted(std::size_t bytes, std::size_t aligned) {
  ++allocations;
  // aligned_alloc wants a multiple of the alignment.
  if (void* p = std::aligned_alloc(aligned, (bytes + aligned - 1) / aligned * aligned + (bytes == 0 ? aligned : 0))) return p;
  throw std::bad_alloc();
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
  return ++support::allocations, std::malloc(n);
}
[[gnu::noinline]] void* operator new[](std::size_t n, const std::nothrow_t&) noexcept {
  return ++support::allocations, std::malloc(n);
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
#endif
