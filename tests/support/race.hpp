// Training steps of a network on the CPU executor beside the same steps in the reference.
#pragma once

#include "program_run.hpp"

#include <inlay/nn/losses.hpp>
#include <inlay/nn/metrics.hpp>
#include <inlay/train/training_graph.hpp>

namespace inlay::test {

/// Trains the net on the executor and in the reference, step by step.
template <class Net, class Optimizer>
class Race {
 public:
  using P = Program<TrainingGraph<Net, Optimizer, SparseCategoricalCrossentropy, Accuracy>>;

  explicit Race(int threads, Optimizer with = {}) : optimizer(with), executor(threads), engine(3) {
    for (const Parameter& p : graph.parameters) {
      std::vector<float> values(static_cast<std::size_t>(p.shape.count()), 0.0f);
      std::uniform_real_distribution<float> real(-1, 1);
      const float scale = std::sqrt(3.0f / static_cast<float>(p.fan_in));
      if (p.initializer == Initializer::ones) values.assign(values.size(), 1.0f);
      else if (p.trainable)
        for (float& v : values) v = real(engine) * (p.initializer == Initializer::zeros ? 0.1f : scale);
      expected.emplace_back(values.begin(), values.end());
      parameters.push_back(values);
    }
    for (int i = 0; i < graph.parameters.size; ++i)
      executor.bind_parameter(i, parameters[static_cast<std::size_t>(i)].data());
  }

  void step(int samples) {
    Numbers in = random_inputs(graph, samples, engine());
    for (std::size_t i = 0; i < in.values[1].size(); ++i) {
      const int label = static_cast<int>(in.values[1][i]) % 3;
      reinterpret_cast<std::int32_t*>(in.bytes[1].data())[i] = label;
      in.values[1][i] = label;
    }
    const int of_optimizer = graph.inputs.size - Optimizer::number_count;
    float numbers[8] = {0.1f};  // label smoothing, the loss's; the keys of random layers before it stay random
    optimizer.numbers(++steps, numbers + 1);
    for (int i = of_optimizer - 1; i < graph.inputs.size; ++i) {
      const float number = numbers[i - of_optimizer + 1];
      std::memcpy(in.bytes[static_cast<std::size_t>(i)].data(), &number, 4);
      in.values[static_cast<std::size_t>(i)] = {number};
    }
    for (int i = 0; i < graph.inputs.size; ++i) executor.bind_input(i, in.bytes[static_cast<std::size_t>(i)].data());
    executor.run(samples);
    executor.read_output(0, samples, &loss);
    const auto result = reference::evaluate(graph, samples, in.values, expected);
    expected = result.updated;
    expected_loss = result.outputs[0][0];
  }

  /// Largest difference of a trainable parameter, relative to the largest of its tensor.
  double difference() const {
    double worst = 0;
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      if (!graph.parameters[static_cast<int>(p)].trainable) continue;
      double largest = 0, error = 0;
      for (std::size_t i = 0; i < parameters[p].size(); ++i) {
        largest = std::max(largest, std::fabs(expected[p][i]));
        error = std::max(error, std::fabs(parameters[p][i] - expected[p][i]));
      }
      worst = std::max(worst, error / largest);
    }
    return worst;
  }

  Optimizer optimizer;
  Graph graph = thaw(P::graph);
  cpu::Executor<P> executor;
  std::mt19937 engine;
  std::vector<std::vector<float>> parameters;
  std::vector<reference::Values> expected;
  std::int64_t steps = 0;
  float loss = 0;
  double expected_loss = 0;
};

}  // namespace inlay::test
