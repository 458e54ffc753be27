// What happens to the sums of a contraction: the epilogue's Bodies at the coordinates of one result, with max pooling
// in between where there is any. Both ways of finishing use these: from shared memory in the kernel that multiplies,
// and from partial sums in a kernel of its own.
#pragma once

#include <inlay/cuda/context.hpp>
#include <inlay/cuda/product.hpp>

namespace inlay::cuda {

/// Main at a weight's coordinates; `row` counts R x S x C/groups, `column` all of K.
template <class C, class Slots>
INLAY_DEVICE void finish_weight(const Slots& slots, int row, int column, float sum) {
  const Tap at = Product<C>::tap(row);
  Context<Slots> context{slots, 0, at.row, at.column, at.channel, column, sum};
  context.run(typename C::epilogue::main{});
}

/// Main at a pixel's coordinates; gives what goes on to pooling.
template <class C, class Slots>
INLAY_DEVICE float finish_pixel(const Slots& slots, Pixel pixel, int column, float sum, Accumulator* side_sums) {
  Context<Slots> context{slots, pixel.sample, 0, pixel.row, pixel.column, column, sum, 0, side_sums};
  return context.run(typename C::epilogue::main{});
}
/// The same of four columns.
template <class C, class Slots>
INLAY_DEVICE Vector<float, 4> finish_pixel(const Slots& slots, Pixel pixel, int column, const Vector<float, 4>& sums,
                                           Accumulator* side_sums) {
  const Context<Slots> context{slots, pixel.sample, 0, pixel.row, pixel.column, column, 0, 0, side_sums};
  return context.run4(typename C::epilogue::main{}, &sums);
}

/// Post at a pooling window's coordinates: its largest value and where that is; likewise of four.
template <class C, class Slots>
INLAY_DEVICE void finish_pooled(const Slots& slots, Pixel window, int column, float largest, float where,
                                Accumulator* side_sums) {
  Context<Slots> context{slots, window.sample, 0, window.row, window.column, column, largest, where, side_sums};
  context.run(typename C::epilogue::post{});
}
template <class C, class Slots>
INLAY_DEVICE void finish_pooled(const Slots& slots, Pixel window, int column, const Vector<float, 4>& largest,
                                const Vector<float, 4>& where, Accumulator* side_sums) {
  const Context<Slots> context{slots, window.sample, 0, window.row, window.column, column, 0, 0, side_sums};
  const Vector<float, 4> results[] = {largest, where};
  context.run4(typename C::epilogue::post{}, results);
}

/// Main over pooling window `index`, then Post at the pooled coordinates. `sum(place, pixel)` gives the sums, of one
/// column or of four.
template <class C, class Slots, class Sum>
INLAY_DEVICE void finish_window(const Slots& slots, int index, int samples, int column, Sum sum,
                                Accumulator* side_sums) {
  using P = Product<C>;
  const Pixel first = P::window_pixel(index, 0, samples);
  decltype(sum(0, first)) largest{}, where{};
  for (int place = 0; place < P::window; ++place) {
    const Pixel pixel{first.sample, first.row + place / P::Pool::width, first.column + place % P::Pool::width};
    take_larger(finish_pixel<C>(slots, pixel, column, sum(place, pixel), side_sums), place, place == 0, largest, where);
  }
  finish_pooled<C>(slots, {first.sample, first.row / P::Pool::height, first.column / P::Pool::width}, column, largest,
                   where, side_sums);
}

/// The Side body of a weight gradient, for column `column` of K.
template <class C, class Slots>
INLAY_DEVICE void finish_side(const Slots& slots, int column, float sum) {
  Context<Slots> context{slots, 0, 0, 0, 0, column, sum};
  context.run(typename C::side{});
}

}  // namespace inlay::cuda
