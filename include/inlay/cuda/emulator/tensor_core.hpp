// The emulator's body of cuda/tensor_core.hpp: lanes meet at each instruction and read each other's registers by the
// layouts of the PTX ISA. Products are exact and are added one after another in fp32.
#pragma once

#include <bit>
#include <cmath>
#include <inlay/core/precision.hpp>
#include <inlay/cuda/emulator/device.hpp>

namespace inlay::cuda {

inline std::uint32_t round_to_tf32(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  return std::isfinite(x) ? (bits + 0x1000u) & ~0x1fffu : bits;
}

namespace emulator {

inline float from_bf16(std::uint32_t bits) { return std::bit_cast<float>(bits << 16); }

/// The 16 bits of x rounded to nearest even, and back.
inline std::uint32_t to_fp16(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x), sign = bits >> 16 & 0x8000u;
  const float magnitude = std::fabs(x);
  if (std::isnan(x)) return 0x7fffu;
  if (magnitude >= 65520.0f) return sign | 0x7c00u;  // the middle between the largest and what would follow
  if (magnitude < 0x1p-14f)                          // subnormal: multiples of 2^-24
    return sign | static_cast<std::uint32_t>(std::nearbyint(magnitude * 0x1p24f));
  const std::uint32_t rounded = (bits & 0x7fffffffu) + 0xfffu + (bits >> 13 & 1);
  return sign | ((rounded >> 13) - (112u << 10));
}
inline float from_fp16(std::uint32_t bits) {
  const std::uint32_t exponent = bits >> 10 & 31, fraction = bits & 0x3ff, sign = (bits & 0x8000) << 16;
  if (exponent == 0) return std::copysign(static_cast<float>(fraction) * 0x1p-24f, sign ? -1.0f : 1.0f);
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

/// The elements of a register.
template <Precision P>
void unpack(std::uint32_t word, float* to) {
  if constexpr (P == Precision::tf32) *to = std::bit_cast<float>(word & ~0x1fffu);
  else {
    to[0] = P == Precision::bf16 ? from_bf16(word & 0xffff) : from_fp16(word & 0xffff);
    to[1] = P == Precision::bf16 ? from_bf16(word >> 16) : from_fp16(word >> 16);
  }
}

/// What a lane contributes to a product, as floats: RegistersA and RegistersB registers of W elements each.
template <int RegistersA, int RegistersB, int W>
struct Contribution {
  float a[RegistersA][W], b[RegistersB][W];
};

/// sums += a * b over the lanes of a warp.
template <Precision P, int RegistersA, int RegistersB>
void multiply(float (&sums)[4], const std::uint32_t* a, const std::uint32_t* b, const char* name, const char* file,
              int line) {
  constexpr int W = P == Precision::tf32 ? 1 : 2, E = 4 * W;
  Contribution<RegistersA, RegistersB, W> own;
  for (int i = 0; i < RegistersA; ++i) unpack<P>(a[i], own.a[i]);
  for (int i = 0; i < RegistersB; ++i) unpack<P>(b[i], own.b[i]);
  const Exchange<Contribution<RegistersA, RegistersB, W>> all(own, name, file, line);
  const int g = running.thread % 32 / 4, t = running.thread % 4;
  for (int i = 0; i < 4; ++i) {
    const int row = g + i / 2 * 8, column = 2 * t + i % 2;
    for (int k = 0; k < RegistersB * E; ++k) {
      const int owner = k % E / W, part = k % W;  // t of the lanes that hold depth k
      const float x = all.in_lane(row % 8 * 4 + owner).a[row / 8 + k / E * 2][part];
      const float y = all.in_lane(column * 4 + owner).b[k / E][part];
      sums[i] = std::fmaf(x, y, sums[i]);
    }
  }
}

}  // namespace emulator

template <Precision P>
std::uint32_t pack(float low, float high) {
  static_assert(P == Precision::bf16 || P == Precision::fp16);
  if constexpr (P == Precision::bf16) return Bfloat16(low).bits | std::uint32_t{Bfloat16(high).bits} << 16;
  else return emulator::to_fp16(low) | emulator::to_fp16(high) << 16;
}

template <bool Transposed>
Chunk load_matrices(const Shared<Chunk>& from, int chunk, const char* file = __builtin_FILE(),
                    int line = __builtin_LINE()) {
  const auto own = static_cast<std::uint32_t>(from.address(chunk));
  const emulator::Exchange<std::uint32_t> rows(own, "load_matrices", file, line);
  const int g = thread_index() % 32 / 4, t = thread_index() % 4;
  auto half = [&](int matrix, int row, int column) {
    const std::size_t at = rows.in_lane(8 * matrix + row) + 2 * static_cast<std::size_t>(column);
    emulator::Machine::access<std::uint32_t, false>(at / 4 * 4);
    std::uint16_t bits;
    std::memcpy(&bits, emulator::running.shared + at, sizeof bits);
    return std::uint32_t{bits};
  };
  Chunk result;
  for (int m = 0; m < 4; ++m) {
    if constexpr (Transposed) result[m] = half(m, 2 * t, g) | half(m, 2 * t + 1, g) << 16;
    else result[m] = half(m, g, 2 * t) | half(m, g, 2 * t + 1) << 16;
  }
  return result;
}

inline void multiply_half_depth(float (&sums)[4], std::uint32_t a0, std::uint32_t a1, std::uint32_t b0,
                                const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  const std::uint32_t a[] = {a0, a1}, b[] = {b0};
  emulator::multiply<Precision::fp16, 2, 1>(sums, a, b, "multiply_half_depth", file, line);
}

template <Precision P>
void multiply_fragments(float (&sums)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                        const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  emulator::multiply<P, 4, 2>(sums, a, b, "multiply_fragments", file, line);
}

}  // namespace inlay::cuda
