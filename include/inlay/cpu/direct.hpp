// Direct convolution on one padded image in scratch memory: the inner loops, with every size static. Output channels
// lie along the vector; a tile of pixels x vectors of accumulators stays in registers while the taps and input
// channels run (7 x 4 vectors reach 98 % of the FMA peak with g++ and AVX-512). The forward pass and the data
// gradient are both this loop, with differently packed weights. In a depthwise convolution, where each output channel
// has one input channel to itself, the input channels lie along the vector too.
#pragma once

#include <inlay/cpu/runner.hpp>

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

/// Out channels of one group from In channels, or each from its own if Depthwise (In is 1); the padded image has
/// Columns pixels a row and Pitch floats a pixel. It may be spread: zeros but for every SpreadH-th row and SpreadW-th
/// column. Then neighbours in a tile are SpreadW pixels apart, so that the same taps of all of them fall on zeros and
/// are left out.
template <int In, int Out, bool Depthwise, int Columns, int Pitch, int OutWidth, int R, int S, int StrideW,
          int DilationH, int DilationW, int SpreadH, int SpreadW>
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

  /// out[pixel][width] = sum over taps and channels, for tile.pixels pixels from `x` on (x: the first tap's pixel,
  /// which is `row` rows and `column` columns behind one that is not zero).
  [[gnu::noinline]] static void compute(const float* x, const float* w, float* out, int row, int column) {
    Vector sum[tile.pixels][tile.vectors] = {};
    for (int r = 0; r < R; ++r)
      for (int s = 0; s < S; ++s) {
        if ((row + r * DilationH) % SpreadH != 0 || (column + s * DilationW) % SpreadW != 0) {
          w += In * width;
          continue;
        }
        const float* tap = x + (r * DilationH * Columns + s * DilationW) * Pitch;
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

/// Weight gradient of one image: partial[tap][in][out] += x[pixel + tap][in] * dy[pixel][out].
/// x has Columns pixels a row and Pitch floats a pixel, dy has OutWidth pixels a row and OutPitch floats a pixel. If
/// Depthwise, `in` is 0 and `out` also counts the channels of x.
template <int In, bool Depthwise, int Pitch, int OutPitch, int Columns, int OutHeight, int OutWidth, int R, int S,
          int StrideH, int StrideW, int DilationH, int DilationW>
struct DirectWeightGradient {
  static constexpr int accumulators = vector_registers == 32 ? 24 : 12;
  static constexpr int vectors = [] {
    const int widest = vector_registers == 32 ? 4 : 2, needed = OutPitch / lanes;
    for (int v = widest; v > 1; --v)
      if (needed % v == 0) return v;
    return 1;
  }();
  /// Taps and input channels that share a pass over the pixels.
  static constexpr int taps = R * S * vectors <= accumulators ? R * S : S * vectors <= accumulators ? S : 1;
  static constexpr int channels = [] {
    int n = accumulators / (taps * vectors);
    if (n < 1) n = 1;
    while (In % n != 0) --n;
    return n;
  }();
  static constexpr int width = vectors * lanes;
  static constexpr int rows = [] {
    // Of each pixel a pass reads a cache line of x and `width` floats of dy.
    const int n = 28 * 1024 / (OutWidth * (width * 4 + 64));
    return n < 1 ? 1 : n > OutHeight ? OutHeight : n;
  }();

  static void accumulate(const float* x, const float* dy, float* partial) {
    for (int p = 0; p < OutHeight; p += rows) {
      const int end = p + rows < OutHeight ? p + rows : OutHeight;
      for (int k = 0; k < OutPitch; k += width)
        for (int t = 0; t < R * S; t += taps)
          for (int c = 0; c < In; c += channels)
            pass(x + (t / S * DilationH * Columns + t % S * DilationW) * Pitch + (Depthwise ? k : c), dy + k, p, end,
                 partial + (std::int64_t{t} * In + c) * OutPitch + k);
    }
  }

 private:
  [[gnu::noinline]] static void pass(const float* x, const float* dy, int first, int end, float* partial) {
    Vector sum[taps][channels][vectors] = {};
    for (int p = first; p < end; ++p) {
      const float* row = x + p * StrideH * Columns * Pitch;
      const float* d = dy + p * OutWidth * OutPitch;
      for (int q = 0; q < OutWidth; ++q, d += OutPitch, row += StrideW * Pitch) {
        Vector gradient[vectors];
        unroll<vectors>([&](int v) INLAY_LAMBDA { gradient[v] = load_vector(d + v * lanes); });
        unroll<taps>([&](int t) INLAY_LAMBDA {
          unroll<channels>([&](int c) INLAY_LAMBDA {
            const float* pixel = row + (t / S * DilationH * Columns + t % S * DilationW) * Pitch + c;
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
          float* to = partial + (std::int64_t{t} * In + c) * OutPitch + v * lanes;
          store_vector(to, load_vector(to) + sum[t][c][v]);
        });
      });
    });
  }
};

}  // namespace inlay::cpu
