// Concatenate: what several branches make of the same input, side by side along the last axis (Keras' Concatenate of
// layers on one tensor). A branch is a layer or a Sequential without an Input; Identity puts the input itself there, as
// in DenseNet. It is an index map: a layer that reads the result takes each channel from the branch that made it, and
// only where many read it is it written out. Parameters are named as Add names them: "2.0.conv2d.kernel" for a layer,
// "2.1.0.conv2d.kernel" for the first layer of a Sequential.
#pragma once

#include <inlay/nn/add.hpp>
#include <inlay/nn/identity.hpp>
#include <inlay/nn/layer.hpp>
#include <inlay/nn/sequential.hpp>

namespace inlay {
namespace error {
template <class Layer, class Position, class One, class Other>
struct concatenated_branches_must_have_the_same_height_and_width;
}

namespace nn {

/// H x W x C to H x W x (C1 + C2 + ...), or vectors to a vector.
template <class First, class Second, class... Rest>
struct Concatenate {
  static constexpr const char* name = "concatenate";

  template <class X, class Position>
  static consteval void check() {
    check_other<X, Position, Second>();
    (check_other<X, Position, Rest>(), ...);
  }

  template <SymbolicTensor X>
  static constexpr auto call(X x) {
    check<X, error::called_directly>();
    return append<0, First, Second, Rest...>(x);
  }

 private:
  template <class X, class Position, class Other>
  static consteval void check_other() {
    using A = decltype(detail::checked_branch<First, Position>(X{}));
    using B = decltype(detail::checked_branch<Other, Position>(X{}));
    error::require<alike(A::shape, B::shape), error::concatenated_branches_must_have_the_same_height_and_width<
                                                  Concatenate, Position, error::got_t<A>, error::got_t<B>>>();
  }
  /// But for the channels.
  static consteval bool alike(Shape a, const Shape& b) {
    if (a.rank != b.rank || a.rank < 1) return false;
    a.extents[a.rank - 1] = b.extents[b.rank - 1];
    return a == b;
  }

  /// `made`: by the branches before this one.
  template <int Index, class Branch, class... More>
  static constexpr auto append(SymbolicTensor auto x, SymbolicTensor auto... made) {
    auto y = branch<Index, Branch>(x);
    if constexpr (sizeof...(More) == 0) return concatenate(made..., y);
    else return append<Index + 1, More...>(x, made..., y);
  }
  template <int Index, class Branch>
  static constexpr auto branch(SymbolicTensor auto x) {
    Scope scope(*x.tracer, Index);
    return Branch::call(x);
  }
};

}  // namespace nn
}  // namespace inlay
