// Contractions with prologues, epilogues, pooling and side sums, by every algorithm that can do them, against plain
// loops in double. A bound is that of a sum of n products: n u / (1 - n u) times the sum of their magnitudes.
#include "kernel_run.hpp"
#include "winograd_growth.hpp"

using namespace inlay;
using namespace inlay::kernel;
using namespace inlay::test;
using cpu::Algorithm;

namespace {

template <int H_, int W_, int C_, int K_, int R_, int Stride = 1>
struct Layer {
  static constexpr int H = H_, W = W_, C = C_, K = K_, R = R_, stride = Stride, pad = R_ / 2;
  static constexpr int P = window_output(H, R, Stride, pad, pad), Q = window_output(W, R, Stride, pad, pad);
  using G = Geometry<H, W, C, P, Q, K, R, R, Stride, Stride, pad, pad, 1, 1, 1>;
  using Weights = Strides<0, R * C * K, C * K, K, 1>;
  static constexpr int input = H * W * C, output = P * Q * K, weights = R * R * C * K;
};

struct Sum {
  double value = 0, magnitude = 0;
  void add(double a, double b) {
    value += a * b;
    magnitude += std::fabs(a * b);
  }
};

/// Calls f(p, q, r, s, h, w) wherever tap (r, s) of output (p, q) lies inside the image.
template <class L, class F>
void each_tap(F f) {
  for (int p = 0; p < L::P; ++p)
    for (int q = 0; q < L::Q; ++q)
      for (int r = 0; r < L::R; ++r)
        for (int s = 0; s < L::R; ++s) {
          const int h = p * L::stride + r - L::pad, w = q * L::stride + s - L::pad;
          if (h >= 0 && h < L::H && w >= 0 && w < L::W) f(p, q, r, s, h, w);
        }
}

/// Checks all sums of an output. For Winograd each error is bounded by the largest magnitude.
void check_sums(const std::vector<Sum>& sums, double roundings, Algorithm algorithm, const auto& value) {
  double largest = 0, worst = 0;
  for (const Sum& s : sums) largest = std::fmax(largest, s.magnitude);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const int tile = cpu::winograd_tile(algorithm);
    const double growth = tile == 2   ? winograd_growth_of<2>()
                          : tile == 4 ? winograd_growth_of<4>()
                                      : winograd_growth_of<6>();
    const double bound = rounding_bound(roundings, tile > 0 ? growth * largest : sums[i].magnitude);
    const double error = std::fabs(value(i) - sums[i].value) / bound;
    if (!(error <= worst)) worst = error;
  }
  CHECK(worst <= 1.0);
}

/// relu(conv(u8 / 255) + bias).
template <class L, Algorithm A>
void check_rescaled(int samples, int threads) {
  using X = Body<Load<0, Element::u8, Image<L::H, L::W, L::C>>, Constant<0x3b808081>, Apply<MapOp::multiply, 0, 1>>;
  using Main = Body<Result<0>, Load<2, Element::f32, Strides<0, 0, 0, 0, 1>>, Apply<MapOp::add, 0, 1>, Constant<0>,
                    Apply<MapOp::maximum, 2, 3>, Store<3, Element::f32, Image<L::P, L::Q, L::K>, 4>>;
  using Kernel = Contraction<Mode::forward, typename L::G, true, X, Body<Load<1, Element::f32, typename L::Weights>>,
                             Epilogue<Main>>;
  auto x = random_bytes(L::input, samples, 256);
  auto w = random_argument(L::weights, 0, 2), bias = random_argument(L::K, 0, 3);
  Argument<float> y(L::output, samples);
  run_kernel<cpu::ContractionRunner<Kernel, A>>({x.slot(), w.slot(), bias.slot(), y.slot()}, samples, threads);

  std::vector<Sum> sums(static_cast<std::size_t>(L::output * samples));
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i].add(bias[static_cast<int>(i) % L::K], 1);
  for (int n = 0; n < samples; ++n)
    each_tap<L>([&](int p, int q, int r, int s, int h, int v) {
      for (int c = 0; c < L::C; ++c)
        for (int k = 0; k < L::K; ++k)
          sums[static_cast<std::size_t>(((n * L::P + p) * L::Q + q) * L::K + k)].add(
              x[((n * L::H + h) * L::W + v) * L::C + c] / 255.0, w[((r * L::R + s) * L::C + c) * L::K + k]);
    });
  for (Sum& s : sums) s.value = std::fmax(s.value, 0);
  check_sums(sums, L::R * L::R * L::C + 4, A, [&](std::size_t i) { return y.values[i]; });
}

/// Main stores relu(conv), pooling, Post stores 2 * maximum and the index.
template <class L, Algorithm A, int Pool>
void check_pooled(int samples, int threads) {
  using Out = Image<L::P, L::Q, L::K>;
  using Pooled = Image<L::P / Pool, L::Q / Pool, L::K>;
  using Main = Body<Result<0>, Constant<0>, Apply<MapOp::maximum, 0, 1>, Store<2, Element::f32, Out, 2>>;
  using Post = Body<Result<0>, Apply<MapOp::add, 0, 0>, Store<3, Element::f32, Pooled, 1>, Result<1>,
                    Store<4, Element::u8, Pooled, 3>>;
  using Kernel =
      Contraction<Mode::forward, typename L::G, true, Body<Load<0, Element::f32, Image<L::H, L::W, L::C>>>,
                  Body<Load<1, Element::f32, typename L::Weights>>, Epilogue<Main, MaxPool<Pool, Pool>, Post>>;
  auto x = random_argument(L::input, samples), w = random_argument(L::weights, 0, 2);
  constexpr int pooled = L::output / Pool / Pool;
  Argument<float> y(L::output, samples), most(pooled, samples);
  Argument<std::uint8_t> index(pooled, samples);
  run_kernel<cpu::ContractionRunner<Kernel, A>>({x.slot(), w.slot(), y.slot(), most.slot(), index.slot()}, samples,
                                                threads);

  std::vector<Sum> sums(static_cast<std::size_t>(L::output * samples));
  for (int n = 0; n < samples; ++n)
    each_tap<L>([&](int p, int q, int r, int s, int h, int v) {
      for (int c = 0; c < L::C; ++c)
        for (int k = 0; k < L::K; ++k)
          sums[static_cast<std::size_t>(((n * L::P + p) * L::Q + q) * L::K + k)].add(
              x[((n * L::H + h) * L::W + v) * L::C + c], w[((r * L::R + s) * L::C + c) * L::K + k]);
    });
  for (Sum& s : sums) s.value = std::fmax(s.value, 0);
  check_sums(sums, L::R * L::R * L::C + 2, A, [&](std::size_t i) { return y.values[i]; });
  for (int o = 0; o < pooled * samples; ++o) {  // exact, given what Main stored
    const int k = o % L::K, q = o / L::K % (L::Q / Pool), p = o / L::K / (L::Q / Pool) % (L::P / Pool), n = o / pooled;
    float largest = -1;
    int place = 0;
    for (int i = 0; i < Pool * Pool; ++i) {
      const float v = y[((n * L::P + p * Pool + i / Pool) * L::Q + q * Pool + i % Pool) * L::K + k];
      if (v > largest) {
        largest = v;
        place = i;
      }
    }
    CHECK(most[o] == 2 * largest);
    CHECK(index[o] == place);
  }
}

/// dy read through max pooling's gradient, scatter(d, index), and, if Masked, relu's: where y > 0.
template <class L, int D, int I>
using Scattered = Scatter<D, Element::f32, I, Element::u8, MaxPool<2, 2>, Image<L::P / 2, L::Q / 2, L::K>>;
template <class L, bool Masked, int D, int I, int Y>
using Unpooled = std::conditional_t<Masked,
                                    Body<Scattered<L, D, I>, Load<Y, Element::f32, Image<L::P, L::Q, L::K>>,
                                         Constant<0>, Apply<MapOp::greater, 1, 2>, Apply<MapOp::select, 3, 0, 2>>,
                                    Body<Scattered<L, D, I>>>;

struct Upstream {
  Argument<float> d, y;
  Argument<std::uint8_t> index;
  int P, Q, K;
  bool masked;

  template <class L, bool Masked>
  static Upstream random(int samples) {
    return {random_argument(L::output / 4, samples, 7),
            random_argument(L::output, samples, 8),
            random_bytes(L::output / 4, samples, 4, 9),
            L::P,
            L::Q,
            L::K,
            Masked};
  }
  double operator()(int n, int p, int q, int k) {
    const int at = ((n * (P / 2) + p / 2) * (Q / 2) + q / 2) * K + k;
    return index[at] == p % 2 * 2 + q % 2 && (!masked || y[((n * P + p) * Q + q) * K + k] > 0) ? d[at] : 0;
  }
};

template <class L, Algorithm A, bool Masked = true>
void check_data_gradient(int samples, int threads) {
  using Main = Body<Result<0>, Load<4, Element::f32, Image<L::H, L::W, L::C>>, Apply<MapOp::add, 0, 1>,
                    Store<5, Element::f32, Image<L::H, L::W, L::C>, 2>>;
  using Kernel = Contraction<Mode::data_gradient, typename L::G, true, Unpooled<L, Masked, 0, 1, 2>,
                             Body<Load<3, Element::f32, typename L::Weights>>, Epilogue<Main>>;
  auto up = Upstream::random<L, Masked>(samples);
  auto w = random_argument(L::weights, 0, 2), skip = random_argument(L::input, samples, 4);
  Argument<float> dx(L::input, samples);
  run_kernel<cpu::ContractionRunner<Kernel, A>>(
      {up.d.slot(), up.index.slot(), up.y.slot(), w.slot(), skip.slot(), dx.slot()}, samples, threads);

  std::vector<Sum> sums(static_cast<std::size_t>(L::input * samples));
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i].add(skip.values[i], 1);
  for (int n = 0; n < samples; ++n)
    each_tap<L>([&](int p, int q, int r, int s, int h, int v) {
      for (int k = 0; k < L::K; ++k) {
        const double d = up(n, p, q, k);
        for (int c = 0; c < L::C; ++c)
          sums[static_cast<std::size_t>(((n * L::H + h) * L::W + v) * L::C + c)].add(
              d, w[((r * L::R + s) * L::C + c) * L::K + k]);
      }
    });
  check_sums(sums, L::R * L::R * L::K + 2, A, [&](std::size_t i) { return dx.values[i]; });
}

/// w -= 0.5 * dw and, beside it, the bias gradient.
template <class L, Algorithm A, bool Masked = true>
void check_weight_gradient(int samples, int threads) {
  using Main =
      Body<Load<3, Element::f32, typename L::Weights>, Result<0>, Constant<0x3f000000>, Apply<MapOp::multiply, 1, 2>,
           Apply<MapOp::subtract, 0, 3>, Store<3, Element::f32, typename L::Weights, 4>>;
  using Side = Body<Result<0>, Store<5, Element::f32, Strides<0, 0, 0, 0, 1>, 0>>;
  using X = Body<Load<4, Element::f32, Image<L::H, L::W, L::C>>>;
  using Kernel =
      Contraction<Mode::weight_gradient, typename L::G, true, X, Unpooled<L, Masked, 0, 1, 2>, Epilogue<Main>, Side>;
  auto up = Upstream::random<L, Masked>(samples);
  auto x = random_argument(L::input, samples, 2), w = random_argument(L::weights, 0, 3);
  Argument<float> bias(L::K);
  std::vector<Sum> sums(static_cast<std::size_t>(L::weights)), sides(static_cast<std::size_t>(L::K));
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i].add(w.values[i], 1);
  for (int n = 0; n < samples; ++n) {
    each_tap<L>([&](int p, int q, int r, int s, int h, int v) {
      for (int k = 0; k < L::K; ++k) {
        const double d = up(n, p, q, k);
        for (int c = 0; c < L::C; ++c)
          sums[static_cast<std::size_t>(((r * L::R + s) * L::C + c) * L::K + k)].add(
              -0.5 * d, x[((n * L::H + h) * L::W + v) * L::C + c]);
      }
    });
    for (int i = 0; i < L::output; ++i)
      sides[static_cast<std::size_t>(i % L::K)].add(up(n, i / (L::Q * L::K), i / L::K % L::Q, i % L::K), 1);
  }
  run_kernel<cpu::ContractionRunner<Kernel, A>>(
      {up.d.slot(), up.index.slot(), up.y.slot(), w.slot(), x.slot(), bias.slot()}, samples, threads);
  const double pixels = double{L::P} * L::Q * samples;
  check_sums(sums, pixels + threads + 2, A, [&](std::size_t i) { return w.values[i]; });
  check_sums(sides, pixels + threads, Algorithm::direct, [&](std::size_t i) { return bias.values[i]; });
}

}  // namespace

TEST_CASE("images of bytes are rescaled on their way into a convolution") {
  check_rescaled<Layer<28, 28, 1, 32, 3>, Algorithm::direct>(2, 1);
  check_rescaled<Layer<9, 7, 3, 10, 5>, Algorithm::direct>(3, 2);
  check_rescaled<Layer<9, 7, 3, 10, 3, 2>, Algorithm::direct>(1, 2);
  check_rescaled<Layer<9, 7, 10, 20, 3>, Algorithm::winograd_4x4>(3, 2);
  check_rescaled<Layer<9, 7, 10, 20, 3>, Algorithm::winograd_2x2>(3, 2);
  for (int threads : {1, 2, 3}) {  // 6 + 4 by 6 + 6 + 4, all small, all large, and threads that share rows of tiles
    check_rescaled<Layer<10, 16, 10, 20, 3>, Algorithm::winograd_6x6>(3, threads);
    check_rescaled<Layer<9, 7, 10, 70, 3>, Algorithm::winograd_6x6>(3, threads);
    check_rescaled<Layer<12, 6, 33, 20, 3>, Algorithm::winograd_6x6>(2, threads);
    check_rescaled<Layer<28, 25, 9, 16, 3>, Algorithm::winograd_6x6>(1, threads);
    check_rescaled<Layer<7, 7, 64, 64, 3>, Algorithm::winograd_4x4>(13, threads);  // more than share a block of tiles
    check_rescaled<Layer<10, 10, 33, 20, 3>, Algorithm::winograd_6x6>(13, threads);
    check_rescaled<Layer<8, 16, 128, 128, 3>, Algorithm::winograd_4x4>(3, threads);  // two that weights are worth
  }
  check_rescaled<Layer<2, 3, 33, 70, 3>, Algorithm::winograd_2x2>(2, 3);
  check_rescaled<Layer<1, 1, 70, 10, 1>, Algorithm::matrix>(5, 2);
  check_rescaled<Layer<3, 5, 70, 10, 1>, Algorithm::matrix>(3, 2);
}
TEST_CASE("a pooled convolution stores both what was pooled and the maxima with their places") {
  check_pooled<Layer<6, 10, 9, 20, 3>, Algorithm::direct, 2>(3, 2);
  check_pooled<Layer<6, 10, 9, 20, 3>, Algorithm::winograd_4x4, 2>(3, 2);
  check_pooled<Layer<8, 8, 16, 64, 3>, Algorithm::winograd_4x4, 4>(2, 1);
  check_pooled<Layer<10, 16, 9, 20, 3>, Algorithm::winograd_6x6, 2>(3, 2);
  check_pooled<Layer<12, 18, 16, 64, 3>, Algorithm::winograd_6x6, 2>(1, 3);
  check_pooled<Layer<6, 10, 9, 20, 3>, Algorithm::winograd_2x2, 2>(3, 2);
  check_pooled<Layer<9, 6, 4, 17, 5>, Algorithm::direct, 3>(1, 2);
  check_pooled<Layer<4, 4, 20, 33, 1>, Algorithm::direct, 2>(2, 1);
}
TEST_CASE("the data gradient reads through the gradients of pooling and relu") {
  check_data_gradient<Layer<6, 10, 9, 20, 3>, Algorithm::direct>(3, 2);
  check_data_gradient<Layer<6, 10, 9, 20, 3>, Algorithm::winograd_4x4>(3, 2);
  check_data_gradient<Layer<6, 10, 9, 20, 3>, Algorithm::winograd_2x2>(3, 2);
  check_data_gradient<Layer<8, 8, 3, 64, 5>, Algorithm::direct>(1, 1);
  check_data_gradient<Layer<8, 6, 3, 64, 5>, Algorithm::direct, false>(2, 1);
  check_data_gradient<Layer<10, 6, 9, 32, 3>, Algorithm::winograd_4x4, false>(2, 2);
  check_data_gradient<Layer<6, 10, 9, 20, 3>, Algorithm::winograd_4x4, false>(2, 2);
  check_data_gradient<Layer<10, 16, 9, 20, 3>, Algorithm::winograd_6x6>(3, 2);
  check_data_gradient<Layer<16, 10, 9, 32, 3>, Algorithm::winograd_6x6, false>(2, 2);
  check_data_gradient<Layer<10, 10, 20, 40, 3>, Algorithm::winograd_6x6>(13, 1);
  check_data_gradient<Layer<8, 12, 5, 16, 3, 2>, Algorithm::direct>(2, 3);
  check_data_gradient<Layer<4, 6, 40, 24, 1>, Algorithm::matrix>(3, 2);
}
TEST_CASE("the weight gradient updates the weights in its epilogue and sums the bias gradient beside") {
  for (int threads : {1, 2, 5}) {
    check_weight_gradient<Layer<6, 10, 9, 20, 3>, Algorithm::direct>(3, threads);
    check_weight_gradient<Layer<6, 10, 9, 20, 3>, Algorithm::winograd_4x4>(3, threads);
    check_weight_gradient<Layer<6, 10, 9, 20, 3>, Algorithm::winograd_2x2>(3, threads);
    check_weight_gradient<Layer<26, 22, 16, 32, 3>, Algorithm::winograd_2x2>(2, threads);
    check_weight_gradient<Layer<4, 6, 40, 24, 1>, Algorithm::matrix>(3, threads);
  }
  check_weight_gradient<Layer<6, 10, 9, 20, 3>, Algorithm::winograd_4x4>(13, 1);  // more than share a block of tiles
  check_weight_gradient<Layer<10, 6, 16, 32, 3>, Algorithm::winograd_4x4, false>(3, 2);
  check_weight_gradient<Layer<8, 12, 5, 16, 3, 2>, Algorithm::direct>(2, 2);
  check_weight_gradient<Layer<8, 8, 1, 33, 5>, Algorithm::direct>(4, 2);
}
