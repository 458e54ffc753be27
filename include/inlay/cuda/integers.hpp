// Divisions of integers that sizes of grids and blocks, and places in tiles, follow from.
#pragma once

#include <inlay/core/host_device.hpp>

#include <cstdint>

namespace inlay::cuda {

INLAY_HOST_DEVICE constexpr int ceil_divide(int a, int b) { return (a + b - 1) / b; }

/// a / b and a % b of numbers that are not negative: fewer instructions than where the compiler has to allow for signs.
INLAY_HOST_DEVICE constexpr int quotient(int a, int b) {
  return static_cast<int>(static_cast<unsigned>(a) / static_cast<unsigned>(b));
}
INLAY_HOST_DEVICE constexpr int modulo(int a, int b) {
  return static_cast<int>(static_cast<unsigned>(a) % static_cast<unsigned>(b));
}

/// The least power of two that is not below n, or `most` (itself a power of two) if that is smaller.
INLAY_HOST_DEVICE constexpr int power_of_two_above(std::int64_t n, int most) {
  int power = 1;
  while (power < n && power < most) power *= 2;
  return power;
}

}  // namespace inlay::cuda
