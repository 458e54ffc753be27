// MaxPooling2D: H x W x C to P x Q x C.
#pragma once

#include <inlay/nn/layer.hpp>

namespace inlay::nn {

/// Keras' MaxPooling2D over windows of Size x Size. Options: Strides<n> (default: the window's size), Same,
/// Padding<...> or Valid (default). What padding adds never is the maximum; rows and columns behind the last whole
/// window are left out.
template <int Size, class... Options>
struct MaxPooling2D {
  static constexpr const char* name = "max_pooling2d";
  static_assert(Size >= 1 && Size <= 16, "nn::MaxPooling2D: windows from 1 x 1 to 16 x 16");

  template <class X, class Position>
  static consteval void check() {
    detail::check_options<MaxPooling2D, Position, detail::of_windows, Options...>();
    detail::check_windows<MaxPooling2D, X, Position, Size, Strides<Size>, Options...>();
  }

  template <SymbolicTensor X>
  static constexpr auto call(X x) {
    check<X, error::called_directly>();
    using Windows = detail::Windows<X, Size, Strides<Size>, Options...>;
    return max_pool<Size, Size, Windows::Stride::height, Windows::Stride::width, Windows::top, Windows::left,
                    Windows::bottom, Windows::right>(x);
  }
};

}  // namespace inlay::nn
