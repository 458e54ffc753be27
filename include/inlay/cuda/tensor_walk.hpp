// How a block multiplies on tensor cores. A tile of A or B lies in shared memory line by line (a line is a row of A or
// a column of B), each line the 64 bytes of one step along the depth: 16 words of two rounded elements, or of one for
// tf32. Prologues compute in fp32; values are rounded on their way into registers, where the next step's tiles wait
// while the last one's are multiplied (two buffers in shared memory).
//
// A thread brings the words of one depth, every eighth line. Where memory is contiguous along the depth, 16
// neighbouring threads take the words of a line; otherwise 8 neighbours take a word of 8 lines. Chunks of 16 bytes are
// exchanged within their line (`chunk_at`), so that neither of these stores nor loading 8 lines' chunks meets a bank
// twice.
//
// The four warps lie below each other: warp w computes 16 rows of each band of 64, and all columns.
#pragma once

#include <inlay/cuda/operands.hpp>
#include <inlay/cuda/tensor_core.hpp>
#include <inlay/cuda/unroll.hpp>

namespace inlay::cuda {

template <class C>
struct TensorWalk {
  using P = Product<C>;
  using S = typename P::Shape;
  static constexpr Precision precision = P::precision;
  static constexpr int words = 16, each = S::depth / words;  // words a line, elements a word
  static constexpr int blocks = S::columns / 8;              // of 8 columns
  static_assert(S::threads == 128 && S::band == 64 && words * each == S::depth && S::columns % 16 == 0);

  using Sums = float[S::passes][blocks][4];
  struct Side {
    float of_line[blocks];  // the thread's share of the column sums of B, before rounding
  };

  static constexpr int buffer = (S::rows + S::columns) * words;  // A's lines, then B's
  static constexpr int floats = 2 * buffer + 3 * S::rows;        // of shared memory
  static constexpr int side_parts = S::threads / 8;
  static constexpr int stage_pitch = S::columns + 8;  // 4 rows of fragments on different banks

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
    place<a_along_depth>(tiles, 0, at.thread, a);
    place<b_along_depth>(tiles, S::rows, at.thread, b);
    sync_threads();
    for (int step = 0; step < steps; ++step) {
      const int now = step % 2 * buffer, next = buffer - now;
      if (step + 1 < steps) fetch(slots, table, at, begin + (step + 1) * S::depth, samples, a, b, side);
      multiply_tiles(chunks, now / words, sums);
      if (step + 1 < steps) {
        place<a_along_depth>(tiles, next / words, at.thread, a);
        place<b_along_depth>(tiles, next / words + S::rows, at.thread, b);
      }
      sync_threads();
    }
    return side;
  }

  /// Band `pass` of the tile to shared memory.
  template <class Shared>
  INLAY_DEVICE static void stage_band(Shared shared, const Place& at, int pass, const Sums& sums) {
    const int g = at.thread % 32 / 4, t = at.thread % 4, first = at.thread / 32 * 16 + g;
    INLAY_UNROLL
    for (int j = 0; j < blocks; ++j) {
      shared.store2(first * stage_pitch + 8 * j + 2 * t, {sums[pass][j][0], sums[pass][j][1]});
      shared.store2((first + 8) * stage_pitch + 8 * j + 2 * t, {sums[pass][j][2], sums[pass][j][3]});
    }
  }

  template <class Shared>
  INLAY_DEVICE static void put_side(Shared shared, const Place& at, const Side& side) {
    INLAY_UNROLL
    for (int i = 0; i < blocks; ++i)
      shared[word_of<false>(at.thread) * S::columns + line_of<false>(at.thread) + 8 * i] = side.of_line[i];
  }

  /// Where chunk c of a line lies.
  INLAY_HOST_DEVICE static constexpr int chunk_at(int line, int c) { return line * 4 + (c ^ (line / 2 % 4)); }

  /// A thread's word of every line that it brings, and the first of these.
  template <bool AlongDepth>
  INLAY_HOST_DEVICE static constexpr int word_of(int thread) {
    return AlongDepth ? thread % words : thread / 8;
  }
  template <bool AlongDepth>
  INLAY_HOST_DEVICE static constexpr int line_of(int thread) {
    return AlongDepth ? thread / words : thread % 8;
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
    const int depth_a = depth + word_of<a_along_depth>(at.thread) * each;
    const int depth_b = depth + word_of<b_along_depth>(at.thread) * each;
    const int first_a = line_of<a_along_depth>(at.thread), first_b = line_of<b_along_depth>(at.thread);
    const int column = at.column_tile * S::columns + first_b;
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
          return value;
        });
    } else {
      Tap taps[each];
      INLAY_UNROLL
      for (int e = 0; e < each; ++e) taps[e] = tap_at(depth_a + e);
      INLAY_UNROLL
      for (int i = 0; i < S::rows / 8; ++i) {
        const int line = first_a + 8 * i;
        const Pixel pixel{table[line], table[S::rows + line], table[2 * S::rows + line]};
        a[i] = word([&](int e) { return element_of_a<C>(slots, pixel, taps[e], at.group); });
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
  /// The elements value(0), value(1)... of a word, rounded.
  template <class F>
  INLAY_DEVICE static std::uint32_t word(F value) {
    if constexpr (precision == Precision::tf32) {
      return round_to_tf32(value(0));
    } else {
      const float low = value(0);
      return pack<precision>(low, value(1));
    }
  }

  /// Registers to shared memory, from line `first` on.
  template <bool AlongDepth, class Tiles, int Count>
  INLAY_DEVICE static void place(Tiles tiles, int first, int thread, const std::uint32_t (&of_line)[Count]) {
    const int at = word_of<AlongDepth>(thread);
    INLAY_UNROLL
    for (int i = 0; i < Count; ++i) {
      const int line = first + line_of<AlongDepth>(thread) + 8 * i;
      tiles[4 * chunk_at(line, at / 4) + at % 4] = of_line[i];
    }
  }

  /// sums += A * B for the tiles that begin at line `first`.
  template <class Chunks>
  INLAY_DEVICE static void multiply_tiles(Chunks chunks, int first, Sums& sums) {
    const int l = lane();
    INLAY_UNROLL
    for (int c = 0; c < 4; c += 2) {
      std::uint32_t a[S::passes][4];
      INLAY_UNROLL
      for (int i = 0; i < S::passes; ++i) {  // rows 0 to 7, 8 to 15 of a chunk; the same of the next
        const int line = first + i * S::band + warp() * 16 + l % 16;
        copy(load_matrices<false>(chunks, chunk_at(line, c + l / 16)), a[i]);
      }
      INLAY_UNROLL
      for (int j = 0; j < blocks; j += 2) {  // columns 0 to 7 of a chunk, of the next; the same of columns 8 to 15
        const int line = first + S::rows + 8 * j + l % 8 + l / 16 * 8;
        std::uint32_t b[4];
        copy(load_matrices<false>(chunks, chunk_at(line, c + l / 8 % 2)), b);
        const std::uint32_t left[2] = {b[0], b[1]}, right[2] = {b[2], b[3]};
        INLAY_UNROLL
        for (int i = 0; i < S::passes; ++i) {
          multiply_fragments<precision>(sums[i][j], a[i], left);
          multiply_fragments<precision>(sums[i][j + 1], a[i], right);
        }
      }
    }
  }
  INLAY_DEVICE static void copy(const Chunk& from, std::uint32_t (&to)[4]) {
    INLAY_UNROLL
    for (int i = 0; i < 4; ++i) to[i] = from[i];
  }
};

}  // namespace inlay::cuda
