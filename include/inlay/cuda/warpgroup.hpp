// Products of matrices that the four warps of a block compute together and in the background (wgmma, sm_90a): A comes
// from registers, B is read where it lies in shared memory. Fragments of A and sums are those of tensor_core.hpp, for a
// band of 64 rows of which warp w has rows 16 w to 16 w + 15. All 128 threads call each function, at one place.
//
// B lies in lines of 32, 64 or 128 bytes: 64 for each column along the depth, or, `Transposed` (not tf32), one for each
// depth along the columns. Lines follow one another; chunk c of line l is at place c ^ (l * bytes / 128) in its line,
// modulo the chunks of a line, so that eight lines' chunks lie on different banks. That is the "swizzle" of the PTX ISA
// (section "Shared Memory Matrix Layout"), which counts 128 bytes by address: the first line of all begins at a
// multiple of 8 lines' bytes, as the block's shared memory does.
//
// Who writes B calls fence_shared_writes before the barrier after which products are started. Until they have been
// waited for, B stays as it is and nobody touches the sums.
#pragma once

#include <inlay/core/precision.hpp>
#include <inlay/cuda/device.hpp>
#include <inlay/cuda/unroll.hpp>

namespace inlay::cuda {

/// B from the line on that begins at that address, or from a chunk of it on, as start_products takes it. Where its
/// columns need several lines, the next ones lie `next_columns` bytes further on.
template <int LineBytes>
INLAY_HOST_DEVICE constexpr std::uint64_t shared_matrix(std::size_t address, int next_columns = 16) {
  static_assert(LineBytes == 32 || LineBytes == 64 || LineBytes == 128);
  constexpr std::uint64_t swizzle = LineBytes == 128 ? 1 : LineBytes == 64 ? 2 : 3;
  constexpr std::uint64_t eight_lines = 8 * LineBytes;
  return (std::uint64_t{address} & 0x3ffff) >> 4 | static_cast<std::uint64_t>(next_columns) >> 4 << 16 |
         eight_lines >> 4 << 32 | swizzle << 62;
}

}  // namespace inlay::cuda

#if defined(__CUDACC__)

namespace inlay::cuda {

/// Is there such an instruction? Where there is not, the functions below do nothing.
INLAY_DEVICE bool has_warpgroups() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  return true;
#else
  return false;
#endif
}

/// What this thread has written to shared memory is there for products that are started behind a barrier.
INLAY_DEVICE void fence_shared_writes() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

namespace detail {

#define INLAY_SUMS_16 "%0, %1, %2, %3, %4, %5, %6, %7"
#define INLAY_SUMS_32 INLAY_SUMS_16 ", %8, %9, %10, %11, %12, %13, %14, %15"
#define INLAY_SUMS_64 INLAY_SUMS_32 ", %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define INLAY_SUMS_128                                                                              \
  INLAY_SUMS_64                                                                                     \
  ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50" \
  ", %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"

#define INLAY_BLOCK(j) "+f"(sums[j][0]), "+f"(sums[j][1]), "+f"(sums[j][2]), "+f"(sums[j][3])
#define INLAY_BLOCKS_16 INLAY_BLOCK(0), INLAY_BLOCK(1)
#define INLAY_BLOCKS_32 INLAY_BLOCKS_16, INLAY_BLOCK(2), INLAY_BLOCK(3)
#define INLAY_BLOCKS_64 INLAY_BLOCKS_32, INLAY_BLOCK(4), INLAY_BLOCK(5), INLAY_BLOCK(6), INLAY_BLOCK(7)
#define INLAY_BLOCKS_128                                                                                               \
  INLAY_BLOCKS_64, INLAY_BLOCK(8), INLAY_BLOCK(9), INLAY_BLOCK(10), INLAY_BLOCK(11), INLAY_BLOCK(12), INLAY_BLOCK(13), \
      INLAY_BLOCK(14), INLAY_BLOCK(15)

#define INLAY_WGMMA(columns, types, operands, transposed)                                                  \
  asm volatile("{ .reg .pred add; setp.ne.b32 add, 1, 0; wgmma.mma_async.sync.aligned.m64n" #columns types \
               " {" INLAY_SUMS_##columns "}, " operands ", add, 1, 1" transposed "; }"                     \
               : INLAY_BLOCKS_##columns                                                                    \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "n"(Transposed))
#define INLAY_WGMMA_OF(columns, operands, transposed)                                                            \
  if constexpr (P == Precision::tf32) INLAY_WGMMA(columns, "k8.f32.tf32.tf32", operands, "");                    \
  else if constexpr (P == Precision::bf16) INLAY_WGMMA(columns, "k16.f32.bf16.bf16", operands, ", " transposed); \
  else INLAY_WGMMA(columns, "k16.f32.f16.f16", operands, ", " transposed)

/// Starts one band's product.
template <Precision P, int Transposed, int Blocks>
INLAY_DEVICE void start_product(float (&sums)[Blocks][4], const std::uint32_t (&a)[4], std::uint64_t b) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  if constexpr (Blocks == 2) {
    INLAY_WGMMA_OF(16, "{%8, %9, %10, %11}, %12", "%13");
  } else if constexpr (Blocks == 4) {
    INLAY_WGMMA_OF(32, "{%16, %17, %18, %19}, %20", "%21");
  } else if constexpr (Blocks == 8) {
    INLAY_WGMMA_OF(64, "{%32, %33, %34, %35}, %36", "%37");
  } else {
    INLAY_WGMMA_OF(128, "{%64, %65, %66, %67}, %68", "%69");
  }
#endif
}

/// What the compiler does to the sums, it does before or behind this.
template <int Bands, int Blocks>
INLAY_DEVICE void pin(float (&sums)[Bands][Blocks][4]) {
  INLAY_UNROLL
  for (int i = 0; i < Bands; ++i) INLAY_UNROLL
  for (int j = 0; j < Blocks; ++j)
    asm volatile("" : "+f"(sums[i][j][0]), "+f"(sums[i][j][1]), "+f"(sums[i][j][2]), "+f"(sums[i][j][3]));
}

#undef INLAY_SUMS_16
#undef INLAY_SUMS_32
#undef INLAY_SUMS_64
#undef INLAY_SUMS_128
#undef INLAY_BLOCK
#undef INLAY_BLOCKS_16
#undef INLAY_BLOCKS_32
#undef INLAY_BLOCKS_64
#undef INLAY_BLOCKS_128
#undef INLAY_WGMMA
#undef INLAY_WGMMA_OF

}  // namespace detail

/// Starts, as one group, sums[i] += a[i] * b for each band i: products exact, added in fp32 in an order and with
/// roundings of the hardware's own. The depth is 16 elements of bf16 and fp16, 8 of tf32; of columns there are 8 a
/// block.
template <Precision P, bool Transposed, int Bands, int Blocks>
INLAY_DEVICE void start_products(float (&sums)[Bands][Blocks][4], const std::uint32_t (&a)[Bands][4], std::uint64_t b) {
  static_assert(Blocks == 2 || Blocks == 4 || Blocks == 8 || Blocks == 16);
  static_assert(!(Transposed && P == Precision::tf32));
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  detail::pin(sums);
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
  INLAY_UNROLL
  for (int i = 0; i < Bands; ++i) detail::start_product<P, Transposed>(sums[i], a[i], b);
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
}

/// Waits until at most the last `Left` groups are under way; with none left, the sums may be used.
template <int Left, int Bands, int Blocks>
INLAY_DEVICE void wait_products(float (&sums)[Bands][Blocks][4]) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Left) : "memory");
  detail::pin(sums);  // not before the wait
#endif
}

}  // namespace inlay::cuda

#else
#include <inlay/cuda/emulator/warpgroup.hpp>
#endif
