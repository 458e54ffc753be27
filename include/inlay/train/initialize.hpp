// Starting values of parameters, as Keras draws them, from a seed: Philox keyed by the seed, counted by parameter and
// element, so they depend on nothing else.
#pragma once

#include <inlay/core/philox.hpp>
#include <inlay/graph/graph.hpp>

#include <cmath>

namespace inlay {

/// Fills `values` (parameter.shape.count() floats). `number` tells parameters of one network apart.
inline void initialize(const Parameter& parameter, int number, std::uint64_t seed, float* values) {
  const std::int64_t count = parameter.shape.count();
  auto draw = [&](std::int64_t i) {
    const auto element = static_cast<std::uint64_t>(i);
    return uniform(philox(seed, static_cast<std::uint64_t>(number), element / 4).word[element % 4]);
  };
  for (std::int64_t i = 0; i < count; ++i) switch (parameter.initializer) {
      case Initializer::zeros: values[i] = 0; break;
      case Initializer::ones: values[i] = 1; break;
      case Initializer::glorot_uniform: {  // U(-l, l), l = sqrt(6 / (fan_in + fan_out))
        const float limit = std::sqrt(6.0f / static_cast<float>(parameter.fan_in + parameter.fan_out));
        values[i] = (2 * draw(i) - 1) * limit;
        break;
      }
      case Initializer::he_normal: {  // N(0, 2 / fan_in) by Box and Muller
        const float radius = std::sqrt(-2 * std::log(1 - draw(2 * i)));
        const float angle = 6.2831853f * draw(2 * i + 1);
        values[i] = std::sqrt(2.0f / static_cast<float>(parameter.fan_in)) * radius * std::cos(angle);
        break;
      }
    }
}

}  // namespace inlay
