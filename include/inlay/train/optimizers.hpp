// Optimisers: how a parameter's next value follows from its gradient, written as an expression; the compiler fuses
// it into whatever computes the gradient. Fields are run-time numbers and may change between steps; the learning rate
// may be a schedule.
#pragma once

#include <inlay/graph/update.hpp>
#include <inlay/train/learning_rate.hpp>

#include <cmath>
#include <cstdint>

namespace inlay {

/// Keras' SGD: v <- momentum * v - learning_rate * (g + weight_decay * p), then p <- p + v, or with Nesterov's
/// look-ahead p <- p + momentum * v - learning_rate * (...). The decay is added to the gradient, as in PyTorch.
struct SGD {
  LearningRate learning_rate = 0.01f;
  float momentum = 0;
  bool nesterov = false;
  float weight_decay = 0;

  static constexpr int number_count = 5;
  /// The numbers of step 1, 2, ...: rate, momentum, decay, and the shares of v and of the new step in what p moves by.
  void numbers(std::int64_t step, float* out) const {
    out[0] = learning_rate(step - 1);
    out[1] = momentum;
    out[2] = weight_decay;
    out[3] = nesterov ? momentum : 1;
    out[4] = nesterov ? 1 : 0;
  }

  static constexpr void update(Update u) {
    State velocity = u.state("momentum");
    Expression step = u.number(0) * (u.gradient() + u.number(2) * u.parameter());
    Expression next = u.number(1) * velocity.value - step;
    u.assign(velocity, next);
    u.assign(u.parameter() + (u.number(3) * next - u.number(4) * step));
  }
};

/// Kingma and Ba, 2015, in Keras' form: epsilon is added to the uncorrected root.
struct Adam {
  LearningRate learning_rate = 1e-3f;
  float beta_1 = 0.9f;
  float beta_2 = 0.999f;
  float epsilon = 1e-7f;

  static constexpr int number_count = 4;
  /// The numbers of step 1, 2, ...: corrected rate, 1 - beta_1, 1 - beta_2, epsilon.
  void numbers(std::int64_t step, float* out) const {
    const double t = static_cast<double>(step);
    out[0] = static_cast<float>(learning_rate(step - 1) * std::sqrt(1 - std::pow(double{beta_2}, t)) /
                                (1 - std::pow(double{beta_1}, t)));
    out[1] = 1 - beta_1;
    out[2] = 1 - beta_2;
    out[3] = epsilon;
  }

  static constexpr void update(Update u) { update(u, u.parameter()); }

  /// The step away from `start`.
  static constexpr void update(Update u, Expression start) {
    State m = u.state("adam_m"), v = u.state("adam_v");
    Expression next_m = m.value + (u.gradient() - m.value) * u.number(1);
    Expression next_v = v.value + (square(u.gradient()) - v.value) * u.number(2);
    u.assign(m, next_m);
    u.assign(v, next_v);
    u.assign(start - next_m * u.number(0) / (sqrt(next_v) + u.number(3)));
  }
};

/// Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019), as in Keras: p loses learning_rate *
/// weight_decay of itself before each step of Adam.
struct AdamW {
  LearningRate learning_rate = 1e-3f;
  float weight_decay = 4e-3f;
  float beta_1 = 0.9f;
  float beta_2 = 0.999f;
  float epsilon = 1e-7f;

  static constexpr int number_count = 5;
  void numbers(std::int64_t step, float* out) const {
    Adam{learning_rate, beta_1, beta_2, epsilon}.numbers(step, out);
    out[4] = learning_rate(step - 1) * weight_decay;
  }

  static constexpr void update(Update u) { Adam::update(u, u.parameter() - u.number(4) * u.parameter()); }
};

}  // namespace inlay
