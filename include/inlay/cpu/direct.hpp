// Direct convolution on one padded image in scratch memory: the inner loops, with every size static. Output channels
// lie along the vector; a tile of pixels x vectors of accumulators stays in registers while the taps and input
// channels run (7 x 4 vectors reach 98 % of the FMA peak with g++ and AVX-512). The forward pass and the data
// gradient are both this loop, with differently packed weights. In a depthwise convolution, where each output channel
// has one input channel to itself, the input channels lie along the vector too.
#pragma once

#include <inlay/cpu/runner.hpp>

#include <algorithm>

namespace inlay::cpu {

/// Accumulator tile: `vectors` along the output channels, `pixels` along the row.
struct TileShape {
  int vectors, pixels;
};

constexpr TileShape tile_shape(int channels, int row) {
  const int needed = (channels + lanes - 1) / lanes;
#if defined(__clang__)
  constexpr int widest = vector_registers == 32 ? 2 : 2;
#else
  constexpr int widest = vector_registers == 32 ? 4 : 2;
#endif
  int vectors = 1, least = needed + widest;
  for (int v = widest; v >= 1; --v) {
    const int computed = (needed + v - 1) / v * v;
    if (computed < least) {
      least = computed;
      vectors = v;
    }
  }
  const int accumulators = vector_registers == 32 ? 28 : 12;
  int pixels = accumulators / vectors;
  if (pixels > 14) pixels = 14;
  const int tiles = (row + pixels - 1) / pixels;
  return {vectors, (row + tiles - 1) / tiles};
}

/// Channels of a depthwise convolution rounded up to what its tiles read.
constexpr int depthwise_pitch(int channels) { return round_up(channels, tile_shape(channels, 1).vectors * lanes); }

/// Out channels of one group from In channels, or each from its own if Depthwise (In is 1); the padded image has Pitch
/// floats a pixel. It may be spread: zeros but for every SpreadH-th row and SpreadW-th column. Then neighbours in a
/// tile are SpreadW pixels apart, so that the same taps of all of them fall on zeros and are left out.
template <int In, int Out, bool Depthwise, int Pitch, int OutWidth, int R, int S, int StrideW, int DilationH,
          int DilationW, int SpreadH, int SpreadW>
struct Direct {
  static constexpr TileShape tile = tile_shape(Out, OutWidth < SpreadW ? 1 : OutWidth / SpreadW);
  static constexpr int width = tile.vectors * lanes;  // output channels of one tile
  static constexpr int blocks = (Out + width - 1) / width;
  static constexpr std::int64_t block_floats = std::int64_t{R} * S * In * width;
  static constexpr std::int64_t packed_floats = blocks * block_floats;

  /// Packs weights as [block][tap][in][width], zero where there is no output channel.
  /// `weight(tap_row, tap_column, in, out)` is the convolution's weight.
  template <class Weight>
  static void pack(float* packed, int block, Weight weight) {
    float* w = packed + block * block_floats;
    for (int r = 0; r < R; ++r)
      for (int s = 0; s < S; ++s)
        for (int c = 0; c < In; ++c)
          for (int k = block * width; k < (block + 1) * width; ++k) *w++ = k < Out ? weight(r, s, c, k) : 0.0f;
  }

  /// out[pixel][width] = sum over taps and channels, for tile.pixels pixels. rows: those of the image that the window's
  /// rows of taps are on; `x` floats into them is the first tap's pixel, which is `row` rows and `column` columns
  /// behind one that is not zero.
  [[gnu::noinline]] static void compute(const float* const (&rows)[R], int x, const float* w, float* out, int row,
                                        int column) {
    Vector sum[tile.pixels][tile.vectors] = {};
    for (int r = 0; r < R; ++r)
      for (int s = 0; s < S; ++s) {
        if ((row + r * DilationH) % SpreadH != 0 || (column + s * DilationW) % SpreadW != 0) {
          w += In * width;
          continue;
        }
        const float* tap = rows[r] + x + s * DilationW * Pitch;
        for (int c = 0; c < In; ++c, w += width) {
          Vector weights[tile.vectors];
          unroll<tile.vectors>([&](int v) INLAY_LAMBDA { weights[v] = load_vector(w + v * lanes); });
          unroll<tile.pixels>([&](int i) INLAY_LAMBDA {
            const float* pixel = tap + i * (StrideW * SpreadW) * Pitch + c;
            unroll<tile.vectors>([&](int v) INLAY_LAMBDA {
              const Vector value = Depthwise ? load_vector(pixel + v * lanes) : splat(*pixel);
              sum[i][v] = multiply_add(value, weights[v], sum[i][v]);
            });
          });
        }
      }
    unroll<tile.pixels>([&](int i) INLAY_LAMBDA {
      unroll<tile.vectors>([&](int v) INLAY_LAMBDA { store_vector(out + i * width + v * lanes, sum[i][v]); });
    });
  }
};

/// Weight gradient of some rows of an image: partial[tap][in][out] += x[pixel + tap][in] * dy[pixel][out].
/// Of the padded image x, with Columns pixels a row and Pitch floats a pixel, `ring` rows are kept: row j is at
/// j % ring. dy has OutWidth pixels a row and OutPitch floats a pixel. If Depthwise, `in` is 0 and `out` also counts
/// the channels of x.
template <int In, int Out, bool Depthwise, int Pitch, int OutPitch, int Columns, int OutHeight, int OutWidth, int R,
          int S, int StrideH, int StrideW, int DilationH, int DilationW>
struct DirectWeightGradient {
  static constexpr int accumulators = vector_registers == 32 ? 24 : 12;
  /// What shares a pass over the pixels: some taps and input channels, and vectors of output channels.
  struct Shape {
    int vectors, taps, channels;

    constexpr explicit Shape(int v)
        : vectors(v),
          taps(R * S * v <= accumulators ? R * S
               : S * v <= accumulators   ? S
                                         : 1),
          channels(1) {
      for (int n = 2; n * taps * v <= accumulators && n <= In; ++n)
        if (In % n == 0) channels = n;
    }
    constexpr bool fits() const { return vectors * (taps * channels + 1) < vector_registers; }
    /// For each product, half-cycles: it takes one, and so does each load; a sum waits four cycles for the last.
    constexpr double cost() const {
      const int products = taps * channels * vectors, loads = vectors + taps * channels * (Depthwise ? vectors : 1);
      return double(std::max({products, loads, 8})) / products;
    }
  };
  static constexpr Shape shape = [] {
    Shape best(1);
    for (int v = 2; v <= 4; ++v)
      if (Out / lanes % v == 0 && Shape(v).fits() && Shape(v).cost() <= best.cost()) best = Shape(v);
    return best;
  }();
  static constexpr int vectors = shape.vectors, taps = shape.taps, channels = shape.channels, width = vectors * lanes;
  static constexpr int rows = [] {
    // Of each pixel a pass reads a cache line of x and `width` floats of dy.
    const int n = 28 * 1024 / (OutWidth * (width * 4 + 64));
    return n < 1 ? 1 : n > OutHeight ? OutHeight : n;
  }();
  static constexpr int kept = (R - 1) * DilationH + 1;  // rows that one of dy needs
  static constexpr int ring = (rows - 1) * StrideH + kept;

  /// Rows first, ..., end - 1, no more than `rows`; dy begins with the first of them.
  static void accumulate(const float* x, const float* dy, int first, int end, float* partial) {
    for (int k = 0; k < Out; k += width)
      for (int t = 0; t < R * S; t += taps)
        for (int c = 0; c < In; c += channels)
          pass(x + t % S * DilationW * Pitch + (Depthwise ? k : c), t / S, dy + k, first, end,
               partial + (std::int64_t{t} * In + c) * Out + k);
  }

 private:
  [[gnu::noinline]] static void pass(const float* x, int first_tap, const float* dy, int first, int end,
                                     float* partial) {
    Vector sum[taps][channels][vectors] = {};
    for (int p = first; p < end; ++p) {
      const float* row[(taps + S - 1) / S];  // of each row of taps
      for (int r = 0; r < (taps + S - 1) / S; ++r)
        row[r] = x + (p * StrideH + (first_tap + r) * DilationH) % ring * (Columns * Pitch);
      const float* d = dy + (p - first) * OutWidth * OutPitch;
      for (int q = 0; q < OutWidth; ++q, d += OutPitch) {
        Vector gradient[vectors];
        unroll<vectors>([&](int v) INLAY_LAMBDA { gradient[v] = load_vector(d + v * lanes); });
        unroll<taps>([&](int t) INLAY_LAMBDA {
          unroll<channels>([&](int c) INLAY_LAMBDA {
            const float* pixel = row[t / S] + (q * StrideW + t % S * DilationW) * Pitch + c;
            unroll<vectors>([&](int v) INLAY_LAMBDA {
              const Vector value = Depthwise ? load_vector(pixel + v * lanes) : splat(*pixel);
              sum[t][c][v] = multiply_add(value, gradient[v], sum[t][c][v]);
            });
          });
        });
      }
    }
    unroll<taps>([&](int t) INLAY_LAMBDA {
      unroll<channels>([&](int c) INLAY_LAMBDA {
        unroll<vectors>([&](int v) INLAY_LAMBDA {
          float* to = partial + (std::int64_t{t} * In + c) * Out + v * lanes;
          store_vector(to, load_vector(to) + sum[t][c][v]);
        });
      });
    });
  }
};

}  // namespace inlay::cpu
