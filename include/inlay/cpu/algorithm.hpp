// Which algorithm computes a contraction on the CPU: the one place where that is decided, by an estimate of the cycles
// that each would take. `direct` can do everything, the others say here what they are for.
#pragma once

#include <inlay/core/numerics.hpp>
#include <inlay/cpu/vector.hpp>
#include <inlay/graph/op.hpp>

namespace inlay::cpu {

enum class Algorithm : std::uint8_t {
  matrix,        ///< one-pixel windows: a matrix product whose rows are the pixels of all samples
  compressed,    ///< the same, for dense layers, with weights kept in bf16
  winograd_2x2,  ///< F(2x2, 3x3)
  winograd_4x4,  ///< F(4x4, 3x3)
  winograd_6x6,  ///< F(6x6, 3x3), with tiles of 4 where a side is not a multiple of 6
  direct,        ///< the sums as they are written, register-blocked
};

constexpr const char* name_of(Algorithm algorithm) {
  constexpr const char* names[] = {"matrix product",       "matrix product with weights in bf16",
                                   "Winograd F(2x2, 3x3)", "Winograd F(4x4, 3x3)",
                                   "Winograd F(6x6, 3x3)", "direct sums"};
  return names[static_cast<int>(algorithm)];
}

/// Outputs along a side of a tile; 0 if it is not Winograd's.
constexpr int winograd_tile(Algorithm algorithm) {
  return algorithm == Algorithm::winograd_2x2   ? 2
         : algorithm == Algorithm::winograd_4x4 ? 4
         : algorithm == Algorithm::winograd_6x6 ? 6
                                                : 0;
}

/// The tiles along a side of an image: `large` ones of `size` outputs, then `small` ones of `small_size`, which is the
/// same but for size 6. A tile of n outputs needs n + 2 products along the side.
struct TiledSide {
  int size, small_size, large, small;

  constexpr TiledSide(int tile, int extent)
      : size(tile), small_size(tile == 6 ? 4 : tile), large((extent + tile - 1) / tile), small(0) {
    if (size == small_size) return;
    for (int n = large - 1, best = products(); n >= 0; --n) {
      const TiledSide other(tile, n, (extent - n * tile + small_size - 1) / small_size);
      if (other.products() > best) continue;
      best = other.products();
      *this = other;
    }
  }
  constexpr int count() const { return large + small; }
  constexpr bool is_small(int i) const { return i >= large; }
  constexpr int size_of(int i) const { return is_small(i) ? small_size : size; }
  /// The first output of tile i; of tile count(), the end.
  constexpr int first(int i) const { return is_small(i) ? large * size + (i - large) * small_size : i * size; }
  constexpr int products() const { return large * (size + 2) + small * (small_size + 2); }

 private:
  constexpr TiledSide(int tile, int of_size, int of_small_size)
      : size(tile), small_size(tile == 6 ? 4 : tile), large(of_size), small(of_small_size) {}
};

/// Tiles that a weight gradient sums before it adds to what was there before: 56 of size 4, 126 of size 2.
constexpr int summed_tiles(int tile) { return 2016 / ((tile + 2) * (tile + 2)); }
/// Whole images, of so many tiles, in a block; 1 if an image is larger than that.
constexpr int images_in(int block, int tiles) { return block > tiles ? block / tiles : 1; }

/// Should transformed weights of Winograd, so many floats, stay in the second-level cache from sample to sample? On
/// Intel's servers since Sapphire Rapids, told by AVX-512 FP16, the third gives a core 9 bytes a cycle while what they
/// replace goes the other way (Emerald Rapids; AMD's give 27), and the second has 2 MiB.
constexpr bool stay_cached([[maybe_unused]] std::int64_t weights) {
#if defined(__AVX512FP16__)
  return weights <= 256 * 1024;
#else
  return false;
#endif
}

/// What a user lets it choose from. `weights`: how dense layers may keep theirs, fp32 or bf16.
struct Policy {
  Numerics numerics = Numerics::fast;
  Precision weights = Precision::fp32;
};

/// A contraction as kernel::Contraction has it: x is h x w x c, y is p x q x k, and the weights are r x s x c / groups
/// x k. pool: of its epilogue, 1 x 1 if there is none.
struct Problem {
  Mode mode;
  bool batched;
  int h, w, c, p, q, k, r, s;
  int stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w, groups;
  int pool_h = 1, pool_w = 1;

  constexpr bool is_pixelwise() const {
    return r == 1 && s == 1 && stride_h == 1 && stride_w == 1 && groups == 1 && pad_top == 0 && pad_left == 0 &&
           p == h && q == w;
  }
  constexpr bool is_3x3() const {
    return r == 3 && s == 3 && stride_h == 1 && stride_w == 1 && dilation_h == 1 && dilation_w == 1 && groups == 1;
  }
};

/// How a kernel goes about its products: `rows` (pixels, tiles, weights) of so many vectors of channels are summed in
/// registers, and `block` rows share a pass over the weights; of a weight gradient, so many pixels or tiles are summed
/// in a pass.
struct Blocking {
  int rows, vectors, block;
};

/// The estimate: cycles of one sample on one thread of a processor that starts two vector operations a cycle.
namespace estimate {

/// Bytes a cycle that a product streams weights at, from the cache that holds them.
constexpr double bytes_a_cycle(double bytes) {
  return bytes < 1 << 20 ? 48 : bytes < 32 << 20 ? 27 : 5;  // second level, third level, memory
}
constexpr double longer(double a, double b) { return a > b ? a : b; }
constexpr int vectors(int channels) { return (channels + lanes - 1) / lanes; }

/// A product of `rows` x `depth` x `columns`, at 95 % of the peak; what has `depth` rows passes once for every
/// `sharing` of the others.
constexpr double product(double rows, double depth, int columns, double sharing) {
  const double bytes = 4 * depth * vectors(columns) * lanes;
  return longer(rows * depth * vectors(columns) / 2 / 0.95, bytes * rows / sharing / bytes_a_cycle(bytes));
}
/// The sums over `rows` of the products of `depth` x `columns`, which are read and written once for `samples`.
constexpr double summed_product(double rows, double depth, int columns, int samples) {
  const double bytes = 4 * depth * vectors(columns) * lanes;
  return rows * depth * vectors(columns) / 2 / 0.95 + 2 * bytes / bytes_a_cycle(bytes) / samples;
}

/// Transforms of a tile, a vector of channels: `operations` of two a cycle, or the reads and writes between the caches
/// of the first and second level, where a block lies, at 32 bytes a cycle.
constexpr double transform(double operations, double moved) { return longer(operations / 2, moved * 4 * lanes / 32); }

constexpr double direct(const Problem& a) {
  const bool gradient = a.mode == Mode::data_gradient;
  const int in = (gradient ? a.k : a.c) / a.groups, out = (gradient ? a.c : a.k) / a.groups;
  const double pixels = double(gradient ? a.h : a.p) * (gradient ? a.w : a.q), depth = double(a.r) * a.s * in;
  return a.groups *
         (a.mode == Mode::weight_gradient ? summed_product(pixels, depth, out, 1) : product(pixels, depth, out, 7));
}

constexpr double winograd(int tile, const Problem& a) {
  const bool gradient = a.mode == Mode::data_gradient;
  const int rows = gradient ? a.h : a.p, columns = gradient ? a.w : a.q;
  const int in = gradient ? a.k : a.c, out = gradient ? a.c : a.k;
  const TiledSide down(tile, rows), across(tile, columns);
  const int tiles = down.count() * across.count(), frequencies = (tile + 2) * (tile + 2);
  const double products = down.products() * across.products(), pixels = double(tile) * tile;
  const double input = transform(tile == 6 ? 400 : tile == 4 ? 144 : 32, 2 * frequencies);
  const double output = transform(tile == 6 ? 280 : tile == 4 ? 100 : 24, frequencies + 2 * pixels);
  return tiles * (vectors(in) * input + vectors(out) * output) +
         (a.mode == Mode::weight_gradient
              ? summed_product(tiles, frequencies * round_up(in, 8), out, images_in(summed_tiles(tile), tiles))
              : product(products / frequencies, frequencies * in, out, a.batched || tiles > 7 ? 7 : tiles));
}

}  // namespace estimate

constexpr double cycles(Algorithm algorithm, const Problem& a) {
  const int tile = winograd_tile(algorithm);
  return tile > 0 ? estimate::winograd(tile, a) : estimate::direct(a);
}

/// Can one of Winograd's algorithms compute it, pooling included?
constexpr bool is_possible(Algorithm algorithm, const Problem& a) {
  const int tile = winograd_tile(algorithm);
  const bool weights = a.mode == Mode::weight_gradient;
  if (!a.is_3x3() || (weights && (!a.batched || tile == 6))) return false;
  const TiledSide side(tile, tile);
  return side.size % a.pool_h == 0 && side.size % a.pool_w == 0 && side.small_size % a.pool_h == 0 &&
         side.small_size % a.pool_w == 0;
}

constexpr Algorithm choose(const Problem& a, Policy policy) {
  if (a.is_pixelwise() && a.pool_h * a.pool_w == 1) {
    const bool dense = a.mode == Mode::forward && a.batched && a.h * a.w == 1;
    return dense && policy.weights == Precision::bf16 ? Algorithm::compressed : Algorithm::matrix;
  }
  Algorithm best = Algorithm::direct;
  if (policy.numerics == Numerics::exact) return best;
  constexpr Algorithm others[] = {Algorithm::winograd_2x2, Algorithm::winograd_4x4, Algorithm::winograd_6x6};
  for (const Algorithm other : others) {
    // F(6x6) has fewer products, but 1.8 times the weights.
    if (other == Algorithm::winograd_6x6 && stay_cached(36 * std::int64_t{a.c} * a.k)) continue;
    if (is_possible(other, a) && cycles(other, a) < cycles(best, a)) best = other;
  }
  return best;
}

}  // namespace inlay::cpu
