// The instructions of tensor cores that kernels use: loading 8 x 8 matrices from shared memory into the registers of a
// warp (ldmatrix), multiplying fragments (mma.sync), rounding floats to what they take. All 32 lanes call each
// of them, at one place. Tiles lie in shared memory as chunks of 16 bytes: 8 elements of bf16 or fp16, or 4 floats.
//
// A fragment is spread over the lanes; lane l = 4 g + t holds (PTX ISA, "Matrix fragments for mma.m16n8k16"), with E
// elements a chunk, W = E / 4 elements a register and e from 0 to W - 1:
//   a[0..3]    16 x 2E:  (row g, depth W t + e), (g + 8, W t + e), (g, W t + e + E), (g + 8, W t + e + E)
//   b[0..1]    2E x 8:   (depth W t + e, column g), (W t + e + E, g)
//   sums[0..3] 16 x 8:   (row g, column 2 t), (g, 2 t + 1), (g + 8, 2 t), (g + 8, 2 t + 1)
#pragma once

#include <inlay/core/precision.hpp>
#include <inlay/cuda/device.hpp>
#include <inlay/cuda/unroll.hpp>

#if defined(__CUDACC__)

namespace inlay::cuda {

/// The float nearest to x with 10 fraction bits, halves away from zero: its bits. sm_80.
INLAY_DEVICE std::uint32_t round_to_tf32(float x) {
  std::uint32_t bits = 0;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
#endif
  return bits;
}

/// Two floats rounded to nearest even, the first in the low half.
template <Precision P>
INLAY_DEVICE std::uint32_t pack(float low, float high) {
  static_assert(P == Precision::bf16 || P == Precision::fp16);
  std::uint32_t pair = 0;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  if constexpr (P == Precision::bf16) asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  else asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
#else
  if constexpr (P == Precision::fp16)
    asm("{ .reg .b16 l, h; cvt.rn.f16.f32 l, %1; cvt.rn.f16.f32 h, %2; mov.b32 %0, {l, h}; }"
        : "=r"(pair)
        : "f"(low), "f"(high));
#endif
  return pair;
}

/// Four 8 x 8 matrices of 16-bit elements (8 x 4 of floats): lane l names the chunk that is row l % 8 of matrix l / 8.
/// Word m of the result is of matrix m: elements (row g, columns 2t and 2t + 1), transposed (rows 2t and 2t + 1,
/// column g); of floats, element (g, t), and no transposing.
template <bool Transposed>
INLAY_DEVICE Chunk load_matrices(const Shared<Chunk>& from, int chunk) {
  Chunk m;
  if constexpr (Transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3])
                 : "r"(from.address(chunk)));
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3])
                 : "r"(from.address(chunk)));
  return m;
}

/// sums += a * b for fp16 and half the depth (m16n8k8): a[0], a[1] and b[0] of the fragments above. sm_75.
INLAY_DEVICE void multiply_half_depth(float (&sums)[4], std::uint32_t a0, std::uint32_t a1, std::uint32_t b0) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
               : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
               : "r"(a0), "r"(a1), "r"(b0));
}

/// sums += a * b, products exact, added in fp32 in an order and with roundings of the hardware's own: m16n8k16 for bf16
/// and fp16, m16n8k8 for tf32, which ignores the 13 low bits of its operands. sm_80; fp16 also sm_75.
template <Precision P>
INLAY_DEVICE void multiply_fragments(float (&sums)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  if constexpr (P == Precision::tf32)
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  else if constexpr (P == Precision::bf16)
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  else
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  if constexpr (P == Precision::fp16) {
    multiply_half_depth(sums, a[0], a[1], b[0]);
    multiply_half_depth(sums, a[2], a[3], b[1]);
  }
#endif
}

}  // namespace inlay::cuda

#else
#include <inlay/cuda/emulator/tensor_core.hpp>
#endif

namespace inlay::cuda {

/// What load_matrices gives, as products take it.
INLAY_DEVICE void copy_words(const Chunk& from, std::uint32_t (&to)[4]) {
  INLAY_UNROLL
  for (int i = 0; i < 4; ++i) to[i] = from[i];
}

/// The way back from `pack`.
template <Precision P>
INLAY_DEVICE Vector<float, 2> unpack(std::uint32_t pair) {
  storage_t<stored_in(P)> low, high;
  low.bits = static_cast<std::uint16_t>(pair);
  high.bits = static_cast<std::uint16_t>(pair >> 16);
  return {widen(low), widen(high)};
}

}  // namespace inlay::cuda
