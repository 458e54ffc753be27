// fp16: 11 significant bits, and 5 for the exponent. Rounding to it changes a number by at most 2^-11 of itself, those
// below 2^-14 by at most 2^-25; from 65520 on it becomes infinite. The way back to float is exact.
#pragma once

#include <inlay/core/host_device.hpp>

#include <cstdint>

namespace inlay {

struct Float16 {
  std::uint16_t bits;

  Float16() = default;
  /// The nearest, even where there are two. NaN stays one.
  INLAY_HOST_DEVICE constexpr explicit Float16(float x) : bits(rounded(x)) {}
  INLAY_HOST_DEVICE constexpr explicit operator float() const {
    const std::uint32_t sign = (bits & 0x8000u) << 16, magnitude = bits & 0x7fffu;
    if (magnitude < least_normal) {
      const float unsigned_value = static_cast<float>(magnitude) * 0x1p-24f;
      return sign != 0 ? -unsigned_value : unsigned_value;
    }
    const std::uint32_t widened = magnitude << fewer_fraction_bits;
    return __builtin_bit_cast(float,
                              sign | (magnitude >= infinity ? 0x7f800000u | widened : widened + lower_exponents));
  }

 private:
  static constexpr std::uint32_t least_normal = 0x0400, infinity = 0x7c00, fewer_fraction_bits = 13;
  static constexpr std::uint32_t lower_exponents = (127 - 15) << 23;  // of a float

  INLAY_HOST_DEVICE static constexpr std::uint16_t rounded(float x) {
    const auto word = __builtin_bit_cast(std::uint32_t, x), magnitude = word & 0x7fffffffu;
    const std::uint32_t sign = word >> 16 & 0x8000u;
    if (x != x) return 0x7fff;
    if (magnitude >= __builtin_bit_cast(std::uint32_t, 65520.0f)) return static_cast<std::uint16_t>(sign | infinity);
    if (magnitude < __builtin_bit_cast(std::uint32_t, 0x1p-14f)) {  // a float next to 0.5 is a multiple of 2^-24, too
      const float beside_half = __builtin_bit_cast(float, magnitude) + 0.5f;
      return static_cast<std::uint16_t>(
          sign | (__builtin_bit_cast(std::uint32_t, beside_half) - __builtin_bit_cast(std::uint32_t, 0.5f)));
    }
    const std::uint32_t nearest = magnitude - lower_exponents + 0xfff + (magnitude >> fewer_fraction_bits & 1);
    return static_cast<std::uint16_t>(sign | nearest >> fewer_fraction_bits);
  }
};

}  // namespace inlay
