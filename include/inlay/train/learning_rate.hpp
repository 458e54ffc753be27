// Learning rates: a number, or a schedule, which gives the rate of each optimiser step (not of each epoch). A schedule
// is any function of the number of steps that are done, as in Keras: 0 in the first step. Checkpoints keep that number,
// so a loaded model goes on where it was. `fit` asks for the rates of many steps before it takes them.
//
//   Adam{.learning_rate = 1e-3f}
//   Adam{.learning_rate = CosineDecay{.initial_learning_rate = 1e-3f, .decay_steps = 9380}}
//   Adam{.learning_rate = [](std::int64_t step) { return step < 1000 ? 1e-3f : 1e-4f; }}
#pragma once

#include <inlay/core/error.hpp>

#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace inlay {

/// Keras' PiecewiseConstantDecay: values[i] up to and including step boundaries[i], and the last value from then on.
struct PiecewiseConstantDecay {
  std::vector<std::int64_t> boundaries;  ///< increasing
  std::vector<float> values;             ///< one more than boundaries

  void check() const {
    if (values.size() != boundaries.size() + 1)
      throw Error("PiecewiseConstantDecay has " + std::to_string(boundaries.size()) + " boundaries and " +
                  std::to_string(values.size()) + " values: give one value more than boundaries.");
    for (std::size_t i = 1; i < boundaries.size(); ++i)
      if (boundaries[i] <= boundaries[i - 1])
        throw Error("PiecewiseConstantDecay has boundary " + std::to_string(boundaries[i]) + " after " +
                    std::to_string(boundaries[i - 1]) + ": boundaries must increase.");
  }
  float operator()(std::int64_t step) const {
    std::size_t i = 0;
    while (i < boundaries.size() && step > boundaries[i]) ++i;
    return values[i];
  }
};

/// Keras' CosineDecay (Loshchilov and Hutter, ICLR 2017): half a cosine wave from the initial rate to alpha times it in
/// `decay_steps` steps, then constant. With a warm-up: first a straight line from initial_learning_rate to
/// warmup_target in `warmup_steps` steps, and the wave starts from warmup_target.
struct CosineDecay {
  float initial_learning_rate = 0;
  std::int64_t decay_steps = 0;  ///< of the wave alone
  float alpha = 0;
  std::optional<float> warmup_target = {};
  std::int64_t warmup_steps = 0;

  void check() const {
    if (decay_steps < 1)
      throw Error("CosineDecay has decay_steps " + std::to_string(decay_steps) + ", expected at least 1.");
    if (warmup_steps < 0 || warmup_target.has_value() != (warmup_steps > 0))
      throw Error("CosineDecay has warmup_steps " + std::to_string(warmup_steps) + " and " +
                  (warmup_target ? "a" : "no") +
                  " warmup_target: give both a warmup_target and at least one step, or neither.");
  }
  float operator()(std::int64_t step) const {
    const double first = initial_learning_rate, top = warmup_target.value_or(initial_learning_rate);
    if (step < warmup_steps)
      return static_cast<float>(first + (top - first) * static_cast<double>(step) / static_cast<double>(warmup_steps));
    const double done = static_cast<double>(step - warmup_steps) / static_cast<double>(decay_steps);
    const double wave = done < 1 ? 0.5 * (1 + std::cos(3.14159265358979323846 * done)) : 0;
    return static_cast<float>(top * ((1 - alpha) * wave + alpha));
  }
};

/// A number or a schedule. Throws Error if a schedule's fields make no sense. Copies share the schedule.
class LearningRate {
 public:
  template <class T>
  requires std::is_arithmetic_v<T> LearningRate(T number) : constant(static_cast<float>(number)) {}
  template <class F>
  requires std::is_invocable_v<const F&, std::int64_t> LearningRate(F function) {
    if constexpr (requires { function.check(); }) function.check();
    schedule = std::make_shared<ScheduleOf<F>>(std::move(function));
  }

  /// The rate after `step` steps.
  float operator()(std::int64_t step) const { return schedule ? schedule->at(step) : constant; }

 private:
  struct Schedule {
    virtual ~Schedule() = default;
    virtual float at(std::int64_t step) const = 0;
  };
  template <class F>
  struct ScheduleOf : Schedule {
    F function;
    explicit ScheduleOf(F given) : function(std::move(given)) {}
    float at(std::int64_t step) const override { return static_cast<float>(function(step)); }
  };
  float constant = 0;
  std::shared_ptr<const Schedule> schedule;
};

}  // namespace inlay
