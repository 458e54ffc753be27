// How a block of threads brings tiles of a contraction's operands into shared memory. An element of A lies at a
// pixel and a tap; padding and everything outside of the matrix is 0. Each thread keeps one coordinate to itself (the
// one along which memory is contiguous, so that neighbouring threads read neighbours) and walks along the other;
// pixels that it passes are looked up in a table in shared memory.
#pragma once

#include <inlay/cuda/context.hpp>
#include <inlay/cuda/product.hpp>
#include <inlay/cuda/unroll.hpp>

namespace inlay::cuda {

/// Slot and element of a Body that is a plain load.
template <class B>
struct PlainLoad;
template <int S, Element E, class Index>
struct PlainLoad<kernel::Body<kernel::Load<S, E, Index>>> {
  static constexpr int slot = S;
  static constexpr Element element = E;
  static constexpr bool shared = Index::sample == 0;  // by the samples, as weights are
};

/// How many elements lie from one pixel to the next, of all samples one after another, in what a Body loads; 0 where
/// that differs from pixel to pixel, or may.
template <int Rows, int Columns, bool Batched, class B>
inline constexpr std::int64_t pixel_stride = 0;
template <int Rows, int Columns, bool Batched, int S, Element E, class I>
inline constexpr std::int64_t pixel_stride<Rows, Columns, Batched, kernel::Body<kernel::Load<S, E, I>>> = [] {
  constexpr std::int64_t stride = Columns > 1 ? I::s2 : Rows > 1 ? I::s1 : I::sample;
  constexpr bool rows_follow = Rows == 1 || I::s1 == Columns * stride;
  constexpr bool samples_follow = !Batched || (!I::gathered && I::sample == Rows * Columns * stride);
  return rows_follow && samples_follow ? stride : 0;
}();

/// Where A lies at a pixel of the result (weight gradient: of dy) and a tap: in x, or in dy where dx is computed.
/// `placed`: the pixel's sample is what `place` says.
template <class C, class Slots>
struct ElementOfA {
  Context<Slots> context;
  bool inside;  // 0 elsewhere

  INLAY_DEVICE ElementOfA(const Slots& slots, Pixel pixel, Tap tap, int group, bool placed = false)
      : context{slots, pixel.sample, 0, 0, 0, group * Product<C>::tap_channels + tap.channel} {
    context.placed = placed;
    using G = typename C::geometry;
    int &row = context.i1, &column = context.i2;
    if constexpr (C::mode == Mode::data_gradient) {  // p * stride + r * dilation - pad = h
      const int up = pixel.row + G::pad_top - tap.row * G::dilation_h;
      const int left = pixel.column + G::pad_left - tap.column * G::dilation_w;
      row = up / G::stride_h;
      column = left / G::stride_w;
      inside = up >= 0 && left >= 0 && up % G::stride_h == 0 && left % G::stride_w == 0 && row < G::P && column < G::Q;
    } else {
      row = pixel.row * G::stride_h + tap.row * G::dilation_h - G::pad_top;
      column = pixel.column * G::stride_w + tap.column * G::dilation_w - G::pad_left;
      inside = static_cast<unsigned>(row) < unsigned{G::H} && static_cast<unsigned>(column) < unsigned{G::W};
    }
  }
};
/// The prologue of A there.
template <class C, class Slots>
INLAY_DEVICE float element_of_a(const Slots& slots, Pixel pixel, Tap tap, int group, bool placed = false) {
  const ElementOfA<C, Slots> at(slots, pixel, tap, group, placed);
  return at.inside ? at.context.run(typename C::a{}) : 0.0f;
}

/// The weight at a position in R x S x C/groups x K; 0 at a negative one.
template <class C, class Slots>
INLAY_DEVICE float weight(const Slots& slots, int position) {
  using Load = PlainLoad<typename C::b>;
  static_assert(Load::shared);
  return position >= 0 ? widen<storage_t<Load::element>>(slots.template view<Load::element>(Load::slot)[position])
                       : 0.0f;
}
/// Copies eight weights, from there on, to chunk `to` (async_copy.hpp).
template <class C, class Slots, class Chunks>
INLAY_DEVICE void copy_weights(const Slots& slots, Chunks chunks, int to, int position) {
  using Load = PlainLoad<typename C::b>;
  static_assert(Load::shared);
  const Global<const storage_t<Load::element>> weights = slots.template view<Load::element>(Load::slot);
  copy_async<true>(chunks, to, weights, position, position >= 0 ? 8 : 0);
}
/// The position of B of a forward pass: depth counts R x S x C/groups. Negative where there is none.
template <class C>
INLAY_DEVICE int forward_position(int depth, int column, int group) {
  using P = Product<C>;
  const bool inside = depth < P::tapped && column < P::columns;
  return inside ? depth * C::geometry::K + group * P::group_outputs + column : -1;
}
/// That of a data gradient: the column is the input channel, the tap's channel the output channel.
template <class C>
INLAY_DEVICE int backward_position(Tap tap, int column, int group) {
  using P = Product<C>;
  using G = typename C::geometry;
  if (tap.row >= G::R || column >= P::columns) return -1;
  return ((tap.row * G::S + tap.column) * P::group_inputs + column) * G::K + group * P::group_outputs + tap.channel;
}

/// Where B of a weight gradient lies.
template <class C, class Slots>
struct ElementOfDy {
  Context<Slots> context;
  bool inside;  // 0 elsewhere

  INLAY_DEVICE ElementOfDy(const Slots& slots, Pixel pixel, int column, int group)
      : context{slots, pixel.sample, 0, pixel.row, pixel.column, group * Product<C>::group_outputs + column},
        inside(pixel.row >= 0 && column < Product<C>::columns) {}
};
/// The prologue of dy there.
template <class C, class Slots>
INLAY_DEVICE float element_of_dy(const Slots& slots, Pixel pixel, int column, int group) {
  const ElementOfDy<C, Slots> at(slots, pixel, column, group);
  return at.inside ? at.context.run(typename C::b{}) : 0.0f;
}

/// The part of a block in which one thread works.
struct Place {
  int row_tile, column_tile, group, thread;
};

/// Fetches a thread's share of the tiles into registers, and puts it from there into shared memory.
template <class C>
struct Operands {
  using P = Product<C>;
  using S = typename P::Shape;
  static constexpr int threads = S::threads;

  // Tiles lie depth by depth; a few floats of padding keep threads of a warp on different banks.
  static constexpr int pitch_a = S::rows + 4, pitch_b = S::columns + 4;
  static constexpr int size_a = S::depth * pitch_a, size_b = S::depth * pitch_b;
  static constexpr int table_size = P::weights ? 2 * S::depth : S::rows;  // of pixels

  static constexpr int count_a = S::rows * S::depth / threads, count_b = S::columns * S::depth / threads;
  static_assert(count_a > 0 && count_b > 0);

  float a[count_a], b[count_b];

  /// The pixels of the tile's rows; for a weight gradient those of depth step `step`.
  template <class Table>
  INLAY_DEVICE static void fill_table(Table table, const Place& at, int begin, int step, int samples) {
    if constexpr (P::weights) {
      for (int d = at.thread; d < S::depth; d += threads)
        put(table, step % 2 * S::depth + d, P::pixel(begin + step * S::depth + d, samples));
    } else {
      for (int m = at.thread; m < S::rows; m += threads) put(table, m, P::tile_pixel(at.row_tile, m, samples));
    }
  }

  /// Global memory to registers, at depth begin + step * S::depth.
  template <class Slots, class Table>
  INLAY_DEVICE void fetch(const Slots& slots, Table table, const Place& at, int begin, int step) {
    const int depth = begin + step * S::depth;
    if constexpr (P::weights) {
      const Tap own = tap(at.row_tile * S::rows + at.thread % S::rows);
      const int column = at.column_tile * S::columns + at.thread % S::columns;
      INLAY_UNROLL
      for (int i = 0; i < count_a; ++i)
        a[i] = element_of_a<C>(slots, get(table, step % 2 * S::depth + along(i, S::rows, at)), own, at.group);
      INLAY_UNROLL
      for (int i = 0; i < count_b; ++i)
        b[i] = element_of_dy<C>(slots, get(table, step % 2 * S::depth + along(i, S::columns, at)), column, at.group);
    } else {
      const Tap own = tap(depth + at.thread % S::depth);
      INLAY_UNROLL
      for (int i = 0; i < count_a; ++i)
        a[i] = element_of_a<C>(slots, get(table, along(i, S::depth, at)), own, at.group);
      INLAY_UNROLL
      for (int i = 0; i < count_b; ++i) {
        if constexpr (C::mode == Mode::forward)
          b[i] = weight<C>(slots, forward_position<C>(depth + along(i, S::columns, at),
                                                      at.column_tile * S::columns + at.thread % S::columns, at.group));
        else
          b[i] = weight<C>(slots,
                           backward_position<C>(own, at.column_tile * S::columns + along(i, S::depth, at), at.group));
      }
    }
  }

  /// Registers to shared memory: A's tile, then B's.
  template <class Shared>
  INLAY_DEVICE void place(Shared shared, int tile, const Place& at) const {
    INLAY_UNROLL
    for (int i = 0; i < count_a; ++i) {
      if constexpr (P::weights) shared[tile + along(i, S::rows, at) * pitch_a + at.thread % S::rows] = a[i];
      else shared[tile + at.thread % S::depth * pitch_a + along(i, S::depth, at)] = a[i];
    }
    INLAY_UNROLL
    for (int i = 0; i < count_b; ++i) {
      if constexpr (C::mode != Mode::data_gradient)
        shared[tile + size_a + along(i, S::columns, at) * pitch_b + at.thread % S::columns] = b[i];
      else shared[tile + size_a + at.thread % S::depth * pitch_b + along(i, S::depth, at)] = b[i];
    }
  }

 private:
  /// The i-th of the coordinates that a thread walks, where its own runs to `own_extent`.
  INLAY_DEVICE static int along(int i, int own_extent, const Place& at) {
    return at.thread / own_extent + i * (threads / own_extent);
  }
  INLAY_DEVICE static Tap tap(int index) { return index < P::tapped ? P::tap(index) : Tap{no_tap, 0, 0}; }

  template <class Table>
  INLAY_DEVICE static void put(Table table, int i, Pixel pixel) {
    table[i] = pixel.sample;
    table[table_size + i] = pixel.row;
    table[2 * table_size + i] = pixel.column;
  }
  template <class Table>
  INLAY_DEVICE static Pixel get(Table table, int i) {
    return {table[i], table[table_size + i], table[2 * table_size + i]};
  }
};

}  // namespace inlay::cuda
