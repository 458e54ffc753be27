// bf16, the upper half of a float: all of its exponents, and 8 significant bits. Rounding to it changes a number by at
// most 2^-8 of itself (and smaller ones than 2^-126 by at most 2^-134); the way back to float is exact.
#pragma once

#include <inlay/core/host_device.hpp>

#include <cstdint>

namespace inlay {

struct Bfloat16 {
  std::uint16_t bits;

  Bfloat16() = default;
  /// The nearest, even where there are two. NaN stays one.
  INLAY_HOST_DEVICE constexpr explicit Bfloat16(float x) : bits(rounded(x)) {}
  INLAY_HOST_DEVICE constexpr explicit operator float() const {
    return __builtin_bit_cast(float, std::uint32_t{bits} << 16);
  }

 private:
  INLAY_HOST_DEVICE static constexpr std::uint16_t rounded(float x) {
    const auto word = __builtin_bit_cast(std::uint32_t, x);
    return static_cast<std::uint16_t>(x != x ? 0x7fff : (word + 0x7fff + (word >> 16 & 1)) >> 16);
  }
};

}  // namespace inlay
