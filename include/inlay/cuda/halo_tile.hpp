// The pixels that a block of a convolution reads, kept in shared memory while it walks the taps. A tile's rows are
// consecutive pixels of the result (or pooling windows), so that what they read is a range of rows of the padded
// images, if these lie below each other, H + R - 1 rows and W + S - 1 columns each for a result of H x W:
//
//   tap (r, s) of pixel (h, w) of sample n reads row n (H + R - 1) + h + r, column w + s.
//
// Of the channels a slab is kept at a time. `HaloTile<Contraction>` says how many rows that is at most, how wide a slab
// is, where each 16 bytes of it lie, and whether all of it fits.
#pragma once

#include <inlay/cuda/context.hpp>
#include <inlay/cuda/integers.hpp>
#include <inlay/cuda/product.hpp>

#include <numeric>

namespace inlay::cuda {

/// Of an outline.
template <class C>
struct HaloTileOf {
  using P = Product<C>;
  using G = typename P::G;
  using S = typename P::Shape;
  static constexpr bool backward = P::mode == Mode::data_gradient;
  static constexpr bool in_windows = P::pooled && P::fits_windows;

  // --- the padded images: x, or dy where dx is computed, which a rotated window walks then

  static constexpr int image_rows = backward ? G::P : G::H, image_columns = backward ? G::Q : G::W;
  static constexpr int pad_top = backward ? G::R - 1 - G::pad_top : G::pad_top;
  static constexpr int pad_left = backward ? G::S - 1 - G::pad_left : G::pad_left;
  static constexpr int padded_rows = P::pixel_rows + G::R - 1, padded_columns = P::pixel_columns + G::S - 1;

  // --- which of their rows a tile needs

  /// How many runs of `extent` the `count` items from a multiple of `count` on may touch.
  static constexpr int touched(int count, int extent) {
    return ceil_divide(extent - std::gcd(count, extent) + count, extent);
  }
  static constexpr int rows = [] {  // at most
    constexpr int height = in_windows ? P::Pool::height : 1, area = in_windows ? P::window : 1;
    constexpr int items = in_windows ? P::tile_windows : S::rows;
    return touched(items, P::pixel_columns * height / area) * height + touched(items, P::pixels / area) * (G::R - 1);
  }();

  INLAY_HOST_DEVICE static constexpr int row_of(Pixel pixel) { return pixel.sample * padded_rows + pixel.row; }
  INLAY_HOST_DEVICE static constexpr int first_row(int tile, int samples) {
    return row_of(P::tile_pixel(tile, 0, samples));
  }
  /// Behind the last one.
  INLAY_HOST_DEVICE static constexpr int end_row(int tile, int samples) {
    constexpr int last_row = in_windows ? S::rows - S::band + P::band_windows * P::window - 1 : S::rows - 1;
    const Pixel last = P::tile_pixel(tile, last_row, samples);
    return row_of(last.row >= 0 ? last : Pixel{samples - 1, P::pixel_rows - 1, 0}) + G::R;
  }

  // --- slabs of channels

  static constexpr int chunk_channels = S::depth / 4, product_channels = 2 * chunk_channels;  // of an mma
  static constexpr int padded_channels(int chunks) {
    return ceil_divide(P::tap_channels, chunks * chunk_channels) * (chunks * chunk_channels);
  }
  /// 128 bytes are the period of the banks; a row of pixels begins at a multiple of them.
  static constexpr int pitch_with(int chunks) { return ceil_divide(padded_columns * chunks, 8) * 8 / chunks; }
  static constexpr int slab_bytes_with(int chunks) { return rows * pitch_with(chunks) * chunks * 16; }
  static constexpr int weight_bytes = S::columns * 64;  // of a step
  static constexpr int bytes_with(int chunks) { return slab_bytes_with(chunks) + 2 * weight_bytes; }
  /// Without asking for more, a block has 48 KB. A slab of 128 bytes a pixel takes no more than half of what the
  /// smallest multiprocessors have.
  static constexpr int most_bytes(int chunks) { return (chunks == 8 ? 32 : 48) * 1024; }

  /// Of 16 bytes, a pixel in a slab: the most that fit, of those that pad channels least; 0 where none do.
  static constexpr int most_chunks = [] {
    int best = 0;
    for (int n = 2; n <= 8; n *= 2)
      if (bytes_with(n) <= most_bytes(n) && (best == 0 || padded_channels(n) <= padded_channels(best))) best = n;
    return best;
  }();
  static constexpr bool fits = most_chunks > 0;
  static constexpr int slab_chunks = fits ? most_chunks : 2, slab_channels = slab_chunks * chunk_channels;
  static constexpr int slabs = ceil_divide(P::tap_channels, slab_channels);
  static constexpr int pitch = pitch_with(slab_chunks), slab_bytes = slab_bytes_with(slab_chunks);

  /// Is a slab copied as it lies (halo_slab.hpp)? Then the next one is on its way while this one is multiplied, if
  /// there is room for both.
  static constexpr bool copied = P::a_copied;
  static constexpr int slab_buffers = copied && slabs > 1 && bytes_with(slab_chunks) + slab_bytes <= 48 * 1024 ? 2 : 1;
  static constexpr int bytes = slab_buffers * slab_bytes + 2 * weight_bytes;

  // --- where chunks lie: behind the weights of two steps those of a slab, then of the one beside it

  /// The first chunk of a slab.
  INLAY_HOST_DEVICE static constexpr int first_chunk(int slab) {
    return 2 * weight_bytes / 16 + modulo(slab, slab_buffers) * (slab_bytes / 16);
  }

  // Chunks are exchanged within a pixel. As many pixels as share 128 bytes are exchanged alike, the next ones
  // differently, and so on through all ways; from row to row the count goes on where the eight pixels that one
  // instruction loads go on: behind a row of the result, or behind the four columns that a row of two 2 x 2 windows
  // has. So the eight chunks lie on different banks.
  static constexpr int line_pixels = 8 / slab_chunks;
  static constexpr int row_turns = in_windows ? 4 : P::pixel_columns;

  /// Where chunk c of a slab lies, of a pixel that is number `place` of row_turns * row + column = `turn`.
  INLAY_HOST_DEVICE static constexpr int chunk_at(int place, int turn, int c) {
    return place * slab_chunks + (c ^ modulo(quotient(turn, line_pixels), slab_chunks));
  }
  INLAY_HOST_DEVICE static constexpr int chunk_at(Pixel in_tile, int c) {
    return chunk_at(in_tile.row * pitch + in_tile.column, in_tile.row * row_turns + in_tile.column, c);
  }
};

template <class C>
using HaloTile = HaloTileOf<outline_t<C>>;

/// Is a convolution's operand read from a halo tile? Where channels fill less than half of what an instruction
/// multiplies, gathering taps and channels together wastes less.
template <class C>
inline constexpr bool has_halo_tile = [] {
  using G = typename C::geometry;
  if constexpr (C::mode != Mode::weight_gradient && G::R * G::S > 1 && G::groups == 1 && G::stride_h == 1 &&
                G::stride_w == 1 && G::dilation_h == 1 && G::dilation_w == 1) {
    using H = HaloTile<C>;
    return H::fits && 2 * Product<C>::tap_channels >= H::product_channels;
  } else {
    return false;
  }
}();

}  // namespace inlay::cuda
