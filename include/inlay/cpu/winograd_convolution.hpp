// Convolution kernels by Winograd's F(6x6, 3x3), F(4x4, 3x3) and F(2x2, 3x3): the same Runners as in convolution.hpp,
// for 3x3 windows of stride 1 with enough channels. A block of tiles at a time, of one sample or of several small ones:
// input transform, a matrix product for each frequency, output transform with the epilogue on each tile.
#pragma once

#include <inlay/cpu/convolution.hpp>
#include <inlay/cpu/multiply_tile.hpp>
#include <inlay/cpu/winograd.hpp>

#include <algorithm>

namespace inlay::cpu {

/// Sizes of register tiles of Vectors columns: of the rows that remain, `part` are computed next, so that all take as
/// little time as can be. Fewer than eight sums keep the multipliers waiting.
template <int Rows, int Vectors>
struct TileRows {
  static constexpr int half = Rows / 2 + 1, quarter = (half + 1) / 2;

  static constexpr int part(int remaining) { return remaining < most ? parts.next[remaining] : Rows; }

 private:
  static constexpr int most = 4 * Rows;
  static constexpr struct Parts {
    int next[most]{};
    int cost[most]{};  // of all that remains, in 64ths of a row's time; 8 for a call, 1 for a row to break ties

    constexpr Parts() {
      constexpr int sizes[] = {Rows, half, quarter};
      for (int n = 1; n < most; ++n)
        for (int size : sizes) {
          const int total = 64 * std::max(size, 8 / Vectors) + 8 + size + (n > size ? cost[n - size] : 0);
          if (next[n] != 0 && total >= cost[n]) continue;
          next[n] = size;
          cost[n] = total;
        }
    }
  } parts{};
};

/// Tiles over Height x Width images, numbered row by row.
template <int Tile, int Height, int Width>
struct TileGrid {
  static constexpr TiledSide down{Tile, Height}, across{Tile, Width};
  static constexpr bool mixed = down.small > 0 || across.small > 0;
  static constexpr int columns = across.count(), count = down.count() * columns;
  /// The first row, or column, of the padded image that a tile needs.
  static constexpr int row(int tile) { return down.first(tile / columns); }
  static constexpr int column(int tile) { return across.first(tile % columns); }
  /// Behind the last row of it that a tile needs.
  static constexpr int rows_end(int tile) { return row(tile) + down.size_of(tile / columns) + 2; }
};

/// The tiles in blocks that share the transformed weights while those are in the cache: of one image, or all tiles of
/// several small ones. TileFloats: what a tile takes up in V and M; WeightFloats: what each block reads.
template <int Tile, int Height, int Width, int Rows, int TileFloats, std::int64_t WeightFloats>
struct TileBlocks : TileGrid<Tile, Height, Width> {
  using TileGrid<Tile, Height, Width>::count;
  static constexpr int fitting(std::int64_t floats) { return static_cast<int>(floats / TileFloats); }
  /// Few registers pass twice over what has reached the first level.
  static constexpr int least = vector_registers == 32 ? Rows : 2 * Rows;
  /// Tiles that take up as much as a quarter of the weights: weights that no cache holds are worth that many.
  static constexpr int worth = fitting(WeightFloats / 4);
  /// Images that share a block.
  static constexpr int samples =
      count < least || count < worth ? images_in(std::max(worth, fitting(80 * 1024)), count) : 1;
  /// Floats of the second-level cache for V and M: 1 MiB or more come with vectors of 16 floats. Of smaller ones half
  /// is left to the weights, of larger ones as much if they should stay there.
  static constexpr int cached = (vector_registers == 16 ? 32 : stay_cached(WeightFloats) ? 112 : 224) * 1024;
  /// A multiple of Rows: all of small images, otherwise what the second-level cache holds.
  static constexpr int block = [] {
    int tiles = fitting(cached) / Rows * Rows;
    if (tiles < least) tiles = least;
    return samples > 1 || tiles > count ? round_up(samples * count, Rows) : tiles;
  }();
  /// A few last tiles, which would wait for all weights alone, join the block before.
  static constexpr int most = count > block&& count % block <= Rows / 2 ? block + count % block : block;
  static constexpr int next(int remaining) { return remaining <= most ? remaining : block; }
  /// Frequencies are an odd number of rows apart, so that they do not fall on the same cache sets.
  static constexpr int pitch = round_up(most, Rows) | 1;
};

/// In which order the tiles of a block lie, so that those that need a frequency are neighbours: first those that are
/// small across only, then the large ones, the small ones down only, and the small ones both ways. (Frequencies that
/// small tiles need come first along each side.)
template <class Tiles>
struct TileOrder {
  int of_kind[5] = {};  // where each kind begins
  int place[Tiles::most];

  TileOrder(int first, int count) {
    if constexpr (!Tiles::mixed) {
      of_kind[2] = of_kind[3] = of_kind[4] = count;
      for (int t = 0; t < count; ++t) place[t] = t;
    } else {
      for (int t = 0; t < count; ++t) ++of_kind[kind(first + t) + 1];
      for (int k = 0; k < 4; ++k) of_kind[k + 1] += of_kind[k];
      int next[4] = {of_kind[0], of_kind[1], of_kind[2], of_kind[3]};
      for (int t = 0; t < count; ++t) place[t] = next[kind(first + t)]++;
    }
  }
  /// The places of the tiles that need frequency (i, j).
  Share::Part needing(int i, int j) const {
    const bool large_down = i >= Tiles::down.small_size + 2, large_across = j >= Tiles::across.small_size + 2;
    return {of_kind[large_across ? 1 : 0], of_kind[large_down ? 2 : large_across ? 3 : 4]};
  }
  static constexpr bool is_small_down(int tile) { return Tiles::down.is_small(tile % Tiles::count / Tiles::columns); }
  static constexpr bool is_small_across(int tile) { return Tiles::across.is_small(tile % Tiles::columns); }

  /// Calls f<is small down, is small across>().
  template <class F>
  static void with_kind(int tile, F f) {
    if constexpr (!Tiles::mixed) return f.template operator()<false, false>();
    else if (is_small_down(tile))
      return is_small_across(tile) ? f.template operator()<true, true>() : f.template operator()<true, false>();
    else return is_small_across(tile) ? f.template operator()<false, true>() : f.template operator()<false, false>();
  }

 private:
  static constexpr int kind(int tile) {
    return is_small_down(tile) ? (is_small_across(tile) ? 3 : 2) : is_small_across(tile) ? 0 : 1;
  }
};

/// Is the operand an image as it lies in memory, its channels whole vectors?
template <class Prologue>
inline constexpr bool is_plain_image = false;
template <int S, class I>
inline constexpr bool is_plain_image<kernel::Body<kernel::Load<S, Element::f32, I>>> =
    is_image<I>&& I::s3 == 1 && I::s2 % lanes == 0;

/// Where the tiles of an operand begin. A plain image stays where it lies, others are gathered into a padded one of
/// which those rows are kept that a row of tiles needs.
template <int Tile, class Image, class Prologue>
struct TileCorners {
  using T = winograd::Transforms<Tile>;
  using Loaded = typename FirstRows<Prologue>::loaded;
  static constexpr bool in_place = is_plain_image<Prologue>;
  static constexpr int channels = Image::channels, pixel_floats = in_place ? Loaded::pixel_bytes / 4 : channels;
  static constexpr std::int64_t image_floats =
      std::int64_t{T::patch} * (in_place ? T::patch * pixel_floats : Image::columns * channels);

  /// Gathers the rows of the padded image up to `end`, of which `filled` are there.
  static void gather(float* image, const Slot* slots, int sample, int& filled, int end) {
    if constexpr (!in_place) Image::template fill_rows<Prologue, T::patch>(image, slots, sample, filled, end);
    filled = end;
  }
  /// Where each row of the tile at `row` and `column` of the padded image begins.
  static void find(const Slot* slots, int sample, int row, int column, float* image, const float* (&starts)[T::patch]) {
    if constexpr (in_place) find_in_place(slots, sample, row, column, image, starts);
    else
      for (int i = 0; i < T::patch; ++i)
        starts[i] = image + ((row + i) % T::patch * Image::columns + column) * channels;
  }

 private:
  static constexpr int row_floats = T::patch * pixel_floats;
  alignas(64) static constexpr float zeros[row_floats] = {};

  /// Rows outside the image are zeros; those that reach over its sides are copied to `copy`.
  static void find_in_place(const Slot* slots, int sample, int row, int column, float* copy,
                            const float* (&starts)[T::patch]) {
    const int first = row + Image::first_row, w = column + Image::first_column;
    for (int i = 0; i < T::patch; ++i, copy += row_floats) {
      const int h = first + i;
      const auto* from = reinterpret_cast<const float*>(Loaded::at(slots, sample, h)) + w * pixel_floats;
      const bool above_or_below = h < 0 || h >= Image::height, aside = w < 0 || w + T::patch > Image::width;
      starts[i] = above_or_below ? zeros : aside ? copy : from;
      if (above_or_below || !aside) continue;
      for (int j = 0; j < T::patch; ++j)
        for (int c = j * pixel_floats; c < j * pixel_floats + channels; c += lanes)
          store_vector(copy + c, w + j >= 0 && w + j < Image::width ? load_vector(from + c) : Vector{});
    }
  }
};

/// Forward and data gradient: out (OutH x OutW x OutC) from a padded image whose channels are whole vectors.
template <int Tile, class Image, int In, int OutH, int OutW, int OutC, class Prologue, class E>
struct WinogradPass {
  using T = winograd::Transforms<Tile>;
  static constexpr int frequencies = T::patch * T::patch;
  static constexpr TileShape shape = tile_shape(OutC, vector_registers == 32 ? 7 : 6);
  static constexpr int rows = vector_registers == 32 ? (shape.vectors >= 3 ? 7 : 14) : 6;
  using Sizes = TileRows<rows, shape.vectors>;
  static constexpr int width = shape.vectors * lanes, panels = (OutC + width - 1) / width, out_pitch = panels * width;
  /// Of transformed weights, an odd number of lines: the frequencies of a pair of channels are on different cache sets.
  static constexpr std::int64_t frequency_floats = std::int64_t{In} * out_pitch + 16;
  static constexpr std::int64_t packed_floats = frequencies * frequency_floats;
  using Tiles = TileBlocks<Tile, OutH, OutW, rows, frequencies*(Image::channels + out_pitch), packed_floats>;
  using Order = TileOrder<Tiles>;
  static constexpr int samples_together = Tiles::samples;
  static constexpr Blocking blocking{rows, shape.vectors, Tiles::block};
  using Pool = typename E::pool;
  static constexpr bool pools = Pool::height * Pool::width > 1;
  static constexpr int channels = Image::channels;
  using Corners = TileCorners<Tile, Image, Prologue>;
  static constexpr std::int64_t image_floats = Corners::image_floats;
  static constexpr std::int64_t v_floats = std::int64_t{frequencies} * Tiles::pitch * channels;
  static constexpr std::int64_t m_floats = std::int64_t{frequencies} * Tiles::pitch * out_pitch;
  static constexpr std::int64_t scratch_floats = image_floats + v_floats + m_floats + 2 * Tile * Tile * out_pitch;

  // What a block's products fetch: the rows that the epilogue reads (or, if it reads none, the operand's for the next
  // block), and the rows that this one is stored to. Rows of several images are too far apart.
  using Loaded = typename FirstRows<Prologue>::loaded;
  using Joined = typename FirstRows<typename E::main>::loaded;
  static constexpr bool joins = Joined::row_bytes != 0;
  using Read = std::conditional_t<joins, Joined, Loaded>;
  using Stored = typename FirstRows<std::conditional_t<pools, typename E::post, typename E::main>>::stored;
  static constexpr int steps = frequencies * panels * (Tiles::block / rows) * In;
  static constexpr int tile_rows = Tiles::samples > 1 ? 0 : (Tiles::block + Tiles::columns - 1) / Tiles::columns* Tile;
  static constexpr int read_ahead = (tile_rows * Read::row_bytes + steps - 1) / steps;
  static constexpr int write_ahead = (tile_rows / Pool::height * Stored::row_bytes + steps - 1) / steps;

  /// U[f][panel][in][width] of the 3 x 3 weights `weight(r, s, in, out)`.
  template <class Weight>
  static void pack(float* packed, Share share, Weight weight) {
    const auto part = share.of(In);
    for (int c = part.first; c < part.end; ++c)
      for (int k = 0; k < out_pitch; k += lanes) {
        Vector g[9] = {};
        for (int tap = 0; tap < 9; ++tap)
          for (int lane = 0; lane < lanes; ++lane)
            if (k + lane < OutC) g[tap][lane] = weight(tap / 3, tap % 3, c, k + lane);
        winograd::transform_weights<Tile>(g, packed + (std::int64_t{k / width} * In + c) * width + k % width,
                                          frequency_floats);
      }
  }

  /// Samples first, ..., first + count - 1; of each, or of those of a block, the thread's share.
  static void run(const Slot* slots, int first, int count, Memory memory, Share share) {
    for (int n = first; n < first + count; n += Tiles::samples) {
      const int more = first + count - n;
      run_together(slots, n, more < Tiles::samples ? more : Tiles::samples, memory, share);
    }
  }

 private:
  /// Of the tiles of `samples` samples, numbered through, the thread's share.
  static void run_together(const Slot* slots, int first_sample, int samples, Memory memory, Share share) {
    float* image = memory.scratch;
    float* v = image + image_floats;
    float* m = v + v_floats;
    float* pixels = m + m_floats;
    const auto part = share.of(samples * Tiles::count);
    int filled = Tiles::row(part.first);
    // Rows that another thread stores to, too, are not fetched, nor what lies behind the operand of a sample in which
    // several work: each would take them from the other.
    const int own_rows = Tiles::down.first(part.end / Tiles::columns);
    const char* read_end = Read::at(slots, share.threads > 1 ? first_sample : first_sample + 1, own_rows);
    const char* write_end = Stored::at(slots, first_sample, own_rows / Pool::height);
    for (int first = part.first, count = 0; first < part.end; first += count) {
      count = Tiles::next(part.end - first);
      const Order order(first, count);
      for (int t = 0; t < count; ++t) {
        const int sample = first_sample + (first + t) / Tiles::count, tile = (first + t) % Tiles::count;
        if (tile == 0) filled = 0;
        Corners::gather(image, slots, sample, filled, Tiles::rows_end(tile));
        const float* rows_of_tile[T::patch];
        Corners::find(slots, sample, Tiles::row(tile), Tiles::column(tile), image, rows_of_tile);
        Order::with_kind(tile, [&]<bool Down, bool Across>() {
          winograd::transform_input<Tile, Down, Across, channels, Corners::pixel_floats, Tiles::pitch * channels>(
              rows_of_tile, v + order.place[t] * channels);
        });
      }
      const int row = Tiles::row(first);
      Ahead ahead{Read::at(slots, first_sample, joins ? row : filled + Image::first_row),
                  Stored::at(slots, first_sample, row / Pool::height)};
      for (int f = 0; f < frequencies; ++f) {
        const auto tiles = order.needing(f / T::patch, f % T::patch);
        for (int panel = 0; panel < panels; ++panel)
          for (int t = tiles.first; t < tiles.end; t += Sizes::part(tiles.end - t)) {
            if (ahead.read >= read_end) ahead.read = reinterpret_cast<const char*>(v);
            if (ahead.write >= write_end) ahead.write = reinterpret_cast<const char*>(m);
            ahead = multiply(tiles.end - t, v + (std::int64_t{f} * Tiles::pitch + t) * channels,
                             memory.packed + f * frequency_floats + std::int64_t{panel} * In * width,
                             m + (std::int64_t{f} * Tiles::pitch + t) * out_pitch + panel * width, ahead);
          }
      }
      for (int t = 0; t < count; ++t)
        finish_tile(slots, first_sample + (first + t) / Tiles::count, (first + t) % Tiles::count,
                    m + order.place[t] * out_pitch, pixels);
    }
  }

  /// M of `remaining` tiles, up to `rows`, for one frequency and panel.
  static Ahead multiply(int remaining, const float* v, const float* u, float* m, Ahead ahead) {
    auto tile = [&]<int Rows>() {
      constexpr TileProduct product{.rows = Rows,
                                    .vectors = shape.vectors,
                                    .a_row = channels,
                                    .c_row = out_pitch,
                                    .read_ahead = read_ahead,
                                    .write_ahead = write_ahead};
      return multiply_tile<product>(v, u, width, In, m, ahead);
    };
    const int part = Sizes::part(remaining);
    return part == rows          ? tile.template operator()<rows>()
           : part == Sizes::half ? tile.template operator()<Sizes::half>()
                                 : tile.template operator()<Sizes::quarter>();
  }

  /// Output transform of one tile, then the epilogue on its pixels inside the image.
  static void finish_tile(const Slot* slots, int sample, int tile, const float* m, float* pixels) {
    Order::with_kind(tile, [&]<bool Down, bool Across>() {
      winograd::transform_output<Tile, Down, Across, out_pitch, Tiles::pitch * out_pitch>(m, pixels);
    });
    const int p = Tiles::row(tile), q = Tiles::column(tile);
    const int end_p = p + Tiles::down.size_of(tile / Tiles::columns), bottom = end_p < OutH ? end_p : OutH;
    const int end_q = q + Tiles::across.size_of(tile % Tiles::columns), right = end_q < OutW ? end_q : OutW;
    float* pooled = pixels + Tile * Tile * out_pitch;
    for (int i = 0; i < bottom - p; ++i) {
      for (int j = 0; j < right - q; ++j) {
        float* to = pooled + (i % Pool::height * Tile + j) * out_pitch;
        run_row<typename E::main, OutC>(slots, sample, 0, p + i, q + j, 0, OutC,
                                        from(pixels + (i * Tile + j) * out_pitch), [&](int c, auto v) {
                                          if constexpr (pools) write(to + c, v);
                                        });
      }
      if constexpr (pools)
        if (i % Pool::height == Pool::height - 1)
          pool_row<Pool, typename E::post, Tile, OutC, out_pitch>(slots, sample, (p + i) / Pool::height, pooled,
                                                                  q / Pool::width, (right - q) / Pool::width);
    }
  }
};

constexpr int padded_side(int tile, int extent) {
  const TiledSide side(tile, extent);
  return side.first(side.count()) + 2;
}
/// The 3x3 operand of one sample with its halo, for whole tiles of Height x Width outputs.
template <int Tile, int Height, int Width, int Channels, int OutH, int OutW, int PadTop, int PadLeft>
using WinogradImage = PaddedImage<Height, Width, Channels, padded_side(Tile, OutH), padded_side(Tile, OutW), -PadTop,
                                  -PadLeft, 1, 1, round_up(Channels, lanes)>;
template <int Tile, class G>
using WinogradInput = WinogradImage<Tile, G::H, G::W, G::C, G::P, G::Q, G::pad_top, G::pad_left>;
template <int Tile, class G>
using WinogradGradient = WinogradImage<Tile, G::P, G::Q, G::K, G::H, G::W, 2 - G::pad_top, 2 - G::pad_left>;

template <class G, bool Batched, class A, class B, class E, class Side, Algorithm Choice>
requires(winograd_tile(Choice) >
         0) struct ContractionRunner<kernel::Contraction<Mode::forward, G, Batched, A, B, E, Side>, Choice>
    : ConvolutionRunner<
          WinogradPass<winograd_tile(Choice), WinogradInput<winograd_tile(Choice), G>, G::C, G::P, G::Q, G::K, A, E>,
          Batched, G::K, E, Side> {
  using Pass =
      WinogradPass<winograd_tile(Choice), WinogradInput<winograd_tile(Choice), G>, G::C, G::P, G::Q, G::K, A, E>;

  static void prepare(const Slot* slots, Memory memory, Share share) {
    const float* w = weights<slot_of<B>, G>(slots);
    Pass::pack(memory.packed, share,
               [w](int r, int s, int c, int k) { return w[(std::int64_t{r * 3 + s} * G::C + c) * G::K + k]; });
  }
};

template <class G, bool Batched, class A, class B, class E, class Side, Algorithm Choice>
requires(winograd_tile(Choice) >
         0) struct ContractionRunner<kernel::Contraction<Mode::data_gradient, G, Batched, A, B, E, Side>, Choice>
    : ConvolutionRunner<
          WinogradPass<winograd_tile(Choice), WinogradGradient<winograd_tile(Choice), G>, G::K, G::H, G::W, G::C, A, E>,
          Batched, G::C, E, Side> {
  using Pass =
      WinogradPass<winograd_tile(Choice), WinogradGradient<winograd_tile(Choice), G>, G::K, G::H, G::W, G::C, A, E>;

  static void prepare(const Slot* slots, Memory memory, Share share) {
    const float* w = weights<slot_of<B>, G>(slots);
    Pass::pack(memory.packed, share, [w](int r, int s, int k, int c) {  // here c is the output channel
      return w[(std::int64_t{(2 - r) * 3 + 2 - s} * G::C + c) * G::K + k];
    });
  }
};

/// The partial holds dU[f][panel][in][width], then the sums of dy for `Side`.
template <class G, class A, class B, class E, class Side, Algorithm Choice>
requires(winograd_tile(Choice) >
         0) struct ContractionRunner<kernel::Contraction<Mode::weight_gradient, G, true, A, B, E, Side>, Choice>
    : RunnerDefaults {
  static constexpr int tile = winograd_tile(Choice);
  using T = winograd::Transforms<tile>;
  using Image = WinogradInput<tile, G>;
  static constexpr int frequencies = T::patch * T::patch;
  static constexpr int vectors = round_up(G::K, lanes) / lanes % 2 == 0 ? 2 : 1;
  static constexpr int width = vectors * lanes, panels = (G::K + width - 1) / width, pitch = panels * width;
  static constexpr int rows = vector_registers == 32 || vectors == 1 ? 8 : 6;
  static constexpr int in = round_up(G::C, rows);
  using Gradient = PaddedImage<G::P, G::Q, G::K, round_up(G::P, tile), round_up(G::Q, tile), 0, 0, 1, 1, pitch>;
  using Tiles = TileGrid<tile, G::P, G::Q>;
  static constexpr int most = summed_tiles(tile);
  /// Small images share a block, so that dU is read and written once for all of them.
  static constexpr int images = images_in(most, Tiles::count);
  static constexpr bool whole_images = Tiles::count <= most, chunked = images == 1;
  static constexpr int block = whole_images ? images * Tiles::count : most;
  static constexpr int tile_pitch = block | 1;
  static constexpr Blocking blocking{rows, vectors, block};
  static constexpr TileProduct product{
      .rows = rows,
      .vectors = vectors,
      .a_row = 1,
      .a_step = Image::channels,
      .adds = true,
      .write_ahead = (4 * rows * width + block - 1) / block};  // of what is added to next

  static constexpr Partition partition = Partition::reduced;
  static constexpr std::int64_t weight_floats = std::int64_t{frequencies} * in * pitch;
  using Corners = TileCorners<tile, Image, A>;
  static constexpr std::int64_t image_floats = round_up(Corners::image_floats, 16);
  static constexpr std::int64_t v_floats = std::int64_t{frequencies} * tile_pitch * Image::channels;
  static constexpr std::int64_t d_floats = std::int64_t{frequencies} * tile_pitch * pitch;
  static constexpr std::int64_t partial_bytes = 4 * (weight_floats + pitch);
  static constexpr std::int64_t scratch_bytes = 4 * (image_floats + Gradient::floats + v_floats + d_floats + 64);

  static void samples(const Slot* slots, int first, int count, Memory memory) {
    float* image = memory.scratch;
    float* dy = image + image_floats;
    float* v = dy + round_up(Gradient::floats, 16);
    float* d = v + v_floats;
    int tiles = 0;  // of the block
    for (int n = first; n < first + count; ++n) {
      Gradient::template fill<B>(dy, slots, n);
      int filled = 0;
      for (int t = 0; t < Tiles::count; t += block) {
        const int more = Tiles::count - t < block ? Tiles::count - t : block;
        for (int i = t; i < t + more; ++i, ++tiles) {
          const int row = Tiles::row(i), column = Tiles::column(i);
          Corners::gather(image, slots, n, filled, Tiles::rows_end(i));
          const float* rows_of_tile[T::patch];
          Corners::find(slots, n, row, column, image, rows_of_tile);
          winograd::transform_input<tile, false, false, Image::channels, Corners::pixel_floats,
                                    tile_pitch * Image::channels>(rows_of_tile, v + tiles * Image::channels);
          winograd::transform_gradient<tile, pitch, Gradient::columns * pitch, tile_pitch * pitch>(
              dy + (row * Gradient::columns + column) * pitch, d + tiles * pitch);
        }
        if (whole_images && tiles + more <= block && n + 1 < first + count) continue;
        float* u = memory.partial;
        for (int f = 0; f < frequencies; ++f)
          for (int panel = 0; panel < panels; ++panel)
            for (int c = 0; c < in; c += rows, u += rows * width)
              multiply_tile<product>(v + std::int64_t{f} * tile_pitch * Image::channels + c,
                                     d + std::int64_t{f} * tile_pitch * pitch + panel * width, pitch, tiles, u,
                                     {nullptr, reinterpret_cast<const char*>(u + rows * width)});
        tiles = 0;
      }
      if constexpr (Side::size > 0) {
        float* sums = memory.partial + weight_floats;
        for (std::int64_t i = 0; i < Gradient::floats; i += pitch)
          for (int k = 0; k < pitch; k += lanes)
            store_vector(sums + k, load_vector(sums + k) + load_vector(dy + i + k));
      }
    }
  }

  static void finish(const Slot* slots, Partials partials, Share share) {
    const auto part = share.of(G::C);
    alignas(64) float taps[9 * pitch];
    for (int c = part.first; c < part.end; ++c) {
      for (int k = 0; k < pitch; k += lanes) {
        Vector u[frequencies];
        for (int f = 0; f < frequencies; ++f)
          u[f] = partials.sum<Vector>(((std::int64_t{f} * panels + k / width) * in + c) * width + k % width);
        winograd::transform_weight_gradient<tile>(u, taps + k, pitch);
      }
      for (int tap = 0; tap < 9; ++tap)
        run_row<typename E::main, G::K>(slots, 0, tap / 3, tap % 3, c, 0, G::K, from(taps + tap * pitch), no_output);
    }
    if constexpr (Side::size > 0)
      if (share.thread == share.threads - 1)
        run_row<Side, G::K>(
            slots, 0, 0, 0, 0, 0, G::K,
            [&](auto& context, int k) { context.value = partials.sum<decltype(context.value)>(weight_floats + k); },
            no_output);
  }
};

}  // namespace inlay::cpu
