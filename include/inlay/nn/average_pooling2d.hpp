// AveragePooling2D: H x W x C to P x Q x C.
#pragma once

#include <inlay/nn/layer.hpp>

namespace inlay::nn {

/// Keras' AveragePooling2D over windows of Size x Size. Options: Strides<n> (default: the window's size), Same,
/// Padding<...> or Valid (default). What padding adds is not counted; rows and columns behind the last whole window are
/// left out. Each channel is convolved with ones.
template <int Size, class... Options>
struct AveragePooling2D {
  static constexpr const char* name = "average_pooling2d";

  template <class X, class Position>
  static consteval void check() {
    detail::check_options<AveragePooling2D, Position, detail::of_windows, Options...>();
    detail::check_windows<AveragePooling2D, X, Position, Size, Strides<Size>, Options...>();
  }

  template <SymbolicTensor X>
  static constexpr auto call(X x) {
    check<X, error::called_directly>();
    using Windows = detail::Windows<X, Size, Strides<Size>, Options...>;
    using Stride = typename Windows::Stride;
    auto ones = filled<Size, Size, 1, X::channels()>(x, 1);
    auto sum = conv2d<Windows::top, Windows::left, Windows::bottom, Windows::right, Stride::height, Stride::width,
                      X::channels()>(x, ones);
    if constexpr (!Windows::padded) {
      return sum * (1.0f / (Size * Size));
    } else {
      auto rows = counted<X::height(), Stride::height, Windows::top>(rows_of(sum));
      auto columns = counted<X::width(), Stride::width, Windows::left>(columns_of(sum));
      return sum / (rows * columns);
    }
  }

 private:
  /// How many of a window's rows (or columns) lie in the image.
  template <int Extent, int Stride, int Before>
  static constexpr auto counted(SymbolicTensor auto window) {
    auto first = window * static_cast<float>(Stride) - static_cast<float>(Before);
    return minimum(first + static_cast<float>(Size), static_cast<float>(Extent)) - maximum(first, 0.0f);
  }
};

}  // namespace inlay::nn
