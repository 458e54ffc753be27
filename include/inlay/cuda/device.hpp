// What kernels may use: indices, barriers, warp operations, checked views of memory, mathematics. Intrinsics are here,
// in tensor_core.hpp, warpgroup.hpp, async_copy.hpp and box_copy.hpp only. Each has two bodies: nvcc's below, where
// each name is one instruction and views are plain pointers, and the emulator's (INLAY_CUDA_EMULATOR, for g++ and
// clang++), where the same kernel runs on the CPU, a fibre per thread, and defects are reported: access out of bounds,
// shared memory read before it was written, barriers that not all threads reach, data races in shared memory.
//
//   struct Scale {
//     static constexpr int threads = 256;                       // if given: the block size, known to the compiler
//     static INLAY_DEVICE void run(Global<float> x, float factor, int n) {
//       const int i = block_index().x * threads + thread_index();
//       if (i < n) x[i] *= factor;
//     }
//   };
//   launch<Scale>({.x = blocks}, Scale::threads, 0, stream, buffer.view(), 2.0f, n);
//
// Blocks are one-dimensional, a multiple of 32 threads; grids have up to three dimensions. Read an element of shared
// memory into a variable of its own type (`float a = tile[i];`, not auto).
#pragma once

#include <cmath>
#include <inlay/core/bfloat16.hpp>
#include <inlay/core/float16.hpp>
#include <inlay/core/host_device.hpp>
#include <inlay/cuda/dim3.hpp>
#include <type_traits>

#if defined(__CUDACC__)

#define INLAY_DEVICE __device__ __forceinline__

namespace inlay::cuda {

/// This thread's number in its block, and the number of threads.
INLAY_DEVICE int thread_index() { return static_cast<int>(threadIdx.x); }
INLAY_DEVICE int block_threads() { return static_cast<int>(blockDim.x); }

/// This block's position in the grid, and the grid's extents.
INLAY_DEVICE Dim3 block_index() {
  return {static_cast<int>(blockIdx.x), static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.z)};
}
INLAY_DEVICE Dim3 grid_size() {
  return {static_cast<int>(gridDim.x), static_cast<int>(gridDim.y), static_cast<int>(gridDim.z)};
}

/// Waits for all threads of the block; what they wrote before is then visible. All must call it, at one place.
INLAY_DEVICE void sync_threads() { __syncthreads(); }

/// The same for the 32 lanes of a warp.
INLAY_DEVICE void sync_warp() { __syncwarp(); }

namespace detail {

inline constexpr unsigned all_lanes = 0xffffffffu;

/// f(word) for each 32-bit word of a value.
template <class T, class F>
INLAY_DEVICE T exchange(const T& value, F f) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % 4 == 0 && sizeof(T) <= 16,
                "lanes exchange values of 4, 8, 12 or 16 bytes");
  unsigned words[sizeof(T) / 4];
  T result;
  __builtin_memcpy(words, &value, sizeof(T));
  for (unsigned& word : words) word = f(word);
  __builtin_memcpy(&result, words, sizeof(T));
  return result;
}

}  // namespace detail

/// The value that another lane of the warp gives: a lane by number, the lane whose number differs in the bits of
/// `mask`, the lane `lanes` further (beyond the last: its own). All 32 lanes must call it, at one place.
template <class T>
INLAY_DEVICE T shuffle(T value, int source_lane) {
  return detail::exchange(value, [=](unsigned w) { return __shfl_sync(detail::all_lanes, w, source_lane); });
}
template <class T>
INLAY_DEVICE T shuffle_xor(T value, int mask) {
  return detail::exchange(value, [=](unsigned w) { return __shfl_xor_sync(detail::all_lanes, w, mask); });
}
template <class T>
INLAY_DEVICE T shuffle_down(T value, int lanes) {
  return detail::exchange(
      value, [=](unsigned w) { return __shfl_down_sync(detail::all_lanes, w, static_cast<unsigned>(lanes)); });
}

/// Bit i: lane i's predicate.
INLAY_DEVICE std::uint32_t ballot(bool predicate) { return __ballot_sync(detail::all_lanes, predicate); }

/// Adds to an integer in global memory that other blocks change too; returns what was there. Sums of integers do not
/// depend on the order; there is none for float, on purpose.
INLAY_DEVICE int atomic_add(int* address, int value) { return atomicAdd(address, value); }

/// Writes the bits of a byte in global memory that are in `mask`, while other threads may write the others.
INLAY_DEVICE void replace_bits(std::uint8_t* address, unsigned mask, unsigned bits) {
  const auto byte = reinterpret_cast<std::uintptr_t>(address);
  auto* const word = reinterpret_cast<unsigned*>(byte / 4 * 4);
  atomicAnd(word, ~(mask << 8 * (byte % 4)));
  atomicOr(word, bits << 8 * (byte % 4));
}

/// What this thread wrote to global memory before is visible to all before what it writes after.
INLAY_DEVICE void thread_fence() { __threadfence(); }

/// An array in the device's memory. Passed to kernels by value; Global<float> converts to Global<const float>.
template <class T>
class Global {
 public:
  Global() = default;
  INLAY_HOST_DEVICE Global(T* data, std::int64_t) : elements(data) {}
  template <class U>
  requires std::is_same_v<const U, T> INLAY_HOST_DEVICE Global(const Global<U>& other) : elements(other.elements) {}

  INLAY_HOST_DEVICE T& operator[](std::int64_t i) const { return elements[i]; }

  /// Elements i, i + 1, ... by one instruction; their address must be a multiple of the vector's size.
  INLAY_HOST_DEVICE auto load2(std::int64_t i) const { return vector<2>(i); }
  INLAY_HOST_DEVICE auto load4(std::int64_t i) const { return vector<4>(i); }
  INLAY_HOST_DEVICE void store2(std::int64_t i, const Vector<std::remove_const_t<T>, 2>& v) const { vector<2>(i) = v; }
  INLAY_HOST_DEVICE void store4(std::int64_t i, const Vector<std::remove_const_t<T>, 4>& v) const { vector<4>(i) = v; }

  /// Through the read-only cache: for memory that nothing writes while the kernel runs.
  INLAY_DEVICE T load_invariant(std::int64_t i) const { return __ldg(elements + i); }

  /// The array without its first i elements.
  INLAY_HOST_DEVICE Global from(std::int64_t i) const { return {elements + i, 0}; }

 private:
  template <class>
  friend class Global;

  template <int N>
  INLAY_HOST_DEVICE auto& vector(std::int64_t i) const {
    using V = std::conditional_t<std::is_const_v<T>, const Vector<std::remove_const_t<T>, N>, Vector<T, N>>;
    return *reinterpret_cast<V*>(elements + i);
  }

  T* elements = nullptr;
};

/// An array in the block's shared memory, carved by shared_array.
template <class T>
class Shared {
 public:
  INLAY_HOST_DEVICE explicit Shared(T* data) : elements(data) {}

  INLAY_HOST_DEVICE T& operator[](int i) const { return elements[i]; }
  INLAY_HOST_DEVICE Vector<T, 2> load2(int i) const { return *reinterpret_cast<const Vector<T, 2>*>(elements + i); }
  INLAY_HOST_DEVICE Vector<T, 4> load4(int i) const { return *reinterpret_cast<const Vector<T, 4>*>(elements + i); }
  INLAY_HOST_DEVICE void store2(int i, const Vector<T, 2>& v) const {
    *reinterpret_cast<Vector<T, 2>*>(elements + i) = v;
  }
  INLAY_HOST_DEVICE void store4(int i, const Vector<T, 4>& v) const {
    *reinterpret_cast<Vector<T, 4>*>(elements + i) = v;
  }

  /// Where element i lies in the block's shared memory, as instructions take it.
  INLAY_DEVICE unsigned address(int i) const { return static_cast<unsigned>(__cvta_generic_to_shared(elements + i)); }

 private:
  T* elements;
};

/// `count` elements from byte `byte_offset` of the shared memory that the launch gave the block, which begins at a
/// multiple of 1024.
template <class T>
INLAY_DEVICE Shared<T> shared_array(int byte_offset, [[maybe_unused]] int count) {
  extern __shared__ __align__(1024) unsigned char inlay_shared_memory[];
  return Shared<T>(reinterpret_cast<T*>(inlay_shared_memory + byte_offset));
}

}  // namespace inlay::cuda

#elif defined(INLAY_CUDA_EMULATOR)
#include <inlay/cuda/emulator.hpp>
#else
#error "Kernels are compiled by nvcc, or by a C++ compiler with INLAY_CUDA_EMULATOR defined (for tests)."
#endif

/// Is this the code of an sm_75? The emulator, which computes as an sm_80 or newer, can be told to by 75 as the value
/// of its macro.
#if (defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800) || INLAY_CUDA_EMULATOR == 75
#define INLAY_BEFORE_SM_80 1
#else
#define INLAY_BEFORE_SM_80 0
#endif

namespace inlay::cuda {

/// Bytes of shared memory that the blocks on a multiprocessor have together: those of sm_75 and of sm_80. Types of
/// kernels must not depend on what is compiled for: the host's code is the same for all.
inline constexpr int sm_80_shared_bytes = 164 * 1024;
inline constexpr int multiprocessor_shared_bytes = INLAY_BEFORE_SM_80 ? 64 * 1024 : sm_80_shared_bytes;

/// The thread's lane in its warp of 32, and its warp in the block.
INLAY_DEVICE int lane() { return thread_index() % 32; }
INLAY_DEVICE int warp() { return thread_index() / 32; }

/// x. The compiler computes what follows from it where that is used, and can't spend registers on keeping it.
INLAY_DEVICE int computed_here(int x) {
#if defined(__CUDA_ARCH__)
  asm volatile("" : "+r"(x));
#endif
  return x;
}

// Mathematics on floats. Exactly rounded, so the same bits everywhere: multiply_add, divide, sqrt (compile CUDA
// without --use_fast_math). Within 2 units in the last place of the exact value on the GPU: exp, log, tanh, erf.
// exp_fast is one instruction and a multiplication on the GPU, with an error of 2 + |1.2 x| units. maximum and
// minimum give a where the operands are equal or not comparable.
INLAY_HOST_DEVICE inline float multiply_add(float a, float b, float c) { return std::fmaf(a, b, c); }
INLAY_HOST_DEVICE inline float divide(float a, float b) { return a / b; }
INLAY_HOST_DEVICE inline float sqrt(float x) { return std::sqrt(x); }
INLAY_HOST_DEVICE inline float exp(float x) { return std::exp(x); }
INLAY_HOST_DEVICE inline float log(float x) { return std::log(x); }
INLAY_HOST_DEVICE inline float tanh(float x) { return std::tanh(x); }
INLAY_HOST_DEVICE inline float erf(float x) { return std::erf(x); }
INLAY_HOST_DEVICE inline float absolute(float x) { return std::fabs(x); }
INLAY_HOST_DEVICE inline float maximum(float a, float b) { return b > a ? b : a; }
INLAY_HOST_DEVICE inline float minimum(float a, float b) { return b < a ? b : a; }
INLAY_HOST_DEVICE inline bool is_finite(float x) { return std::isfinite(x); }

/// x as a T holds it: the nearest, even where there are two. One instruction; to Bfloat16 from sm_80 on.
template <class T>
INLAY_DEVICE T round_to(float x) {
#if defined(__CUDA_ARCH__)
  T rounded;
  if constexpr (std::is_same_v<T, Float16>) {
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(rounded.bits) : "f"(x));
    return rounded;
  }
#if __CUDA_ARCH__ >= 800
  if constexpr (std::is_same_v<T, Bfloat16>) {
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(rounded.bits) : "f"(x));
    return rounded;
  }
#endif
#endif
  return static_cast<T>(x);
}

/// What is stored as a T, as a float.
template <class T>
INLAY_DEVICE float widen(T stored) {
#if defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, Float16>) {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(stored.bits));
    return x;
  }
#endif
  return static_cast<float>(stored);
}

INLAY_DEVICE float exp_fast(float x) {
#if defined(__CUDA_ARCH__)
  return __expf(x);
#else
  return std::exp(x);
#endif
}

}  // namespace inlay::cuda
