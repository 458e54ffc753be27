// Losses: functions of the network's output and the labels, giving one number per sample; training minimises the
// mean over the batch.
#pragma once

#include <inlay/nn/layer.hpp>

namespace inlay {

/// -log softmax(logits)[label], computed from logits without overflow. Labels are class numbers.
struct SparseCategoricalCrossentropy {
  static constexpr auto label(Tracer& tracer) {
    return Symbol<Element::i32, true, 1>{&tracer, build::input(tracer.graph, shape_of(1), Element::i32)};
  }

  template <SymbolicTensor Logits, SymbolicTensor Label>
  static constexpr auto call(Logits logits, Label label) {
    auto shifted = logits - stop_gradient(max(logits));
    auto one_hot = equal(iota<Logits::size()>(logits), label);
    return log(sum(exp(shifted))) - sum(one_hot * shifted);
  }
};

}  // namespace inlay
