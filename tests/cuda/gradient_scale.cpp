// Gradients that fp16 cannot hold: too small ones are scaled before they are rounded, too large ones cut, and the scale
// follows them from run to run. Numbers beside them are small integers, which fp16 holds.
#include "contraction_check.hpp"
#include "on_device.hpp"
#include "program_run.hpp"

#include <inlay/nn/activations.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/max_pooling2d.hpp>
#include <inlay/nn/metrics.hpp>
#include <inlay/nn/sequential.hpp>
#include <inlay/train/optimizers.hpp>
#include <inlay/train/training_graph.hpp>

using namespace inlay;
using namespace inlay::test;
using inlay::cuda::under_policy_t, inlay::cuda::ScaleState;

namespace {

template <class Contraction>
using InFp16 = under_policy_t<Precision::fp16, Contraction>;
template <class Contraction, class Walk>
constexpr bool walks =
    std::is_same_v<typename inlay::cuda::ContractionRunner<InFp16<Contraction>>::Multiplier::Walk, Walk>;

/// A launch's state in device memory.
struct LaunchScale {
  inlay::cuda::Stream stream;
  inlay::cuda::DeviceBuffer<float> memory;
  explicit LaunchScale(float factor) : memory(on_device(std::vector<float>{factor, factor, 0, 0}, stream)) {}
  float* data() const { return memory.data(); }
  float now(int i) const { return on_host(memory, stream)[static_cast<std::size_t>(i)]; }
};

/// Magnitudes from 1e-9 to 1e-6.
std::vector<float> small_gradients(int count) {
  std::vector<float> values = random_floats(count, 3);
  for (float& v : values) v = std::copysign(static_cast<float>(std::pow(10.0, -6 - 3 * std::fabs(double{v}))), v);
  return values;
}
double at(const std::vector<float>& v, int i) { return double{v[static_cast<std::size_t>(i)]}; }

/// Both gradients of a geometry, scaled to where fp16 rounds by 2^-11 at most, and not scaled.
template <class G>
void check_small(const char* what, int samples) {
  CAPTURE(what);
  if (!device_has(Precision::fp16)) return;
  constexpr int x_size = G::H * G::W * G::C, y_size = G::P * G::Q * G::K, w_size = G::R * G::S * G::C * G::K;
  const auto x = small_integers(samples * x_size, 1), w = small_integers(w_size, 2);
  const auto dy = small_gradients(samples * y_size);
  Sums dx(samples * x_size), dw(w_size), db(G::K);
  each_product<G>(samples, [&](int xi, int wi, int yi) {
    dx.add(xi, at(dy, yi), at(w, wi));
    dw.add(wi, at(x, xi), at(dy, yi));
  });
  for (int i = 0; i < samples * y_size; ++i) db.add(i % G::K, at(dy, i), 1);
  const Bound bound{unit_roundoff(Precision::fp16), bound_of(Precision::fp16).sum, 0};
  const int data_terms = G::R * G::S * G::K, weight_terms = samples * G::P * G::Q;
  const std::vector<Argument> data{{dy}, {w}, output(samples * x_size)};
  const std::vector<Argument> weights{{x}, {dy}, output(w_size), output(G::K)};
  using Data = InFp16<DataGradient<G>>;
  using Weights = InFp16<WeightGradient<G>>;

  const LaunchScale state(0x1p34f);  // 1e-6 becomes 17180, 1e-9 is 17.2
  CHECK(worst(run_kernel<Data>(samples, data, state.data())[2], dx, bound, data_terms) <= 1);
  const auto scaled = run_kernel<Weights>(samples, weights, state.data());
  CHECK(worst(scaled[2], dw, bound, weight_terms) <= 1);
  CHECK(worst(scaled[3], db, bound.unrounded(), weight_terms) <= 1);
  CHECK(state.now(ScaleState::reached) == 1);
  CHECK(state.now(ScaleState::overflowed) == 0);

  const LaunchScale unscaled(1);
  CHECK(worst(run_kernel<Data>(samples, data, unscaled.data())[2], dx, bound, data_terms) > 10);
  CHECK(worst(run_kernel<Weights>(samples, weights, unscaled.data())[2], dw, bound, weight_terms) > 10);
  CHECK(unscaled.now(ScaleState::reached) == 0);
}

/// (2^Exponent) times the sum of (output - label)^2.
template <int Exponent>
struct Squares {
  static constexpr auto label(Tracer& tracer) {
    return Symbol<Element::i32, true, 1>{&tracer, build::input(tracer.graph, shape_of(1), Element::i32)};
  }
  static constexpr auto call(auto y, auto label) {
    auto error = y - label;
    constexpr float half = Exponent < 0 ? 0x1p-15f : 0x1p10f;
    static_assert(Exponent == -30 || Exponent == 20);
    return sum(error * error) * half * half;
  }
};

/// A gradient from a halo tile, one by all taps at once, gathered ones.
using Net = nn::Sequential<nn::Input<6, 10, 3>, nn::Conv2D<9, 3, nn::Same, nn::Relu>, nn::MaxPooling2D<2>,
                           nn::Conv2D<20, 3, nn::Same, nn::Relu>, nn::Flatten, nn::Dense<4>>;

/// How many runs it takes until all that a training step makes of small integers is exact.
template <int Exponent>
int runs_until_exact(int most) {
  using P = Program<TrainingGraph<Net, SGD, Squares<Exponent>, Accuracy>, stored_in(Precision::fp16)>;
  const int samples = 4;
  Case c = Case::of<P>(samples, 4);
  for (double& v : c.inputs[0]) v = std::trunc(v * 3);
  const double numbers[] = {1, 0, 0, 1, 0};  // SGD's: a rate of 1, no momentum, no decay, the whole velocity
  for (std::size_t i = 0; i < 5; ++i) c.inputs[2 + i] = {numbers[i]};
  for (Values& values : c.parameters)
    for (double& v : values) v = std::fabs(v) > 0.4375 ? std::copysign(1, v) : 0;  // they lie in (-0.5, 0.5)
  const reference::Result expected = reference::evaluate(thaw(P::graph), samples, c.inputs, c.parameters);
  Device<P, Precision::fp16> device(c);
  for (int run = 1; run <= most; ++run) {
    for (std::size_t i = 0; i < c.parameters.size(); ++i)
      device.parameters.upload(static_cast<int>(i), std::vector<float>(c.parameters[i].begin(), c.parameters[i].end()),
                               device.stream);
    device.executor.parameters_changed();
    device.executor.replay(samples);
    bool exact = true;
    for (int i = 0; i < P::plan.parameters.size; ++i) {
      const std::vector<float> got = device.parameter(i);
      if (P::plan.parameters[i].trainable) continue;  // the velocities are the gradients
      for (std::size_t k = 0; k < got.size(); ++k) {
        CHECK(std::isfinite(got[k]));
        exact = exact && double{got[k]} == expected.updated[static_cast<std::size_t>(i)][k];
      }
    }
    if (exact) return run;
  }
  return most + 1;
}

}  // namespace

TEST_CASE("gradients of 1e-9 are multiplied in fp16 as exactly as others") {
  using Halo = Square<7, 6, 9, 12, 3, 3, 1>;
  static_assert(walks<DataGradient<Halo>, inlay::cuda::HaloWalk<InFp16<DataGradient<Halo>>>>);
  static_assert(walks<WeightGradient<Halo>, inlay::cuda::TapsWalk<InFp16<WeightGradient<Halo>>>>);
  check_small<Halo>("3x3", 2);
  using Gathered = Square<9, 8, 9, 10, 3, 3, 1, 2>;
  static_assert(walks<DataGradient<Gathered>, inlay::cuda::TensorWalk<InFp16<DataGradient<Gathered>>>>);
  static_assert(walks<WeightGradient<Gathered>, inlay::cuda::TensorWalk<InFp16<WeightGradient<Gathered>>>>);
  check_small<Gathered>("stride 2", 3);
  check_small<Square<1, 1, 70, 10, 1>>("dense", 5);
}

TEST_CASE("gradients that are too large for their scale become the largest number, and that is noted; NaN stays") {
  using G = Square<4, 4, 8, 8, 1>;
  if (!device_has(Precision::fp16)) return;
  std::vector<float> dy(4 * 4 * 8, 0.0f), w(8 * 8, 0.0f);
  for (std::size_t i = 0; i < 8; ++i) w[9 * i] = 1;
  dy[0] = 1e6f;
  dy[9] = -HUGE_VALF;
  dy[18] = 3;
  dy[27] = std::nanf("");
  const LaunchScale state(2);
  const auto dx = run_kernel<InFp16<DataGradient<G>>>(1, {{dy}, {w}, output(4 * 4 * 8)}, state.data())[2];
  CHECK(dx[0] == 65504 / 2);
  CHECK(dx[9] == -65504 / 2);
  CHECK(dx[18] == 3);
  CHECK(std::isnan(dx[27]));
  CHECK(state.now(ScaleState::overflowed) == 1);
}

TEST_CASE("a scale falls where a gradient was too large, grows where none was large, and follows the batch") {
  const inlay::cuda::Stream stream;
  const float most = ScaleState::most;
  //                        factor, of one sample, overflowed, reached
  const std::vector<float> before{9, 16, 1, 1, /**/ 9, 16, 0, 0, /**/ 9, 16, 0, 1, /**/ 9, most, 0, 0};
  auto states = on_device(before, stream);
  const auto samples = on_device(std::vector<float>{21}, stream);
  inlay::cuda::enqueue<inlay::cuda::SettleScales>(stream, {1}, states.view(), samples.view(), 4);
  const float scales[] = {16.0f / 256, 256, 16, most};
  const auto after = on_host(states, stream);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(after[4 * i] == 16 * scales[i]);
    CHECK(after[4 * i + 1] == scales[i]);
    CHECK(after[4 * i + 2] == 0);
    CHECK(after[4 * i + 3] == 0);
  }
}

TEST_CASE("a program in fp16 finds the scales of its gradients within a few runs") {
  if (!device_has(Precision::fp16)) return;
  const int of_small = runs_until_exact<-30>(8), of_large = runs_until_exact<20>(8);
  CAPTURE(of_small);
  CAPTURE(of_large);
  CHECK(of_small > 1);
  CHECK(of_small <= 4);
  CHECK(of_large > 1);
  CHECK(of_large <= 6);
}
