// Runs a program of shared values once: the one place that knows which executor expressions use.
#pragma once

#include <inlay/cpu/executor.hpp>
#include <inlay/graph/cost.hpp>

namespace inlay::expr {

namespace detail {
/// Programs of less work than this run on the caller's thread alone: waking the others would take longer.
inline constexpr std::int64_t work_for_threads = 200'000;

template <class P>
struct Work {
  static constexpr Cost cost = cost_of(P::plan);
  static constexpr bool small = cost.flops.shared + cost.elementwise.shared < work_for_threads;
};
/// Where nothing is computed the outputs are inputs in another shape: copies them.
template <class P>
void copy_inputs(const void* const* inputs, float* const* destinations) {
  for (const PlanOutput& output : P::plan.outputs) {
    const Value& value = P::plan.values.data[output.value];
    float* to = destinations[output.output];
    auto copy = [&](const auto* from) {
      for (std::int64_t i = 0; i < value.count; ++i) to[i] = static_cast<float>(from[i]);
    };
    switch (value.element) {
      case Element::f32: copy(static_cast<const float*>(inputs[value.index])); break;
      case Element::u8: copy(static_cast<const std::uint8_t*>(inputs[value.index])); break;
      case Element::i32: copy(static_cast<const std::int32_t*>(inputs[value.index])); break;
      case Element::bf16:
      case Element::f16:
      case Element::u2: break;  // no input is
    }
  }
}

}  // namespace detail

/// Binds inputs[i] to input i and destinations[i] to what output i of the graph goes to: the parameter that it
/// updates (written in place), or a copy. Nothing is allocated after a thread's first run.
template <class P>
void run(const void* const* inputs, float* const* destinations) {
  if constexpr (P::plan.launches.size == 0) {
    detail::copy_inputs<P>(inputs, destinations);
  } else {
    thread_local cpu::Executor<P> executor(detail::Work<P>::small ? 1 : cpu::default_threads());
    for (int i = 0; i < P::plan.inputs.size; ++i) executor.bind_input(i, inputs[i]);
    for (int k = 0; k < P::graph.outputs.size; ++k)
      if (P::graph.outputs[k].is_update()) executor.bind_parameter(P::graph.outputs[k].parameter, destinations[k]);
    executor.run(1);
    for (int i = 0; i < P::plan.outputs.size; ++i)
      executor.read_output(i, 1, destinations[P::plan.outputs.data[i].output]);
  }
}

}  // namespace inlay::expr
