// Metrics: functions of the network's output and the labels, giving one number per sample; reported as their mean.
#pragma once

#include <inlay/nn/layer.hpp>

namespace inlay {

/// 1 where the largest logit is the label's. The first of equal logits counts.
struct Accuracy {
  static constexpr const char* name = "accuracy";

  static constexpr auto call(SymbolicTensor auto logits, SymbolicTensor auto label) {
    return equal(argmax(logits), label);
  }
};

}  // namespace inlay
