// Which tile of a contraction's result a block of threads computes: the one place where that is decided.
#pragma once

#include <inlay/cuda/policy.hpp>
#include <inlay/cuda/product.hpp>

namespace inlay::cuda {

namespace detail {

/// By rules.
template <Precision P, class Contraction>
constexpr TileSize choose_tile() {
  using A = Product<Tiled<P, 64, 16, Contraction>>;  // whose extents do not depend on the tile
  TileSize tile{A::pixels >= 64 ? 128 : 64, A::columns > 32 ? 64 : A::columns > 16 ? 32 : 16};
  if (A::weights) {
    tile.rows =
        ceil_divide(A::tapped, 128) * 128 * 20 <= A::tapped * 23 ? 128 : 64;  // 128 where little of it is wasted
    if (P == Precision::fp32 && A::tapped <= 32) tile.rows = A::tapped <= 16 ? 16 : 32;
  }
  return tile;
}

/// In fp32 a weight gradient's threads bring a row each.
template <Precision P, class Contraction>
inline constexpr int most_rows = P == Precision::fp32&& Contraction::mode == Mode::weight_gradient ? 128 : 256;

template <Policy P, class Contraction>
struct TiledFor {
  static constexpr TileSize tile = [] {
    constexpr int most = most_rows<P.precision, Contraction>;
    TileSize t{P.tile.rows < most ? P.tile.rows : most, P.tile.columns};
    if (t.rows > 0 && t.columns > 0) return t;
    const TileSize chosen = choose_tile<P.precision, Contraction>();
    return TileSize{t.rows > 0 ? t.rows : chosen.rows, t.columns > 0 ? t.columns : chosen.columns};
  }();
  using type = Tiled<P.precision, tile.rows, tile.columns, Contraction>;
};

template <Policy P, class Kernel>
struct UnderPolicy {
  using type = Kernel;
};
template <Policy P, Mode M, class G, bool Batched, class A, class B, class E, class Side>
struct UnderPolicy<P, kernel::Contraction<M, G, Batched, A, B, E, Side>>
    : TiledFor<P, kernel::Contraction<M, G, Batched, A, B, E, Side>> {};

}  // namespace detail

/// A kernel as a policy has it: contractions Tiled, others as they are.
template <Policy P, class Kernel>
using under_policy_t = typename detail::UnderPolicy<P, Kernel>::type;

}  // namespace inlay::cuda
