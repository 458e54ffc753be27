// A contraction seen as a matrix product, result[row, column] = sum over depth of A[row, depth] * B[depth, column]:
//
//                      rows                  columns             depth
//   forward            samples x P x Q       K of one group      R x S x C of one group
//   data_gradient      samples x H x W       C of one group      R x S x K of one group
//   weight_gradient    R x S x C of a group  K of one group      samples x P x Q
//
// `Product<C>` of a Tiled contraction says how large that is, how one block of threads divides its tile, which pixel a
// row is, and into how many parts the depth is split. All of it follows from the type and the number of samples, never
// from the device, so that results are the same everywhere.
#pragma once

#include <inlay/cuda/context.hpp>
#include <inlay/cuda/outline.hpp>
#include <inlay/cuda/side_sums.hpp>
#include <inlay/cuda/taps_tile.hpp>
#include <inlay/cuda/tiled.hpp>
#include <inlay/kernel/kernels.hpp>

#include <cstdint>

namespace inlay::cuda {

/// A place in a batch of images. Where there is none, `row` is so far outside that every bounds check fails.
struct Pixel {
  int sample, row, column;
};
inline constexpr int no_row = -(1 << 24);

/// A place in a window, and a channel; `no_tap` is below every window.
struct Tap {
  int row, column, channel;
};
inline constexpr int no_tap = 1 << 16;

/// Rows x Columns of the result, computed by 16 x 8 threads that walk the depth in steps of Depth. A thread owns
/// 4 x 4 patches (or smaller): its rows come in runs of `row_run`, one run in each of `passes` bands of rows.
template <int Rows, int Columns, int Depth>
struct Tile {
  static constexpr int rows = Rows, columns = Columns, depth = Depth;
  static constexpr int thread_rows = 16, thread_columns = 8, threads = thread_rows * thread_columns;
  static constexpr int rows_each = Rows / thread_rows, columns_each = Columns / thread_columns;
  static constexpr int row_run = rows_each < 4 ? rows_each : 4, column_run = columns_each < 4 ? columns_each : 4;
  static constexpr int passes = rows_each / row_run, band = thread_rows * row_run;
  static_assert(Rows % thread_rows == 0 && Columns % thread_columns == 0 && threads % Depth == 0);
  static_assert(rows_each % row_run == 0 && columns_each % column_run == 0);

  /// The i-th row and j-th column of the thread at (y, x) of the 16 x 8.
  INLAY_HOST_DEVICE static constexpr int row(int y, int i) { return i / row_run * band + y * row_run + i % row_run; }
  INLAY_HOST_DEVICE static constexpr int column(int x, int j) {
    return j / column_run * (thread_columns * column_run) + x * column_run + j % column_run;
  }
};

/// Of an outline: what the same Product says of every contraction that has it.
template <class Contraction>
struct ProductOf {
  using G = typename Contraction::geometry;
  using Pool = typename Contraction::epilogue::pool;
  static constexpr Mode mode = Contraction::mode;
  static constexpr Precision precision = Contraction::precision;
  static constexpr bool weights = mode == Mode::weight_gradient;  // is the result a weight?
  static constexpr int groups = G::groups;
  static constexpr int taps = G::R * G::S, group_inputs = G::C / groups, group_outputs = G::K / groups;

  // Pixels run over the rows, or for a weight gradient over the depth.
  static constexpr int pixel_columns = mode == Mode::data_gradient ? G::W : G::Q;
  static constexpr int pixel_rows = mode == Mode::data_gradient ? G::H : G::P;
  static constexpr int pixels = pixel_rows * pixel_columns;
  // Taps x channels run over the depth, or for a weight gradient over the rows.
  static constexpr int tap_channels = mode == Mode::data_gradient ? group_outputs : group_inputs;
  static constexpr int tapped = taps * tap_channels;
  static constexpr int columns = mode == Mode::data_gradient ? group_inputs : group_outputs;

  /// Does a block sum all taps of a weight gradient (MultiplyTaps)? Then the depth counts positions of TapsTile.
  static constexpr bool all_taps =
      weights && (precision == Precision::bf16 || precision == Precision::fp16) && TapsTile<G>::pays;

  /// Which operand is a gradient that fp16 holds only when it is scaled (gradient_scale.hpp)?
  static constexpr bool scaled = precision == Precision::fp16 && mode != Mode::forward;
  static constexpr bool a_scaled = scaled && !weights, b_scaled = scaled && weights;
  /// Which operands are copied to shared memory as they lie?
  static constexpr bool a_copied = !a_scaled && is_copied<precision, tap_channels, typename Contraction::a>;
  static constexpr bool b_copied = !b_scaled && is_copied<precision, group_outputs, typename Contraction::b>;

  INLAY_HOST_DEVICE static constexpr int rows(int samples) { return weights ? tapped : samples * pixels; }
  INLAY_HOST_DEVICE static constexpr int depth(int samples) {
    return all_taps ? samples * TapsTile<G>::positions : weights ? samples * pixels : tapped;
  }

  // --- the tile ------------------------------------------------------------------------------------------------

  // A row of a tile for tensor cores is 64 bytes in any precision.
  static constexpr int tile_depth = precision == Precision::bf16 || precision == Precision::fp16 ? 32 : 16;
  using Shape = Tile<Contraction::tile_rows, Contraction::tile_columns, tile_depth>;
  static constexpr int column_tiles = ceil_divide(columns, Shape::columns);

  // --- which pixel a row is ------------------------------------------------------------------------------------

  // Rows are numbered window by window, so that each band of a tile holds whole pooling windows.
  static constexpr int window = Pool::height * Pool::width;
  static constexpr bool pooled = window > 1;
  static constexpr int band_windows = Shape::band / window;  // 0: windows don't fit
  static constexpr bool fits_windows = band_windows > 0;
  static constexpr int tile_windows = fits_windows ? Shape::passes * band_windows : 1;

  INLAY_HOST_DEVICE static constexpr Pixel pixel(int index, int samples) {
    if (index >= samples * pixels) return {0, no_row, 0};
    const int sample = index / pixels, place = index % pixels;
    return {sample, place / pixel_columns, place % pixel_columns};
  }
  /// The pixel at `place` of pooling window `index`.
  INLAY_HOST_DEVICE static constexpr Pixel window_pixel(int index, int place, int samples) {
    constexpr int columns_pooled = pixel_columns / Pool::width, count = pixels / window;
    if (index >= samples * count) return {0, no_row, 0};
    const int sample = index / count, at = index % count;
    return {sample, at / columns_pooled * Pool::height + place / Pool::width,
            at % columns_pooled * Pool::width + place % Pool::width};
  }
  /// The pixel of a row of a tile.
  INLAY_HOST_DEVICE static constexpr Pixel tile_pixel(int tile, int row, int samples) {
    if constexpr (!pooled || !fits_windows) {
      return pixel(tile * Shape::rows + row, samples);
    } else {
      const int in_band = row % Shape::band;
      if (in_band >= band_windows * window) return {0, no_row, 0};
      const int index = (tile * Shape::passes + row / Shape::band) * band_windows + in_band / window;
      return window_pixel(index, in_band % window, samples);
    }
  }
  INLAY_HOST_DEVICE static constexpr int row_tiles(int samples) {
    if (pooled && fits_windows) return ceil_divide(samples * (pixels / window), tile_windows);
    return ceil_divide(rows(samples), Shape::rows);
  }
  /// The tap and channel of a depth (or, for a weight gradient, of a row).
  INLAY_HOST_DEVICE static constexpr Tap tap(int index) {
    return {index / tap_channels / G::S, index / tap_channels % G::S, index % tap_channels};
  }

  static constexpr bool one_step = !weights && tapped <= Shape::depth;

  /// Sums by channel of what the epilogue computes (side_sums.hpp).
  static constexpr int summed = most_sums<kernel::sum_count<typename Contraction::epilogue::main>,
                                          kernel::sum_count<typename Contraction::epilogue::post>>;
  static constexpr int channels = groups * columns;

  // --- splitting the depth -------------------------------------------------------------------------------------

  // Enough blocks for a large device, each with enough to do.
  static constexpr int wanted_blocks = 512, least_depth = 256, most_splits = 512;

  /// Do sums pass through memory, to be added and finished by a second kernel?
  static constexpr bool split = all_taps || !fits_windows ||
                                (summed > 0 ? false
                                 : weights  ? groups * column_tiles * ceil_divide(tapped, Shape::rows) < 128
                                            : pixels <= 16 && tapped > 2 * least_depth);

  static constexpr int depth_of_each(int samples) {
    if (all_taps) return TapsTile<G>::depth_of_each(samples);
    const int total = depth(samples), blocks = row_tiles(samples) * column_tiles * groups;
    int parts = ceil_divide(wanted_blocks, blocks);
    if (parts > ceil_divide(total, least_depth)) parts = ceil_divide(total, least_depth);
    if (parts > most_splits) parts = most_splits;
    if (!split || parts < 1) parts = 1;
    return ceil_divide(ceil_divide(total, parts), Shape::depth) * Shape::depth;
  }
  static constexpr int splits(int samples) { return ceil_divide(depth(samples), depth_of_each(samples)); }

  static constexpr bool sided = weights && Contraction::side::size > 0;

  // --- partial sums in scratch memory: [part][row][group][column], then of the side [part][group][column] ---------

  /// The row of a pixel, where partial sums are concerned: row-major. Negative where there is no pixel.
  INLAY_HOST_DEVICE static constexpr int index(Pixel pixel) {
    return pixel.row < 0 ? -1 : pixel.sample * pixels + pixel.row * pixel_columns + pixel.column;
  }
  INLAY_HOST_DEVICE static constexpr std::int64_t partial(int part, int row, int group, int column, int samples) {
    return (std::int64_t{part} * rows(samples) + row) * (groups * columns) + group * columns + column;
  }
  INLAY_HOST_DEVICE static constexpr std::int64_t side_partial(int part, int parts, int group, int column,
                                                               int samples) {
    return partial(parts, 0, 0, 0, samples) + (std::int64_t{part} * groups + group) * columns + column;
  }
  static constexpr std::int64_t scratch_bytes(int samples) {
    const int parts = splits(samples);
    return split ? side_partial(sided ? parts : 0, parts, 0, 0, samples) * static_cast<int>(sizeof(float)) : 0;
  }
};
template <class C>
using Product = ProductOf<outline_t<C>>;

}  // namespace inlay::cuda
