// Random networks on the device.
#pragma once

#include "../nn/random_networks.hpp"
#include "program_run.hpp"

namespace inlay::test {

template <class P>
Strayed stray_on_device(const ExpectedRun& run) {
  Device<P> device(Case{run.inputs, run.parameters});
  device.executor.run(run.samples);
  Strayed strayed;
  for (std::size_t i = 0; i < run.output_tolerances.size(); ++i)
    strayed.add(device.output(static_cast<int>(i), run.samples), run.expected.outputs[i], run.output_tolerances[i]);
  for (std::size_t i = 0; i < run.parameters.size(); ++i)
    strayed.add(device.parameter(static_cast<int>(i)), run.expected.updated[i], run.parameter_tolerances[i]);
  return strayed;
}

/// As check_on_cpu does.
template <std::uint64_t Seed>
void check_on_device() {
  using Net = random_network<Seed>;
  using Prediction = Program<Inference<Net>>;
  using Training = TrainingProgram<Net>;
  CAPTURE(Seed);
  CHECK(stray_on_device<Prediction>(expected_run(thaw(Prediction::graph), Seed, 1)).worst <= 1);
  CHECK(stray_on_device<Training>(expected_run(thaw(Training::graph), Seed, 1)).worst <= 1);
}

template <std::uint64_t... Seeds>
void check_on_device(std::integer_sequence<std::uint64_t, Seeds...>) {
  (check_on_device<Seeds>(), ...);
}

}  // namespace inlay::test
