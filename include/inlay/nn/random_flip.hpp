// RandomFlip: Keras' RandomFlip("horizontal"). In training each image is mirrored, left for right, with probability
// 1/2; in inference nothing happens. A read at other pixels, inlined into the loads of the layer that follows; put it
// before every layer that is trained, and before Rescaling, so that it reads the bytes of the data set.
#pragma once

#include <inlay/nn/layer.hpp>

namespace inlay::nn {

struct RandomFlip {
  static constexpr const char* name = "random_flip";

  template <class X, class Position>
  static consteval void check() {
    error::require<X::rank == 3,
                   error::input_must_be_an_image_height_x_width_x_channels<RandomFlip, Position, error::got_t<X>>>();
  }

  template <SymbolicTensor X>
  static constexpr auto call(X x) {
    check<X, error::called_directly>();
    if (!x.tracer->training) return x * 1.0f;
    auto columns = columns_of(x);
    auto mirrored = random_integer<2, 1, 1, 1>(x);
    return lookup(x, rows_of(x), select(mirrored, static_cast<float>(X::width() - 1) - columns, columns));
  }
};

}  // namespace inlay::nn
