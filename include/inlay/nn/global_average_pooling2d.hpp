// GlobalAveragePooling2D: H x W x C to C, the mean over all pixels.
#pragma once

#include <inlay/nn/layer.hpp>

namespace inlay::nn {

struct GlobalAveragePooling2D {
  static constexpr const char* name = "global_average_pooling2d";

  template <class X, class Position>
  static consteval void check() {
    error::require<X::rank == 3, error::input_must_be_an_image_height_x_width_x_channels<GlobalAveragePooling2D,
                                                                                         Position, error::got_t<X>>>();
  }

  template <SymbolicTensor X>
  static constexpr auto call(X x) {
    check<X, error::called_directly>();
    return mean_over_pixels(x);
  }
};

}  // namespace inlay::nn
