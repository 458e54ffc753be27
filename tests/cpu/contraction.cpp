#include "../support/contraction_graph.hpp"
#include "../support/program_run.hpp"
#include "kernel_run.hpp"
#include "winograd_growth.hpp"

using namespace inlay;
using test::ContractionGraph;

namespace {

constexpr cpu::Policy exact{Numerics::exact};

template <class G, cpu::Policy Allowed = cpu::Policy{}>
void check(int samples = 3, double growth = 0) {
  test::check_program<G, Allowed>(samples, 1, G::roundings(samples), 1, growth);
  test::check_program<G, Allowed>(samples, 2, G::roundings(samples), 2, growth);
  test::check_program<G, Allowed>(1, 3, G::roundings(1), 3, growth);
}

template <class G>
void check_winograd(int samples = 3) {
  check<G>(samples, test::winograd_growth());
}

}  // namespace

TEST_CASE("3x3 convolutions and their gradients agree with the reference on the seed network's shapes") {
  check<ContractionGraph<28, 28, 1, 32, 3, 3, 1, 1>>();
  check_winograd<ContractionGraph<28, 28, 32, 64, 3, 3, 1, 1>>(2);
}
TEST_CASE("Winograd's algorithm handles partial tiles, odd channels, valid and wide padding") {
  MESSAGE("growth of rounding errors, at most: " << test::winograd_growth_of<4>() << " by F(4x4, 3x3), "
                                                 << test::winograd_growth_of<6>() << " by F(6x6, 3x3)");
  check_winograd<ContractionGraph<14, 14, 64, 64, 3, 3, 1, 1>>(2);
  check_winograd<ContractionGraph<6, 6, 17, 33, 3, 3, 1, 1>>();
  check_winograd<ContractionGraph<15, 22, 32, 32, 3, 3, 1, 1>>(2);
  check_winograd<ContractionGraph<20, 28, 17, 20, 3, 3, 1, 1>>(1);  // threads begin inside a row of tiles
  check_winograd<ContractionGraph<7, 13, 8, 48, 3, 3>>();
  check_winograd<ContractionGraph<9, 5, 24, 9, 3, 3, 1, 2>>();
}
TEST_CASE("channels that are no multiple of a vector are computed whole and nothing beyond") {
  check<ContractionGraph<7, 9, 5, 10, 3, 3, 1, 1>, exact>();
  check_winograd<ContractionGraph<7, 9, 5, 10, 3, 3, 1, 1>>();
  check<ContractionGraph<6, 6, 17, 33, 3, 2, 1, 1>>();
  check<ContractionGraph<5, 5, 3, 7, 3, 3>, exact>();
  check_winograd<ContractionGraph<5, 5, 3, 7, 3, 3>>();
}
TEST_CASE("odd sizes, valid padding and other windows agree with the reference") {
  check<ContractionGraph<11, 7, 16, 16, 5, 5, 1, 2>>();
  check<ContractionGraph<9, 13, 8, 24, 1, 3>>();
  check<ContractionGraph<4, 4, 64, 80, 2, 2>>();
}
TEST_CASE("strided convolutions and their gradients agree with the reference") {
  check<ContractionGraph<9, 9, 8, 16, 3, 3, 2, 1>>();
  check<ContractionGraph<8, 8, 16, 32, 1, 1, 2>>();
  check<ContractionGraph<14, 10, 4, 8, 3, 3, 3>>();
}
TEST_CASE("dilated and grouped convolutions agree with the reference") {
  check<ContractionGraph<12, 12, 8, 8, 3, 3, 1, 2, 2>>();
  check<ContractionGraph<8, 8, 16, 32, 3, 3, 1, 1, 1, 4>>();
  check<ContractionGraph<8, 8, 12, 24, 3, 3, 1, 1, 1, 12>>();
}
TEST_CASE("depthwise convolutions agree with the reference") {
  check<ContractionGraph<8, 8, 12, 12, 3, 3, 1, 1, 1, 12>>();
  check<ContractionGraph<7, 9, 40, 40, 3, 3, 2, 1, 1, 40>>();
  check<ContractionGraph<9, 5, 72, 72, 5, 5, 1, 2, 1, 72>>();
  check<ContractionGraph<12, 12, 16, 16, 3, 2, 1, 2, 2, 16>>();
}
TEST_CASE("images so wide that a weight gradient takes them a few rows at a time") {
  check<ContractionGraph<9, 60, 5, 8, 3, 3, 1, 1>, exact>(2);
  check<ContractionGraph<21, 90, 3, 40, 3, 2, 2, 1>>(2);
  check<ContractionGraph<14, 200, 8, 8, 3, 3, 1, 1, 2, 4>>(2);
  check<ContractionGraph<11, 150, 8, 8, 3, 3, 1, 1, 1, 8>>(2);
}
TEST_CASE("one-pixel windows are matrix products over samples and pixels") {
  check<ContractionGraph<1, 1, 100, 10, 1, 1>>(65);
  check<ContractionGraph<1, 1, 300, 64, 1, 1>>(7);
  check<ContractionGraph<5, 7, 24, 40, 1, 1>>();
  check<ContractionGraph<15, 16, 64, 64, 1, 1>>();
  check<ContractionGraph<9, 10, 300, 20, 1, 1>>(2);
  check<ContractionGraph<1, 1, 3, 1, 1, 1>>(1);
}
TEST_CASE("pixels are multiplied where they lie, or gathered where samples are apart, with the same bits") {
  using namespace kernel;
  constexpr int H = 5, W = 7, C = 24, K = 20, samples = 3, gap = 9;
  using G = Geometry<H, W, C, H, W, K, 1, 1, 1, 1, 0, 0, 1, 1, 1>;
  using Product = Contraction<Mode::forward, G, true, Body<Load<0, Element::f32, test::Image<H, W, C>>>,
                              Body<Load<1, Element::f32, Strides<0, C * K, C * K, K, 1>>>,
                              Epilogue<Body<Result<0>, Store<2, Element::f32, test::Image<H, W, K>, 0>>>>;
  using Runner = cpu::ContractionRunner<Product, cpu::Algorithm::matrix>;
  auto x = test::random_argument(H * W * C, samples), w = test::random_argument(C * K, 0, 2);
  test::Argument<float> apart(H * W * C + gap, samples), y(H * W * K, samples), other(H * W * K, samples);
  for (std::int64_t n = 0; n < samples; ++n)
    for (std::int64_t i = 0; i < H * W * C; ++i) apart[n * (H * W * C + gap) + i] = x[n * H * W * C + i];
  for (int threads : {1, 2}) {
    test::run_kernel<Runner>({x.slot(), w.slot(), y.slot()}, samples, threads);
    test::run_kernel<Runner>({apart.slot(), w.slot(), other.slot()}, samples, threads);
    CHECK(y.values == other.values);
  }
}
TEST_CASE("matrix products without a batch are shared among the threads") {
  check<ContractionGraph<1, 50, 20, 30, 1, 1, 1, 0, 1, 1, false>>(1);
  check<ContractionGraph<1, 257, 128, 64, 1, 1, 1, 0, 1, 1, false>>(1);
  check<ContractionGraph<1, 1, 700, 192, 1, 1, 1, 0, 1, 1, false>>(1);
}
TEST_CASE("a convolution without a batch agrees with the reference") {
  check<ContractionGraph<9, 9, 4, 8, 3, 3, 1, 1, 1, 1, false>>(1);
}
