// Convolutions, dense layers and matrix products, and their gradients: the kernel that multiplies and, where the depth
// is split, the one that finishes.
#pragma once

#include <inlay/cuda/finish.hpp>
#include <inlay/cuda/multiply.hpp>
#include <inlay/cuda/multiply_taps.hpp>
#include <inlay/cuda/runner.hpp>
#include <inlay/cuda/tile_choice.hpp>

#include <type_traits>

namespace inlay::cuda {

template <class C>
struct ContractionRunner : RunnerDefaults {
  using P = Product<C>;
  using Multiplier = std::conditional_t<P::all_taps, MultiplyTaps<C>, Multiply<C>>;

  static constexpr std::int64_t scratch_bytes(int samples) {
    return P::scratch_bytes(samples) + SideSums<P::summed, P::channels>::bytes(sum_parts(samples));
  }

  template <class Slots>
  static void run(const Stream& stream, const Slots& slots, int samples, Global<float> scratch) {
    work_items(samples, std::int64_t{1} * P::pixels * P::groups * P::columns);
    const Split split{P::splits(samples), P::depth_of_each(samples)};
    const Global<float> sums = scratch.from(P::scratch_bytes(samples) / 4);
    if constexpr (P::all_taps) {
      work_items(samples, TapsTile<typename C::geometry>::positions);
      enqueue<Multiplier>(stream, Multiplier::grid(split.parts), slots, samples, split.parts, split.depth_each,
                          scratch);
    } else {
      using Walk = typename Multiplier::Walk;
      typename Walk::Maps maps{};
      if constexpr (Walk::boxed)
        if (!stream.notes_only() && device_copies_boxes()) maps = Walk::maps(slots, samples);
      enqueue<Multiplier>(stream, {P::row_tiles(samples), P::column_tiles, P::groups * split.parts}, maps, slots,
                          samples, split, scratch);
    }
    if constexpr (P::split)
      enqueue<Finish<C>>(stream, Finish<C>::grid(samples), slots, samples, split.parts, scratch, sums);
    if constexpr (P::summed > 0) {
      using Sums = FinishSums<P::summed, P::channels, typename C::side>;
      enqueue<Sums>(stream, {Sums::blocks}, slots, sum_parts(samples), sums);
    }
  }

 private:
  static constexpr int sum_parts(int samples) {
    return P::split ? Finish<C>::sum_parts(samples) : P::row_tiles(samples);
  }
};

template <Precision P, int Rows, int Columns, class Contraction>
struct Runner<Tiled<P, Rows, Columns, Contraction>> : ContractionRunner<Tiled<P, Rows, Columns, Contraction>> {};

}  // namespace inlay::cuda
