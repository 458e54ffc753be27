// The kernel that multiplies where a block sums all taps of a weight gradient (taps_walk.hpp). Its sums are partial
// ones, stored from registers as the kernel Finish reads them.
#pragma once

#include <inlay/cuda/taps_walk.hpp>

namespace inlay::cuda {

template <class C>
struct MultiplyTaps {
  using P = Product<C>;
  using G = typename C::geometry;
  using T = TapsTile<G>;
  using Walk = TapsWalk<C>;
  static constexpr int threads = T::threads, shared_bytes = T::shared_bytes;
  static constexpr int least_blocks = T::most_warps / T::warps;
  static constexpr int side_parts = threads / Walk::Dy::quads;  // threads that sum the same channels
  static_assert(P::split && shared_bytes >= 4 * side_parts * T::outputs && threads >= T::outputs);

  static constexpr Dim3 grid(int parts) { return {T::input_tiles, T::output_tiles, parts}; }

  /// Block (tile of x's channels, tile of dy's, part of the depth).
  template <class Slots>
  INLAY_DEVICE static void run(const Slots& slots, int samples, int parts, int depth_each, Global<float> scratch) {
    const Dim3 block = block_index();
    const int part = block.z, begin = part * depth_each, total = P::depth(samples);
    const TapsPlace at{block.x, block.y, begin, thread_index()};
    const int depth = begin + depth_each < total ? depth_each : total - begin;
    typename Walk::Sums sums = {};
    [[maybe_unused]] const typename Walk::Side side = Walk::walk(slots, at, ceil_divide(depth, T::step), samples, sums);
    const Global<float> of_part = scratch.from(P::partial(part, 0, 0, 0, samples));
    Walk::each_pair(at, sums, [&](int row, int column, const Vector<float, 2>& pair) {
      const int place = row * G::K + column;
      if constexpr (G::K % 2 == 0) {
        if (G::K % T::outputs == 0 || column < G::K) of_part.store2(place, pair);
      } else {
        if (column < G::K) of_part[place] = pair[0];
        if (column + 1 < G::K) of_part[place + 1] = pair[1];
      }
    });
    if constexpr (P::sided)
      if (at.input_tile == 0) store_sides(at, side, part, parts, samples, scratch);
  }

 private:
  /// Adds the shares of each channel in the order of the threads.
  INLAY_DEVICE static void store_sides(const TapsPlace& at, const typename Walk::Side& side, int part, int parts,
                                       int samples, Global<float> scratch) {
    const auto shared = shared_array<float>(0, side_parts * T::outputs);
    shared.store4(4 * at.thread, side.of_channel);
    sync_threads();
    const int column = at.output_tile * T::outputs + at.thread;
    if (at.thread >= T::outputs || column >= G::K) return;
    float sum = 0;
    for (int i = 0; i < side_parts; ++i) sum += shared[i * T::outputs + at.thread];
    scratch[P::side_partial(part, parts, 0, column, samples)] = sum;
  }
};

}  // namespace inlay::cuda
