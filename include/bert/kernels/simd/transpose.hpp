// Transposing a square of lanes x lanes floats from memory to memory.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_test.cpp
#ifndef BERT_KERNELS_SIMD_TRANSPOSE_HPP
#define BERT_KERNELS_SIMD_TRANSPOSE_HPP

#include <cstddef>

#include "bert/core/isa.hpp"
#include "bert/kernels/simd/f32.hpp"

namespace bert::inline BERT_ISA::kernels {
namespace detail {

// Quads: a register as lanes / 4 groups of four floats, loaded from rows four apart. That leaves two rounds of shuffles within
// groups, 8 instructions per 4 registers; whole rows would need log2(lanes) rounds across groups.
#if defined(__AVX512F__)
using quads = __m512;
inline quads load_quads(const float* p, std::size_t stride) noexcept {
  __m512 x = _mm512_castps128_ps512(_mm_loadu_ps(p));
  x = _mm512_insertf32x4(x, _mm_loadu_ps(p + 4 * stride), 1);
  x = _mm512_insertf32x4(x, _mm_loadu_ps(p + 8 * stride), 2);
  return _mm512_insertf32x4(x, _mm_loadu_ps(p + 12 * stride), 3);
}
inline quads low(quads a, quads b) noexcept { return _mm512_unpacklo_ps(a, b); }
inline quads high(quads a, quads b) noexcept { return _mm512_unpackhi_ps(a, b); }
inline quads low_pairs(quads a, quads b) noexcept { return _mm512_shuffle_ps(a, b, 0x44); }
inline quads high_pairs(quads a, quads b) noexcept { return _mm512_shuffle_ps(a, b, 0xEE); }
#elif defined(__AVX__)
using quads = __m256;
inline quads load_quads(const float* p, std::size_t stride) noexcept {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + 4 * stride), 1);
}
inline quads low(quads a, quads b) noexcept { return _mm256_unpacklo_ps(a, b); }
inline quads high(quads a, quads b) noexcept { return _mm256_unpackhi_ps(a, b); }
inline quads low_pairs(quads a, quads b) noexcept { return _mm256_shuffle_ps(a, b, 0x44); }
inline quads high_pairs(quads a, quads b) noexcept { return _mm256_shuffle_ps(a, b, 0xEE); }
#elif defined(__SSE2__)
using quads = __m128;
inline quads load_quads(const float* p, std::size_t) noexcept { return _mm_loadu_ps(p); }
inline quads low(quads a, quads b) noexcept { return _mm_unpacklo_ps(a, b); }
inline quads high(quads a, quads b) noexcept { return _mm_unpackhi_ps(a, b); }
inline quads low_pairs(quads a, quads b) noexcept { return _mm_shuffle_ps(a, b, 0x44); }
inline quads high_pairs(quads a, quads b) noexcept { return _mm_shuffle_ps(a, b, 0xEE); }
#endif

}  // namespace detail

/// to[j, i] = from[i, j] for i, j in [0, lanes); rows of `from` and of `to` are `from_stride` and `to_stride` floats apart.
inline void transpose(const float* from, std::size_t from_stride, float* to, std::size_t to_stride) noexcept {
#if defined(__SSE2__)
  for (std::size_t j = 0; j < lanes; j += 4) {
    using namespace detail;
    const quads a = load_quads(from + j, from_stride), b = load_quads(from + from_stride + j, from_stride);
    const quads c = load_quads(from + 2 * from_stride + j, from_stride),
                d = load_quads(from + 3 * from_stride + j, from_stride);
    const quads ab = low(a, b), cd = low(c, d), ab_high = high(a, b), cd_high = high(c, d);
    float* out = to + j * to_stride;
    store(out, simd(low_pairs(ab, cd)));
    store(out + to_stride, simd(high_pairs(ab, cd)));
    store(out + 2 * to_stride, simd(low_pairs(ab_high, cd_high)));
    store(out + 3 * to_stride, simd(high_pairs(ab_high, cd_high)));
  }
#else
  for (std::size_t j = 0; j < lanes; ++j)
    for (std::size_t i = 0; i < lanes; ++i) to[j * to_stride + i] = from[i * from_stride + j];
#endif
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_SIMD_TRANSPOSE_HPP
