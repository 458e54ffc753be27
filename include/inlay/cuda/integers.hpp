// Two roundings of integers that sizes of grids and blocks follow from.
#pragma once

#include <inlay/core/host_device.hpp>

#include <cstdint>

namespace inlay::cuda {

INLAY_HOST_DEVICE constexpr int ceil_divide(int a, int b) { return (a + b - 1) / b; }

/// The least power of two that is not below n, or `most` (itself a power of two) if that is smaller.
INLAY_HOST_DEVICE constexpr int power_of_two_above(std::int64_t n, int most) {
  int power = 1;
  while (power < n && power < most) power *= 2;
  return power;
}

}  // namespace inlay::cuda
