// Rescaling: x * Scale + Offset with std::ratio constants. Inlined into the loads of the layer that follows.
#pragma once

#include <inlay/nn/layer.hpp>

#include <ratio>

namespace inlay::nn {

template <class Scale, class Offset = std::ratio<0>>
struct Rescaling {
  static constexpr const char* name = "rescaling";
  static constexpr auto call(auto x) { return x * number<Scale> + number<Offset>; }

 private:
  template <class R>
  static constexpr float number = static_cast<float>(static_cast<double>(R::num) / static_cast<double>(R::den));
};

}  // namespace inlay::nn
