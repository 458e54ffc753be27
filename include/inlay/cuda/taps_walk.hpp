// How a block multiplies the stream of x with that of dy (taps_tile.hpp) on tensor cores, for all taps of a window.
// Step by step both come to shared memory: prologues are evaluated once for each element, rounded, and stored position
// by position, the channels of a position side by side. What lies in memory as it is multiplied is copied there. Both
// operands of a product have positions for their depth, so matrices are transposed as they are loaded; a tap is where
// the rows of x begin. Only 16-bit elements can be transposed: tf32 has to do without this walk.
//
// x is ahead of dy by what a window reaches, in a ring; what is brought lies beside what is multiplied, so that one
// barrier a step is enough. Chunks of 16 bytes are exchanged within their position (`chunk_at`), so that neither
// storing words nor loading the same chunk of 8 neighbouring positions, wherever they begin, meets a bank twice.
//
// Where the warps of a row of taps have 64 x 64 channels, they are a warpgroup: on a device that has products of those,
// a tap's matrix of x is a band, and dy, which is the same for all taps, is read where it lies.
#pragma once

#include <inlay/cuda/context.hpp>
#include <inlay/cuda/gradient_scale.hpp>
#include <inlay/cuda/product.hpp>
#include <inlay/cuda/tensor_core.hpp>
#include <inlay/cuda/unroll.hpp>
#include <inlay/cuda/warpgroup.hpp>

namespace inlay::cuda {

/// The part of the result that a block of TapsWalk computes, and the first position of its part of the depth.
struct TapsPlace {
  int input_tile, output_tile, begin, thread;
};

template <class C>
struct TapsWalk {
  using P = Product<C>;
  using G = typename C::geometry;
  using T = TapsTile<G>;
  static_assert(P::precision == Precision::bf16 || P::precision == Precision::fp16);

  using Entry = Vector<int, 4>;
  using Pair = Vector<float, 2>;
  using Quad = Vector<float, 4>;
  static constexpr int blocks = T::row_blocks * T::column_blocks;  // of 16 x 8 channels, that a warp sums of each tap
  using Sums = float[G::S][blocks][4];
  struct Side {
    Quad of_channel;  // the thread's share of the sums of dy, before rounding
  };

  /// One operand, of which tiles of TileChannels channels a position are brought.
  template <class Prologue, int Channels, int TileChannels, bool Copied>
  struct Lines {
    using prologue = Prologue;
    static constexpr int channels = Channels, tile_channels = TileChannels;
    static constexpr bool copied = Copied;
    static constexpr int words = TileChannels / 2, chunks = TileChannels / 8;  // of a position
    static constexpr int quads = TileChannels / 4;                             // of channels, that a thread brings
    static constexpr int each = T::step * quads / T::threads;                  // of them in a step
    static constexpr int apart = T::threads / quads;                           // positions between them
    static_assert(T::threads % quads == 0 && apart * each == T::step && 8 % chunks == 0);

    INLAY_HOST_DEVICE static constexpr int quad_of(int thread) { return thread % quads; }
    INLAY_HOST_DEVICE static constexpr int position_of(int thread, int i) { return thread / quads + i * apart; }
    /// The first word of the thread's i-th quad in a step from position `first` on, a multiple of 8.
    INLAY_HOST_DEVICE static constexpr int word_at(int first, int thread, int i) {
      const int quad = quad_of(thread);
      return first * words + 4 * chunk_at(position_of(thread, i), quad / 2) + quad % 2 * 2;
    }
    /// Where chunk `chunk` of a position lies; 8 positions further on lies 8 * chunks chunks further on.
    INLAY_HOST_DEVICE static constexpr int chunk_at(int position, int chunk) {
      return position * chunks + (chunk ^ static_cast<int>(static_cast<unsigned>(position) / (8 / chunks) % chunks));
    }
  };
  using X = Lines<typename C::a, G::C, T::inputs, P::a_copied>;
  using Dy = Lines<typename C::b, G::K, T::outputs, P::b_copied>;
  static constexpr bool copies = X::copied || Dy::copied, evaluates = !X::copied || !Dy::copied;
  /// Beside the sums, registers suffice for loading 4 quads at a time.
  static constexpr int evaluated = (X::copied ? 0 : X::each) + (Dy::copied ? 0 : Dy::each);
  static constexpr int portions = evaluated > 4 && X::each % 2 == 0 && Dy::each % 2 == 0 ? 2 : 1;
  static constexpr int x_each = X::each / portions, dy_each = Dy::each / portions;
  static_assert(x_each * portions == X::each && dy_each * portions == Dy::each);
  static constexpr int x_chunks = T::x_positions * X::chunks, dy_chunks = T::dy_positions * Dy::chunks;

  /// Are the warps of a row of taps a warpgroup's, where a device has such?
  static constexpr bool by_warpgroups = T::inputs == 64 && T::outputs == 64 && T::warps == 4 * G::R;
  static_assert(!by_warpgroups || (blocks == T::outputs / 8 && 16 * x_chunks % 1024 == 0));

  /// Multiplies `steps` steps. In round i step i of x is brought, step i - ahead of dy, and the step before that is
  /// multiplied. What is copied is on its way meanwhile; of what is evaluated half of the warps take care first and
  /// half after they have multiplied, so that the tensor cores have work while memory is waited for.
  template <class Slots>
  INLAY_DEVICE static Side walk(const Slots& slots, const TapsPlace& at, int steps, int samples, Sums& sums) {
    const auto x_tile = shared_array<Chunk>(0, x_chunks), dy_tile = shared_array<Chunk>(16 * x_chunks, dy_chunks);
    const auto x_words = shared_array<std::uint32_t>(0, 4 * x_chunks);
    const auto dy_words = shared_array<std::uint32_t>(16 * x_chunks, 4 * dy_chunks);
    const auto table = shared_array<int>(16 * (x_chunks + dy_chunks), T::table_numbers);
    const bool brings_first = warp() / 4 % 2 == 0;
    Side side = {};
    fill_table(table, at, 0, samples);
    sync_threads();
    int x_next = 0, x_now = 0;  // positions in the ring: of the step that is brought, of the one that is multiplied
    INLAY_NO_UNROLL
    for (int round = 0; round <= steps + T::ahead; ++round) {
      const bool brings = round < steps + T::ahead;
      const int of_x = table_entry(round), of_dy = of_x + T::step;
      if constexpr (X::copied)
        if (brings) copy<X>(slots, table, of_x, at.input_tile, at.thread, x_tile, x_next);
      if constexpr (Dy::copied)
        if (brings) copy<Dy>(slots, table, of_dy, at.output_tile, at.thread, dy_tile, round % 2 * T::step);
      if constexpr (copies) commit_copies();
      INLAY_NO_UNROLL
      for (int turn = 0; turn < 2; ++turn) {  // one copy of either
        if ((turn == 0) != brings_first) {
          if (round > T::ahead) {
            multiply_step(x_tile, dy_tile, x_now, (round - 1) % 2 * T::step, sums);
            if constexpr (P::sided && Dy::copied)
              if (at.input_tile == 0) add_to_side(dy_words, (round - 1) % 2 * T::step, at.thread, side);
          }
        } else if (brings) {
          INLAY_NO_UNROLL
          for (int portion = 0; evaluates && portion < portions; ++portion) {
            const int thread = computed_here(at.thread);
            Words2 x[x_each], dy[dy_each];
            if constexpr (!X::copied)
              fetch<X>(slots, table, of_x, at.input_tile, thread, portion, x, [](const Quad& quad) { return quad; });
            if constexpr (!Dy::copied)
              fetch<Dy>(slots, table, of_dy, at.output_tile, thread, portion, dy,
                        [&, scaled = GradientScale<C>(slots)](const Quad& quad) {
                          if constexpr (P::sided) add(side, quad);
                          return Quad{scaled(quad[0]), scaled(quad[1]), scaled(quad[2]), scaled(quad[3])};
                        });
            if constexpr (!X::copied) place<X>(x_words, x_next, thread, portion, x);
            if constexpr (!Dy::copied) place<Dy>(dy_words, round % 2 * T::step, thread, portion, dy);
          }
          fill_table(table, at, round + 1, samples);
        }
      }
      x_next = x_next + T::step < T::x_positions ? x_next + T::step : 0;
      if (round > T::ahead) x_now = x_now + T::step < T::x_positions ? x_now + T::step : 0;
      if constexpr (copies) wait_copies<0>();
      if constexpr (by_warpgroups) fence_shared_writes();
      sync_threads();
    }
    GradientScale<C>(slots).undo(sums);
    return side;
  }

  /// Calls f(row of dw, channel of dy, that sum and the next channel's) for the thread's sums.
  template <class F>
  INLAY_DEVICE static void each_pair(const TapsPlace& at, const Sums& sums, F f) {
    const Part part(warp());
    const int first = at.input_tile * T::inputs + part.input + lane() / 4;
    const int column = at.output_tile * T::outputs + part.output + lane() % 4 * 2;
    INLAY_UNROLL
    for (int s = 0; s < G::S; ++s) INLAY_UNROLL
    for (int block = 0; block < blocks; ++block) INLAY_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int channel = first + block / part.column_blocks * 16 + 8 * half;
      if (G::C % T::inputs == 0 || channel < G::C)
        f((part.tap_row * G::S + s) * G::C + channel, column + block % part.column_blocks * 8,
          Pair{sums[s][block][2 * half], sums[s][block][2 * half + 1]});
    }
  }

 private:
  using Words2 = Vector<std::uint32_t, 2>;  // four elements, rounded

  /// What the warp computes of the block's tile: a row of taps, its first channels, and how many blocks lie side by
  /// side (the others below them).
  struct Part {
    int tap_row, input, output, column_blocks;
    INLAY_DEVICE explicit Part(int warp) {
      if (by_warpgroups && has_warpgroups()) {
        tap_row = warp / 4;
        input = warp % 4 * 16;
        output = 0;
        column_blocks = blocks;
      } else {
        tap_row = warp % G::R;
        input = warp / G::R % T::row_warps * (16 * T::row_blocks);
        output = warp / G::R / T::row_warps * (8 * T::column_blocks);
        column_blocks = T::column_blocks;
      }
    }
  };

  /// The first entry of a round in the table.
  INLAY_DEVICE static int table_entry(int round) { return round % 2 * (2 * T::step); }
  /// Where the positions of round `round` lie: sample, row, column, and whether there is such an element (if not, the
  /// first one of all, which can be read). First those of x, then those of dy.
  template <class Table>
  INLAY_DEVICE static void fill_table(Table table, const TapsPlace& at, int round, int samples) {
    if (at.thread >= 2 * T::step) return;
    const bool of_x = at.thread < T::step;
    const int place = of_x ? at.thread : at.thread - T::step, step = of_x ? round : round - T::ahead;
    const int position = at.begin + step * T::step + place, in_sample = position % T::positions;
    const int sample = position / T::positions, in_stripe = in_sample % (T::rows * T::pitch);
    const int in_row = in_stripe % T::pitch;
    const int row = in_stripe / T::pitch - (of_x ? G::pad_top : 0);
    const int column = in_sample / (T::rows * T::pitch) * T::stripe_columns + in_row - (of_x ? G::pad_left : 0);
    const bool inside = step >= 0 && sample < samples && row >= 0 && row < (of_x ? G::H : G::P) && column >= 0 &&
                        column < (of_x ? G::W : G::Q) && (of_x || in_row < T::stripe_columns);
    const int first = 4 * (table_entry(round) + at.thread);
    if (inside) table.store4(first, {sample, row, column, 1});
    else table.store4(first, {0, 0, 0, 0});
  }

  /// Global memory to registers: a portion of the thread's quads of the positions whose entries begin at `first`, each
  /// as `changed` gives it. No branches, so that all loads are under way before the first of them is waited for.
  template <class Lines, class Slots, class Table, int Count, class F>
  INLAY_DEVICE static void fetch(const Slots& slots, Table table, int first, int tile, int thread, int portion,
                                 Words2 (&words)[Count], F changed) {
    const int channel = tile * Lines::tile_channels + 4 * Lines::quad_of(thread);
    INLAY_UNROLL
    for (int i = 0; i < Count; ++i) {
      const Entry entry = table.load4(4 * (first + Lines::position_of(thread, portion * Count + i)));
      const Quad quad = changed(elements<Lines>(slots, entry, channel));
      words[i] = {pack<P::precision>(quad[0], quad[1]), pack<P::precision>(quad[2], quad[3])};
    }
  }
  /// Four channels.
  template <class Lines, class Slots>
  INLAY_DEVICE static Quad elements(const Slots& slots, const Entry& entry, int channel) {
    using Prologue = typename Lines::prologue;
    auto inside = [&](int c) { return Lines::channels % Lines::tile_channels == 0 || c < Lines::channels; };
    const Context<Slots> first{slots, entry[0], 0, entry[1], entry[2], 0};
    Quad values;
    if constexpr (Lines::channels % 4 == 0) {
      values = first.further(inside(channel) ? channel : 0).run4(Prologue{});
    } else {
      INLAY_UNROLL
      for (int e = 0; e < 4; ++e) values[e] = first.further(inside(channel + e) ? channel + e : 0).run(Prologue{});
    }
    INLAY_UNROLL
    for (int e = 0; e < 4; ++e) values[e] = inside(channel + e) && entry[3] != 0 ? values[e] : 0.0f;
    return values;
  }

  /// Global to shared memory: the step from position `to` on, the entries of whose positions begin at `first`.
  template <class Lines, class Slots, class Table, class Chunks>
  INLAY_DEVICE static void copy(const Slots& slots, Table table, int first, int tile, int thread, Chunks chunks,
                                int to) {
    constexpr int count = T::step * Lines::chunks;
    INLAY_UNROLL
    for (int i = 0; i < ceil_divide(count, T::threads); ++i) {
      const int chunk = thread + i * T::threads;
      if (count % T::threads != 0 && chunk >= count) break;
      const int position = quotient(chunk, Lines::chunks), c = modulo(chunk, Lines::chunks);
      const int channel = tile * Lines::tile_channels + 8 * c;
      const Entry entry = table.load4(4 * (first + position));
      const Context<Slots> context{slots, entry[0], 0, entry[1], entry[2], channel};
      const bool inside = Lines::channels % Lines::tile_channels == 0 || channel < Lines::channels;
      context.copy8(typename Lines::prologue{}, chunks, to * Lines::chunks + Lines::chunk_at(position, c),
                    inside && entry[3] != 0);
    }
  }

  INLAY_DEVICE static void add(Side& side, const Quad& quad) {
    INLAY_UNROLL
    for (int e = 0; e < 4; ++e) side.of_channel[e] += quad[e];
  }
  /// The thread's quads of the step of dy from position `first` on, which has been copied.
  template <class Words>
  INLAY_DEVICE static void add_to_side(Words words, int first, int thread, Side& side) {
    INLAY_UNROLL
    for (int i = 0; i < Dy::each; ++i) {
      const Words2 pairs = words.load2(Dy::word_at(first, thread, i));
      const Pair low = unpack<P::precision>(pairs[0]), high = unpack<P::precision>(pairs[1]);
      add(side, {low[0], low[1], high[0], high[1]});
    }
  }

  /// Registers to shared memory: a portion of the step from position `first` on, a multiple of 8.
  template <class Lines, class Words, int Count>
  INLAY_DEVICE static void place(Words words, int first, int thread, int portion, const Words2 (&quads)[Count]) {
    INLAY_UNROLL
    for (int i = 0; i < Count; ++i) words.store2(Lines::word_at(first, thread, portion * Count + i), quads[i]);
  }

  /// sums += x * dy for the positions of dy from `dy_first` on; the first tap begins at position `x_first` of x.
  template <class Chunks>
  INLAY_DEVICE static void multiply_step(Chunks x, Chunks dy, int x_first, int dy_first, Sums& sums) {
    const int thread = computed_here(thread_index());
    if constexpr (by_warpgroups) {
      if (has_warpgroups()) {
        multiply_by_warpgroups(x, dy, x_first, dy_first, thread, sums);
        return;
      }
    }
    multiply_by_warps(x, dy, x_first, dy_first, thread, sums);
  }

  /// Where the lane's chunk of x lies, of the matrices that tap (part.tap_row, s) multiplies from position `first` on:
  /// positions 0 to 7 of a chunk, of the next; the same of 8 to 15. Chunks of a position are exchanged, and the warp's
  /// begin at a multiple of their number: the i-th after one is where bits of i are flipped.
  INLAY_DEVICE static int chunk_of_x(const Part& part, int lane, int first, int s) {
    const int further = part.tap_row * T::pitch + s + lane % 8 + lane / 16 * 8;
    const int from = first + further < T::x_positions ? first : first - T::x_positions;
    return from * X::chunks + X::chunk_at(further, part.input / 8 + lane / 8 % 2);
  }

  template <class Chunks>
  INLAY_DEVICE static void multiply_by_warps(Chunks x, Chunks dy, int x_first, int dy_first, int thread, Sums& sums) {
    const int l = thread % 32;
    const Part part(thread / 32);
    const int dy_lane = Dy::chunk_at(l % 16, part.output / 8 + l / 16);
    INLAY_NO_UNROLL
    for (int depth = 0; depth < T::step; depth += 16) {
      std::uint32_t b[T::column_blocks][2];
      INLAY_UNROLL
      for (int j = 0; j < T::column_blocks; j += 2) {  // positions 0 to 7, 8 to 15 of a chunk; the same of the next
        const Chunk m = load_matrices<true>(dy, ((dy_first + depth) * Dy::chunks + dy_lane) ^ j);
        b[j][0] = m[0];
        b[j][1] = m[1];
        b[j + 1][0] = m[2];
        b[j + 1][1] = m[3];
      }
      INLAY_UNROLL
      for (int s = 0; s < G::S; ++s) {
        const int chunk = chunk_of_x(part, l, x_first + depth, s);
        INLAY_UNROLL
        for (int i = 0; i < T::row_blocks; ++i) {
          std::uint32_t a[4];
          copy_words(load_matrices<true>(x, chunk ^ (2 * i)), a);
          INLAY_UNROLL
          for (int j = 0; j < T::column_blocks; ++j)
            multiply_fragments<P::precision>(sums[s][i * T::column_blocks + j], a, b[j]);
        }
      }
    }
  }

  /// Loads x for 16 positions while the products of those before are under way.
  template <class Chunks>
  INLAY_DEVICE static void multiply_by_warpgroups(Chunks x, Chunks dy, int x_first, int dy_first, int thread,
                                                  Sums& sums) {
    const Part part(thread / 32);
    INLAY_UNROLL
    for (int depth = 0; depth < T::step; depth += 16) {
      std::uint32_t a[G::S][4];
      INLAY_UNROLL
      for (int s = 0; s < G::S; ++s)
        copy_words(load_matrices<true>(x, chunk_of_x(part, thread % 32, x_first + depth, s)), a[s]);
      start_products<P::precision, true>(sums, a, shared_matrix<128>(dy.address((dy_first + depth) * Dy::chunks)));
    }
    wait_products<0>(sums);
  }
};

}  // namespace inlay::cuda
