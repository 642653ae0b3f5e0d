// What compilers spell differently: g++ and clang++ have it, for others there is a form of the standard or none.
// Layer: core. Test: tests/unit/kernels/simd/functions_test.cpp
#ifndef BERT_CORE_COMPILER_HPP
#define BERT_CORE_COMPILER_HPP

// After the parameters of a lambda: it is always inlined.
#if defined(__GNUC__)
#define BERT_ALWAYS_INLINE_LAMBDA __attribute__((always_inline))
#else
#define BERT_ALWAYS_INLINE_LAMBDA
#endif

// Prefetches the cache line at `address` for reading: into the second-level cache (2) or into all (3).
#if defined(__GNUC__)
#define BERT_PREFETCH(address, locality) __builtin_prefetch(address, 0, locality)
#else
#define BERT_PREFETCH(address, locality) static_cast<void>(address)
#endif

// Whether __builtin_shufflevector exists.
#if defined(__GNUC__)
#define BERT_SHUFFLEVECTOR 1
#else
#define BERT_SHUFFLEVECTOR 0
#endif

#endif  // BERT_CORE_COMPILER_HPP
