// The vector of floats that CPU kernels compute with, as wide as the target has: 16 lanes with AVX-512, 8 with AVX,
// 4 otherwise. It is the compiler's own vector extension, so one source serves every width and g++ and clang++.
#pragma once

#include <inlay/core/element.hpp>
#include <inlay/graph/op.hpp>

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

namespace detail {
/// `lanes` elements of a stored type.
template <class T>
struct Stored;
template <>
struct Stored<float> {
  using type = Vector;
};
template <>
struct Stored<std::int32_t> {
  using type = Mask;
};
template <>
struct Stored<std::uint8_t> {
  using type = std::uint8_t __attribute__((vector_size(lanes)));
};
}  // namespace detail

template <class T>
INLAY_INLINE Vector load_vector(const T* p) {
  typename detail::Stored<T>::type v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, Vector);
}
template <class T>
INLAY_INLINE void store_vector(T* p, Vector v) {
  const auto stored = __builtin_convertvector(v, typename detail::Stored<T>::type);
  std::memcpy(p, &stored, sizeof stored);
}

/// Calls f(0), ..., f(N - 1) in line, so that arrays indexed by the argument stay in registers.
template <int N, class F>
INLAY_INLINE void unroll(F f) {
  [&]<int... I>(std::integer_sequence<int, I...>) INLAY_LAMBDA { (f(I), ...); }(std::make_integer_sequence<int, N>{});
}

namespace detail {

INLAY_INLINE Vector blend(Mask mask, Vector a, Vector b) {
  return __builtin_bit_cast(Vector, (mask & __builtin_bit_cast(Mask, a)) | (~mask & __builtin_bit_cast(Mask, b)));
}
INLAY_INLINE Vector one_where(Mask mask) { return blend(mask, splat(1), splat(0)); }
INLAY_INLINE Vector each_lane(Vector x, float (*f)(float)) {
  for (int i = 0; i < lanes; ++i) x[i] = f(x[i]);
  return x;
}

}  // namespace detail

/// The elementwise primitives on floats, as graph/op.hpp defines them.
template <MapOp Op>
INLAY_INLINE float apply(float a, float b = 0, float c = 0) {
  switch (Op) {
    case MapOp::copy:
    case MapOp::stop_gradient: return a;
    case MapOp::negate: return -a;
    case MapOp::absolute: return std::fabs(a);
    case MapOp::exp: return std::exp(a);
    case MapOp::log: return std::log(a);
    case MapOp::sqrt: return std::sqrt(a);
    case MapOp::tanh: return std::tanh(a);
    case MapOp::erf: return std::erf(a);
    case MapOp::is_finite: return a - a == 0 ? 1.0f : 0.0f;
    case MapOp::add: return a + b;
    case MapOp::subtract: return a - b;
    case MapOp::multiply: return a * b;
    case MapOp::divide: return a / b;
    case MapOp::maximum: return b > a ? b : a;
    case MapOp::minimum: return b < a ? b : a;
    case MapOp::equal: return a == b ? 1.0f : 0.0f;
    case MapOp::greater: return a > b ? 1.0f : 0.0f;
    case MapOp::select: return a != 0 ? b : c;
  }
  return 0;
}

/// And on vectors. Transcendental functions call the scalar ones lane by lane.
template <MapOp Op>
INLAY_INLINE Vector apply(Vector a, Vector b = Vector{}, Vector c = Vector{}) {
  using detail::blend;
  using detail::one_where;
  if constexpr (Op == MapOp::copy || Op == MapOp::stop_gradient) return a;
  else if constexpr (Op == MapOp::negate) return -a;
  else if constexpr (Op == MapOp::absolute) return blend(a < 0, -a, a);
  else if constexpr (Op == MapOp::exp || Op == MapOp::log || Op == MapOp::sqrt || Op == MapOp::tanh || Op == MapOp::erf)
    return detail::each_lane(a, [](float x) { return apply<Op>(x); });
  else if constexpr (Op == MapOp::is_finite) return one_where(a - a == 0);
  else if constexpr (Op == MapOp::add) return a + b;
  else if constexpr (Op == MapOp::subtract) return a - b;
  else if constexpr (Op == MapOp::multiply) return a * b;
  else if constexpr (Op == MapOp::divide) return a / b;
  else if constexpr (Op == MapOp::maximum) return blend(b > a, b, a);
  else if constexpr (Op == MapOp::minimum) return blend(b < a, b, a);
  else if constexpr (Op == MapOp::equal) return one_where(a == b);
  else if constexpr (Op == MapOp::greater) return one_where(a > b);
  else return blend(a != 0, b, c);
}

}  // namespace inlay::cpu
