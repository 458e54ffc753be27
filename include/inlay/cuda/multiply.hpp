// The kernel that multiplies: a block of threads computes one tile of a contraction as a matrix product. It walks along
// the depth with or without tensor cores, the result in registers. At the end that passes through shared memory, band
// by band, to the epilogue or to the store of partial sums, so that neighbouring threads work on neighbouring columns.
#pragma once

#include <inlay/cuda/epilogue.hpp>
#include <inlay/cuda/halo_walk.hpp>
#include <inlay/cuda/simt_walk.hpp>
#include <inlay/cuda/tensor_walk.hpp>

#include <type_traits>

namespace inlay::cuda {

/// How the depth is split: part i walks [i * depth_each, (i + 1) * depth_each).
struct Split {
  int parts, depth_each;
};

template <class C>
struct Multiply {
  using P = Product<C>;
  using S = typename P::Shape;
  using Walk = std::conditional_t<P::precision == Precision::fp32, SimtWalk<C>,
                                  std::conditional_t<has_halo_tile<C>, HaloWalk<C>, TensorWalk<C>>>;
  static constexpr int threads = S::threads;
  static constexpr int pitch = Walk::stage_pitch, stage = S::band * pitch;
  static constexpr int memory = Walk::floats > stage ? Walk::floats : stage;
  static constexpr int shared_bytes = 4 * memory;
  /// With tensor cores three blocks of at most 168 registers, two of 255 where half of those are sums, or as many as
  /// there is shared memory for.
  static constexpr int memory_blocks = multiprocessor_shared_bytes / shared_bytes;
  static constexpr int register_blocks = S::rows * S::columns / threads <= 64 ? 3 : 2;
  static constexpr int least_blocks = P::precision == Precision::fp32   ? 0
                                      : memory_blocks < register_blocks ? memory_blocks
                                                                        : register_blocks;
  static_assert(memory >= 3 * threads && threads % S::columns == 0 && memory >= Walk::side_parts * S::columns);

  /// Block (row tile, column tile, group * parts + part).
  template <class Slots>
  INLAY_DEVICE static void run(const typename Walk::Maps& maps, const Slots& slots, int samples, Split split,
                               Global<float> scratch) {
    const auto shared = shared_array<float>(0, memory);
    const Dim3 block = block_index();
    const int part = block.z % split.parts;
    const Place at{block.x, block.y, block.z / split.parts, thread_index()};
    const int begin = part * split.depth_each, total = P::depth(samples);
    const int end = begin + split.depth_each < total ? begin + split.depth_each : total;

    typename Walk::Sums sums = {};
    const int steps = P::one_step ? 1 : ceil_divide(end - begin, S::depth);
    [[maybe_unused]] const typename Walk::Side side = Walk::walk(slots, maps, at, begin, steps, samples, sums);
    Accumulators<P::summed> side_sums;
    INLAY_NO_UNROLL
    for (int pass = 0; pass < S::passes; ++pass) {  // one copy of the epilogue for all bands
      INLAY_UNROLL
      for (int band = 0; band < S::passes; ++band)
        if (band == pass) Walk::stage_band(shared, at, band, sums);
      sync_threads();
      if constexpr (P::split) store_partials(shared, at, pass, part, samples, scratch);
      else finish_band(slots, shared, at, pass, samples, side_sums.of);
      sync_threads();
    }
    if constexpr (P::summed > 0 && !P::split) {
      const int column = at.column_tile * S::columns + at.thread % S::columns;
      SideSums<P::summed, P::channels>::template store<threads, S::columns>(
          shared, side_sums, at.row_tile, column < P::columns ? at.group * P::columns + column : -1, scratch);
    }
    if constexpr (P::sided)
      if (at.row_tile == 0) finish_sides(slots, shared, at, side, part, split.parts, samples, scratch);
  }

 private:
  template <class Slots, class Shared>
  INLAY_DEVICE static void finish_band(const Slots& slots, Shared shared, const Place& at, int pass, int samples,
                                       [[maybe_unused]] Accumulator* side_sums) {
    constexpr int rows = P::pooled ? P::band_windows : S::band;
    INLAY_NO_UNROLL
    for (int e = at.thread; e < rows * S::columns; e += threads) {
      const int row = e / S::columns, column = at.column_tile * S::columns + e % S::columns;
      if (column >= P::columns) continue;
      const int k = at.group * P::columns + column;
      if constexpr (P::weights) {
        const int weight = at.row_tile * S::rows + pass * S::band + row;
        if (weight < P::tapped) finish_weight<C>(slots, weight, k, shared[row * pitch + e % S::columns]);
      } else if constexpr (P::pooled) {
        const int window = (at.row_tile * S::passes + pass) * P::band_windows + row;
        if (window < samples * (P::pixels / P::window))
          finish_window<C>(
              slots, window, samples, k,
              [&](int place, Pixel) -> float { return shared[(row * P::window + place) * pitch + e % S::columns]; },
              side_sums);
      } else {
        const Pixel pixel = P::tile_pixel(at.row_tile, pass * S::band + row, samples);
        if (pixel.row >= 0) finish_pixel<C>(slots, pixel, k, shared[row * pitch + e % S::columns], side_sums);
      }
    }
  }

  template <class Shared>
  INLAY_DEVICE static void store_partials(Shared shared, const Place& at, int pass, int part, int samples,
                                          Global<float> scratch) {
    for (int e = at.thread; e < S::band * S::columns; e += threads) {
      const int column = at.column_tile * S::columns + e % S::columns;
      const int tile_row = pass * S::band + e / S::columns;
      int row = at.row_tile * S::rows + tile_row;
      if constexpr (!P::weights) row = P::index(P::tile_pixel(at.row_tile, tile_row, samples));
      if (column < P::columns && row >= 0 && row < P::rows(samples))
        scratch[P::partial(part, row, at.group, column, samples)] = shared[e / S::columns * pitch + e % S::columns];
    }
  }

  /// Adds the shares of each column in the order of the threads.
  template <class Slots, class Shared>
  INLAY_DEVICE static void finish_sides(const Slots& slots, Shared shared, const Place& at,
                                        const typename Walk::Side& side, int part, int parts, int samples,
                                        Global<float> scratch) {
    Walk::put_side(shared, at, side);
    sync_threads();
    const int column = at.column_tile * S::columns + at.thread;
    if (at.thread >= S::columns || column >= P::columns) return;
    float sum = 0;
    for (int i = 0; i < Walk::side_parts; ++i) sum += shared[i * S::columns + at.thread];
    if constexpr (P::split) scratch[P::side_partial(part, parts, at.group, column, samples)] = sum;
    else finish_side<C>(slots, at.group * P::columns + column, sum);
  }
};

}  // namespace inlay::cuda
