// Lambda: a function of symbolic tensors, given in place.
#pragma once

#include <inlay/nn/layer.hpp>

namespace inlay::nn {

/// A layer, or the activation of one. Its derivative is derived.
///   constexpr auto swish = [](auto x) { return x * sigmoid(x); };
///   nn::Dense<64, nn::Lambda<swish>>
/// (nvcc does not take the lambda itself as the argument; g++ and clang++ do.)
template <auto Function>
struct Lambda {
  static constexpr const char* name = "lambda";
  static constexpr auto call(SymbolicTensor auto x) { return Function(x); }
};

}  // namespace inlay::nn
