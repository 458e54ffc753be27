// The Runner of a contraction: each algorithm is a specialisation of ContractionRunner beside its kernels (matrix.hpp,
// winograd_convolution.hpp, convolution.hpp).
#pragma once

#include <inlay/cpu/algorithm.hpp>
#include <inlay/cpu/runner.hpp>

namespace inlay::cpu {

/// Of a kernel::Contraction.
template <class Kernel>
inline constexpr Problem problem = [] {
  using G = typename Kernel::geometry;
  using Pool = typename Kernel::epilogue::pool;
  return Problem{Kernel::mode,  Kernel::batched,
                 G::H,          G::W,
                 G::C,          G::P,
                 G::Q,          G::K,
                 G::R,          G::S,
                 G::stride_h,   G::stride_w,
                 G::pad_top,    G::pad_left,
                 G::dilation_h, G::dilation_w,
                 G::groups,     Pool::height,
                 Pool::width};
}();

template <class Kernel, Algorithm>
struct ContractionRunner;

/// The Runner of a kernel under a policy.
template <class Kernel, Policy P>
struct Chosen : Runner<Kernel> {};
template <Mode M, class G, bool Batched, class A, class B, class E, class Side, Policy P>
struct Chosen<kernel::Contraction<M, G, Batched, A, B, E, Side>, P>
    : ContractionRunner<kernel::Contraction<M, G, Batched, A, B, E, Side>,
                        choose(problem<kernel::Contraction<M, G, Batched, A, B, E, Side>>, P)> {};

}  // namespace inlay::cpu
