// What a user may allow or forbid: Numerics, and weights in bf16.
#include "../support/contraction_graph.hpp"
#include "../support/program_run.hpp"

#include <inlay/cpu/explain.hpp>
#include <inlay/nn/activations.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/sequential.hpp>

#include <limits>

using namespace inlay;
using test::ContractionGraph;

namespace {

constexpr cpu::Policy exact{Numerics::exact}, in_bf16{Numerics::fast, Precision::bf16};

/// The graph's outputs for weights that bf16 can hold.
template <class Source, cpu::Policy Allowed>
std::vector<std::vector<float>> outputs(int samples, int threads) {
  using P = Program<Source>;
  test::Numbers in = test::random_inputs(thaw(P::graph), samples, 3);
  auto* weights = reinterpret_cast<float*>(in.bytes[1].data());
  for (std::size_t i = 0; i < in.values[1].size(); ++i)
    weights[i] = static_cast<float>(static_cast<int>(i * 37 % 255) - 127) / 64;
  cpu::Executor<P, Allowed> executor(threads);
  for (int i = 0; i < 3; ++i) executor.bind_input(i, in.bytes[static_cast<std::size_t>(i)].data());
  executor.run(samples);
  std::vector<std::vector<float>> all;
  for (int o = 0; o < 3; ++o) {
    const Value& value = P::plan.values[P::plan.outputs[o].value];
    all.emplace_back(static_cast<std::size_t>(value.count * (value.batched ? samples : 1)));
    executor.read_output(o, samples, all.back().data());
  }
  return all;
}

template <class Source>
void check_bf16() {
  for (int samples : {1, 2, 33})
    for (int threads : {1, 2, 3}) {
      CAPTURE(samples);
      CAPTURE(threads);
      CHECK(outputs<Source, in_bf16>(samples, threads) == outputs<Source, cpu::Policy{}>(samples, threads));
    }
}

}  // namespace

TEST_CASE("the algorithm of a convolution is the one estimated to take least") {
  using cpu::Algorithm;
  auto chosen = [](int size, int in, int out, Mode mode = Mode::forward, cpu::Policy policy = {}, int window = 3) {
    const int pad = window / 2;
    return choose({mode, true, size, size, in, size, size, out, window, window, 1, 1, pad, pad, 1, 1, 1}, policy);
  };
  const Algorithm large = cpu::stay_cached(36 * 64 * 64) ? Algorithm::winograd_4x4 : Algorithm::winograd_6x6;
  for (const Mode mode : {Mode::forward, Mode::data_gradient, Mode::weight_gradient}) {
    const bool weights = mode == Mode::weight_gradient;
    CHECK(chosen(28, 64, 64, mode) == (weights ? Algorithm::winograd_4x4 : large));
    CHECK(chosen(8, 64, 64, mode) == Algorithm::winograd_4x4);  // 4 + 4 by 4 + 4 takes the weights of fewer frequencies
    CHECK(chosen(28, 64, 64, mode, exact) == Algorithm::direct);
    CHECK(winograd_tile(chosen(2, 64, 64, mode)) < 4);  // most of a 4 x 4 tile would be wasted
    CHECK(chosen(28, 64, 64, mode, {}, 5) == Algorithm::direct);
    CHECK(chosen(28, 64, 64, mode, {}, 1) == Algorithm::matrix);
  }
  CHECK(chosen(28, 1, 32) == Algorithm::direct);  // one channel does not pay for the transforms
  CHECK(chosen(28, 1, 32, Mode::weight_gradient) == Algorithm::direct);
  CHECK(chosen(1, 64, 64, Mode::forward, in_bf16, 1) == Algorithm::compressed);
  CHECK(chosen(1, 64, 64, Mode::weight_gradient, in_bf16, 1) == Algorithm::matrix);
}
TEST_CASE("a side is tiled with the fewest products") {
  auto tiles = [](int tile, int extent) {
    const cpu::TiledSide side(tile, extent);
    CHECK(side.first(side.count()) >= extent);
    return std::pair(side.large, side.small);
  };
  CHECK(tiles(6, 28) == std::pair(4, 1));
  CHECK(tiles(6, 32) == std::pair(4, 2));
  CHECK(tiles(6, 8) == std::pair(0, 2));
  CHECK(tiles(6, 5) == std::pair(1, 0));
  CHECK(tiles(6, 4) == std::pair(0, 1));
  CHECK(tiles(4, 29) == std::pair(8, 0));
}
TEST_CASE("explain names the algorithm of each contraction, and the policy's") {
  using Net = nn::Sequential<nn::Input<28, 28, 32>, nn::Conv2D<64, 3, nn::Same, nn::Relu>, nn::Conv2D<64, 1>,
                             nn::Flatten, nn::Dense<10>>;
  auto has = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  const std::string fast = cpu::explain<Net>(), stated = cpu::explain<Net, Numerics::exact, Precision::bf16>();
  CHECK(has(fast, cpu::stay_cached(36 * 32 * 64) ? "Winograd F(4x4, 3x3): conv2d 3x3 32->64"
                                                 : "Winograd F(6x6, 3x3): conv2d 3x3 32->64"));
  CHECK(has(fast, "matrix product: conv2d 1x1 64->64"));
  CHECK(has(stated, "direct sums: conv2d 3x3 32->64"));
  CHECK(has(stated, "matrix product with weights in bf16: "));
  using Kernel = kernel::lowered_t<Program<Inference<Net>>, 0>;
  constexpr cpu::Blocking blocking = cpu::Chosen<Kernel, cpu::Policy{}>::blocking;
  CHECK(has(fast, (std::to_string(blocking.rows) + " x " + std::to_string(blocking.vectors)).c_str()));
  MESSAGE(fast);
}
TEST_CASE("exact numerics hold 3x3 convolutions to the bound of direct sums") {
  using Source = ContractionGraph<14, 9, 16, 24, 3, 3, 1, 1>;
  test::check_program<Source, exact>(3, 2, Source::roundings(3));
}
TEST_CASE("dense layers with weights in bf16 compute what the rounded weights say") {
  check_bf16<ContractionGraph<1, 1, 300, 64, 1, 1>>();
  check_bf16<ContractionGraph<1, 1, 71, 10, 1, 1>>();
  check_bf16<ContractionGraph<1, 1, 513, 20, 1, 1>>();
  check_bf16<ContractionGraph<1, 1, 12, 130, 1, 1>>();
}
TEST_CASE("numbers are rounded to the nearest in bf16, ties to even") {
  auto rounded = [](float x) { return static_cast<float>(Bfloat16(x)); };
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(rounded(1.0f) == 1.0f);
  CHECK(rounded(-3.140625f) == -3.140625f);
  CHECK(rounded(1 + 0x1p-8f) == 1.0f);
  CHECK(rounded(1 + 3 * 0x1p-8f) == 1 + 0x1p-6f);
  CHECK(rounded(1 + 0x1p-8f + 0x1p-20f) == 1 + 0x1p-7f);
  CHECK(rounded(infinity) == infinity);
  CHECK(rounded(std::numeric_limits<float>::max()) == infinity);
  CHECK(std::isnan(rounded(std::numeric_limits<float>::signaling_NaN())));
  CHECK(std::isnan(rounded(__builtin_bit_cast(float, 0x7fffffffu))));
}
