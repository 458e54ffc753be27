// Convolutions: H x W x C to P x Q x Filters, kernels in Keras' layout (rows x columns x in x out).
#pragma once

#include <inlay/nn/l2.hpp>
#include <inlay/nn/layer.hpp>

namespace inlay {
namespace error {
template <class Layer, class Position, class Got>
struct groups_must_divide_the_channels_and_the_filters;
}  // namespace error

namespace nn {

/// Keras' Conv2D with a square kernel, Kernel x Kernel x C/groups x Filters. Options: Same, Padding<...> or Valid
/// (default), Strides<n>, Groups<n>, NoBias, L2<ratio>, an activation.
template <int Filters, int Kernel, class... Options>
struct Conv2D {
  static constexpr const char* name = "conv2d";
  static_assert(Filters > 0 && Kernel > 0, "nn::Conv2D has at least one filter, and a kernel of at least 1 x 1");

  template <class X, class Position>
  static consteval void check() {
    detail::check_options<Conv2D, Position, taken | detail::of_groups, Options...>();
    detail::check_windows<Conv2D, X, Position, Kernel, Strides<1>, Options...>();
    if constexpr (X::rank == 3)
      error::require<X::channels() % detail::groups<Options...> == 0 && Filters % detail::groups<Options...> == 0,
                     error::groups_must_divide_the_channels_and_the_filters<Conv2D, Position, error::got_t<X>>>();
  }

  template <SymbolicTensor X>
  static constexpr auto call(X x) {
    check<X, error::called_directly>();
    constexpr int groups = detail::groups<Options...>, inputs = X::channels() / groups;
    return convolve<Filters, groups>(x, name, Kernel * Kernel * inputs, Kernel * Kernel * Filters);
  }

 protected:
  static constexpr unsigned taken = detail::of_windows | detail::of_bias | detail::of_kernel | detail::activation;

  template <int Outputs, int GroupCount, SymbolicTensor X>
  static constexpr auto convolve(X x, const char* named, int fan_in, int fan_out) {
    using Windows = detail::Windows<X, Kernel, Strides<1>, Options...>;
    Scope scope(*x.tracer, named);
    auto kernel = parameter<Kernel, Kernel, X::channels() / GroupCount, Outputs>(
        x, "kernel", Initializer::glorot_uniform, fan_in, fan_out);
    detail::regularise<Options...>(kernel);
    auto y = conv2d<Windows::top, Windows::left, Windows::bottom, Windows::right, Windows::Stride::height,
                    Windows::Stride::width, GroupCount>(x, kernel);
    if constexpr (detail::has<NoBias, Options...>) return detail::Activation<Options...>::call(y);
    else return detail::Activation<Options...>::call(y + parameter<Outputs>(x, "bias", Initializer::zeros));
  }
};

/// Keras' DepthwiseConv2D: each channel is convolved with a kernel of its own, Kernel x Kernel x 1 x C (Keras' kernels
/// have their last two axes exchanged). Options as Conv2D, without Groups.
template <int Kernel, class... Options>
struct DepthwiseConv2D : private Conv2D<1, Kernel, Options...> {
  static constexpr const char* name = "depthwise_conv2d";
  static_assert(Kernel > 0, "nn::DepthwiseConv2D has kernels of at least 1 x 1");

  template <class X, class Position>
  static consteval void check() {
    detail::check_options<DepthwiseConv2D, Position, Conv2D<1, Kernel, Options...>::taken, Options...>();
    detail::check_windows<DepthwiseConv2D, X, Position, Kernel, Strides<1>, Options...>();
  }

  template <SymbolicTensor X>
  static constexpr auto call(X x) {
    check<X, error::called_directly>();
    return Conv2D<1, Kernel, Options...>::template convolve<X::channels(), X::channels()>(
        x, name, Kernel * Kernel * X::channels(), Kernel * Kernel);
  }
};

}  // namespace nn
}  // namespace inlay
