// How a block multiplies in fp32 without tensor cores: tiles of A and B are fetched into registers while the tiles
// before them are multiplied (two buffers in shared memory), and each thread keeps its patch of the result in
// registers.
#pragma once

#include <inlay/cuda/operands.hpp>
#include <inlay/cuda/tensor_map.hpp>
#include <inlay/cuda/unroll.hpp>

namespace inlay::cuda {

template <class C>
struct SimtWalk {
  using P = Product<C>;
  using S = typename P::Shape;
  using O = Operands<C>;
  using Sums = float[S::rows_each][S::columns_each];
  using Side = float;  // the thread's share of a column sum of B

  static constexpr bool boxed = false;
  using Maps = NoMaps;
  static constexpr int buffer = O::size_a + O::size_b;
  static constexpr int floats = 2 * buffer + 3 * O::table_size;  // of shared memory
  static constexpr int side_parts = S::threads / S::columns;
  static constexpr int stage_pitch = S::columns;

  /// Multiplies along the depth. Gives the thread's share of the column sums of B (`side_parts` threads a column).
  template <class Slots>
  INLAY_DEVICE static float walk(const Slots& slots, NoMaps, const Place& at, int begin, int steps, int samples,
                                 Sums& sums) {
    const auto shared = shared_array<float>(0, 2 * buffer);
    const auto table = shared_array<int>(8 * buffer, 3 * O::table_size);
    const int y = at.thread / S::thread_columns, x = at.thread % S::thread_columns;
    float side = 0;
    O operands;
    O::fill_table(table, at, begin, 0, samples);
    sync_threads();
    for (int next = 0; next <= steps; ++next) {  // what is fetched; the step before is multiplied
      if (next < steps) operands.fetch(slots, table, at, begin, next);
      if (next > 0) {
        const int now = (next - 1) % 2 * buffer;
        multiply_tiles(shared, now, y, x, sums);
        if constexpr (P::sided)
          if (at.row_tile == 0) side += column_share(shared, now + O::size_a, at.thread);
      }
      if (next < steps) {
        if constexpr (P::weights) O::fill_table(table, at, begin, next + 1, samples);
        operands.place(shared, next % 2 * buffer, at);
      }
      sync_threads();
    }
    return side;
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

  template <class Shared>
  INLAY_DEVICE static void put_side(Shared shared, const Place& at, Side side) {
    shared[at.thread] = side;
  }

 private:
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
};

}  // namespace inlay::cuda
