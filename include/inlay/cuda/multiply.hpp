// The kernel that multiplies: a block of threads computes one tile of a contraction as a matrix product. Tiles of A
// and B are fetched into registers while the tiles before them are multiplied (two buffers in shared memory), and
// each thread keeps its patch of the result in registers. At the end the patches pass through shared memory, band by
// band, to the epilogue or to the store of partial sums, so that neighbouring threads work on neighbouring columns.
#pragma once

#include <inlay/cuda/epilogue.hpp>
#include <inlay/cuda/operands.hpp>
#include <inlay/cuda/unroll.hpp>

namespace inlay::cuda {

/// How the depth is split: part i walks [i * depth_each, (i + 1) * depth_each).
struct Split {
  int parts, depth_each;
};

template <class C>
struct Multiply {
  using P = Product<C>;
  using S = typename P::Shape;
  using O = Operands<C>;
  static constexpr int threads = S::threads;

  static constexpr int buffer = O::size_a + O::size_b;
  static constexpr int stage_pitch = S::columns, stage = S::band * stage_pitch;
  static constexpr int side_parts = threads / S::columns;
  static constexpr int memory = 2 * buffer > stage ? 2 * buffer : stage;
  static constexpr int shared_bytes = 4 * (memory + 3 * O::table_size);
  static_assert(memory >= 3 * threads && threads % S::columns == 0);

  using Sums = float[S::rows_each][S::columns_each];

  /// Block (row tile, column tile, group * parts + part).
  template <class Slots>
  INLAY_DEVICE static void run(const Slots& slots, int samples, Split split, Global<float> scratch) {
    const auto shared = shared_array<float>(0, memory);
    const auto table = shared_array<int>(memory * 4, 3 * O::table_size);
    const Dim3 block = block_index();
    const int part = block.z % split.parts;
    const Place at{block.x, block.y, block.z / split.parts, thread_index()};
    const int begin = part * split.depth_each, total = P::depth(samples);
    const int end = begin + split.depth_each < total ? begin + split.depth_each : total;

    Sums sums = {};
    const int steps = P::one_step ? 1 : ceil_divide(end - begin, S::depth);
    const float side = walk(slots, shared, table, at, begin, steps, samples, sums);
    Accumulators<P::summed> side_sums;
    INLAY_UNROLL
    for (int pass = 0; pass < S::passes; ++pass) {
      stage_band(shared, at, pass, sums);
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
  /// Multiplies along the depth. Gives the thread's share of the column sums of B (`side_parts` threads a column).
  template <class Slots, class Shared, class Table>
  INLAY_DEVICE static float walk(const Slots& slots, Shared shared, Table table, const Place& at, int begin, int steps,
                                 int samples, Sums& sums) {
    const int y = at.thread / S::thread_columns, x = at.thread % S::thread_columns;
    float side = 0;
    O operands;
    O::fill_table(table, at, begin, 0, samples);
    if constexpr (P::weights) O::fill_table(table, at, begin, 1, samples);
    sync_threads();
    operands.fetch(slots, table, at, begin, 0);
    operands.place(shared, 0, at);
    sync_threads();
    for (int step = 0; step < steps; ++step) {
      const int now = step % 2 * buffer, next = buffer - now;
      if (step + 1 < steps) operands.fetch(slots, table, at, begin, step + 1);
      multiply_tiles(shared, now, y, x, sums);
      if constexpr (P::sided)
        if (at.row_tile == 0) side += column_share(shared, now + O::size_a, at.thread);
      if (step + 1 < steps) {
        if constexpr (P::weights) O::fill_table(table, at, begin, step + 2, samples);
        operands.place(shared, next, at);
      }
      sync_threads();
    }
    return side;
  }

  /// sums[i][j] += sum over the tile's depth of a[depth][row i] * b[depth][column j]
  template <class Shared>
  INLAY_DEVICE static void multiply_tiles(Shared shared, int tile, int y, int x, Sums& sums) {
    INLAY_UNROLL
    for (int d = 0; d < S::depth; ++d) {
      float a[S::rows_each], b[S::columns_each];
      INLAY_UNROLL
      for (int i = 0; i < S::rows_each; i += S::row_run)
        load_run<S::row_run>(shared, tile + d * O::pitch_a + S::row(y, i), a + i);
      INLAY_UNROLL
      for (int j = 0; j < S::columns_each; j += S::column_run)
        load_run<S::column_run>(shared, tile + O::size_a + d * O::pitch_b + S::column(x, j), b + j);
      INLAY_UNROLL
      for (int i = 0; i < S::rows_each; ++i) INLAY_UNROLL
      for (int j = 0; j < S::columns_each; ++j) sums[i][j] = multiply_add(a[i], b[j], sums[i][j]);
    }
  }

  template <int Run, class Shared>
  INLAY_DEVICE static void load_run(Shared shared, int at, float* to) {
    if constexpr (Run == 4) copy(shared.load4(at), to);
    else if constexpr (Run == 2) copy(shared.load2(at), to);
    else *to = shared[at];
  }
  template <int N>
  INLAY_DEVICE static void copy(const Vector<float, N>& from, float* to) {
    INLAY_UNROLL
    for (int i = 0; i < N; ++i) to[i] = from[i];
  }

  template <class Shared>
  INLAY_DEVICE static float column_share(Shared shared, int tile_b, int thread) {
    float sum = 0;
    INLAY_UNROLL
    for (int d = 0; d < S::depth; d += side_parts)
      sum += shared[tile_b + (d + thread / S::columns) * O::pitch_b + thread % S::columns];
    return sum;
  }

  /// Band `pass` of the tile to shared memory.
  template <class Shared>
  INLAY_DEVICE static void stage_band(Shared shared, const Place& at, int pass, const Sums& sums) {
    const int y = at.thread / S::thread_columns, x = at.thread % S::thread_columns;
    INLAY_UNROLL
    for (int i = 0; i < S::row_run; ++i) INLAY_UNROLL
    for (int j = 0; j < S::columns_each; ++j)
      shared[(y * S::row_run + i) * stage_pitch + S::column(x, j)] = sums[pass * S::row_run + i][j];
  }

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
        if (weight < P::tapped) finish_weight<C>(slots, weight, k, shared[row * stage_pitch + e % S::columns]);
      } else if constexpr (P::pooled) {
        const int window = (at.row_tile * S::passes + pass) * P::band_windows + row;
        if (window < samples * (P::pixels / P::window))
          finish_window<C>(
              slots, window, samples, k,
              [&](int place, Pixel) -> float {
                return shared[(row * P::window + place) * stage_pitch + e % S::columns];
              },
              side_sums);
      } else {
        const Pixel pixel = P::tile_pixel(at.row_tile, pass * S::band + row, samples);
        if (pixel.row >= 0) finish_pixel<C>(slots, pixel, k, shared[row * stage_pitch + e % S::columns], side_sums);
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
        scratch[P::partial(part, row, at.group, column, samples)] = shared[e];
    }
  }

  /// Adds the shares of each column in the order of the threads.
  template <class Slots, class Shared>
  INLAY_DEVICE static void finish_sides(const Slots& slots, Shared shared, const Place& at, float side, int part,
                                        int parts, int samples, Global<float> scratch) {
    shared[at.thread] = side;
    sync_threads();
    const int column = at.column_tile * S::columns + at.thread;
    if (at.thread >= S::columns || column >= P::columns) return;
    float sum = 0;
    for (int i = 0; i < side_parts; ++i) sum += shared[i * S::columns + at.thread];
    if constexpr (P::split) scratch[P::side_partial(part, parts, at.group, column, samples)] = sum;
    else finish_side<C>(slots, at.group * P::columns + column, sum);
  }
};

}  // namespace inlay::cuda
