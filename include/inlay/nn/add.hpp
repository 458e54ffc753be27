// Add: the sum of several branches applied to the same input. A branch is a layer or a Sequential without an Input;
// Identity adds the input itself. Parameters are named by the branch's place: "2.0.conv2d.kernel" for a layer,
// "2.1.0.conv2d.kernel" for the first layer of a Sequential.
#pragma once

#include <inlay/nn/identity.hpp>
#include <inlay/nn/layer.hpp>
#include <inlay/nn/sequential.hpp>

namespace inlay {
namespace error {
template <class Layer, class Position, class One, class Other>
struct summands_must_have_the_same_shape;
}

namespace nn {

namespace detail {

/// What a branch makes of x; its own requirements are checked first, at the position of the layer around it.
template <class Branch, class Position, class X>
constexpr auto checked_branch(X x) {
  if constexpr (requires { Branch::template check<X, Position>(); }) Branch::template check<X, Position>();
  return Branch::call(x);
}

template <class Layer, class Position, class X, class First, class Other>
consteval void check_summands() {
  using A = decltype(checked_branch<First, Position>(X{}));
  using B = decltype(checked_branch<Other, Position>(X{}));
  error::require<A::shape == B::shape,
                 error::summands_must_have_the_same_shape<Layer, Position, error::got_t<A>, error::got_t<B>>>();
}

}  // namespace detail

template <class First, class Second, class... Rest>
struct Add {
  static constexpr const char* name = "add";

  template <class X, class Position>
  static consteval void check() {
    detail::check_summands<Add, Position, X, First, Second>();
    (detail::check_summands<Add, Position, X, First, Rest>(), ...);
  }

  template <SymbolicTensor X>
  static constexpr auto call(X x) {
    check<X, error::called_directly>();
    return add<1, Second, Rest...>(x, branch<0, First>(x));
  }

 private:
  template <int Index, class Branch>
  static constexpr auto branch(SymbolicTensor auto x) {
    Scope scope(*x.tracer, Index);
    return Branch::call(x);
  }
  template <int Index, class Branch, class... More>
  static constexpr auto add(SymbolicTensor auto x, SymbolicTensor auto sum) {
    auto y = sum + branch<Index, Branch>(x);
    if constexpr (sizeof...(More) == 0) return y;
    else return add<Index + 1, More...>(x, y);
  }
};

}  // namespace nn
}  // namespace inlay
