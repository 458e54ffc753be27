// Grids of blocks and small vectors of elements: the value types that host code and kernels share.
#pragma once

#include <cstdint>
#include <inlay/core/host_device.hpp>

namespace inlay::cuda {

/// Extents of a grid, or the position of a block in it.
struct Dim3 {
  int x = 1, y = 1, z = 1;

  INLAY_HOST_DEVICE constexpr std::int64_t count() const { return std::int64_t{1} * x * y * z; }

  friend constexpr bool operator==(const Dim3&, const Dim3&) = default;
};

/// N consecutive elements that one instruction loads or stores; its address is a multiple of its size.
template <class T, int N>
struct alignas(sizeof(T) * N) Vector {
  T values[N];

  INLAY_HOST_DEVICE constexpr T& operator[](int i) { return values[i]; }
  INLAY_HOST_DEVICE constexpr const T& operator[](int i) const { return values[i]; }
};

/// 16 bytes, the most that one lane moves at once: the unit of tiles for tensor cores.
using Chunk = Vector<std::uint32_t, 4>;

}  // namespace inlay::cuda
