// Rescaling: x * Scale + Offset with std::ratio constants. Inlined into the loads of the layer that follows.
#pragma once

#include <inlay/nn/layer.hpp>

#include <ratio>

namespace inlay::nn {

template <class Scale, class Offset = std::ratio<0>>
struct Rescaling {
  static constexpr const char* name = "rescaling";
  static constexpr auto call(auto x) { return x * detail::ratio<Scale> + detail::ratio<Offset>; }
};

}  // namespace inlay::nn
