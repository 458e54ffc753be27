// Random networks on the CPU executor.
#pragma once

#include "../cpu/winograd_growth.hpp"
#include "random_networks.hpp"

namespace inlay::test {

template <class P>
Strayed stray_on_cpu(const ExpectedRun& run, int threads) {
  std::vector<std::vector<float>> parameters;
  std::vector<std::vector<char>> inputs;
  cpu::Executor<P> executor(threads);
  for (std::size_t i = 0; i < run.inputs.size(); ++i) {
    const Element element = run.graph.inputs[static_cast<int>(i)].element;
    std::vector<char> bytes(static_cast<std::size_t>(bytes_of(element, std::ssize(run.inputs[i]))));
    for (std::size_t k = 0; k < run.inputs[i].size(); ++k) {
      const auto integer = static_cast<std::int32_t>(run.inputs[i][k]);
      const auto number = static_cast<float>(run.inputs[i][k]);
      if (element == Element::f32) std::memcpy(&bytes[4 * k], &number, 4);
      else if (element == Element::i32) std::memcpy(&bytes[4 * k], &integer, 4);
      else bytes[k] = static_cast<char>(integer);
    }
    inputs.push_back(std::move(bytes));
    executor.bind_input(static_cast<int>(i), inputs.back().data());
  }
  for (const reference::Values& values : run.parameters) parameters.emplace_back(values.begin(), values.end());
  for (std::size_t i = 0; i < parameters.size(); ++i)
    executor.bind_parameter(static_cast<int>(i), parameters[i].data());
  executor.run(run.samples);
  Strayed strayed;
  for (std::size_t i = 0; i < run.output_tolerances.size(); ++i) {
    std::vector<float> got(run.expected.outputs[i].size());
    executor.read_output(static_cast<int>(i), run.samples, got.data());
    strayed.add(got, run.expected.outputs[i], run.output_tolerances[i]);
  }
  for (std::size_t i = 0; i < parameters.size(); ++i)
    strayed.add(parameters[i], run.expected.updated[i], run.parameter_tolerances[i]);
  return strayed;
}

/// A forward pass, and a training step: its loss, the parameters after it, and their momentum, which is the gradient
/// times the learning rate.
template <std::uint64_t Seed>
void check_on_cpu() {
  using Net = random_network<Seed>;
  using Prediction = Program<Inference<Net>>;
  using Training = TrainingProgram<Net>;
  const double growth = winograd_growth();
  CAPTURE(Seed);
  const ExpectedRun forward = expected_run(thaw(Prediction::graph), Seed, growth);
  const ExpectedRun step = expected_run(thaw(Training::graph), Seed, growth);
  for (int threads : {1, 2, 7}) {  // 7: more than samples
    CAPTURE(threads);
    CHECK(stray_on_cpu<Prediction>(forward, threads).worst <= 1);
    CHECK(stray_on_cpu<Training>(step, threads).worst <= 1);
  }
}

template <std::uint64_t... Seeds>
void check_on_cpu(std::integer_sequence<std::uint64_t, Seeds...>) {
  (check_on_cpu<Seeds>(), ...);
}

}  // namespace inlay::test
