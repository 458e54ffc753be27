// Losses: functions of the network's output and the labels, giving one number per sample; training minimises the
// mean over the batch. A loss may have fields that are numbers of the run: `call` takes a `run_time_number` for each,
// and `numbers` gives their values in that order.
#pragma once

#include <inlay/core/error.hpp>
#include <inlay/nn/layer.hpp>

#include <string>

namespace inlay {

/// -log softmax(logits)[label], computed from logits without overflow: the network ends with a Dense without activation
/// (Keras' from_logits=True, which is not Keras' default). Labels are class numbers. With label smoothing
/// (Szegedy et al., CVPR 2016) the label has probability 1 - label_smoothing + label_smoothing / classes and every
/// other class label_smoothing / classes, as in Keras' CategoricalCrossentropy: also in evaluation.
struct SparseCategoricalCrossentropy {
  float label_smoothing = 0;
  static constexpr bool applies_softmax = true;

  void numbers(float* out) const { out[0] = label_smoothing; }
  void check() const {
    if (!(label_smoothing >= 0 && label_smoothing <= 1))
      throw Error("SparseCategoricalCrossentropy has label_smoothing " + std::to_string(label_smoothing) +
                  ", expected a share from 0 to 1.");
  }

  static constexpr auto label(Tracer& tracer) {
    return Symbol<Element::i32, true, 1>{&tracer, build::input(tracer.graph, shape_of(1), Element::i32)};
  }

  template <SymbolicTensor Logits, SymbolicTensor Label>
  static constexpr auto call(Logits logits, Label label) {
    static_assert(Logits::size() == Logits::channels(),
                  "SparseCategoricalCrossentropy takes a number for each class: end the network with nn::Flatten and "
                  "nn::Dense<classes>");
    auto shifted = logits - stop_gradient(max(logits));
    auto one_hot = equal(iota<Logits::size()>(logits), label);
    auto target = one_hot + (1.0f / Logits::size() - one_hot) * run_time_number(logits);
    return log(sum(exp(shifted))) - sum(target * shifted);
  }
};

}  // namespace inlay
