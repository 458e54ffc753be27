// Activations: layers of one line, also given as the last option of Conv2D and Dense.
#pragma once

#include <inlay/nn/layer.hpp>

namespace inlay::nn {

struct Relu {
  static constexpr const char* name = "relu";
  static constexpr auto call(auto x) { return relu(x); }
};
struct Sigmoid {
  static constexpr const char* name = "sigmoid";
  static constexpr auto call(auto x) { return sigmoid(x); }
};
struct Tanh {
  static constexpr const char* name = "tanh";
  static constexpr auto call(auto x) { return tanh(x); }
};
/// exp(x) / sum(exp(x)) over the last axis, shifted by the maximum.
struct Softmax {
  static constexpr const char* name = "softmax";
  static constexpr auto call(auto x) {
    auto e = exp(x - stop_gradient(max<-1>(x)));
    return e / sum<-1>(e);
  }
};

}  // namespace inlay::nn
