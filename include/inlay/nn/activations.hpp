// Activations: layers of one line, also given as the last option of Conv2D and Dense.
#pragma once

#include <inlay/nn/layer.hpp>

#include <ratio>

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
/// min(relu(x), 6)
struct Relu6 {
  static constexpr const char* name = "relu6";
  static constexpr auto call(auto x) { return minimum(relu(x), 6.0f); }
};
/// x where it is positive, else x * Slope.
template <class Slope = std::ratio<3, 10>>
struct LeakyRelu {
  static constexpr const char* name = "leaky_relu";
  static constexpr auto call(auto x) {
    return maximum(x, x * static_cast<float>(static_cast<double>(Slope::num) / static_cast<double>(Slope::den)));
  }
};
/// x where it is positive, else exp(x) - 1.
struct Elu {
  static constexpr const char* name = "elu";
  static constexpr auto call(auto x) { return select(greater(x, 0.0f), x, exp(minimum(x, 0.0f)) - 1.0f); }
};
/// x * Phi(x) with the normal distribution's Phi (the exact form).
struct Gelu {
  static constexpr const char* name = "gelu";
  static constexpr auto call(auto x) { return x * (erf(x * 0.70710678f) * 0.5f + 0.5f); }
};
/// x * sigmoid(x)
struct Swish {
  static constexpr const char* name = "swish";
  static constexpr auto call(auto x) { return x * sigmoid(x); }
};
/// log(1 + exp(x)), without overflow.
struct Softplus {
  static constexpr const char* name = "softplus";
  static constexpr auto call(auto x) { return maximum(x, 0.0f) + log(exp(-abs(x)) + 1.0f); }
};
/// x * min(relu(x + 3), 6) / 6
struct HardSwish {
  static constexpr const char* name = "hard_swish";
  static constexpr auto call(auto x) { return x * minimum(relu(x + 3.0f), 6.0f) * (1.0f / 6); }
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
