// Which tile of a contraction's result a block of threads computes: the one place where that is decided, by the
// estimate of tile_cost.hpp for a batch of 256 on a nominal device. Neither the real batch nor the real device is
// asked, so that sums are added in the same order everywhere.
#pragma once

#include <inlay/cuda/policy.hpp>
#include <inlay/cuda/tile_cost.hpp>

namespace inlay::cuda {

/// An H100 whose multiprocessors have only as much shared memory as the smallest that multiply in the precision: those
/// of sm_75, or of sm_86. What does not fit there twice is not worth much more where it would. It multiplies by warps,
/// as most devices do.
constexpr DeviceSpec nominal_device(Precision p) {
  DeviceSpec device = devices::h100;
  device.multiprocessors.shared_bytes = (least_capability(p) < 80 ? 64 : 100) * 1024;
  device.multiprocessors.warpgroup_share = 0;
  return device;
}
inline constexpr int nominal_batch = 256;

namespace detail {

/// Samples of the nominal batch; fewer of images so large that their pixels could not be counted.
template <class Contraction>
constexpr int nominal_samples() {
  using G = typename Contraction::geometry;
  constexpr std::int64_t pixels = std::int64_t{1} * (G::H > G::P ? G::H : G::P) * (G::W > G::Q ? G::W : G::Q);
  constexpr std::int64_t most = (std::int64_t{1} << 28) / pixels;
  if (!Contraction::batched || most < 1) return 1;
  return most < nominal_batch ? static_cast<int>(most) : nominal_batch;
}

/// The best so far, and the seconds that it takes.
struct TileCandidate {
  TileSize tile{64, 16};
  double seconds = __builtin_huge_val();
};

template <Precision P, int Rows, int Columns, class Contraction>
constexpr void consider(TileCandidate& best) {
  constexpr int most_sums = P == Precision::fp32 ? 64 : 128;  // of a thread
  if constexpr (Rows * Columns <= 128 * most_sums) {
    using C = Tiled<P, Rows, Columns, Contraction>;
    constexpr int samples = nominal_samples<Contraction>();
    const BlockWork work = block_work<C>(samples);
    if (work.registers > work.most_registers) return;  // some would be spilled
    const double seconds = contraction_seconds<C>(samples, nominal_device(P));
    if (seconds < best.seconds) best = {{Rows, Columns}, seconds};
  }
}

template <Precision P, class Contraction>
constexpr TileSize choose_tile() {
  using A = Product<Tiled<P, 64, 16, Contraction>>;  // whose extents do not depend on the tile
  constexpr int wide = A::columns > 64 ? 128 : A::columns > 32 ? 64 : A::columns > 16 ? 32 : 16;
  constexpr int narrow = wide > 16 ? wide / 2 : 16;
  TileCandidate best;
  if constexpr (A::all_taps) {
    return {64, wide < 64 ? wide : 64};  // MultiplyTaps has tiles of its own
  } else {
    constexpr bool brings_rows = A::weights && P == Precision::fp32;  // each thread one, so that few are possible
    if constexpr (brings_rows && A::tapped <= 64) {
      consider<P, 16, wide, Contraction>(best);
      consider<P, 32, wide, Contraction>(best);
    }
    consider<P, 64, wide, Contraction>(best);
    consider<P, 64, narrow, Contraction>(best);
    consider<P, 128, wide, Contraction>(best);
    consider<P, 128, narrow, Contraction>(best);
    if constexpr (!brings_rows) {
      consider<P, 256, wide, Contraction>(best);
      consider<P, 256, narrow, Contraction>(best);
    }
  }
  return best.tile;
}

template <Precision P, class Outline>
inline constexpr TileSize chosen_tile = choose_tile<P, Outline>();

template <Policy P, class Contraction>
struct TiledFor {
  static constexpr TileSize tile = [] {
    constexpr bool fewer = P.precision == Precision::fp32 && Contraction::mode == Mode::weight_gradient;
    TileSize asked = P.tile;
    if (fewer && asked.rows > 128) asked.rows = 128;
    if constexpr (P.tile.rows > 0 && P.tile.columns > 0) {
      return asked;
    } else {
      constexpr int most = 128 * 128;  // elements
      const TileSize chosen = chosen_tile<P.precision, contraction_outline_t<Contraction>>;
      if (asked.rows == 0 && asked.columns == 0) return chosen;
      if (asked.rows == 0) asked.rows = chosen.rows * asked.columns > most ? most / asked.columns : chosen.rows;
      if (asked.columns == 0) asked.columns = chosen.columns * asked.rows > most ? most / asked.rows : chosen.columns;
      return asked;
    }
  }();
  static_assert(tile.rows * tile.columns <= 128 * 128,
                "TileSize: what is left to Inlay does not fit what is asked for");
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
