// The contraction kernels against an obvious loop in double precision, within the error bound of any summation
// order: |error| <= gamma_n * sum |a| |b|, gamma_n = n u / (1 - n u), u = 2^-24 (Higham, 2002, section 3.1).
#include <inlay/cuda/contraction.hpp>

#include "device_run.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace inlay;
using namespace inlay::test;

namespace {

/// Geometry by the image, the window and its options; the output's extents follow.
template <int H, int W, int C, int K, int R, int S = R, int Pad = 0, int Stride = 1, int Dilation = 1, int Groups = 1>
using Square = kernel::Geometry<H, W, C, window_output(H, R, Stride, Pad, Pad, Dilation),
                                window_output(W, S, Stride, Pad, Pad, Dilation), K, R, S, Stride, Stride, Pad, Pad,
                                Dilation, Dilation, Groups>;

template <class G>
using X = kernel::Strides<G::H * G::W * G::C, G::H * G::W * G::C, G::W * G::C, G::C, 1>;
template <class G>
using Y = kernel::Strides<G::P * G::Q * G::K, G::P * G::Q * G::K, G::Q * G::K, G::K, 1>;
template <class G>
using Weights = kernel::Strides<0, G::S*(G::C / G::groups) * G::K, (G::C / G::groups) * G::K, G::K, 1>;

template <int Slot, class Index>
using Read = kernel::Body<kernel::Load<Slot, Element::f32, Index>>;
template <int Slot, class Index>
using Write = kernel::Body<kernel::Result<0>, kernel::Store<Slot, Element::f32, Index, 0>>;

template <class G>
using Forward =
    kernel::Contraction<Mode::forward, G, true, Read<0, X<G>>, Read<1, Weights<G>>, kernel::Epilogue<Write<2, Y<G>>>>;
template <class G>
using DataGradient = kernel::Contraction<Mode::data_gradient, G, true, Read<0, Y<G>>, Read<1, Weights<G>>,
                                         kernel::Epilogue<Write<2, X<G>>>>;
template <class G>
using WeightGradient =
    kernel::Contraction<Mode::weight_gradient, G, true, Read<0, X<G>>, Read<1, Y<G>>,
                        kernel::Epilogue<Write<2, Weights<G>>>, Write<3, kernel::Strides<0, 0, 0, 0, 1>>>;

struct Sums {
  std::vector<double> value, magnitude;
  explicit Sums(int size) : value(static_cast<std::size_t>(size)), magnitude(value.size()) {}
  void add(int i, double a, double b) {
    value[static_cast<std::size_t>(i)] += a * b;
    magnitude[static_cast<std::size_t>(i)] += std::fabs(a * b);
  }
};

/// Calls f(x index, weight index, y index) for every product of y = x * w.
template <class G, class F>
void each_product(int samples, F f) {
  constexpr int inputs = G::C / G::groups, outputs = G::K / G::groups;
  for (int n = 0; n < samples; ++n)
    for (int p = 0; p < G::P; ++p)
      for (int q = 0; q < G::Q; ++q)
        for (int r = 0; r < G::R; ++r)
          for (int s = 0; s < G::S; ++s) {
            const int h = p * G::stride_h + r * G::dilation_h - G::pad_top;
            const int w = q * G::stride_w + s * G::dilation_w - G::pad_left;
            if (h < 0 || h >= G::H || w < 0 || w >= G::W) continue;
            for (int c = 0; c < inputs; ++c)
              for (int k = 0; k < G::K; ++k)
                f(((n * G::H + h) * G::W + w) * G::C + k / outputs * inputs + c,
                  ((r * G::S + s) * inputs + c) * G::K + k, ((n * G::P + p) * G::Q + q) * G::K + k);
          }
}

/// The worst error, in units of the bound.
double worst(const std::vector<float>& got, const Sums& expected, int terms) {
  const double u = std::ldexp(1.0, -24), gamma = terms * u / (1 - terms * u);
  double most = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double error = std::fabs(got[i] - expected.value[i]), bound = gamma * expected.magnitude[i];
    if (!(error <= bound)) most = std::max(most, bound > 0 ? error / bound : HUGE_VAL);
    else if (bound > 0) most = std::max(most, error / bound);
  }
  return most;
}

template <class G>
void check(const char* what, int samples) {
  CAPTURE(what);
  CAPTURE(samples);
  constexpr int x_size = G::H * G::W * G::C, y_size = G::P * G::Q * G::K;
  constexpr int w_size = G::R * G::S * (G::C / G::groups) * G::K;
  const auto x = random_floats(samples * x_size, 1), w = random_floats(w_size, 2),
             dy = random_floats(samples * y_size, 3);
  auto at = [](const std::vector<float>& v, int i) { return double{v[static_cast<std::size_t>(i)]}; };
  Sums y(samples * y_size), dx(samples * x_size), dw(w_size), db(G::K);
  each_product<G>(samples, [&](int xi, int wi, int yi) {
    y.add(yi, at(x, xi), at(w, wi));
    dx.add(xi, at(dy, yi), at(w, wi));
    dw.add(wi, at(x, xi), at(dy, yi));
  });
  for (int i = 0; i < samples * y_size; ++i) db.add(i % G::K, at(dy, i), 1);

  const auto forward = run_kernel<Forward<G>>(samples, {{x}, {w}, output(samples * y_size)});
  CHECK(worst(forward[2], y, G::R * G::S * G::C / G::groups) <= 1);
  const auto data = run_kernel<DataGradient<G>>(samples, {{dy}, {w}, output(samples * x_size)});
  CHECK(worst(data[2], dx, G::R * G::S * G::K / G::groups) <= 1);
  const auto weight = run_kernel<WeightGradient<G>>(samples, {{x}, {dy}, output(w_size), output(G::K)});
  CHECK(worst(weight[2], dw, samples * G::P * G::Q) <= 1);
  CHECK(worst(weight[3], db, samples * G::P * G::Q) <= 1);
}

}  // namespace

TEST_CASE("contractions of every geometry agree with the loop, forward and both gradients") {
  check<Square<5, 7, 3, 5, 1>>("1x1, nothing a multiple of anything", 3);
  check<Square<7, 9, 5, 10, 3, 3, 1>>("3x3 same, odd image", 2);
  check<Square<8, 8, 1, 33, 3, 3, 1>>("one channel in, 33 out", 3);
  check<Square<6, 6, 20, 7, 5, 5, 2>>("5x5 same", 1);
  check<Square<9, 8, 4, 6, 3>>("3x3 valid", 2);
  check<Square<9, 11, 3, 17, 3, 3, 1, 2>>("stride 2", 2);
  check<Square<8, 10, 2, 4, 2, 2, 0, 2>>("2x2 with stride 2, without padding", 2);
  check<Square<11, 9, 3, 6, 3, 3, 2, 1, 2>>("dilation 2", 2);
  check<Square<11, 13, 2, 3, 3, 3, 1, 2, 2>>("stride 2 and dilation 2, rows left over", 2);
  check<Square<6, 7, 6, 9, 3, 3, 1, 1, 1, 3>>("three groups", 2);
  check<Square<5, 5, 8, 8, 3, 3, 1, 1, 1, 8>>("depthwise", 3);
  check<Square<7, 5, 3, 4, 1, 5, 2>>("a window of 1x5, padded on both axes", 2);
}

TEST_CASE("dense layers agree with the loop, also where the depth is split") {
  check<Square<1, 1, 7, 10, 1>>("small", 5);
  check<Square<1, 1, 64, 10, 1>>("more samples than a tile has rows", 70);
  check<Square<1, 1, 1000, 40, 1>>("deep", 3);
  check<Square<1, 13, 600, 20, 1>>("a matrix product of 13 rows", 2);
}

TEST_CASE("a weight gradient over many pixels is split into parts") {
  using G = Square<12, 12, 4, 8, 3, 3, 1>;
  CHECK(inlay::cuda::Product<WeightGradient<G>>::splits(8) > 2);
  check<G>("8 samples of 12 x 12", 8);
}

TEST_CASE("a weight gradient with enough tiles is finished in the kernel that multiplies") {
  using G = Square<1, 1, 8192, 65, 1>;
  CHECK(!inlay::cuda::Product<WeightGradient<G>>::split);
  check<G>("8192 x 65", 3);
}

TEST_CASE("the split depends on the type and the batch only, and results have the same bits twice") {
  using G = Square<12, 12, 4, 8, 3, 3, 1>;
  const auto x = random_floats(8 * 12 * 12 * 4, 1), dy = random_floats(8 * 12 * 12 * 8, 2);
  const std::vector<Argument> arguments{{x}, {dy}, output(9 * 4 * 8), output(8)};
  CHECK(run_kernel<WeightGradient<G>>(8, arguments) == run_kernel<WeightGradient<G>>(8, arguments));
}
