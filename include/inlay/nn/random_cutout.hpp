// RandomCutout (DeVries and Taylor, arXiv:1708.04552, 2017): in training a square of zeros, centred at a random pixel
// and cut off at the image's border, hides a part of each image; in inference nothing happens. Inlined into the loads
// of the layer that follows.
#pragma once

#include <inlay/nn/layer.hpp>

namespace inlay::nn {

/// Size: of the square's sides, in pixels.
template <int Size>
struct RandomCutout {
  static constexpr const char* name = "random_cutout";

  template <class X, class Position>
  static consteval void check() {
    error::require<X::rank == 3,
                   error::input_must_be_an_image_height_x_width_x_channels<RandomCutout, Position, error::got_t<X>>>();
  }

  template <SymbolicTensor X>
  static constexpr auto call(X x) {
    check<X, error::called_directly>();
    if (!x.tracer->training) return x * 1.0f;
    static_assert(Size > 0, "RandomCutout hides a square of Size x Size pixels");
    auto hidden = hides(rows_of(x), random_integer<X::height(), 1, 1, 1>(x)) *
                  hides(columns_of(x), random_integer<X::width(), 1, 1, 1>(x));
    return select(hidden, 0.0f, x);
  }

 private:
  /// 1 where first <= position < first + Size with first = centre - Size / 2: within Size / 2 of their middle.
  static constexpr auto hides(SymbolicTensor auto position, SymbolicTensor auto centre) {
    constexpr float twice_middle = Size - 1 - 2 * (Size / 2);
    return greater(static_cast<float>(Size), abs((position - centre) * 2.0f - twice_middle));
  }
};

}  // namespace inlay::nn
