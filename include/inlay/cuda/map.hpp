// The elementwise primitives on one float, as graph/op.hpp defines them.
#pragma once

#include <inlay/cuda/device.hpp>
#include <inlay/graph/op.hpp>

namespace inlay::cuda {

template <MapOp Op>
INLAY_DEVICE float apply(float a, float b = 0, float c = 0) {
  if constexpr (Op == MapOp::copy || Op == MapOp::stop_gradient) return a;
  else if constexpr (Op == MapOp::negate) return -a;
  else if constexpr (Op == MapOp::absolute) return absolute(a);
  else if constexpr (Op == MapOp::exp) return cuda::exp(a);
  else if constexpr (Op == MapOp::log) return cuda::log(a);
  else if constexpr (Op == MapOp::sqrt) return cuda::sqrt(a);
  else if constexpr (Op == MapOp::tanh) return cuda::tanh(a);
  else if constexpr (Op == MapOp::erf) return cuda::erf(a);
  else if constexpr (Op == MapOp::is_finite) return a - a == 0 ? 1.0f : 0.0f;
  else if constexpr (Op == MapOp::add) return a + b;
  else if constexpr (Op == MapOp::subtract) return a - b;
  else if constexpr (Op == MapOp::multiply) return a * b;
  else if constexpr (Op == MapOp::divide) return a / b;
  else if constexpr (Op == MapOp::maximum) return b > a ? b : a;
  else if constexpr (Op == MapOp::minimum) return b < a ? b : a;
  else if constexpr (Op == MapOp::equal) return a == b ? 1.0f : 0.0f;
  else if constexpr (Op == MapOp::greater) return a > b ? 1.0f : 0.0f;
  else return a != 0 ? b : c;
}

}  // namespace inlay::cuda
