// A contraction kernel with the precision in which it multiplies. `Precise<P, Contraction>` is that Contraction and a
// precision; everything that is written for a contraction takes it as one.
#pragma once

#include <inlay/core/precision.hpp>
#include <inlay/kernel/kernels.hpp>

namespace inlay::cuda {

template <Precision P, class Contraction>
struct Precise : Contraction {
  static constexpr Precision precision = P;
};

template <class Contraction>
inline constexpr Precision precision_of = Precision::fp32;
template <Precision P, class Contraction>
inline constexpr Precision precision_of<Precise<P, Contraction>> = P;

namespace detail {

template <Precision P, class Kernel>
struct InPrecision {
  using type = Kernel;
};
template <Precision P, Mode M, class G, bool Batched, class A, class B, class E, class Side>
requires(P != Precision::fp32) struct InPrecision<P, kernel::Contraction<M, G, Batched, A, B, E, Side>> {
  using type = Precise<P, kernel::Contraction<M, G, Batched, A, B, E, Side>>;
};

}  // namespace detail

/// A kernel where contractions multiply in precision P.
template <Precision P, class Kernel>
using in_precision_t = typename detail::InPrecision<P, Kernel>::type;

/// The oldest GPUs whose tensor cores take a precision, by ten times their compute capability.
constexpr int least_capability(Precision p) { return p == Precision::fp32 ? 0 : p == Precision::fp16 ? 75 : 80; }

}  // namespace inlay::cuda
