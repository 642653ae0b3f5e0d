// Permission to use AMX's tile registers, which Linux grants to a process on request.
// Layer: core. Test: tests/unit/kernels/simd/amx_test.cpp
#pragma once

#include "bert/core/isa.hpp"

#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace bert::inline BERT_ISA {

/// Whether the system lets this process use the tile registers, if the processor has them. Requested once (arch_prctl,
/// ARCH_REQ_XCOMP_PERM, Linux 5.16).
[[nodiscard]] inline bool tile_registers_permitted() noexcept {
#if defined(__linux__) && defined(__x86_64__)
  static const bool answer = [] {
    constexpr long request = 0x1023, tile_data = 18;
    return ::syscall(SYS_arch_prctl, request, tile_data) == 0;
  }();
  return answer;
#else
  return false;
#endif
}

/// Whether products may use the tile registers; false if the file is compiled without AMX.
[[nodiscard]] inline bool amx_permitted() noexcept {
#if BERT_AMX
  return tile_registers_permitted();
#else
  return false;
#endif
}

}  // namespace bert
