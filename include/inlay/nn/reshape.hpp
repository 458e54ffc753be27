// Reshape: the same elements in another shape, in row-major order. A view; nothing is copied.
#pragma once

#include <inlay/nn/layer.hpp>

namespace inlay::nn {

template <int... Extents>
struct Reshape {
  static constexpr const char* name = "reshape";
  static constexpr auto call(SymbolicTensor auto x) { return reshape<Extents...>(x); }
};

}  // namespace inlay::nn
