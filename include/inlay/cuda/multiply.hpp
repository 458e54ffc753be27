// The kernel that multiplies: a block of threads computes one tile of a contraction as a matrix product. It walks along
// the depth with or without tensor cores, the result in registers. At the end that passes through shared memory, band
// by band, to the epilogue or to the store of partial sums, so that neighbouring threads work on neighbouring columns.
#pragma once

#include <inlay/cuda/epilogue.hpp>
#include <inlay/cuda/halo_walk.hpp>
#include <inlay/cuda/simt_walk.hpp>
#include <inlay/cuda/tensor_walk.hpp>

#include <algorithm>
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
  /// Blocks for whose registers a multiprocessor should have room: two of 255 a thread, half of them sums, three of 168
  /// or, without tensor cores, four of 128. (Left to itself, ptxas may spill for the sake of a fifth.)
  static constexpr int sums_each = S::rows * S::columns / threads;
  static constexpr bool few_sums = P::precision == Precision::fp32 && sums_each <= 32;
  static constexpr int register_blocks = sums_each > 64 ? 2 : few_sums ? 4 : 3;

  /// Columns that a thread finishes, or stores partial sums of, at a time. It updates weights one by one, and finishes
  /// so what has too many sums by channel to keep those of four columns in registers.
  static constexpr bool fits_sums = sums_each + 16 * P::summed <= (register_blocks == 2 ? 176 : 96);
  static constexpr int together = P::columns % 4 == 0 && (P::split || (!P::weights && fits_sums)) ? 4 : 1;

  static constexpr int pitch = Walk::stage_pitch, stage = S::band * pitch;
  static constexpr int of_side_sums = 3 * threads * (P::summed > 0 ? together : 1);  // floats
  static constexpr int memory = std::max(Walk::floats, std::max(stage, of_side_sums));
  static constexpr int shared_bytes = 4 * memory;
  /// So many of these, if it has so many bytes of shared memory.
  static constexpr int blocks_within(int bytes) { return std::min(bytes / shared_bytes, register_blocks); }
  static constexpr int least_blocks = blocks_within(multiprocessor_shared_bytes);
  static_assert(threads % S::columns == 0 && memory >= Walk::side_parts * S::columns);

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
    Accumulators<P::summed * together> side_sums;
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
      SideSums<P::summed, P::channels>::template store<threads, S::columns, together>(
          shared, side_sums, at.row_tile, column < P::columns ? at.group * P::columns + column : -1, scratch);
    }
    if constexpr (P::sided)
      if (at.row_tile == 0) finish_sides(slots, shared, at, side, part, split.parts, samples, scratch);
  }

 private:
  // A thread's columns in the tile, and its rows in a band: the first of them, and how far apart they are.
  static constexpr int tile_threads = S::columns / together, rows_apart = threads / tile_threads;
  INLAY_DEVICE static int own_column(int thread) { return thread % tile_threads * together; }
  INLAY_DEVICE static int own_row(int thread) { return thread / tile_threads; }

  /// The sums of these columns that lie there.
  template <class Shared>
  INLAY_DEVICE static auto staged(Shared shared, int place) {
    if constexpr (together == 4) return shared.load4(place);
    else return static_cast<float>(shared[place]);
  }

  template <class Slots, class Shared>
  INLAY_DEVICE static void finish_band(const Slots& slots, Shared shared, const Place& at, int pass, int samples,
                                       [[maybe_unused]] Accumulator* side_sums) {
    constexpr int rows = P::pooled ? P::band_windows : S::band;
    const int in_tile = own_column(at.thread), column = at.column_tile * S::columns + in_tile;
    if (column >= P::columns) return;
    const int k = at.group * P::columns + column;
    INLAY_NO_UNROLL
    for (int row = own_row(at.thread); row < rows; row += rows_apart) {
      if constexpr (P::weights) {
        const int weight = at.row_tile * S::rows + pass * S::band + row;
        if (weight < P::tapped) finish_weight<C>(slots, weight, k, staged(shared, row * pitch + in_tile));
      } else if constexpr (P::pooled) {
        const int window = (at.row_tile * S::passes + pass) * P::band_windows + row;
        if (window < samples * (P::pixels / P::window))
          finish_window<C>(
              slots, window, samples, k,
              [&](int place, Pixel) { return staged(shared, (row * P::window + place) * pitch + in_tile); }, side_sums);
      } else {
        const Pixel pixel = P::tile_pixel(at.row_tile, pass * S::band + row, samples);
        if (pixel.row >= 0) finish_pixel<C>(slots, pixel, k, staged(shared, row * pitch + in_tile), side_sums);
      }
    }
  }

  template <class Shared>
  INLAY_DEVICE static void store_partials(Shared shared, const Place& at, int pass, int part, int samples,
                                          Global<float> scratch) {
    const int in_tile = own_column(at.thread), column = at.column_tile * S::columns + in_tile;
    if (column >= P::columns) return;
    for (int in_band = own_row(at.thread); in_band < S::band; in_band += rows_apart) {
      const int tile_row = pass * S::band + in_band;
      int row = at.row_tile * S::rows + tile_row;
      if constexpr (!P::weights) row = P::index(P::tile_pixel(at.row_tile, tile_row, samples));
      if (row < 0 || row >= P::rows(samples)) continue;
      const std::int64_t to = P::partial(part, row, at.group, column, samples);
      if constexpr (together == 4) scratch.store4(to, staged(shared, in_band * pitch + in_tile));
      else scratch[to] = staged(shared, in_band * pitch + in_tile);
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
