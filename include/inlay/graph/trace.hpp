// Tracing: a network type called once with symbolic tensors leaves its graph behind.
#pragma once

#include <inlay/graph/symbol.hpp>

namespace inlay {

/// The forward graph of a network: one input, one output.
template <class Net>
struct Inference {
  static constexpr Graph make() {
    Tracer tracer;
    auto y = Net::call(Net::input(tracer));
    tracer.graph.outputs.push({y.node});
    return tracer.graph;
  }
};

}  // namespace inlay
