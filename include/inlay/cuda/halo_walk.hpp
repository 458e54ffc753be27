// How a block multiplies a convolution of stride 1 on tensor cores: the pixels that it reads lie in shared memory, a
// slab of channels at a time (halo_tile.hpp), and every tap multiplies the same ones, shifted. So the prologue of an
// element is evaluated once, not once for each tap. Weights come step by step, as in tensor_walk.hpp.
//
// The depth is walked slab by slab, in a slab tap by tap, at a tap channel by channel: R x S x slab_channels of a slab
// in steps of 64 bytes, with zeros behind the last tap where that ends within a step.
#pragma once

#include <inlay/cuda/halo_tile.hpp>
#include <inlay/cuda/tensor_tiles.hpp>

namespace inlay::cuda {

template <class C>
struct HaloWalk : TensorTiles<C> {
  using Tiles = TensorTiles<C>;
  using Halo = HaloTile<C>;
  using Tiles::each, Tiles::blocks;
  using typename Tiles::P, typename Tiles::S, typename Tiles::Sums, typename Tiles::Side;

  static constexpr int floats = Halo::bytes / 4;  // of shared memory: the slab, then two steps' weights
  static constexpr int slab_steps = ceil_divide(P::taps * Halo::slab_channels, S::depth);
  static constexpr int all_steps = Halo::slabs * slab_steps;

  /// Multiplies along the depth. A part of it is the same part of the steps.
  template <class Slots>
  INLAY_DEVICE static Side walk(const Slots& slots, const Place& at, int begin, int steps, int samples, Sums& sums) {
    const auto words = shared_array<std::uint32_t>(0, floats);
    const auto chunks = shared_array<Chunk>(0, floats / 4);
    const int end_depth = begin + steps * S::depth < P::tapped ? begin + steps * S::depth : P::tapped;
    const int first = begin * all_steps / P::tapped, end = end_depth * all_steps / P::tapped;
    const Rows rows(at, samples);
    std::uint32_t b[blocks];
    if (first < end) {
      fetch(slots, at, first, b);
      load_slab(slots, words, at, first / slab_steps, samples);
      Tiles::template place<weights_along_depth>(words, weights_line(first), at.thread, b);
    }
    sync_threads();
    INLAY_NO_UNROLL
    for (int step = first; step < end; ++step) {
      const int next = step + 1;
      if (next < end) fetch(slots, at, next, b);
      multiply_step(chunks, rows, step, sums);
      if (next < end) {
        Tiles::template place<weights_along_depth>(words, weights_line(next), at.thread, b);
        if (next % slab_steps == 0) {
          sync_threads();
          load_slab(slots, words, at, next / slab_steps, samples);
        }
      }
      sync_threads();
    }
    return {};
  }

 private:
  static constexpr bool weights_along_depth = Halo::backward;  // is memory contiguous along the depth?

  /// The pixels of the lane's rows of A, at tap (0, 0); any where there is none, since nobody reads that result.
  struct Rows {
    int place[S::passes], turn[S::passes];

    INLAY_DEVICE Rows(const Place& at, int samples) {
      const int first = Halo::first_row(at.row_tile, samples);
      INLAY_UNROLL
      for (int i = 0; i < S::passes; ++i) {
        const Pixel pixel = P::tile_pixel(at.row_tile, i * S::band + warp() * 16 + lane() % 16, samples);
        const int row = pixel.row < 0 ? 0 : Halo::row_of(pixel) - first;
        place[i] = row * Halo::pitch + pixel.column;
        turn[i] = row * Halo::row_turns + pixel.column;
      }
    }
  };

  /// The line where the weights of a step begin.
  INLAY_DEVICE static int weights_line(int step) {
    return Halo::rows * Halo::pitch * Halo::slab_chunks / 4 + step % 2 * S::columns;
  }

  /// The prologue at four channels of a pixel, by its number among those of the tile.
  template <class Slots>
  INLAY_DEVICE static Vector<float, 4> elements(const Slots& slots, int first_row, int pixel, int channel,
                                                int samples) {
    const int row = first_row + pixel / Halo::padded_columns, sample = row / Halo::padded_rows;
    const int h = row % Halo::padded_rows - Halo::pad_top, w = pixel % Halo::padded_columns - Halo::pad_left;
    if (sample >= samples || static_cast<unsigned>(h) >= unsigned{Halo::image_rows} ||
        static_cast<unsigned>(w) >= unsigned{Halo::image_columns} || channel >= P::tap_channels)
      return {};
    const Context<Slots> context{slots, sample, 0, h, w, channel};
    if constexpr (P::tap_channels % 4 == 0) return context.run4(typename C::a{});
    Vector<float, 4> values = {};
    INLAY_UNROLL
    for (int e = 0; e < 4; ++e)
      if (channel + e < P::tap_channels) values[e] = context.further(e).run(typename C::a{});
    return values;
  }

  /// A slab of the tile's pixels to shared memory. Neighbouring threads take neighbouring channels, four each, of a few
  /// pixels at a time, so that several loads are under way.
  template <class Slots, class Words>
  INLAY_DEVICE static void load_slab(const Slots& slots, Words words, const Place& at, int slab, int samples) {
    constexpr int quads = Halo::slab_channels / 4, apart = S::threads / quads, together = 4;
    const int first_row = Halo::first_row(at.row_tile, samples);
    const int end = (Halo::end_row(at.row_tile, samples) - first_row) * Halo::padded_columns;
    const int quad = at.thread % quads, channel = slab * Halo::slab_channels + 4 * quad;
    INLAY_NO_UNROLL
    for (int first = at.thread / quads; first < end; first += together * apart) {
      Vector<float, 4> values[together];
      INLAY_UNROLL
      for (int i = 0; i < together; ++i) {
        const int pixel = first + i * apart;
        if (pixel < end) values[i] = elements(slots, first_row, pixel, channel, samples);
      }
      INLAY_UNROLL
      for (int i = 0; i < together; ++i) {
        const int pixel = first + i * apart;
        if (pixel < end) put(words, {0, pixel / Halo::padded_columns, pixel % Halo::padded_columns}, quad, values[i]);
      }
    }
  }
  template <class Words>
  INLAY_DEVICE static void put(Words words, Pixel in_tile, int quad, const Vector<float, 4>& v) {
    if constexpr (Tiles::precision == Precision::tf32) {
      words.store4(4 * Halo::chunk_at(in_tile, quad),
                   {round_to_tf32(v[0]), round_to_tf32(v[1]), round_to_tf32(v[2]), round_to_tf32(v[3])});
    } else {
      constexpr Precision precision = Tiles::precision;
      words.store2(4 * Halo::chunk_at(in_tile, quad / 2) + quad % 2 * 2,
                   {pack<precision>(v[0], v[1]), pack<precision>(v[2], v[3])});
    }
  }

  /// Global memory to registers: the thread's words of a step's weights.
  template <class Slots>
  INLAY_DEVICE static void fetch(const Slots& slots, const Place& at, int step, std::uint32_t (&b)[blocks]) {
    const int in_slab = step % slab_steps * S::depth + Tiles::template word_of<weights_along_depth>(at.thread) * each;
    const int first_channel = step / slab_steps * Halo::slab_channels;
    const int column = at.column_tile * S::columns + Tiles::template line_of<weights_along_depth>(at.thread);
    INLAY_UNROLL
    for (int i = 0; i < blocks; ++i)
      b[i] = Tiles::word([&](int e) {
        const int tap = (in_slab + e) / Halo::slab_channels,
                  channel = first_channel + (in_slab + e) % Halo::slab_channels;
        const bool inside = tap < P::taps && channel < P::tap_channels;
        if constexpr (Halo::backward) {
          const int rotated = P::taps - 1 - tap;
          return backward_weight<C>(slots, inside ? P::tap(rotated * P::tap_channels + channel) : Tap{no_tap, 0, 0},
                                    column + 8 * i, at.group);
        } else {
          return forward_weight<C>(slots, inside ? tap * P::tap_channels + channel : P::tapped, column + 8 * i,
                                   at.group);
        }
      });
  }

  /// sums += A * B for a step: two products of two chunks, each of one tap.
  template <class Chunks>
  INLAY_DEVICE static void multiply_step(Chunks chunks, const Rows& rows, int step, Sums& sums) {
    constexpr int products = Halo::slab_chunks / 2;  // of a tap
    INLAY_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int product = step % slab_steps * 2 + half, tap = product / products;
      if (P::taps * products % 2 == 1 && tap >= P::taps) break;  // the slab's last step is half empty
      const int r = tap / Halo::G::S, s = tap % Halo::G::S, c = product % products * 2 + lane() / 16;
      typename Tiles::Fragments a;
      INLAY_UNROLL
      for (int i = 0; i < S::passes; ++i) {
        const int place = rows.place[i] + r * Halo::pitch + s, turn = rows.turn[i] + r * Halo::row_turns + s;
        Tiles::copy(load_matrices<false>(chunks, Halo::chunk_at(place, turn, c)), a[i]);
      }
      Tiles::multiply_columns(chunks, weights_line(step), 2 * half, a, sums);
    }
  }
};

}  // namespace inlay::cuda
