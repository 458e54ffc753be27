// The elementwise primitives of graph/op.hpp on the CPU: apply<MapOp> of floats and of vectors.
#pragma once

#include <inlay/cpu/functions.hpp>
#include <inlay/graph/op.hpp>

#include <cmath>

namespace inlay::cpu {

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

/// And on vectors.
template <MapOp Op>
INLAY_INLINE Vector apply(Vector a, Vector b = Vector{}, Vector c = Vector{}) {
  using detail::blend;
  using detail::one_where;
  if constexpr (Op == MapOp::copy || Op == MapOp::stop_gradient) return a;
  else if constexpr (Op == MapOp::negate) return -a;
  else if constexpr (Op == MapOp::absolute) return detail::magnitude(a);
  else if constexpr (Op == MapOp::exp) return vector_exp(a);
  else if constexpr (Op == MapOp::log) return vector_log(a);
  else if constexpr (Op == MapOp::sqrt) return vector_sqrt(a);
  else if constexpr (Op == MapOp::tanh) return vector_tanh(a);
  else if constexpr (Op == MapOp::erf) return vector_erf(a);
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
