// Identity: its input, unchanged. A branch of Add that adds the input itself.
#pragma once

#include <inlay/nn/layer.hpp>

namespace inlay::nn {

struct Identity {
  static constexpr const char* name = "identity";
  static constexpr auto call(SymbolicTensor auto x) { return x; }
};

}  // namespace inlay::nn
