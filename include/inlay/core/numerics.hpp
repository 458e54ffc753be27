// How a network may be computed: Numerics and Precision are arguments of `compile`.
#pragma once

#include <inlay/core/precision.hpp>

#include <type_traits>

namespace inlay {

/// How sums of products may be computed on the CPU.
///   fast   3 x 3 convolutions by Winograd's F(6x6, 3x3), F(4x4, 3x3) or F(2x2, 3x3), where that pays (cpu::explain says
///          where). Against double precision, on images of 64 channels with normal inputs, the largest error is 1.0e-5
///          of the largest output with F(6x6), which weight gradients never use, and 1.9e-6 with F(4x4), where direct
///          sums have 8.6e-7; rms 3.7e-6, 9.1e-7 and 4.3e-7 of the outputs' rms. The tests hold them to bounds of 509
///          and 84 times that of direct sums, which follow from the transforms (tests/cpu/winograd_growth.hpp).
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
