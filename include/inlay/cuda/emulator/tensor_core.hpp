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

/// The elements of a register.
template <Precision P>
void unpack(std::uint32_t word, float* to) {
  if constexpr (P == Precision::tf32) *to = std::bit_cast<float>(word & ~0x1fffu);
  else {
    for (unsigned i = 0; i < 2; ++i) {
      storage_t<stored_in(P)> element;
      element.bits = static_cast<std::uint16_t>(word >> 16 * i);
      to[i] = static_cast<float>(element);
    }
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
  using Element = storage_t<stored_in(P)>;
  return Element(low).bits | std::uint32_t{Element(high).bits} << 16;
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
