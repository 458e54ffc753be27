// A Body is a straight-line scalar program that a kernel evaluates at each coordinate of its domain: a
// prologue that produces an operand's element, or an epilogue that turns the computed element into what is
// stored. It is a type, Body<Step...>; step i writes register i, and later steps name registers by number.
//
//   relu(result + bias) stored:   Body<Result<0>, Load<1, f32, Strides<0, 0,0,0,1>>, Apply<add, 0, 1>,
//                                      Constant<0>, Apply<maximum, 2, 3>, Store<0, f32, Strides<...>, 4>>
//
// A domain has four coordinates (i0, i1, i2, i3), padded in front with ones, and the sample n. Images count
// (0, h, w, c); convolution weights (r, s, c, k). Each executor runs Bodies through a Context of its own, which has a
// function `step` for each kind of step, on floats or on vectors of consecutive i3.
#pragma once

#include <inlay/core/element.hpp>
#include <inlay/graph/op.hpp>

#include <cstdint>

namespace inlay::kernel {

/// Element index n * Sample + i0 * S0 + i1 * S1 + i2 * S2 + i3 * S3. Broadcast axes have stride 0.
/// Gathered: of an input. Where an executor takes a batch's samples from a dataset, n is the sample's place in that.
template <int Sample, int S0, int S1, int S2, int S3, bool Gathered = false>
struct Strides {
  static constexpr int sample = Sample, s0 = S0, s1 = S1, s2 = S2, s3 = S3;
  static constexpr bool gathered = Gathered;
};

/// The element of argument `Slot` at the coordinate.
template <int Slot, Element E, class Index>
struct Load {
  static constexpr int slot = Slot;
  static constexpr Element element = E;
  using strides = Index;
};

/// Writes register `Register` to argument `Slot` at the coordinate (and passes on what lies there then as its own
/// value, rounded as the element is).
template <int Slot, Element E, class Index, int Register>
struct Store {
  static constexpr int slot = Slot;
  static constexpr Element element = E;
  using strides = Index;
};

/// A number, by the bits of its float.
template <std::uint32_t Bits>
struct Constant {};

/// The coordinate along one of the four axes, as a number.
template <int Axis>
struct Iota {};

/// What the kernel computed at this coordinate. 0: the value; 1: after max pooling, the index in the window.
template <int Which>
struct Result {};

/// Max pooling by windows of Height x Width, the first of which begins PadTop rows above and PadLeft columns before the
/// image. Where they tile the image exactly, no more is said; otherwise there are Rows x Columns of them.
template <int Height, int Width, int StrideH = Height, int StrideW = Width, int PadTop = 0, int PadLeft = 0,
          int Rows = 0, int Columns = 0>
struct MaxPool {
  static constexpr int height = Height, width = Width, stride_h = StrideH, stride_w = StrideW;
  static constexpr int pad_top = PadTop, pad_left = PadLeft, rows = Rows, columns = Columns;
  static constexpr bool tiles = Rows == 0;
};

/// Max pooling's gradient, read in place: the sum of the pooled values `d` over the windows of Pool in which `index`
/// names the coordinate. Both are indexed by PooledStrides at the window's row and column.
template <int Slot, Element E, int IndexSlot, Element IndexE, class Pool, class PooledStrides>
struct Scatter {
  static constexpr int slot = Slot, index_slot = IndexSlot;
  static constexpr Element element = E;
  using strides = PooledStrides;
};

/// The element of x that `index` names in the window of the coordinate.
template <int Slot, Element E, int IndexSlot, Element IndexE, class Pool, class InputStrides, class PooledStrides>
struct Gather {
  static constexpr int slot = Slot, index_slot = IndexSlot;
  static constexpr Element element = E;
  using strides = InputStrides;
  using pooled_strides = PooledStrides;
};

/// The element at Index of random node `Number` (core/random.hpp), whole and below Below if that is not 0. Two
/// registers hold the keys.
template <int Number, int Below, class Index, int Key0, int Key1>
struct Random {
  using strides = Index;
};

/// x (Height x Width pixels, strides ImageStrides) at the row and column that two registers hold, 0 outside. The
/// registers do not depend on i3.
template <int Slot, Element E, int Height, int Width, class ImageStrides, int Row, int Column>
struct Lookup {
  static constexpr int slot = Slot;
  static constexpr Element element = E;
  using strides = ImageStrides;
};

/// Channel First + i3 of x, which has Count, at the coordinate's pixel; 0 where there is none.
template <int Slot, Element E, int First, int Count, class Index>
struct Channels {
  static constexpr int slot = Slot;
  static constexpr Element element = E;
  using strides = Index;
};

/// Adds a register to sum `Which` of its channel, i3, over all coordinates and samples, and its square to the sum of
/// squares, if that is wanted. `Slot` is the argument where the executor keeps the stage's sums.
template <int Slot, int Which, bool Squares, int Channels, int Register>
struct Accumulate {};

/// What came of sum `Which` at channel i3: the sum, or with squared_deviations that of (x - mean)^2.
template <int Slot, int Which, ReduceOp Op, int Channels>
struct Total {};

/// An elementwise function of earlier registers.
template <MapOp Op, int... Registers>
struct Apply {};

/// The program.
template <class... Steps>
struct Body {
  static constexpr int size = sizeof...(Steps);
};

/// How many sums the steps of a Body accumulate.
template <class Body>
inline constexpr int sum_count = 0;
template <class Step>
inline constexpr int sum_count_of_step = 0;
template <int Slot, int Which, bool Squares, int Channels, int Register>
inline constexpr int sum_count_of_step<Accumulate<Slot, Which, Squares, Channels, Register>> = Which + 1;
template <class... Steps>
inline constexpr int sum_count<Body<Steps...>> = [] {
  int count = 0;
  ((count = sum_count_of_step<Steps> > count ? sum_count_of_step<Steps> : count), ...);
  return count;
}();

}  // namespace inlay::kernel
