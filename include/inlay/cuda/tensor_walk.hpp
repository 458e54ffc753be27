// How a block multiplies on tensor cores, for any geometry: tiles of A and B (tensor_tiles.hpp) go through shared
// memory step by step along the depth. Prologues compute in fp32; values are rounded on their way into registers, where
// the next step's tiles wait while the last one's are multiplied (two buffers in shared memory).
#pragma once

#include <inlay/cuda/gradient_scale.hpp>
#include <inlay/cuda/tensor_tiles.hpp>

namespace inlay::cuda {

template <class C>
struct TensorWalk : TensorTiles<C> {
  using Tiles = TensorTiles<C>;
  using Tiles::words, Tiles::each, Tiles::blocks, Tiles::word;
  using typename Tiles::P, typename Tiles::S, typename Tiles::Sums, typename Tiles::Side;

  static constexpr int buffer = (S::rows + S::columns) * words;  // A's lines, then B's
  static constexpr int floats = 2 * buffer + 3 * S::rows;        // of shared memory

  /// Multiplies along the depth.
  template <class Slots>
  INLAY_DEVICE static Side walk(const Slots& slots, const Place& at, int begin, int steps, int samples, Sums& sums) {
    const auto tiles = shared_array<std::uint32_t>(0, 2 * buffer);
    const auto chunks = shared_array<Chunk>(0, 2 * buffer / 4);
    const auto table = shared_array<int>(8 * buffer, 3 * S::rows);
    Side side = {};
    std::uint32_t a[S::rows / 8], b[blocks];
    fill_table(table, at, samples);
    sync_threads();
    fetch(slots, table, at, begin, samples, a, b, side);
    Tiles::template place<a_along_depth>(tiles, 0, at.thread, a);
    Tiles::template place<b_along_depth>(tiles, S::rows, at.thread, b);
    fence_shared_writes();
    sync_threads();
    for (int step = 0; step < steps; ++step) {
      const int now = step % 2 * buffer, next = buffer - now;
      if (step + 1 < steps) fetch(slots, table, at, begin + (step + 1) * S::depth, samples, a, b, side);
      multiply_tiles(chunks, now / words, sums);
      if (step + 1 < steps) {
        Tiles::template place<a_along_depth>(tiles, next / words, at.thread, a);
        Tiles::template place<b_along_depth>(tiles, next / words + S::rows, at.thread, b);
        fence_shared_writes();
      }
      Tiles::finish_products(sums);
      sync_threads();
    }
    GradientScale<C>(slots).undo(sums);
    return side;
  }

 private:
  // Is memory contiguous along the depth?
  static constexpr bool a_along_depth = !P::weights, b_along_depth = P::mode == Mode::data_gradient;

  /// The pixels of A's lines; for a weight gradient their taps.
  template <class Table>
  INLAY_DEVICE static void fill_table(Table table, const Place& at, int samples) {
    for (int line = at.thread; line < S::rows; line += S::threads) {
      if constexpr (P::weights) {
        const Tap tap = tap_at(at.row_tile * S::rows + line);
        put(table, line, tap.row, tap.column, tap.channel);
      } else {
        const Pixel pixel = P::tile_pixel(at.row_tile, line, samples);
        put(table, line, pixel.sample, pixel.row, pixel.column);
      }
    }
  }
  template <class Table>
  INLAY_DEVICE static void put(Table table, int line, int x, int y, int z) {
    table[line] = x;
    table[S::rows + line] = y;
    table[2 * S::rows + line] = z;
  }
  INLAY_DEVICE static Tap tap_at(int index) { return index < P::tapped ? P::tap(index) : Tap{no_tap, 0, 0}; }

  /// Global memory to registers: the thread's words of the step that begins at `depth`.
  template <class Slots, class Table>
  INLAY_DEVICE static void fetch(const Slots& slots, Table table, const Place& at, int depth, int samples,
                                 std::uint32_t (&a)[S::rows / 8], std::uint32_t (&b)[blocks],
                                 [[maybe_unused]] Side& side) {
    const int depth_a = depth + Tiles::template word_of<a_along_depth>(at.thread) * each;
    const int depth_b = depth + Tiles::template word_of<b_along_depth>(at.thread) * each;
    const int first_a = Tiles::template line_of<a_along_depth>(at.thread),
              first_b = Tiles::template line_of<b_along_depth>(at.thread);
    const int column = at.column_tile * S::columns + first_b;
    const GradientScale<C> scaled(slots);
    if constexpr (P::weights) {
      Pixel pixels[each];
      INLAY_UNROLL
      for (int e = 0; e < each; ++e) pixels[e] = P::pixel(depth_a + e, samples);
      INLAY_UNROLL
      for (int i = 0; i < S::rows / 8; ++i) {
        const int line = first_a + 8 * i;
        const Tap tap{table[line], table[S::rows + line], table[2 * S::rows + line]};
        a[i] = word([&](int e) { return element_of_a<C>(slots, pixels[e], tap, at.group); });
      }
      INLAY_UNROLL
      for (int i = 0; i < blocks; ++i)
        b[i] = word([&](int e) {
          const float value = element_of_dy<C>(slots, pixels[e], column + 8 * i, at.group);
          if constexpr (P::sided) side.of_line[i] += value;
          return scaled(value);
        });
    } else {
      Tap taps[each];
      INLAY_UNROLL
      for (int e = 0; e < each; ++e) taps[e] = tap_at(depth_a + e);
      INLAY_UNROLL
      for (int i = 0; i < S::rows / 8; ++i) {
        const int line = first_a + 8 * i;
        const Pixel pixel{table[line], table[S::rows + line], table[2 * S::rows + line]};
        a[i] = word([&](int e) { return scaled(element_of_a<C>(slots, pixel, taps[e], at.group)); });
      }
      INLAY_UNROLL
      for (int i = 0; i < blocks; ++i)
        b[i] = word([&](int e) {
          if constexpr (P::mode == Mode::forward)
            return forward_weight<C>(slots, depth_b + e, column + 8 * i, at.group);
          else return backward_weight<C>(slots, taps[e], column + 8 * i, at.group);
        });
    }
  }

  /// sums += A * B for the tiles that begin at line `first`.
  template <class Chunks>
  INLAY_DEVICE static void multiply_tiles(Chunks chunks, int first, Sums& sums) {
    const int l = lane();
    INLAY_UNROLL
    for (int c = 0; c < 4; c += 2) {
      typename Tiles::Fragments a;
      INLAY_UNROLL
      for (int i = 0; i < S::passes; ++i) {
        const int line = first + i * S::band + warp() * 16 + l % 16;
        Tiles::copy(load_matrices<false>(chunks, Tiles::chunk_at(line, c + l / 16)), a[i]);
      }
      const int columns = Tiles::chunk_at(first + S::rows, c);
      Tiles::template multiply_columns<false>(a, sums, shared_matrix<64>(chunks.address(columns)), [&](int j) {
        const int line = first + S::rows + 8 * j + l % 8 + l / 16 * 8;
        return load_matrices<false>(chunks, Tiles::chunk_at(line, c + l / 8 % 2));
      });
    }
  }
};

}  // namespace inlay::cuda
