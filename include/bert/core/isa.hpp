// The instruction set that a file is compiled for, as a namespace name, and how it multiplies bf16.
// Layer: core. Test: tests/link/isa
#ifndef BERT_CORE_ISA_HPP
#define BERT_CORE_ISA_HPP

// Whether bf16 products use VDPBF16PS (AVX512_BF16): 1 or 0. AMD issues it at the rate of f32 FMA, for twice the throughput.
// Intel issues it at a quarter of that rate (0.72 and 0.18 ns, Emerald Rapids), for half the throughput: there bf16 is widened
// to f32, with the same bits. The default follows the macros of -march=native and -march=PROCESSOR: g++ names Cooper Lake,
// clang calls every Intel processor corei7, and later Intel ones have FP16 without AMD's SSE4A. With -march=x86-64-v4
// -mavx512bf16 it is 1: define it as 0 for Intel.
#if !defined(BERT_BF16_DOT)
#if !defined(__AVX512BF16__) || defined(__cooperlake__) || defined(__corei7__) || \
    (defined(__AVX512FP16__) && !defined(__SSE4A__))
#define BERT_BF16_DOT 0
#else
#define BERT_BF16_DOT 1
#endif
#endif
#if BERT_BF16_DOT && !defined(__AVX512BF16__)
#error "BERT_BF16_DOT=1 needs -mavx512bf16"
#endif

// Whether bf16 and int8 products may use AMX's tile registers: 1 if the compiler may use them and the system is Linux, whose
// permission they need, else 0. Define it as 0 to disable them. g++ and newer clang++ define __AMX_TILE__, clang++ 14
// __AMXTILE__.
#if (defined(__AMX_TILE__) && defined(__AMX_BF16__) && defined(__AMX_INT8__)) || \
    (defined(__AMXTILE__) && defined(__AMXBF16__) && defined(__AMXINT8__))
#define BERT_AMX_COMPILED 1
#else
#define BERT_AMX_COMPILED 0
#endif
#if !defined(BERT_AMX)
#if BERT_AMX_COMPILED && defined(__AVX512F__) && defined(__linux__)
#define BERT_AMX 1
#else
#define BERT_AMX 0
#endif
#endif
#if BERT_AMX && !BERT_AMX_COMPILED
#error "BERT_AMX=1 needs -mamx-tile -mamx-bf16 -mamx-int8"
#endif
#undef BERT_AMX_COMPILED

// g++ for Windows keeps AVX registers on a stack that is aligned to 16 bytes by instructions that need 32 or 64 (GCC bug
// 54412): programs crash, on some runs only. The assembler (binutils 2.38 or newer) can write unaligned moves instead. The
// CMake target bert::bert does that; others define BERT_UNALIGNED_MOVES together with the option. Debian's g++ is patched as
// well.
#if defined(__MINGW32__) && defined(__AVX__) && !defined(__clang__) && !defined(BERT_UNALIGNED_MOVES)
#error \
    "g++ for Windows misaligns AVX registers: compile with -Wa,-muse-unaligned-vector-move -DBERT_UNALIGNED_MOVES, or without AVX (-march=x86-64-v2)"
#endif

// Whether the file is compiled with exceptions. Without them (-fno-exceptions), errors end in bert::error_handler().
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#define BERT_EXCEPTIONS 1
#define BERT_TRY try
#define BERT_CATCH(declaration) catch (declaration)
#define BERT_RETHROW throw
#else
#define BERT_EXCEPTIONS 0
#define BERT_TRY
#define BERT_CATCH(declaration) if constexpr (false)
#define BERT_RETHROW static_cast<void>(0)
#endif

// A program may compile some files for AVX2 and others for AVX-512. An inline function that both use would have one name and
// two bodies, of which the linker keeps either: the program would crash on a processor without AVX-512, or run at half the
// speed on one with it. So `namespace bert::inline BERT_ISA {` gives the two different names; programs still write bert::….
//
// The name holds the level, the extensions that kernels test for, and that there are no exceptions. Files that differ in other
// flags (-mavx512vbmi, -ffast-math) must define BERT_ISA, a different name for each set of flags, before the first include or
// on the command line.
#if !defined(BERT_ISA)

#if defined(__AVX512F__)
#define BERT_ISA_LEVEL avx512
#elif defined(__AVX2__)
#define BERT_ISA_LEVEL avx2
#elif defined(__AVX__)
#define BERT_ISA_LEVEL avx
#elif defined(__SSE4_1__)
#define BERT_ISA_LEVEL sse4
#elif defined(__SSE2__)
#define BERT_ISA_LEVEL sse2
#elif defined(__aarch64__)
#define BERT_ISA_LEVEL neon
#else
#define BERT_ISA_LEVEL scalar
#endif

#if defined(__FMA__) && !defined(__AVX512F__) && !defined(__AVX2__)
#define BERT_ISA_FMA _fma
#elif defined(__AVX2__) && !defined(__FMA__)
#define BERT_ISA_FMA _without_fma
#else
#define BERT_ISA_FMA
#endif

#if BERT_BF16_DOT
#define BERT_ISA_BF16 _bf16
#elif defined(__AVX512BF16__)
#define BERT_ISA_BF16 _bf16_widened
#else
#define BERT_ISA_BF16
#endif

#if defined(__AVX512VNNI__) && defined(__AVXVNNI__)
#define BERT_ISA_VNNI _vnni2
#elif defined(__AVX512VNNI__)
#define BERT_ISA_VNNI _vnni
#elif defined(__AVXVNNI__)
#define BERT_ISA_VNNI _avxvnni
#else
#define BERT_ISA_VNNI
#endif

#if BERT_AMX
#define BERT_ISA_AMX _amx
#else
#define BERT_ISA_AMX
#endif

#if BERT_EXCEPTIONS
#define BERT_ISA_EXCEPTIONS
#else
#define BERT_ISA_EXCEPTIONS _noexceptions
#endif

#define BERT_ISA_JOINED(level, fma, bf16, vnni, amx, exceptions) level##fma##bf16##vnni##amx##exceptions
#define BERT_ISA_NAME(level, fma, bf16, vnni, amx, exceptions) BERT_ISA_JOINED(level, fma, bf16, vnni, amx, exceptions)
#define BERT_ISA BERT_ISA_NAME(BERT_ISA_LEVEL, BERT_ISA_FMA, BERT_ISA_BF16, BERT_ISA_VNNI, BERT_ISA_AMX, BERT_ISA_EXCEPTIONS)

#endif

/// What all instruction sets share is outside: bert::error, so that one `catch` catches every file's.
namespace bert::inline BERT_ISA {}

#endif  // BERT_CORE_ISA_HPP
