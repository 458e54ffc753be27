// Flatten: any shape to a vector, in row-major order. A view; nothing is copied.
#pragma once

#include <inlay/nn/layer.hpp>

namespace inlay::nn {

struct Flatten {
  static constexpr const char* name = "flatten";
  static constexpr auto call(auto x) { return flatten(x); }
};

}  // namespace inlay::nn
