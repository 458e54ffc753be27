// The contraction kernels against an obvious loop in double precision, within the error bound of any summation
// order: |error| <= gamma_n * sum |a| |b|, gamma_n = n u / (1 - n u), u = 2^-24 (Higham, 2002, section 3.1). Operands
// rounded to a precision with unit roundoff v change each product by a factor of at most (1 + v)^2.
#pragma once

#include <inlay/cuda/contraction.hpp>

#include "device_precision.hpp"
#include "device_run.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

namespace inlay::test {

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

/// What sums of n products of numbers below 1 may be off by: roundoff `operand` of each operand, n times `sum`, and
/// `absolute` for each product.
struct Bound {
  double operand = 0, sum = 0, absolute = 0;
  /// Of sums that are made without tensor cores.
  Bound unrounded() const { return {0, std::min(sum, unit_roundoff(Precision::fp32)), 0}; }
};

/// Tensor cores may cut bits off where fp32 arithmetic rounds, and once more for the products that they add at a time:
/// 4 u. Below 2^-14 the numbers of fp16 are 2^-24 apart, so that each operand is off by up to 2^-25.
inline Bound bound_of(Precision p) {
  const double u = unit_roundoff(Precision::fp32);
  if (p == Precision::fp32) return {0, u, 0};
  return {unit_roundoff(p), 4 * u, p == Precision::fp16 ? 0x1p-24 + 0x1p-50 : 0};
}

/// Integers from -7 to 7.
inline std::vector<float> small_integers(int count, std::uint32_t seed) {
  std::vector<float> values = random_floats(count, seed);
  for (float& v : values) v = std::trunc(v * 8);
  return values;
}

/// The worst error of sums of `terms` products, in units of the bound.
inline double worst(const std::vector<float>& got, const Sums& expected, const Bound& b, int terms) {
  const double gamma = terms * b.sum / (1 - terms * b.sum);
  const double relative = (1 + b.operand) * (1 + b.operand) * (1 + gamma) - 1;
  const double absolute = terms * (1 + relative) * b.absolute;
  double most = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double error = std::fabs(got[i] - expected.value[i]), bound = relative * expected.magnitude[i] + absolute;
    if (!(error <= bound)) most = std::max(most, bound > 0 ? error / bound : HUGE_VAL);
    else if (bound > 0) most = std::max(most, error / bound);
  }
  return most;
}

template <class G, cuda::Policy P, class F>
void check_with(int samples, Bound bound, F numbers) {
  constexpr int x_size = G::H * G::W * G::C, y_size = G::P * G::Q * G::K;
  constexpr int w_size = G::R * G::S * (G::C / G::groups) * G::K;
  const auto x = numbers(samples * x_size, 1), w = numbers(w_size, 2), dy = numbers(samples * y_size, 3);
  auto at = [](const std::vector<float>& v, int i) { return double{v[static_cast<std::size_t>(i)]}; };
  Sums y(samples * y_size), dx(samples * x_size), dw(w_size), db(G::K);
  each_product<G>(samples, [&](int xi, int wi, int yi) {
    y.add(yi, at(x, xi), at(w, wi));
    dx.add(xi, at(dy, yi), at(w, wi));
    dw.add(wi, at(x, xi), at(dy, yi));
  });
  for (int i = 0; i < samples * y_size; ++i) db.add(i % G::K, at(dy, i), 1);

  const auto forward = run_kernel<cuda::under_policy_t<P, Forward<G>>>(samples, {{x}, {w}, output(samples * y_size)});
  CHECK(worst(forward[2], y, bound, G::R * G::S * G::C / G::groups) <= 1);
  const auto data =
      run_kernel<cuda::under_policy_t<P, DataGradient<G>>>(samples, {{dy}, {w}, output(samples * x_size)});
  CHECK(worst(data[2], dx, bound, G::R * G::S * G::K / G::groups) <= 1);
  // The bias gradient sums what has not been rounded.
  const auto weight =
      run_kernel<cuda::under_policy_t<P, WeightGradient<G>>>(samples, {{x}, {dy}, output(w_size), output(G::K)});
  CHECK(worst(weight[2], dw, bound, samples * G::P * G::Q) <= 1);
  CHECK(worst(weight[3], db, bound.unrounded(), samples * G::P * G::Q) <= 1);
}

/// On numbers that are rounded, and on small integers, with which every precision is exact: there no product may be
/// missing, or be one too many.
template <class G, cuda::Policy P = cuda::Policy{}>
void check(const char* what, int samples) {
  CAPTURE(what);
  CAPTURE(samples);
  CAPTURE(name_of(P));
  if (!device_has(P)) return;
  check_with<G, P>(samples, bound_of(P), random_floats);
  if constexpr (P.precision != Precision::fp32) check_with<G, P>(samples, {}, small_integers);
}

}  // namespace inlay::test
