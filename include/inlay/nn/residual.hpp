// Residual: x + body(x) of layers that keep the shape, or body(x) + shortcut(x) of a Sequential and any layer.
#pragma once

#include <inlay/nn/add.hpp>
#include <inlay/nn/layer.hpp>
#include <inlay/nn/sequential.hpp>

namespace inlay {
namespace error {
template <class Layer, class Position, class Input, class Body>
struct residual_body_must_keep_the_shape_of_its_input;
}

namespace nn {

/// The identity: Residual<Layers...>. The projection: exactly two arguments, Residual<Sequential<Body...>, Shortcut>,
/// Shortcut any layer (a Sequential where it takes several), whose parameters are named "shortcut.".
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

template <class... Layers, class Shortcut>
struct Residual<Sequential<Layers...>, Shortcut> {
  static constexpr const char* name = "residual";
  using Body = Sequential<Layers...>;

  template <class X, class Position>
  static consteval void check() {
    detail::check_summands<Residual, Position, X, Body, Shortcut>();
  }

  template <SymbolicTensor X>
  static constexpr auto call(X x) {
    check<X, error::called_directly>();
    auto y = Body::call(x);
    Scope scope(*x.tracer, "shortcut");
    return y + Shortcut::call(x);
  }
};

}  // namespace nn
}  // namespace inlay
