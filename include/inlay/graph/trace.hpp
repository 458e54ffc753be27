// Tracing: a network type called once with symbolic tensors leaves its graph behind.
#pragma once

#include <inlay/graph/symbol.hpp>

namespace inlay {

namespace error {
template <class Network>
struct network_must_begin_with_an_Input;
}

/// The symbolic input of a network: what its first layer declares.
template <class Net>
constexpr auto network_input(Tracer& tracer) {
  if constexpr (requires { Net::input(tracer); }) {
    return Net::input(tracer);
  } else {
    error::require<false, error::network_must_begin_with_an_Input<Net>>();
    return Symbol<Element::f32, true, 1>{&tracer, build::input(tracer.graph, shape_of(1))};
  }
}

/// The forward graph of a network: one input, one output.
template <class Net>
struct Inference {
  static constexpr Graph make() {
    Tracer tracer;
    auto y = Net::call(network_input<Net>(tracer));
    tracer.graph.outputs.push(Output{y.node});
    return tracer.graph;
  }
};

}  // namespace inlay
