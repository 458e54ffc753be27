// Which algorithm computes a contraction: the one place where that is decided. Each algorithm is a specialisation of
// ContractionRunner beside its kernels (matrix.hpp, winograd_convolution.hpp, convolution.hpp); `direct` can do
// everything, the others say here what they are for.
#pragma once

#include <inlay/core/numerics.hpp>
#include <inlay/cpu/runner.hpp>

namespace inlay::cpu {

enum class Algorithm : std::uint8_t {
  matrix,      ///< one-pixel windows: a matrix product whose rows are the pixels of all samples
  compressed,  ///< the same, for dense layers, with weights kept in bf16
  winograd,    ///< F(4x4, 3x3)
  direct,      ///< the sums as they are written, register-blocked
};

/// What a user lets it choose from. `weights`: how dense layers may keep theirs, fp32 or bf16.
struct Policy {
  Numerics numerics = Numerics::fast;
  Precision weights = Precision::fp32;
};

/// Is the contraction a matrix product over pixels?
template <class G>
inline constexpr bool is_matrix = G::R == 1 && G::S == 1 && G::stride_h == 1 && G::stride_w == 1 && G::groups == 1 &&
                                  G::pad_top == 0 && G::pad_left == 0 && G::P == G::H&& G::Q == G::W;

/// Is F(4x4, 3x3) worth it? The transforms cost as much as about eight channels' products.
template <class G>
inline constexpr bool is_winograd =
    G::R == 3 && G::S == 3 && G::stride_h == 1 && G::stride_w == 1 && G::dilation_h == 1 && G::dilation_w == 1 &&
    G::groups == 1 && G::C >= 8 && G::K >= 8 && G::P >= 4 && G::Q >= 4;

/// The algorithm of a kernel::Contraction.
template <class Kernel, Policy P = Policy{}>
inline constexpr Algorithm algorithm = [] {
  using G = typename Kernel::geometry;
  using Pool = typename Kernel::epilogue::pool;
  constexpr bool pools = Pool::height * Pool::width > 1;
  if (is_matrix<G> && !pools) {
    const bool dense = Kernel::mode == Mode::forward && Kernel::batched && G::H * G::W == 1;
    return dense && P.weights == Precision::bf16 ? Algorithm::compressed : Algorithm::matrix;
  }
  const bool whole_windows = 4 % Pool::height == 0 && 4 % Pool::width == 0;
  const bool summed = Kernel::mode != Mode::weight_gradient || Kernel::batched;
  return P.numerics == Numerics::fast && is_winograd<G> && whole_windows && summed ? Algorithm::winograd
                                                                                   : Algorithm::direct;
}();

template <class Kernel, Algorithm>
struct ContractionRunner;

/// The Runner of a kernel under a policy.
template <class Kernel, Policy P>
struct Chosen : Runner<Kernel> {};
template <Mode M, class G, bool Batched, class A, class B, class E, class Side, Policy P>
struct Chosen<kernel::Contraction<M, G, Batched, A, B, E, Side>, P>
    : ContractionRunner<kernel::Contraction<M, G, Batched, A, B, E, Side>,
                        algorithm<kernel::Contraction<M, G, Batched, A, B, E, Side>, P>> {};

}  // namespace inlay::cpu
