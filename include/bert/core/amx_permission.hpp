// Permission to use AMX's tile registers, which Linux grants to a process on request.
// Layer: core. Test: tests/unit/kernels/simd/amx_test.cpp
#pragma once

#include "bert/core/isa.hpp"

#if BERT_AMX
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace bert::inline BERT_ISA {

/// Whether this process may use the tile registers. Requested once (arch_prctl, ARCH_REQ_XCOMP_PERM, Linux 5.16); false if the
/// file is compiled without AMX.
[[nodiscard]] inline bool amx_permitted() noexcept {
#if BERT_AMX
  static const bool answer = [] {
    constexpr long request = 0x1023, tile_data = 18;
    return ::syscall(SYS_arch_prctl, request, tile_data) == 0;
  }();
  return answer;
#else
  return false;
#endif
}

}  // namespace bert
