// Residual: x + body(x). The body keeps the shape.
#pragma once

#include <inlay/nn/layer.hpp>
#include <inlay/nn/sequential.hpp>

namespace inlay {
namespace error {
template <class Layer, class Position, class Input, class Body>
struct residual_body_must_keep_the_shape_of_its_input;
}

namespace nn {

template <class... Layers>
struct Residual {
  static constexpr const char* name = "residual";
  using Body = Sequential<Layers...>;

  template <class X, class Position>
  static consteval void check() {
    using Y = decltype(Body::call(X{}));
    error::require<X::shape == Y::shape, error::residual_body_must_keep_the_shape_of_its_input<
                                             Residual, Position, error::got_t<X>, error::got_t<Y>>>();
  }

  template <SymbolicTensor X>
  static constexpr auto call(X x) {
    check<X, error::called_directly>();
    return x + Body::call(x);
  }
};

}  // namespace nn
}  // namespace inlay
