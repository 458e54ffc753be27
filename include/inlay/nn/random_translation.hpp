// RandomTranslation: in training each image is shifted up or down and left or right by up to Pixels, zeros taking the
// place of what is not there (Keras' RandomTranslation with fill_mode="constant", in whole pixels); in inference
// nothing happens. A read at other pixels, inlined into the loads of the layer that follows; put it before every layer
// that is trained, and before Rescaling, so that it reads the bytes of the data set.
#pragma once

#include <inlay/nn/layer.hpp>

namespace inlay::nn {

template <int Pixels>
struct RandomTranslation {
  static constexpr const char* name = "random_translation";

  template <class X, class Position>
  static consteval void check() {
    error::require<X::rank == 3, error::input_must_be_an_image_height_x_width_x_channels<RandomTranslation, Position,
                                                                                         error::got_t<X>>>();
  }

  template <SymbolicTensor X>
  static constexpr auto call(X x) {
    check<X, error::called_directly>();
    if (!x.tracer->training) return x * 1.0f;
    static_assert(Pixels >= 0, "RandomTranslation shifts by up to so many pixels");
    constexpr float most = Pixels;
    auto down = random_integer<2 * Pixels + 1, 1, 1, 1>(x) - most;
    auto right = random_integer<2 * Pixels + 1, 1, 1, 1>(x) - most;
    return lookup(x, rows_of(x) - down, columns_of(x) - right);
  }
};

}  // namespace inlay::nn
