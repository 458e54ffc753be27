// Conv2D: H x W x C to P x Q x Filters, kernel in Keras' layout (rows x columns x in x out).
#pragma once

#include <inlay/nn/l2.hpp>
#include <inlay/nn/layer.hpp>

namespace inlay {
namespace error {
template <class Layer, class Position, class Got>
struct window_must_fit_into_the_image;
}  // namespace error

namespace nn {

/// Keras' Conv2D with a square kernel. Options: Same or Valid (default), Strides<n>, NoBias, L2<ratio>, an activation.
template <int Filters, int Kernel, class... Options>
struct Conv2D {
  static constexpr const char* name = "conv2d";
  using Stride = typename detail::StridesOf<Options...>::type;
  static constexpr bool same = detail::has<Same, Options...>;

  template <class X, class Position>
  static consteval void check() {
    using Got = error::got_t<X>;
    error::require<X::rank == 3, error::input_must_be_an_image_height_x_width_x_channels<Conv2D, Position, Got>>();
    error::require<X::rank != 3 || same || (X::height() >= Kernel && X::width() >= Kernel),
                   error::window_must_fit_into_the_image<Conv2D, Position, Got>>();
  }

  template <SymbolicTensor X>
  static constexpr auto call(X x) {
    check<X, error::called_directly>();
    Scope scope(*x.tracer, name);
    constexpr int rows = padding(X::height(), Stride::height), columns = padding(X::width(), Stride::width);
    auto kernel = parameter<Kernel, Kernel, X::channels(), Filters>(
        x, "kernel", Initializer::glorot_uniform, Kernel * Kernel * X::channels(), Kernel * Kernel * Filters);
    detail::regularise<Options...>(kernel);
    auto y =
        conv2d<rows / 2, columns / 2, rows - rows / 2, columns - columns / 2, Stride::height, Stride::width>(x, kernel);
    if constexpr (detail::has<NoBias, Options...>) return detail::Activation<Options...>::call(y);
    else return detail::Activation<Options...>::call(y + parameter<Filters>(x, "bias", Initializer::zeros));
  }

 private:
  /// Pixels to add along an axis in all.
  static constexpr int padding(int extent, int stride) {
    if (!same) return 0;
    const int total = ((extent + stride - 1) / stride - 1) * stride + Kernel - extent;
    return total > 0 ? total : 0;
  }
};

}  // namespace nn
}  // namespace inlay
