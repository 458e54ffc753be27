// How a slab of the pixels that a block multiplies comes to shared memory (halo_tile.hpp says where it lies). Where the
// prologue is a load of what is multiplied, it is copied as it lies, 16 bytes at a time and in the background; any
// other prologue is evaluated in registers, four channels at a time, and rounded on its way.
#pragma once

#include <inlay/cuda/gradient_scale.hpp>
#include <inlay/cuda/halo_tile.hpp>
#include <inlay/cuda/tensor_tiles.hpp>

namespace inlay::cuda {

template <class C>
struct HaloSlab {
  using Halo = HaloTile<C>;
  using Tiles = TensorTiles<C>;
  using P = Product<C>;
  using S = typename P::Shape;

  /// Brings a slab of the tile's pixels. If they are copied, they are there when the thread has waited for that.
  template <class Slots>
  INLAY_DEVICE static void bring(const Slots& slots, const Place& at, int slab, int samples) {
    if constexpr (Halo::copied && copies_go_on)
      copy(slots, shared_array<Chunk>(0, Halo::bytes / 16), at, slab, samples);
    else evaluate(slots, shared_array<std::uint32_t>(0, Halo::bytes / 4), at, slab, samples);
  }

 private:
  /// A pixel of the tile by its number.
  INLAY_DEVICE static Pixel pixel_at(int number) {
    return {0, quotient(number, Halo::padded_columns), modulo(number, Halo::padded_columns)};
  }
  /// How many pixels the tile has.
  INLAY_DEVICE static int pixels(const Place& at, int samples) {
    return (Halo::end_row(at.row_tile, samples) - Halo::first_row(at.row_tile, samples)) * Halo::padded_columns;
  }

  /// Where the prologue of a pixel of the tile is evaluated, and whether there is such an element.
  template <class Slots>
  struct Source {
    Context<Slots> context;
    bool inside;

    INLAY_DEVICE Source(const Slots& slots, int first_row, Pixel in_tile, int channel, int samples)
        : context{slots, 0, 0, 0, in_tile.column - Halo::pad_left, channel} {
      const int row = first_row + in_tile.row;
      context.sample = quotient(row, Halo::padded_rows);
      context.i1 = modulo(row, Halo::padded_rows) - Halo::pad_top;
      inside = context.sample < samples && static_cast<unsigned>(context.i1) < unsigned{Halo::image_rows} &&
               static_cast<unsigned>(context.i2) < unsigned{Halo::image_columns} && channel < P::tap_channels;
    }
  };

  template <class Slots, class Chunks>
  INLAY_DEVICE static void copy(const Slots& slots, Chunks chunks, const Place& at, int slab, int samples) {
    constexpr int apart = S::threads / Halo::slab_chunks;
    const int first_row = Halo::first_row(at.row_tile, samples), end = pixels(at, samples);
    const int c = at.thread % Halo::slab_chunks, channel = slab * Halo::slab_channels + 8 * c;
    INLAY_NO_UNROLL
    for (int pixel = at.thread / Halo::slab_chunks; pixel < end; pixel += apart) {
      const Source<Slots> from(slots, first_row, pixel_at(pixel), channel, samples);
      from.context.copy8(typename C::a{}, chunks, Halo::first_chunk(slab) + Halo::chunk_at(pixel_at(pixel), c),
                         from.inside);
    }
  }

  /// The prologue at four channels.
  template <class Slots>
  INLAY_DEVICE static Vector<float, 4> values_at(const Source<Slots>& from) {
    if (!from.inside) return {};
    if constexpr (P::tap_channels % 4 == 0) return from.context.run4(typename C::a{});
    Vector<float, 4> values = {};
    INLAY_UNROLL
    for (int e = 0; e < 4; ++e)
      if (from.context.i3 + e < P::tap_channels) values[e] = from.context.further(e).run(typename C::a{});
    return values;
  }

  /// Neighbouring threads take neighbouring channels, four each, of a few pixels at a time, so that several loads are
  /// under way.
  template <class Slots, class Words>
  INLAY_DEVICE static void evaluate(const Slots& slots, Words words, const Place& at, int slab, int samples) {
    constexpr int quads = Halo::slab_channels / 4, apart = S::threads / quads, together = 4;
    const GradientScale<C> scaled(slots);
    const int first_row = Halo::first_row(at.row_tile, samples), end = pixels(at, samples);
    const int quad = at.thread % quads, channel = slab * Halo::slab_channels + 4 * quad;
    INLAY_NO_UNROLL
    for (int first = at.thread / quads; first < end; first += together * apart) {
      Vector<float, 4> values[together];
      INLAY_UNROLL
      for (int i = 0; i < together; ++i) {
        const int pixel = first + i * apart;
        if (pixel < end) values[i] = values_at(Source<Slots>(slots, first_row, pixel_at(pixel), channel, samples));
      }
      INLAY_UNROLL
      for (int i = 0; i < together; ++i) {
        const int pixel = first + i * apart;
        if (pixel >= end) break;
        INLAY_UNROLL
        for (int e = 0; e < 4; ++e) values[i][e] = scaled(values[i][e]);
        Tiles::put_quad(
            words, Halo::first_chunk(slab), [&](int c) { return Halo::chunk_at(pixel_at(pixel), c); }, quad,
            values[i].values);
      }
    }
  }
};

}  // namespace inlay::cuda
