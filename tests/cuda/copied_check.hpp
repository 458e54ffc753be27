// Contractions of operands that lie in memory as tensor cores multiply them, bf16 or fp16, against exact sums.
#pragma once

#include "contraction_check.hpp"
#include "on_device.hpp"

namespace inlay::test {

using cuda::Policy, cuda::under_policy_t;

template <Precision P, int Slot, class Index>
using ReadAsIs = kernel::Body<kernel::Load<Slot, stored_in(P), Index>>;
/// What is multiplied is not what lies there.
template <Precision P, int Slot, class Index>
using ReadNegated = kernel::Body<kernel::Load<Slot, stored_in(P), Index>, kernel::Apply<MapOp::negate, 0>>;

template <Policy P, class G, Element W = stored_in(P)>
using NarrowForward =
    under_policy_t<P,
                   kernel::Contraction<Mode::forward, G, true, ReadAsIs<P, 0, X<G>>,
                                       kernel::Body<kernel::Load<1, W, Weights<G>>>, kernel::Epilogue<Write<2, Y<G>>>>>;
template <Policy P, class G, Element W = stored_in(P)>
using NarrowDataGradient =
    under_policy_t<P,
                   kernel::Contraction<Mode::data_gradient, G, true, ReadAsIs<P, 0, Y<G>>,
                                       kernel::Body<kernel::Load<1, W, Weights<G>>>, kernel::Epilogue<Write<2, X<G>>>>>;
template <Policy P, class G, class A, class B>
using WeightGradientOf =
    under_policy_t<P, kernel::Contraction<Mode::weight_gradient, G, true, A, B, kernel::Epilogue<Write<2, Weights<G>>>,
                                          Write<3, kernel::Strides<0, 0, 0, 0, 1>>>>;

template <Policy P, class G>
using PlainWeightGradient = WeightGradientOf<P, G, ReadAsIs<P, 0, X<G>>, ReadAsIs<P, 1, Y<G>>>;

template <Precision P>
Argument narrow(const std::vector<float>& values) {
  std::vector<storage_t<stored_in(P)>> result;
  for (float v : values) result.emplace_back(v);
  return result;
}
inline double at(const std::vector<float>& v, int i) { return double{v[static_cast<std::size_t>(i)]}; }

/// All three products of a geometry, exactly.
template <Policy P, class G>
void check_copied(int samples) {
  CAPTURE(name_of(P));
  if (!device_has(P)) return;
  constexpr int x_size = G::H * G::W * G::C, y_size = G::P * G::Q * G::K,
                w_size = G::R * G::S * G::C / G::groups * G::K;
  const auto x = small_integers(samples * x_size, 1), w = small_integers(w_size, 2),
             dy = small_integers(samples * y_size, 3);
  Sums y(samples * y_size), dx(samples * x_size), dw(w_size), minus_dw(w_size), db(G::K), minus_db(G::K);
  each_product<G>(samples, [&](int xi, int wi, int yi) {
    y.add(yi, at(x, xi), at(w, wi));
    dx.add(xi, at(dy, yi), at(w, wi));
    dw.add(wi, at(x, xi), at(dy, yi));
    minus_dw.add(wi, at(x, xi), -at(dy, yi));
  });
  for (int i = 0; i < samples * y_size; ++i) {
    db.add(i % G::K, at(dy, i), 1);
    minus_db.add(i % G::K, at(dy, i), -1);
  }
  const Argument nx = narrow<P>(x), nw = narrow<P>(w), ndy = narrow<P>(dy);
  auto exact = [](const std::vector<float>& got, const Sums& expected) { CHECK(worst(got, expected, {}, 1) <= 1); };

  exact(run_kernel<NarrowForward<P, G>>(samples, {nx, nw, output(samples * y_size)})[2], y);

  const cuda::Stream stream;
  const auto state = on_device(std::vector<float>{8, 8, 0, 0}, stream);
  float* const scale = state.data();  // of gradients, in fp16
  using Data = NarrowDataGradient<P, G>;
  exact(run_kernel<Data>(samples, {ndy, nw, output(samples * x_size)}, scale)[2], dx);

  using Plain = PlainWeightGradient<P, G>;
  const auto plain = run_kernel<Plain>(samples, {nx, ndy, output(w_size), output(G::K)}, scale);
  exact(plain[2], dw);
  exact(plain[3], db);
  // Copied beside what is evaluated. In fp16 that is dy, which is scaled, in two of the products above.
  if constexpr (P.precision == Precision::bf16) {
    using ForwardOfFloats = NarrowForward<P, G, Element::f32>;
    using DataOfFloats = NarrowDataGradient<P, G, Element::f32>;
    exact(run_kernel<ForwardOfFloats>(samples, {nx, {w}, output(samples * y_size)})[2], y);
    exact(run_kernel<DataOfFloats>(samples, {ndy, {w}, output(samples * x_size)}, scale)[2], dx);
    using MinusX = WeightGradientOf<P, G, ReadNegated<P, 0, X<G>>, ReadAsIs<P, 1, Y<G>>>;
    const auto minus_x = run_kernel<MinusX>(samples, {nx, ndy, output(w_size), output(G::K)}, scale);
    exact(minus_x[2], minus_dw);
    exact(minus_x[3], db);
    using MinusDy = WeightGradientOf<P, G, ReadAsIs<P, 0, X<G>>, ReadNegated<P, 1, Y<G>>>;
    const auto minus_dy = run_kernel<MinusDy>(samples, {nx, ndy, output(w_size), output(G::K)}, scale);
    exact(minus_dy[2], minus_dw);
    exact(minus_dy[3], minus_db);
  }
}
template <class G, TileSize Tile = TileSize{}, Precision P = Precision::bf16>
void check_copied(const char* what, int samples) {
  CAPTURE(what);
  check_copied<Policy{P, Tile}, G>(samples);
}
template <class G>
void check_in_fp16(const char* what, int samples) {
  check_copied<G, TileSize{}, Precision::fp16>(what, samples);
}

}  // namespace inlay::test
