// Input: what a network is fed, per sample.
#pragma once

#include <inlay/nn/layer.hpp>

#include <cstdint>

namespace inlay::nn {

/// Height x Width x Channels of float or std::uint8_t; Input<N> is a vector.
template <int Height, int Width = 0, int Channels = 0, class T = float>
struct Input {
  static constexpr const char* name = "input";
  static_assert(Height > 0 && (Width > 0) == (Channels > 0) && Width >= 0 && Channels >= 0,
                "nn::Input takes height, width and channels (grey images have 1), or the length of a vector");

  static constexpr auto input(Tracer& tracer) {
    if constexpr (Width == 0) return make<Height>(tracer);
    else return make<Height, Width, Channels>(tracer);
  }

 private:
  template <int... Extents>
  static constexpr auto make(Tracer& tracer) {
    constexpr Element element = element_of<T>;
    return Symbol<element, true, Extents...>{&tracer, build::input(tracer.graph, shape_of(Extents...), element)};
  }
};

}  // namespace inlay::nn
