#include "../support/race.hpp"

#include <inlay/graph/trace.hpp>
#include <inlay/nn/activations.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/max_pooling2d.hpp>
#include <inlay/nn/rescaling.hpp>
#include <inlay/nn/residual.hpp>
#include <inlay/nn/sequential.hpp>
#include <inlay/train/optimizers.hpp>

#include <algorithm>
#include <cstdint>

using namespace inlay;

namespace {

using Small = nn::Sequential<nn::Input<8, 8, 1, std::uint8_t>, nn::Rescaling<std::ratio<1, 255>>,
                             nn::Conv2D<5, 3, nn::Same, nn::Relu>, nn::Conv2D<20, 3, nn::Same, nn::Relu>,
                             nn::MaxPooling2D<2>, nn::Flatten, nn::Dense<9, nn::Relu>, nn::Dense<3>>;
using Deep = nn::Sequential<nn::Input<6, 6, 2>, nn::Conv2D<16, 3, nn::Same, nn::Tanh>,
                            nn::Residual<nn::Conv2D<16, 3, nn::Same, nn::Relu>, nn::Conv2D<16, 3, nn::Same>>,
                            nn::MaxPooling2D<2>, nn::Conv2D<7, 1, nn::Sigmoid>, nn::Flatten, nn::Dense<4>>;

/// Whose data gradients are divided by columns, two in succession.
using Wide =
    nn::Sequential<nn::Input<1, 1, 3>, nn::Flatten, nn::Dense<1100, nn::Tanh>, nn::Dense<1040, nn::Tanh>, nn::Dense<3>>;

/// Dense layers that make two sums, of what a prologue rescales and of plain rows; some columns side by side.
using Halved = nn::Sequential<nn::Input<5, 5, 26, std::uint8_t>, nn::Rescaling<std::ratio<1, 255>>, nn::Flatten,
                              nn::Dense<320, nn::Relu>, nn::Dense<96, nn::Relu>, nn::Dense<3>>;

/// Weights of convolutions that a run computes: from the batch, and (the squares) from parameters alone.
struct ComputedWeights {
  static constexpr Graph make() {
    Graph g;
    const int x = build::input(g, shape_of(6, 6, 8), Element::f32, true);
    const int scale = build::input(g, shape_of(8), Element::f32, false);
    const int w = build::parameter(g, Parameter{.shape = shape_of(3, 3, 8, 8)});
    const int square = build::map(g, MapOp::multiply, w, w);
    const int mean = build::reshape(g, build::mean_of_channels(g, x), shape_of(8));
    auto convolve = [&](int weights) {
      const Window window{.height = 3, .width = 3, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1};
      return build::contraction(g, Mode::forward, x, weights, window, shape_of(6, 6, 8));
    };
    const int weights[] = {square, build::map(g, MapOp::multiply, w, mean), build::map(g, MapOp::multiply, w, scale)};
    for (int i = 0; i < 3; ++i) g.outputs.push(Output{convolve(weights[i])});
    return g;
  }
};

}  // namespace

// Winograd's growth of rounding errors, 84, on sums of 72 products with a mean of 36 x samples terms.
TEST_CASE("weights that are computed are packed after that, and again when a parameter changes") {
  using P = Program<ComputedWeights>;
  const Graph graph = thaw(P::graph);
  for (int threads : {1, 2}) {
    cpu::Executor<P> executor(threads);
    std::vector<float> w(3 * 3 * 8 * 8);
    executor.bind_parameter(0, w.data());
    for (int round = 0; round < 3; ++round) {
      const int samples = 3 - round;
      const test::Numbers in = test::random_inputs(graph, samples, static_cast<std::uint32_t>(round));
      for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>((static_cast<int>(i) + round) % 7 - 3);
      executor.parameters_changed();
      for (int i = 0; i < 2; ++i) executor.bind_input(i, in.bytes[static_cast<std::size_t>(i)].data());
      executor.run(samples);
      executor.run(samples);  // with what the first run has kept
      const auto expected = reference::evaluate(graph, samples, in.values, {reference::Values(w.begin(), w.end())});
      for (int o = 0; o < 3; ++o) {
        const reference::Values& y = expected.outputs[static_cast<std::size_t>(o)];
        std::vector<float> got(y.size());
        executor.read_output(o, samples, got.data());
        double worst = 0;
        for (std::size_t i = 0; i < y.size(); ++i) worst = std::max(worst, std::fabs(got[i] - y[i]));
        CHECK(worst < 84 * test::gamma(72 + 36 * 3) * 72 * 9);
      }
    }
  }
}

// With SGD an update is learning_rate * gradient; the gradients' sums have fewer than 2,000 terms of either sign, each
// after fewer than 10 layers of roundings: gamma(2000 * 10) of the magnitudes, which learning_rate = 0.01 scales down.
TEST_CASE("training steps with SGD follow the reference, for any number of samples and threads") {
  for (int threads : {1, 2, 3}) {
    test::Race<Small, SGD> small(threads);
    test::Race<Deep, SGD> deep(threads);
    for (int samples : {4, 1, 7}) {
      small.step(samples);
      deep.step(samples);
      CAPTURE(samples);
      CHECK(small.loss == doctest::Approx(small.expected_loss).epsilon(test::gamma(2000)));
      CHECK(small.difference() < test::gamma(20000));
      CHECK(deep.difference() < test::gamma(20000));
    }
  }
}
TEST_CASE("threads that divide the columns of a data gradient wait for each other") {
  for (int threads : {1, 2, 3}) {
    test::Race<Wide, SGD> wide(threads);
    for (int samples : {5, 2}) {
      wide.step(samples);
      CHECK(wide.difference() < test::gamma(20000));
    }
  }
}
// Adam divides by the root of the squared gradient: where a gradient is rounding noise its step is of any size up to
// learning_rate. Few elements may be so; the loss must agree all the same.
TEST_CASE("training steps with Adam follow the reference") {
  test::Race<Small, Adam> small(2);
  for (int i = 0; i < 5; ++i) {
    small.step(6);
    CHECK(small.loss == doctest::Approx(small.expected_loss).epsilon(1e-5));
    CHECK(small.difference() < 2e-3);
  }
}
TEST_CASE("the same number of threads gives the same bits") {
  test::Race<Small, Adam> a(2), b(2);
  for (int i = 0; i < 3; ++i) {
    a.step(5);
    b.step(5);
  }
  CHECK(a.parameters == b.parameters);
}
TEST_CASE_TEMPLATE("threads that share a sample give the bits of one thread", Net, Small, Deep, Halved) {
  using P = Program<Inference<Net>>;
  const Graph graph = thaw(P::graph);
  const test::Numbers in = test::random_inputs(graph, 2, 1);
  std::vector<std::vector<float>> parameters, outputs;
  std::mt19937 engine(2);
  for (const Parameter& p : graph.parameters) {
    parameters.emplace_back(static_cast<std::size_t>(p.shape.count()));
    for (float& x : parameters.back()) x = static_cast<float>(engine() % 201) / 1000 - 0.1f;
  }
  for (int threads : {1, 2, 3, 5}) {
    cpu::Executor<P> executor(threads);
    for (std::size_t i = 0; i < parameters.size(); ++i)
      executor.bind_parameter(static_cast<int>(i), parameters[i].data());
    for (int samples : {1, 2}) {
      executor.bind_input(0, in.bytes[0].data());
      executor.run(samples);
      outputs.emplace_back(static_cast<std::size_t>(samples * P::plan.values[P::plan.outputs[0].value].count));
      executor.read_output(0, samples, outputs.back().data());
    }
  }
  for (std::size_t i = 2; i < outputs.size(); ++i) CHECK(outputs[i] == outputs[i % 2]);
  CHECK(std::equal(outputs[0].begin(), outputs[0].end(), outputs[1].begin()));
}
TEST_CASE("values of one chunk have no place for every sample") {
  using Net = nn::Sequential<nn::Input<24, 24, 1>, nn::Conv2D<5, 3, nn::Same, nn::Relu>,
                             nn::Conv2D<20, 3, nn::Same, nn::Relu>, nn::MaxPooling2D<2>, nn::Flatten, nn::Dense<3>>;
  using P = Program<Inference<Net>>;
  constexpr std::int64_t dense =
      4 * (12 * 12 * 20 + 3);  // what the dense layer, which takes all samples, reads and writes
  CHECK(cpu::Placement<P>::batch_bytes <= dense + 2 * 64);
  CHECK(cpu::Placement<P>::local_bytes >= 4 * 24 * 24 * 5);
}
TEST_CASE("memory is zeros, and where it is large begins with a huge page") {
  constexpr std::uintptr_t huge_page = 2 << 20;
  for (const std::int64_t bytes : {1, 5000, 1 << 20, 5 << 20}) {
    const cpu::Buffer memory(bytes);
    const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
    CHECK(address % (bytes < 1 << 20 ? 64 : huge_page) == 0);
    CHECK(std::all_of(memory.data(), memory.data() + bytes, [](char byte) { return byte == 0; }));
  }
}
TEST_CASE("an input that was not bound is an error that says so") {
  cpu::Executor<Program<Inference<Deep>>> executor(1);
  CHECK_THROWS_WITH_AS(executor.run(1), doctest::Contains("not been bound"), Error);
}
