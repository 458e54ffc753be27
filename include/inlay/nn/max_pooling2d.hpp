// MaxPooling2D over windows that tile the image: H x W x C to H/n x W/n x C.
#pragma once

#include <inlay/nn/layer.hpp>

namespace inlay {
namespace error {
template <class Layer, class Position, class Got>
struct pooling_window_does_not_divide_the_image;
}

namespace nn {

template <int Height, int Width = Height>
struct MaxPooling2D {
  static constexpr const char* name = "max_pooling2d";

  template <class X, class Position>
  static consteval void check() {
    using Got = error::got_t<X>;
    error::require<X::rank == 3,
                   error::input_must_be_an_image_height_x_width_x_channels<MaxPooling2D, Position, Got>>();
    error::require<X::rank != 3 || (X::height() % Height == 0 && X::width() % Width == 0),
                   error::pooling_window_does_not_divide_the_image<MaxPooling2D, Position, Got>>();
  }

  template <SymbolicTensor X>
  static constexpr auto call(X x) {
    check<X, error::called_directly>();
    return max_pool<Height, Width>(x);
  }
};

}  // namespace nn
}  // namespace inlay
