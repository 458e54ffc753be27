// Programs of every kind of fused kernel: the executor in the emulator (or on a GPU) against the reference
// interpreter. The tolerance is what float rounding of sums of a few hundred terms near 1 may add up to.
#include "program_run.hpp"

#include <inlay/graph/symbol.hpp>
#include <inlay/nn/activations.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/input.hpp>

#include <doctest/doctest.h>

using namespace inlay;
using namespace inlay::test;

namespace {

constexpr double tolerance = 2e-6;

/// The program that a function of an input symbol describes.
template <class In, class F>
struct Of {
  static constexpr Graph make() {
    Tracer tracer;
    F::outputs(tracer, In::input(tracer));
    return tracer.graph;
  }
};
template <class F, int... Extents>
using On = Program<Of<nn::Input<Extents...>, F>>;

constexpr void put_node(Tracer& t, int node) { t.graph.outputs.push({node}); }
constexpr void put(Tracer& t, auto... symbols) { (put_node(t, symbols.node), ...); }

template <class P>
void agrees(int samples) {
  CAPTURE(samples);
  CHECK(stray<P>(Case::of<P>(samples, 4), samples) <= tolerance);
}

template <int Height, int Width>
struct ConvolvedAndPooled {
  static constexpr void outputs(Tracer& t, auto x) {
    put(t, max_pool<Height, Width>(nn::Conv2D<5, 3, nn::Same, nn::Relu>::call(x)));
  }
};

template <int Height, int Width>
struct Pooled {
  static constexpr void outputs(Tracer& t, auto x) { put(t, max_pool<Height, Width>(x * 2.0f)); }
};

struct Reductions {
  static constexpr void outputs(Tracer& t, auto x) {
    put(t, sum(x), max(x), argmax(x), sum<0>(x), max<1>(x), argmax<-1>(x), sum<0, 2>(x), max<0, 1>(x),
        mean_over_pixels(x));
  }
};
struct BatchSums {
  static constexpr void outputs(Tracer& t, auto x) {
    put(t, sum_over_batch(sum(x)), sum_over_batch(x), sum_over_batch(sum<0, 1>(x * x)));
  }
};
struct Functions {
  static constexpr void outputs(Tracer& t, auto x) {
    auto positive = x * x + 0.5f;
    put(t, exp(x), log(positive), sqrt(positive), tanh(x), erf(x), abs(x), -x, x / positive, x - 1.0f,
        maximum(x, 0.25f), minimum(x, 0.25f), select(greater(x, 0.0f), x, positive), equal(x, x));
  }
};
struct SoftmaxOfPixels {
  static constexpr void outputs(Tracer& t, auto x) { put(t, nn::Softmax::call(x)); }
};

/// Nothing here has a batch: a matrix product, its bias and a reduction of it.
struct Unbatched {
  static constexpr Graph make() {
    Tracer t;
    const Symbol<Element::f32, false, 13, 70> a{&t, build::input(t.graph, shape_of(13, 70), Element::f32, false)};
    const Symbol<Element::f32, false, 70, 20> b{&t, build::input(t.graph, shape_of(70, 20), Element::f32, false)};
    const Symbol<Element::f32, false, 20> c{&t, build::input(t.graph, shape_of(20), Element::f32, false)};
    auto y = relu(matmul(a, b) * 0.1f + c);
    put(t, y, sum(y), max<0>(y));
    return t.graph;
  }
};

}  // namespace

TEST_CASE("programs without a batch") { agrees<Program<Unbatched>>(1); }

TEST_CASE("pooling in a convolution's epilogue takes whole windows of any size") {
  agrees<On<ConvolvedAndPooled<2, 2>, 6, 10, 3>>(3);
  agrees<On<ConvolvedAndPooled<3, 3>, 9, 9, 2>>(2);
  agrees<On<ConvolvedAndPooled<5, 1>, 5, 4, 1>>(2);
  agrees<On<ConvolvedAndPooled<9, 9>, 9, 18, 2>>(2);  // 81 pixels: more than a band of the tile has rows
}

TEST_CASE("pooling as a stage of its own") {
  agrees<On<Pooled<2, 3>, 4, 9, 5>>(3);
  agrees<On<Pooled<1, 2>, 1, 2, 1>>(1);
}

TEST_CASE("reductions over any axes, small and large") {
  agrees<On<Reductions, 3, 4, 5>>(3);
  agrees<On<Reductions, 17, 13, 11>>(2);
}

TEST_CASE("reductions over the batch, in one kernel and in two") {
  agrees<On<BatchSums, 3, 4, 5>>(3);
  agrees<On<BatchSums, 17, 13, 11>>(9);
}

TEST_CASE("every elementwise function") {
  agrees<On<Functions, 5, 3, 7>>(2);
  agrees<On<Functions, 40, 30, 2>>(2);
}

TEST_CASE("softmax over channels") {
  agrees<On<SoftmaxOfPixels, 4, 3, 10>>(3);
  agrees<On<SoftmaxOfPixels, 16, 16, 20>>(1);
}
