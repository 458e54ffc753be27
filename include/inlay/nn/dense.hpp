// Dense: a fully connected layer, kernel in x out as in Keras.
#pragma once

#include <inlay/nn/l2.hpp>
#include <inlay/nn/layer.hpp>

namespace inlay {
namespace error {
template <class Layer, class Position, class Got>
struct input_must_be_flat_put_Flatten_before_it;
}

namespace nn {

/// (K) to (Units). Options: NoBias, L2<ratio>, an activation.
template <int Units, class... Options>
struct Dense {
  static constexpr const char* name = "dense";
  static_assert(Units > 0, "nn::Dense has at least one unit");

  template <class X, class Position>
  static consteval void check() {
    detail::check_options<Dense, Position, detail::of_bias | detail::of_kernel | detail::activation, Options...>();
    error::require<X::rank == 1, error::input_must_be_flat_put_Flatten_before_it<Dense, Position, error::got_t<X>>>();
  }

  template <SymbolicTensor X>
  static constexpr auto call(X x) {
    check<X, error::called_directly>();
    Scope scope(*x.tracer, name);
    auto kernel = parameter<X::size(), Units>(x, "kernel", Initializer::glorot_uniform, X::size(), Units);
    detail::regularise<Options...>(kernel);
    auto y = matmul(x, kernel);
    if constexpr (detail::has<NoBias, Options...>) return detail::Activation<Options...>::call(y);
    else return detail::Activation<Options...>::call(y + parameter<Units>(x, "bias", Initializer::zeros));
  }
};

}  // namespace nn
}  // namespace inlay
