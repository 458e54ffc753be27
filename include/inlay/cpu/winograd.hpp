// Winograd's minimal filtering F(m x m, 3 x 3): a tile of m x m outputs from (m + 2)^2 inputs with (m + 2)^2 products,
// 36 instead of 144 for m = 4 and 16 instead of 36 for m = 2.
//
//   Y = A^T [ (G g G^T) . (B^T d B) ] A        forward, with d the inputs of the tile and g the 3 x 3 weights
//   dW = G^T [ sum over tiles (B^T d B) . (A dy A^T) ] G      weight gradient
//
// Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016.
#pragma once

#include <inlay/cpu/vector.hpp>

#include <type_traits>

namespace inlay::cpu::winograd {

/// The one-dimensional transforms of tiles of `Tile` outputs: from `tile`, 3 or `patch` values to `patch`, `tile` or 3.
///   input B^T d, weight G g, output A^T m, gradient A e, weight_gradient G^T u
template <int Tile>
struct Transforms;

/// F(2 x 2, 3 x 3), interpolated at 0, 1, -1 and infinity, frequencies in that order.
template <>
struct Transforms<2> {
  static constexpr int tile = 2, patch = 4;

  template <class V>
  INLAY_INLINE static void input(const V (&d)[4], V (&t)[4]) {
    t[0] = d[0] - d[2];
    t[1] = d[2] + d[1];
    t[2] = d[2] - d[1];
    t[3] = d[3] - d[1];
  }
  template <class V>
  INLAY_INLINE static void weight(const V (&g)[3], V (&t)[4]) {
    const V even = 0.5f * (g[0] + g[2]), odd = 0.5f * g[1];
    t[0] = g[0];
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = g[2];
  }
  template <class V>
  INLAY_INLINE static void output(const V (&m)[4], V (&y)[2]) {
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[3] + m[1] - m[2];
  }
  template <class V>
  INLAY_INLINE static void gradient(const V (&e)[2], V (&t)[4]) {
    t[0] = e[0];
    t[1] = e[0] + e[1];
    t[2] = e[0] - e[1];
    t[3] = e[1];
  }
  template <class V>
  INLAY_INLINE static void weight_gradient(const V (&u)[4], V (&g)[3]) {
    const V even = 0.5f * (u[1] + u[2]);
    g[0] = u[0] + even;
    g[1] = 0.5f * (u[1] - u[2]);
    g[2] = u[3] + even;
  }
};

/// F(4 x 4, 3 x 3). The interpolation points are 0, +-3/4, +-3/2 and infinity: exact in binary, and with 2 to 2.5 times
/// the rounding error of direct summation, where the usual 0, +-1, +-2 have 4 to 9 times. Frequencies are in the order
/// 0, +a, -a, +b, -b, infinity.
template <>
struct Transforms<4> {
  static constexpr int tile = 4, patch = 6;
  static constexpr float a = 0.75f, b = 1.5f, a2 = a * a, b2 = b * b;
  static constexpr float n0 = 1 / (a2 * b2), na = 1 / (2 * a2 * (a2 - b2)), nb = 1 / (2 * b2 * (b2 - a2));

  template <class V>
  INLAY_INLINE static void input(const V (&d)[6], V (&t)[6]) {
    const V even_a = d[4] - b2 * d[2], odd_a = a * (d[3] - b2 * d[1]);
    const V even_b = d[4] - a2 * d[2], odd_b = b * (d[3] - a2 * d[1]);
    t[0] = d[4] - (a2 + b2) * d[2] + a2 * b2 * d[0];
    t[1] = even_a + odd_a;
    t[2] = even_a - odd_a;
    t[3] = even_b + odd_b;
    t[4] = even_b - odd_b;
    t[5] = d[5] - (a2 + b2) * d[3] + a2 * b2 * d[1];
  }

  template <class V>
  INLAY_INLINE static void weight(const V (&g)[3], V (&t)[6]) {
    const V even_a = na * (g[0] + a2 * g[2]), odd_a = na * (a * g[1]);
    const V even_b = nb * (g[0] + b2 * g[2]), odd_b = nb * (b * g[1]);
    t[0] = n0 * g[0];
    t[1] = even_a + odd_a;
    t[2] = even_a - odd_a;
    t[3] = even_b + odd_b;
    t[4] = even_b - odd_b;
    t[5] = g[2];
  }

  template <class V>
  INLAY_INLINE static void output(const V (&m)[6], V (&y)[4]) {
    const V even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
    y[0] = m[0] + even_a + even_b;
    y[1] = a * odd_a + b * odd_b;
    y[2] = a2 * even_a + b2 * even_b;
    y[3] = m[5] + a2 * a * odd_a + b2 * b * odd_b;
  }

  template <class V>
  INLAY_INLINE static void gradient(const V (&e)[4], V (&t)[6]) {
    const V even_a = e[0] + a2 * e[2], odd_a = a * e[1] + a2 * a * e[3];
    const V even_b = e[0] + b2 * e[2], odd_b = b * e[1] + b2 * b * e[3];
    t[0] = e[0];
    t[1] = even_a + odd_a;
    t[2] = even_a - odd_a;
    t[3] = even_b + odd_b;
    t[4] = even_b - odd_b;
    t[5] = e[3];
  }

  template <class V>
  INLAY_INLINE static void weight_gradient(const V (&u)[6], V (&g)[3]) {
    const V even_a = na * (u[1] + u[2]), odd_a = na * (u[1] - u[2]);
    const V even_b = nb * (u[3] + u[4]), odd_b = nb * (u[3] - u[4]);
    g[0] = n0 * u[0] + even_a + even_b;
    g[1] = a * odd_a + b * odd_b;
    g[2] = a2 * even_a + b2 * even_b + u[5];
  }
};

/// F(6 x 6, 3 x 3), interpolated at 0, +-1/2, +-2, infinity and +-1, frequencies in that order: forward only. About
/// four times the rounding error of F(4 x 4).
template <>
struct Transforms<6> {
  static constexpr int tile = 6, patch = 8;

  template <class V>
  INLAY_INLINE static void input(const V (&d)[8], V (&t)[8]) {
    const V even_h = d[6] + 4 * d[2] - 5 * d[4], odd_h = 2 * d[1] - 2.5f * d[3] + 0.5f * d[5];
    const V even_2 = d[6] + 0.25f * d[2] - 1.25f * d[4], odd_2 = 0.5f * d[1] - 2.5f * d[3] + 2 * d[5];
    const V even_1 = d[2] + d[6] - 4.25f * d[4], odd_1 = d[1] + d[5] - 4.25f * d[3];
    t[0] = d[0] - d[6] + 5.25f * (d[4] - d[2]);
    t[1] = even_h + odd_h;
    t[2] = even_h - odd_h;
    t[3] = even_2 + odd_2;
    t[4] = even_2 - odd_2;
    t[5] = d[7] - d[1] + 5.25f * (d[3] - d[5]);
    t[6] = even_1 + odd_1;
    t[7] = even_1 - odd_1;
  }
  template <class V>
  INLAY_INLINE static void weight(const V (&g)[3], V (&t)[8]) {
    constexpr float h = 1.0f / 45, two = 1.0f / 90, one = -2.0f / 9;
    const V even_h = h * (g[0] + 0.25f * g[2]), odd_h = h * (0.5f * g[1]);
    const V even_2 = two * (g[0] + 4 * g[2]), odd_2 = two * (2 * g[1]);
    const V even_1 = one * (g[0] + g[2]), odd_1 = one * g[1];
    t[0] = g[0];
    t[1] = even_h + odd_h;
    t[2] = even_h - odd_h;
    t[3] = even_2 + odd_2;
    t[4] = even_2 - odd_2;
    t[5] = g[2];
    t[6] = even_1 + odd_1;
    t[7] = even_1 - odd_1;
  }
  template <class V>
  INLAY_INLINE static void output(const V (&m)[8], V (&y)[6]) {
    const V even_h = m[1] + m[2], odd_h = m[1] - m[2], even_2 = m[3] + m[4], odd_2 = m[3] - m[4];
    const V even_1 = m[6] + m[7], odd_1 = m[6] - m[7];
    y[0] = m[0] + even_1 + even_2 + 32 * even_h;
    y[1] = odd_1 + 2 * odd_2 + 16 * odd_h;
    y[2] = even_1 + 4 * even_2 + 8 * even_h;
    y[3] = odd_1 + 8 * odd_2 + 4 * odd_h;
    y[4] = even_1 + 16 * even_2 + 2 * even_h;
    y[5] = m[5] + odd_1 + 32 * odd_2 + odd_h;
  }
};

/// F(4 x 4, 3 x 3) with the first six of F(6 x 6)'s frequencies, and its transformed weights: the factors that differ
/// are the input's.
struct SmallTransforms {
  static constexpr int tile = 4, patch = 6;

  template <class V>
  INLAY_INLINE static void input(const V (&d)[6], V (&t)[6]) {
    const V even_h = 3 * d[2] - 0.75f * d[4], odd_h = 1.5f * d[1] - 0.375f * d[3];
    const V even_2 = 3 * d[4] - 0.75f * d[2], odd_2 = 6 * d[3] - 1.5f * d[1];
    t[0] = d[0] + d[4] - 4.25f * d[2];
    t[1] = even_h + odd_h;
    t[2] = even_h - odd_h;
    t[3] = even_2 + odd_2;
    t[4] = even_2 - odd_2;
    t[5] = d[5] + d[1] - 4.25f * d[3];
  }
  template <class V>
  INLAY_INLINE static void output(const V (&m)[6], V (&y)[4]) {
    const V even_h = m[1] + m[2], odd_h = m[1] - m[2], even_2 = m[3] + m[4], odd_2 = m[3] - m[4];
    y[0] = m[0] + even_2 + 32 * even_h;
    y[1] = 2 * odd_2 + 16 * odd_h;
    y[2] = 4 * even_2 + 8 * even_h;
    y[3] = m[5] + 8 * odd_2 + 4 * odd_h;
  }
};

/// Of an axis of a tile: Transforms<Tile>, or those of the smaller tiles beside it.
template <int Tile, bool Small>
using TransformsOf = std::conditional_t<Small, SmallTransforms, Transforms<Tile>>;

/// Rows of a transform that share most of their sums, two at a time.
template <int Out>
inline constexpr int row_pairs[3][2] = {{0, 5}, {1, 2}, {3, 4}};
template <>
inline constexpr int row_pairs<4>[2][2] = {{0, 2}, {1, 3}};
template <>
inline constexpr int row_pairs<3>[2][2] = {{0, 2}, {1, 1}};
template <>
inline constexpr int row_pairs<2>[1][2] = {{0, 1}};

/// Applies a transform of In to Out values to the columns and then to the rows of a square: out[Out][Out] from
/// in[In][In]. `read(i, j)` gives an element, `write(i, j, v)` takes one. Two rows at a time, which stay in registers:
/// to read elements again costs less than to keep them.
template <int In, int Out, class Transform, class Read, class Write>
INLAY_INLINE void square(Transform transform, Read read, Write write) {
  unroll<(Out + 1) / 2>([&](int pair) INLAY_LAMBDA {
    const int first = row_pairs<Out>[pair][0], second = row_pairs<Out>[pair][1];
    Vector rows[2][In];
    unroll<In>([&](int j) INLAY_LAMBDA {
      Vector column[In], t[Out];
      unroll<In>([&](int i) INLAY_LAMBDA { column[i] = read(i, j); });
      transform(column, t);
      rows[0][j] = t[first];
      rows[1][j] = t[second];
    });
    Vector t[Out];
    transform(rows[0], t);
    unroll<Out>([&](int j) INLAY_LAMBDA { write(first, j, t[j]); });
    if (first == second) return;
    transform(rows[1], t);
    unroll<Out>([&](int j) INLAY_LAMBDA { write(second, j, t[j]); });
  });
}

/// The same in loops, for the larger tiles: columns first, then rows, by transforms of their own. What lies between
/// them does not fit into registers anyway; each column or row does if there are 32.
template <int InDown, int OutDown, int InAcross, int OutAcross, class Down, class Across, class Read, class Write>
INLAY_INLINE void rectangle(Down down, Across across, Read read, Write write) {
  auto hold = [](Vector& v) INLAY_LAMBDA {
    if constexpr (vector_registers == 32) keep_in_register(v);
  };
  Vector half[OutDown][InAcross];
  for (int j = 0, columns = unknown(InAcross); j < columns; ++j) {
    Vector column[InDown], t[OutDown];
    unroll<InDown>([&](int i) INLAY_LAMBDA {
      column[i] = read(i, j);
      hold(column[i]);
    });
    down(column, t);
    unroll<OutDown>([&](int i) INLAY_LAMBDA { half[i][j] = t[i]; });
  }
  for (int i = 0, rows = unknown(OutDown); i < rows; ++i) {
    Vector row[InAcross], t[OutAcross];
    unroll<InAcross>([&](int j) INLAY_LAMBDA {
      row[j] = half[i][j];
      hold(row[j]);
    });
    across(row, t);
    unroll<OutAcross>([&](int j) INLAY_LAMBDA { write(i, j, t[j]); });
  }
}

// The transforms of tiles in memory. They are functions of few sizes and not inlined, so that kernels of equal sizes
// share them: unrolled as they are, a compiler takes long over each.

/// B^T d B of Channels channels (whole vectors). rows: where each of the patch's rows begins, pixels being PixelFloats
/// apart; frequency (i, j) goes to `to + (i * Transforms<Tile>::patch + j) * Step`.
template <int Tile, bool SmallDown, bool SmallAcross, int Channels, int PixelFloats, int Step>
[[gnu::noinline]] void transform_input(const float* const (&rows)[Transforms<Tile>::patch], float* to) {
  using Down = TransformsOf<Tile, SmallDown>;
  using Across = TransformsOf<Tile, SmallAcross>;
  auto down = [](const auto& d, auto& v) INLAY_LAMBDA { Down::input(d, v); };
  auto across = [](const auto& d, auto& v) INLAY_LAMBDA { Across::input(d, v); };
  for (int c = 0; c < Channels; c += lanes) {
    auto read = [&](int i, int j) INLAY_LAMBDA { return load_vector(rows[i] + c + j * PixelFloats); };
    auto write = [&](int i, int j, Vector v)
                     INLAY_LAMBDA { store_vector(to + (i * Transforms<Tile>::patch + j) * Step + c, v); };
    if constexpr (Tile == 6)
      rectangle<Down::patch, Down::patch, Across::patch, Across::patch>(down, across, read, write);
    else square<Down::patch, Down::patch>(down, read, write);
  }
}

/// A dy A^T of Channels channels of an image with rows of RowFloats.
template <int Tile, int Channels, int RowFloats, int Step>
[[gnu::noinline]] void transform_gradient(const float* dy, float* to) {
  using T = Transforms<Tile>;
  for (int k = 0; k < Channels; k += lanes)
    square<Tile, T::patch>(
        [](const auto& e, auto& d) INLAY_LAMBDA { T::gradient(e, d); },
        [&](int i, int j) INLAY_LAMBDA { return load_vector(dy + i * RowFloats + j * Channels + k); },
        [&](int i, int j, Vector d) INLAY_LAMBDA { store_vector(to + (i * T::patch + j) * Step + k, d); });
}

/// A^T m A of Channels channels (whole vectors), from frequencies that lie as transform_input puts them:
/// pixels[Tile][Tile][Channels].
template <int Tile, bool SmallDown, bool SmallAcross, int Channels, int Step>
[[gnu::noinline]] void transform_output(const float* m, float* pixels) {
  using Down = TransformsOf<Tile, SmallDown>;
  using Across = TransformsOf<Tile, SmallAcross>;
  auto down = [](const auto& x, auto& y) INLAY_LAMBDA { Down::output(x, y); };
  auto across = [](const auto& x, auto& y) INLAY_LAMBDA { Across::output(x, y); };
  for (int k = 0; k < Channels; k += lanes) {
    auto read = [&](int i, int j)
                    INLAY_LAMBDA { return load_vector(m + (i * Transforms<Tile>::patch + j) * Step + k); };
    auto write = [&](int i, int j, Vector y) INLAY_LAMBDA { store_vector(pixels + (i * Tile + j) * Channels + k, y); };
    if constexpr (Tile == 6) rectangle<Down::patch, Down::tile, Across::patch, Across::tile>(down, across, read, write);
    else square<Down::patch, Down::tile>(down, read, write);
  }
}

/// G g G^T of a vector of channels; g[3 r + s]. Frequency f goes to `to + f * step`.
template <int Tile>
[[gnu::noinline]] void transform_weights(const Vector (&g)[9], float* to, std::int64_t step) {
  using T = Transforms<Tile>;
  auto weight = [](const auto& x, auto& u) INLAY_LAMBDA { T::weight(x, u); };
  auto read = [&](int r, int s) INLAY_LAMBDA { return g[3 * r + s]; };
  auto write = [&](int i, int j, Vector v) INLAY_LAMBDA { store_vector(to + (i * T::patch + j) * step, v); };
  if constexpr (Tile == 6) rectangle<3, T::patch, 3, T::patch>(weight, weight, read, write);
  else square<3, T::patch>(weight, read, write);
}

/// G^T u G of a vector of channels; u[f]. Tap 3 r + s goes to `to + (3 r + s) * step`.
template <int Tile>
[[gnu::noinline]] void transform_weight_gradient(const Vector (&u)[Transforms<Tile>::patch * Transforms<Tile>::patch],
                                                 float* to, std::int64_t step) {
  using T = Transforms<Tile>;
  square<T::patch, 3>([](const auto& x, auto& g) INLAY_LAMBDA { T::weight_gradient(x, g); },
                      [&](int i, int j) INLAY_LAMBDA { return u[i * T::patch + j]; },
                      [&](int r, int s, Vector g) INLAY_LAMBDA { store_vector(to + (3 * r + s) * step, g); });
}

}  // namespace inlay::cpu::winograd
