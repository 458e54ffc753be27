// How a network may be computed: Numerics and Precision are arguments of `compile`.
#pragma once

#include <inlay/core/precision.hpp>

#include <type_traits>

namespace inlay {

/// How sums of products may be computed on the CPU.
///   fast   3 x 3 convolutions by Winograd's F(4x4, 3x3), or F(2x2, 3x3) on small images, where that pays
///          (cpu::explain says where). Against double precision, on 28 x 28 x 64
///          with normal inputs, its errors are 2 to 2.5 times those of direct sums (1.9e-6 of the largest output where
///          they have 8.6e-7); the tests hold it to a bound of 84 times (tests/cpu/winograd_growth.hpp).
///   exact  as written: each sum of n products is within n 2^-24 / (1 - n 2^-24) of the sum of their magnitudes.
enum class Numerics : std::uint8_t { fast, exact };

namespace detail {

/// The one of `options` that is a T, or else `otherwise`.
template <class T>
constexpr T chosen(T otherwise, auto... options) {
  [[maybe_unused]] auto look = [&](auto option) {
    if constexpr (std::is_same_v<decltype(option), T>) otherwise = option;
  };
  (look(options), ...);
  return otherwise;
}

template <class T>
inline constexpr bool is_compile_policy = std::is_same_v<T, Precision> || std::is_same_v<T, Numerics>;

}  // namespace detail
}  // namespace inlay
