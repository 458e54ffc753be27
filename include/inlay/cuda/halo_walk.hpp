// How a block multiplies a convolution of stride 1 on tensor cores: the pixels that it reads lie in shared memory, a
// slab of channels at a time (halo_tile.hpp), and every tap multiplies the same ones, shifted. So the prologue of an
// element is evaluated once, not once for each tap. Weights come step by step (halo_weights.hpp).
//
// The depth is walked slab by slab, in a slab tap by tap, at a tap channel by channel: R x S x slab_channels of a slab
// in steps of 64 bytes, with zeros behind the last tap where that ends within a step.
#pragma once

#include <inlay/cuda/halo_weights.hpp>

namespace inlay::cuda {

template <class C>
struct HaloWalk : TensorTiles<C> {
  using Tiles = TensorTiles<C>;
  using Halo = HaloTile<C>;
  using Weights = HaloWeights<C>;
  using typename Tiles::P, typename Tiles::S, typename Tiles::Sums, typename Tiles::Side;

  static constexpr int floats = Halo::bytes / 4;  // of shared memory: the slab, then two steps' weights
  static constexpr int slab_steps = Weights::slab_steps;
  static constexpr int all_steps = Halo::slabs * slab_steps;

  /// Multiplies along the depth. A part of it is the same part of the steps.
  template <class Slots>
  INLAY_DEVICE static Side walk(const Slots& slots, const Place& at, int begin, int steps, int samples, Sums& sums) {
    const auto words = shared_array<std::uint32_t>(0, floats);
    const auto chunks = shared_array<Chunk>(0, floats / 4);
    const int end_depth = begin + steps * S::depth < P::tapped ? begin + steps * S::depth : P::tapped;
    const int first = begin * all_steps / P::tapped, end = end_depth * all_steps / P::tapped;
    const Rows rows(at, samples);
    typename Weights::Registers weights;
    if (first < end) Weights::fetch(slots, at, first, weights);
    INLAY_NO_UNROLL
    for (int step = first; step < end; ++step) {
      Weights::place(words, weights_chunk(step), at, weights);
      if (step == first || modulo(step, slab_steps) == 0) {
        if (step > first) sync_threads();  // all have multiplied what lies there
        load_slab(slots, words, at, quotient(step, slab_steps), samples);
      }
      sync_threads();
      if (step + 1 < end) Weights::fetch(slots, at, step + 1, weights);
      multiply_step(chunks, rows, step, sums);
    }
    sync_threads();
    return {};
  }

 private:
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

  /// Where the weights of a step begin.
  INLAY_DEVICE static int weights_chunk(int step) {
    return Halo::bytes / 16 - (2 - modulo(step, 2)) * (Halo::weight_bytes / 16);
  }

  /// A pixel of the tile by its number.
  INLAY_DEVICE static Pixel pixel_at(int number) {
    return {0, quotient(number, Halo::padded_columns), modulo(number, Halo::padded_columns)};
  }

  /// The prologue at four channels of it.
  template <class Slots>
  INLAY_DEVICE static Vector<float, 4> elements(const Slots& slots, int first_row, Pixel in_tile, int channel,
                                                int samples) {
    const int row = first_row + in_tile.row, sample = quotient(row, Halo::padded_rows);
    const int h = modulo(row, Halo::padded_rows) - Halo::pad_top, w = in_tile.column - Halo::pad_left;
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
        if (pixel < end) values[i] = elements(slots, first_row, pixel_at(pixel), channel, samples);
      }
      INLAY_UNROLL
      for (int i = 0; i < together; ++i) {
        const int pixel = first + i * apart;
        if (pixel >= end) break;
        Tiles::put_quad(
            words, 0, [&](int c) { return Halo::chunk_at(pixel_at(pixel), c); }, quad, values[i].values);
      }
    }
  }

  /// sums += A * B for a step: two products of two chunks, each of one tap.
  template <class Chunks>
  INLAY_DEVICE static void multiply_step(Chunks chunks, const Rows& rows, int step, Sums& sums) {
    constexpr int products = Halo::slab_chunks / 2;  // of a tap
    INLAY_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int product = modulo(step, slab_steps) * 2 + half, tap = quotient(product, products);
      if (P::taps * products % 2 == 1 && tap >= P::taps) break;  // the slab's last step is half empty
      const int r = quotient(tap, Halo::G::S), s = modulo(tap, Halo::G::S);
      const int c = modulo(product, products) * 2 + lane() / 16;
      typename Tiles::Fragments a;
      INLAY_UNROLL
      for (int i = 0; i < S::passes; ++i) {
        const int place = rows.place[i] + r * Halo::pitch + s, turn = rows.turn[i] + r * Halo::row_turns + s;
        Tiles::copy(load_matrices<false>(chunks, Halo::chunk_at(place, turn, c)), a[i]);
      }
      Tiles::multiply_columns(a, sums, [&](int j) { return Weights::load(chunks, weights_chunk(step), half, j); });
    }
  }
};

}  // namespace inlay::cuda
