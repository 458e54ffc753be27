// Optimisers: how a parameter's next value follows from its gradient, written as an expression; the compiler fuses
// it into whatever computes the gradient. Fields are run-time numbers and may change between steps.
#pragma once

#include <inlay/graph/update.hpp>

#include <cmath>
#include <cstdint>

namespace inlay {

/// p <- p - learning_rate * g
struct SGD {
  float learning_rate = 0.01f;

  static constexpr int number_count = 1;
  /// The numbers of step 1, 2, ...
  void numbers(std::int64_t, float* out) const { out[0] = learning_rate; }

  static constexpr void update(Update u) { u.assign(u.parameter() - u.number(0) * u.gradient()); }
};

/// Kingma and Ba, 2015, in Keras' form: epsilon is added to the uncorrected root.
struct Adam {
  float learning_rate = 1e-3f;
  float beta_1 = 0.9f;
  float beta_2 = 0.999f;
  float epsilon = 1e-7f;

  static constexpr int number_count = 4;
  /// The numbers of step 1, 2, ...: corrected rate, 1 - beta_1, 1 - beta_2, epsilon.
  void numbers(std::int64_t step, float* out) const {
    const double t = static_cast<double>(step);
    out[0] = static_cast<float>(learning_rate * std::sqrt(1 - std::pow(double{beta_2}, t)) /
                                (1 - std::pow(double{beta_1}, t)));
    out[1] = 1 - beta_1;
    out[2] = 1 - beta_2;
    out[3] = epsilon;
  }

  static constexpr void update(Update u) {
    State m = u.state("adam_m"), v = u.state("adam_v");
    Expression next_m = m.value + (u.gradient() - m.value) * u.number(1);
    Expression next_v = v.value + (square(u.gradient()) - v.value) * u.number(2);
    u.assign(m, next_m);
    u.assign(v, next_v);
    u.assign(u.parameter() - next_m * u.number(0) / (sqrt(next_v) + u.number(3)));
  }
};

}  // namespace inlay
