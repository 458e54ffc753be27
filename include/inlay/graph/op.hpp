// The primitives of the graph, as enumerations and plain records. Everything a network computes, forward and
// backward, is made of these; kernel types carry them as template arguments, so this header stays light.
#pragma once

#include <cstdint>

namespace inlay {

/// What a node is.
enum class Op : std::uint8_t {
  input,        ///< fed at each run: images, labels, hyper-parameters
  parameter,    ///< kept between runs: weights, and the optimiser's state
  constant,     ///< one number, broadcast
  iota,         ///< the coordinate along one axis, as a number
  batch_size,   ///< the number of samples of this run, as a number
  map,          ///< elementwise function of one to three operands that broadcast
  contraction,  ///< conv2d, matmul and their two gradients
  max_index,    ///< position of the maximum in each pooling window, row-major in the window (u8, or u2: narrow.hpp)
  gather,     ///< gather(x, index): the element of each window that index names; max pooling is gather(x, max_index(x))
  scatter,    ///< scatter(d, index): d at the position that index names in each window, zero elsewhere
  reduction,  ///< over axes and, if asked, over the batch; reduced axes keep extent 1
  reshape,    ///< same elements in the same order
  transpose,  ///< axes permuted
  random,     ///< random(key, key): numbers of core/random.hpp, for each sample its own
  lookup,     ///< lookup(x, row, column): x at the pixel that row and column (whole numbers) name, 0 outside of x
  channels,  ///< channels(x): y[..., c] = x[..., first + c], 0 where x has no such channel: slices, and pads with zeros
};

/// Elementwise functions. Comparisons give 1 or 0; `select(c, a, b)` is a where c is not 0. `maximum(a, b)` is
/// b > a ? b : a and `minimum(a, b)` is b < a ? b : a, so that a NaN in a stays. `stop_gradient` is a copy whose
/// derivative is zero.
enum class MapOp : std::uint8_t {
  copy,
  stop_gradient,
  negate,
  absolute,
  exp,
  log,
  sqrt,
  tanh,
  erf,
  is_finite,
  add,
  subtract,
  multiply,
  divide,
  maximum,
  minimum,
  equal,
  greater,
  select,
};

constexpr int arity(MapOp op) { return op < MapOp::add ? 1 : op < MapOp::select ? 2 : 3; }

/// The three faces of one bilinear form y[p] = sum over taps of x[p * stride + tap * dilation - pad] * w[tap].
enum class Mode : std::uint8_t {
  forward,          ///< (x, w) -> y
  data_gradient,    ///< (dy, w) -> dx
  weight_gradient,  ///< (x, dy) -> dw, summed over pixels and samples
};

/// `squared_deviations` is the sum of (x - mean)^2 about the mean of what is reduced; it runs over all axes but the
/// last and over the batch, and is computed in one pass that loses no digits to a mean far from zero.
enum class ReduceOp : std::uint8_t { sum, max, argmax, squared_deviations };

/// Output extent of a window along one axis: floor((in + pads - reach) / stride) + 1.
constexpr int window_output(int in, int window, int stride, int pad_before, int pad_after, int dilation = 1) {
  return (in + pad_before + pad_after - ((window - 1) * dilation + 1)) / stride + 1;
}

/// A window sliding over the H and W axes.
struct Window {
  int height = 1, width = 1;
  int stride_h = 1, stride_w = 1;
  int pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  int dilation_h = 1, dilation_w = 1;
  int groups = 1;

  friend constexpr bool operator==(const Window&, const Window&) = default;

  /// Does each element of an image of so many rows and columns lie in exactly one window?
  constexpr bool tiles(int rows, int columns) const {
    return stride_h == height && stride_w == width && pad_top + pad_left + pad_bottom + pad_right == 0 &&
           rows % height == 0 && columns % width == 0;
  }
  /// Does each element of it lie in some window?
  constexpr bool covers(int rows, int columns) const {
    return covers(rows, height, stride_h, pad_top, pad_bottom, dilation_h) &&
           covers(columns, width, stride_w, pad_left, pad_right, dilation_w);
  }

 private:
  static constexpr bool covers(int extent, int size, int stride, int before, int after, int dilation) {
    const int windows = window_output(extent, size, stride, before, after, dilation);
    const int last = (windows - 1) * stride - before + (size - 1) * dilation;
    return last >= extent - 1 && (stride == 1 ? dilation <= windows : dilation == 1 && stride <= size);
  }
};

}  // namespace inlay
