// The vector of floats that CPU kernels compute with, as wide as the target has: 16 lanes with AVX-512, 8 with AVX,
// 4 otherwise. It is the compiler's own vector extension, so one source serves every width and g++ and clang++.
#pragma once

#include <inlay/core/bfloat16.hpp>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#define INLAY_INLINE inline __attribute__((always_inline))
#define INLAY_LAMBDA __attribute__((always_inline))

namespace inlay::cpu {

#if defined(__AVX512F__)
inline constexpr int lanes = 16;
inline constexpr int vector_registers = 32;
#elif defined(__AVX__)
inline constexpr int lanes = 8;
inline constexpr int vector_registers = 16;
#else
inline constexpr int lanes = 4;
inline constexpr int vector_registers = 16;
#endif

using Vector = float __attribute__((vector_size(4 * lanes)));
using Mask = std::int32_t __attribute__((vector_size(4 * lanes)));

template <class Int>
constexpr Int round_up(Int n, int multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

INLAY_INLINE Vector splat(float x) { return x - Vector{}; }

/// sum + a * b, fused wherever the target can. Left to itself, g++ takes two steps in some loops of a single sum (for
/// Zen 2 and 3), so that the bits of a sum would depend on how many are computed beside it.
INLAY_INLINE Vector multiply_add(Vector a, Vector b, Vector sum) {
#if defined(__FMA__) && !defined(__AVX512F__) && !defined(__clang__)
  return __builtin_ia32_vfmaddps256(a, b, sum);
#else
  return sum + a * b;
#endif
}

/// Keeps v in a register: g++ loads a vector from memory again for each of up to four uses.
INLAY_INLINE void keep_in_register([[maybe_unused]] Vector& v) {
#if defined(__AVX512F__)
  asm("" : "+v"(v));
#elif defined(__SSE__)
  asm("" : "+x"(v));
#endif
}

/// n, as a compiler does not know it: it leaves a loop of so many turns a loop.
INLAY_INLINE int unknown(int n) {
  asm("" : "+r"(n));
  return n;
}

namespace detail {
/// `lanes` elements of a stored type, half as many doubles, wherever they begin. (memcpy instead would count as an
/// access to anything: after each store, pointers were loaded again. `using` instead would lose the alignment: clang++
/// drops it there.)
template <class T>
struct Stored;
template <>
struct Stored<float> {
  typedef float type __attribute__((vector_size(4 * lanes), aligned(4)));
};
template <>
struct Stored<std::int32_t> {
  typedef std::int32_t type __attribute__((vector_size(4 * lanes), aligned(4)));
};
template <>
struct Stored<std::uint8_t> {
  typedef std::uint8_t type __attribute__((vector_size(lanes), aligned(1)));
};
template <>
struct Stored<double> {
  typedef double type __attribute__((vector_size(4 * lanes), aligned(8)));
};
using Halves = std::uint16_t __attribute__((vector_size(2 * lanes)));
static_assert(alignof(Stored<float>::type) == 4 && alignof(Stored<std::uint8_t>::type) == 1);
}  // namespace detail

/// Two numbers in bf16. Vectors of pairs are taken apart by a shift and a mask.
struct Bf16Pair {
  std::uint32_t bits;

  static Bf16Pair of(float first, float second) {
    return {Bfloat16(first).bits | std::uint32_t{Bfloat16(second).bits} << 16};
  }
};

// Bytes become floats, and floats bytes, step by step: g++ would take all lanes one by one.
template <class T>
INLAY_INLINE Vector load_vector(const T* p) {
  using S = typename detail::Stored<T>::type;  // `auto` would lose the alignment, too
  if constexpr (sizeof(T) == 1)
    return __builtin_convertvector(
        __builtin_convertvector(__builtin_convertvector(*reinterpret_cast<const S*>(p), detail::Halves), Mask), Vector);
  else return __builtin_convertvector(*reinterpret_cast<const S*>(p), Vector);
}
/// The first, or the second, of each pair.
template <int Which>
INLAY_INLINE Vector load_halves(const Bf16Pair* p) {
  Mask pairs;
  std::memcpy(&pairs, p, sizeof pairs);
  return __builtin_bit_cast(Vector, Which == 0 ? pairs << 16 : pairs & ~0xffff);
}
template <class T>
INLAY_INLINE void store_vector(T* p, Vector v) {
  using S = typename detail::Stored<T>::type;
  if constexpr (sizeof(T) == 1)
    *reinterpret_cast<S*>(p) =
        __builtin_convertvector(__builtin_convertvector(__builtin_convertvector(v, Mask), detail::Halves), S);
  else *reinterpret_cast<S*>(p) = __builtin_convertvector(v, S);
}

/// Calls f(0), ..., f(N - 1) in line, so that arrays indexed by the argument stay in registers.
template <int N, class F>
INLAY_INLINE void unroll(F f) {
  [&]<int... I>(std::integer_sequence<int, I...>) INLAY_LAMBDA { (f(I), ...); }
  (std::make_integer_sequence<int, N>{});
}

/// Half as many doubles: `Half` 0 or 1 of the vector.
using Doubles = double __attribute__((vector_size(4 * lanes)));

template <int Half>
INLAY_INLINE Doubles half_of(Vector v) {
  using Floats = float __attribute__((vector_size(2 * lanes)));
  Floats half;
  std::memcpy(&half, reinterpret_cast<const char*>(&v) + Half * sizeof half, sizeof half);
  return __builtin_convertvector(half, Doubles);
}

namespace detail {

INLAY_INLINE Vector blend(Mask mask, Vector a, Vector b) { return mask ? a : b; }
INLAY_INLINE Vector one_where(Mask mask) { return blend(mask, splat(1), splat(0)); }

}  // namespace detail

}  // namespace inlay::cpu
