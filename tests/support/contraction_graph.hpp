// A graph with one window contraction and both of its gradients, for given sizes: outputs y, dx and dw of
// L = sum(y * t).
#pragma once

#include <inlay/graph/build.hpp>
#include <inlay/graph/program.hpp>

namespace inlay::test {

template <int H, int W, int C, int K, int R, int S, int Stride = 1, int Pad = 0, int Dilation = 1, int Groups = 1,
          bool Batched = true>
struct ContractionGraph {
  static constexpr Window window{.height = R,
                                 .width = S,
                                 .stride_h = Stride,
                                 .stride_w = Stride,
                                 .pad_top = Pad,
                                 .pad_left = Pad,
                                 .pad_bottom = Pad,
                                 .pad_right = Pad,
                                 .dilation_h = Dilation,
                                 .dilation_w = Dilation,
                                 .groups = Groups};
  static constexpr int P = window_output(H, R, Stride, Pad, Pad, Dilation);
  static constexpr int Q = window_output(W, S, Stride, Pad, Pad, Dilation);

  static constexpr Graph make() {
    Graph g;
    const int x = build::input(g, shape_of(H, W, C), Element::f32, Batched);
    const int w = build::input(g, shape_of(R, S, C / Groups, K), Element::f32, false);
    const int t = build::input(g, shape_of(P, Q, K), Element::f32, Batched);
    g.outputs.push({build::contraction(g, Mode::forward, x, w, window, shape_of(P, Q, K))});
    g.outputs.push({build::contraction(g, Mode::data_gradient, t, w, window, shape_of(H, W, C))});
    g.outputs.push({build::contraction(g, Mode::weight_gradient, x, t, window, shape_of(R, S, C / Groups, K))});
    return g;
  }
  /// Products in the longest sum, and the additions of partial sums.
  static constexpr double roundings(int samples) {
    const double forward = double{R} * S * C / Groups, data = double{R} * S * K / Groups;
    const double weight = double{P} * Q * samples;
    const double most = forward > data ? forward : data;
    return (most > weight ? most : weight) + 16;
  }
};

}  // namespace inlay::test
