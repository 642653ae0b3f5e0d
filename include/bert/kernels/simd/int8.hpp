// Products of bytes with exact 32-bit sums: one function, a form for each instruction set.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_int8_test.cpp
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bert/core/isa.hpp"
#include "bert/kernels/simd/f32.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/// A form is a way to compute acc[j] += sum over i < 4 of a[i] w[4 j + i], a and w in [-127, 127], for `columns` columns j. It
/// has registers of sums and of weights, and a `left` that holds the four a of a row, broadcast. `zero_point` is added to a
/// where the instruction takes unsigned bytes on the left; the sums then start from -zero_point times the column's sum of
/// weights. `rows` is how many rows of two registers of sums there are registers for.
namespace bert::inline BERT_ISA::kernels::byte_dot {

[[nodiscard]] inline std::int32_t word(const std::uint8_t* p) noexcept {
  std::int32_t x;
  std::memcpy(&x, p, sizeof x);
  return x;
}

#if defined(__AVX512VNNI__)
/// AVX512_VNNI: vpdpbusd, 64 products.
struct vnni_512 {
  using sums = __m512i;
  using left = __m512i;
  static constexpr std::size_t columns = 16, rows = 14;
  static constexpr std::uint8_t zero_point = 128;

  [[nodiscard]] static sums load(const void* p) noexcept { return _mm512_loadu_si512(p); }
  static void store(std::int32_t* p, sums x) noexcept { _mm512_storeu_si512(p, x); }
  [[nodiscard]] static left broadcast(const std::uint8_t* p) noexcept { return _mm512_set1_epi32(word(p)); }
  [[nodiscard]] static sums dot(sums acc, left a, sums w) noexcept { return _mm512_dpbusd_epi32(acc, a, w); }
};
#endif

#if defined(__AVX2__)
/// What the forms of 256 bits share.
struct half_width {
  using sums = __m256i;
  static constexpr std::size_t columns = 8;

  [[nodiscard]] static sums load(const void* p) noexcept { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static void store(std::int32_t* p, sums x) noexcept { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x); }
};

/// AVX2: |a| times w with the sign of a. vpmaddubsw adds two products, at most 2 * 127 * 127 = 32,258: it cannot saturate.
struct avx2 : half_width {
  struct left {
    __m256i signs, sizes;
  };
  static constexpr std::size_t rows = 5;
  static constexpr std::uint8_t zero_point = 0;

  [[nodiscard]] static left broadcast(const std::uint8_t* p) noexcept {
    const __m256i a = _mm256_set1_epi32(word(p));
    return {a, _mm256_abs_epi8(a)};
  }
  [[nodiscard]] static sums dot(sums acc, left a, sums w) noexcept {
    const __m256i pairs = _mm256_maddubs_epi16(a.sizes, _mm256_sign_epi8(w, a.signs));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
};
#endif

#if defined(__AVXVNNI__) || (defined(__AVX512VNNI__) && defined(__AVX512VL__))
/// AVX_VNNI, or AVX512_VNNI at half its width: 32 products.
struct vnni_256 : half_width {
  using left = __m256i;
  static constexpr std::size_t rows = 6;
  static constexpr std::uint8_t zero_point = 128;

  [[nodiscard]] static left broadcast(const std::uint8_t* p) noexcept { return _mm256_set1_epi32(word(p)); }
  [[nodiscard]] static sums dot(sums acc, left a, sums w) noexcept {
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
    return _mm256_dpbusd_epi32(acc, a, w);
#else
    return _mm256_dpbusd_avx_epi32(acc, a, w);
#endif
  }
};
#endif

#if defined(__SSE2__)
/// SSE2: bytes 0 and 2, then 1 and 3 of each word as 16-bit numbers; pmaddwd adds two products.
struct sse2 {
  using sums = __m128i;
  struct left {
    __m128i even, odd;
  };
  static constexpr std::size_t columns = 4, rows = 4;
  static constexpr std::uint8_t zero_point = 0;

  [[nodiscard]] static sums load(const void* p) noexcept { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  static void store(std::int32_t* p, sums x) noexcept { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), x); }
  [[nodiscard]] static left broadcast(const std::uint8_t* p) noexcept {
    const __m128i a = _mm_set1_epi32(word(p));
    return {even(a), odd(a)};
  }
  [[nodiscard]] static sums dot(sums acc, left a, sums w) noexcept {
    return _mm_add_epi32(acc, _mm_add_epi32(_mm_madd_epi16(a.even, even(w)), _mm_madd_epi16(a.odd, odd(w))));
  }

 private:
  static __m128i even(__m128i x) noexcept { return _mm_srai_epi16(_mm_slli_epi16(x, 8), 8); }
  static __m128i odd(__m128i x) noexcept { return _mm_srai_epi16(x, 8); }
};
#endif

/// Any processor: 32-bit integers by shifts.
struct portable {
  using sums = simd_int;
  struct left {
    std::array<std::int32_t, 4> a;
  };
  static constexpr std::size_t columns = lanes, rows = simd_registers == 32 ? 4 : 2;
  static constexpr std::uint8_t zero_point = 0;

  [[nodiscard]] static sums load(const void* p) noexcept {
    return simd_int::load_unaligned(static_cast<const std::int32_t*>(p));
  }
  static void store(std::int32_t* p, sums x) noexcept { x.store_unaligned(p); }
  [[nodiscard]] static left broadcast(const std::uint8_t* p) noexcept {
    left l{};
    for (std::size_t i = 0; i < 4; ++i) l.a[i] = static_cast<std::int8_t>(p[i]);
    return l;
  }
  [[nodiscard]] static sums dot(sums acc, const left& a, sums w) noexcept {
    // The byte that lies first in memory is the lowest on little-endian processors, the only ones that xsimd knows.
    static_assert(std::endian::native == std::endian::little);
    acc += simd_int(a.a[0]) * ((w << 24) >> 24);
    acc += simd_int(a.a[1]) * ((w << 16) >> 24);
    acc += simd_int(a.a[2]) * ((w << 8) >> 24);
    return acc + simd_int(a.a[3]) * (w >> 24);
  }
};

#if defined(__AVX512VNNI__)
using best = vnni_512;
#elif defined(__AVXVNNI__)
using best = vnni_256;
#elif defined(__AVX2__)
using best = avx2;
#elif defined(__SSE2__)
using best = sse2;
#else
using best = portable;
#endif

}  // namespace bert::kernels::byte_dot

namespace bert::inline BERT_ISA::kernels {

/// Writes the low bytes of round(x) + zero_point, halves to even, |round(x)| < 2^31, for the lanes within `extent`.
template <class Extent>
inline void store_bytes(std::uint8_t* p, simd x, std::uint8_t zero_point, Extent extent) noexcept {
  const auto write = [&](const auto& bytes) {
    if constexpr (std::same_as<Extent, whole>) std::memcpy(p, &bytes, lanes);
    else std::memcpy(p, &bytes, extent.count);
  };
#if defined(__AVX512F__)
  write(_mm512_cvtepi32_epi8(_mm512_add_epi32(_mm512_cvtps_epi32(x), _mm512_set1_epi32(zero_point))));
#elif defined(__SSE2__)
  // Packing saturates: only the low bytes are left for it. By intrinsics, as g++ finds the shuffles in some places and not in
  // others.
#if defined(__AVX2__)
  const __m256i low =
      _mm256_and_si256(_mm256_add_epi32(_mm256_cvtps_epi32(x), _mm256_set1_epi32(zero_point)), _mm256_set1_epi32(0xFF));
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
#elif defined(__AVX__)
  const auto low = [&](__m128 half) {
    return _mm_and_si128(_mm_add_epi32(_mm_cvtps_epi32(half), _mm_set1_epi32(zero_point)), _mm_set1_epi32(0xFF));
  };
  const __m128i words = _mm_packs_epi32(low(_mm256_castps256_ps128(x)), low(_mm256_extractf128_ps(x, 1)));
#else
  const __m128i low = _mm_and_si128(_mm_add_epi32(_mm_cvtps_epi32(x), _mm_set1_epi32(zero_point)), _mm_set1_epi32(0xFF));
  const __m128i words = _mm_packs_epi32(low, low);
#endif
  write(_mm_packus_epi16(words, words));
#else
  std::array<std::int32_t, lanes> copy;
  (xsimd::nearbyint_as_int(x) + simd_int(zero_point)).store_unaligned(copy.data());
  std::array<std::uint8_t, lanes> bytes;
  for (std::size_t i = 0; i < lanes; ++i) bytes[i] = static_cast<std::uint8_t>(copy[i]);
  write(bytes);
#endif
}

/// The sums at `p` as floats, rounded to nearest beyond 2^24.
[[nodiscard]] inline simd load_as_float(const std::int32_t* p) noexcept { return xsimd::to_float(simd_int::load_unaligned(p)); }

}  // namespace bert::kernels
