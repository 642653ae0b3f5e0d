// The number of allocations of a test binary, which counts where one of its files includes allocations.hpp.
#pragma once

#include <atomic>
#include <cstddef>

namespace support {
inline std::atomic<std::size_t> allocations{0};
}  // namespace support
