#include "../support/race.hpp"
#include "normalised.hpp"

#include <inlay/graph/trace.hpp>
#include <inlay/nn/activations.hpp>
#include <inlay/nn/batch_normalization.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/global_average_pooling2d.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/max_pooling2d.hpp>
#include <inlay/nn/repeat.hpp>
#include <inlay/nn/reshape.hpp>
#include <inlay/nn/residual.hpp>
#include <inlay/nn/sequential.hpp>
#include <inlay/train/optimizers.hpp>

using namespace inlay;

namespace {

using Alone = nn::Sequential<nn::Input<4, 3, 2>, nn::BatchNormalization<>>;
using Block = nn::Residual<nn::Conv2D<8, 3, nn::Same, nn::NoBias>, nn::BatchNormalization<nn::Relu>,
                           nn::Conv2D<8, 3, nn::Same, nn::NoBias>, nn::BatchNormalization<>>;
using ResNet = nn::Sequential<nn::Input<8, 8, 1, std::uint8_t>, nn::Conv2D<8, 3, nn::Same, nn::NoBias>,
                              nn::BatchNormalization<nn::Relu>, nn::Repeat<2, Block>, nn::GlobalAveragePooling2D,
                              nn::Dense<12>, nn::BatchNormalization<nn::NoScale, nn::Swish>, nn::Dense<3>>;

struct AloneInTraining {
  static constexpr Graph make() {
    Tracer tracer;
    tracer.training = true;
    tracer.graph.outputs.push(Output{Alone::call(network_input<Alone>(tracer)).node});
    for (const Output& update : tracer.updates) tracer.graph.outputs.push(update);
    return tracer.graph;
  }
};

}  // namespace

TEST_CASE("in training each channel of the output has mean 0 and variance 1 over the batch") {
  const Graph graph = AloneInTraining::make();
  const int samples = 5;
  const test::Numbers in = test::random_inputs(graph, samples, 3);
  const auto result = reference::evaluate(graph, samples, in.values, {{1, 1}, {0, 0}, {0, 0}, {1, 1}});
  for (std::size_t c = 0; c < 2; ++c) {
    double sum = 0, squares = 0, mean = 0, variance = 0;
    for (std::size_t i = c; i < in.values[0].size(); i += 2) mean += in.values[0][i] / 60;
    for (std::size_t i = c; i < in.values[0].size(); i += 2) {
      variance += (in.values[0][i] - mean) * (in.values[0][i] - mean) / 60;
      sum += result.outputs[0][i];
      squares += result.outputs[0][i] * result.outputs[0][i];
    }
    CHECK(std::fabs(sum) < 1e-6);
    CHECK(squares / 60 == doctest::Approx(variance / (variance + 1e-3)));
    CHECK(result.updated[2][c] == doctest::Approx(0.01 * mean).epsilon(1e-5));
    CHECK(result.updated[3][c] == doctest::Approx(0.99 + 0.01 * variance).epsilon(1e-5));
  }
}
TEST_CASE("in inference the moving averages are used") {
  const Graph graph = Inference<Alone>::make();
  const test::Numbers in = test::random_inputs(graph, 1, 4);
  const auto result = reference::evaluate(graph, 1, in.values, {{2, 3}, {0.5, -1}, {0.25, -0.5}, {4, 0.25}});
  for (std::size_t i = 0; i < in.values[0].size(); ++i) {
    const double gamma[] = {2, 3}, beta[] = {0.5, -1}, mean[] = {0.25, -0.5}, variance[] = {4, 0.25};
    const double expected =
        (in.values[0][i] - mean[i % 2]) / std::sqrt(variance[i % 2] + 1e-3) * gamma[i % 2] + beta[i % 2];
    CHECK(result.outputs[0][i] == doctest::Approx(expected).epsilon(1e-6));
  }
}
TEST_CASE("inference of a normalised convolution adds no pass over memory") {
  using Net =
      nn::Sequential<nn::Input<8, 8, 4>, nn::Conv2D<8, 3, nn::Same, nn::NoBias>, nn::BatchNormalization<nn::Relu>>;
  using P = Program<Inference<Net>>;
  int batched = 0;
  for (const Stage& stage : P::plan.stages) batched += stage.batched;
  CHECK(batched == 1);
}
TEST_CASE("parameters come in Keras' order and only gamma and beta are trained") {
  const Graph graph = Inference<Alone>::make();
  REQUIRE(graph.parameters.size == 4);
  const char* const names[] = {"gamma", "beta", "moving_mean", "moving_variance"};
  for (int i = 0; i < 4; ++i) {
    CHECK(graph.parameters[i].name.text == std::string("1.batch_normalization.") + names[i]);
    CHECK(graph.parameters[i].trainable == (i < 2));
  }
}
// See tests/cpu/executor.cpp for the bound; dividing by a standard deviation of at least 0.1 magnifies it tenfold in
// each of six normalisations at worst, of which a residual network's sums keep the first order: 60.
TEST_CASE("a residual network with batch normalisation trains as the reference does") {
  for (int threads : {1, 2}) {
    test::Race<ResNet, SGD> race(threads);
    for (int samples : {6, 3, 7}) {
      race.step(samples);
      CAPTURE(samples);
      CHECK(race.loss == doctest::Approx(race.expected_loss).epsilon(60 * test::gamma(2000)));
      CHECK(race.difference() < 60 * test::gamma(20000));
      MESSAGE("difference " << race.difference());
    }
  }
}
TEST_CASE("sums beside every kind of kernel") {
  for (int threads : {1, 2}) {
    test::Race<test::NormalisedStages, SGD> stages(threads);
    test::Race<test::NormalisedChannels, SGD> channels(threads);
    test::Race<test::NormalisedWindows, SGD> windows(threads);
    for (int samples : {6, 3, 7}) {
      stages.step(samples);
      channels.step(samples);
      windows.step(samples);
      CHECK(stages.difference() < 60 * test::gamma(20000));
      CHECK(channels.difference() < 60 * test::gamma(20000));
      CHECK(windows.difference() < 60 * test::gamma(20000));
    }
  }
}
// One rounding of the mean and two of what leads to it, each of half a unit in the last place of 1000.
TEST_CASE("a mean far from zero costs no digits beyond those of the mean itself") {
  using P = Program<AloneInTraining>;
  const Graph graph = AloneInTraining::make();
  const int samples = 50;
  test::Numbers in = test::random_inputs(graph, samples, 5);
  for (std::size_t i = 0; i < in.values[0].size(); ++i) {
    float& x = reinterpret_cast<float*>(in.bytes[0].data())[i];
    x += 1000;
    in.values[0][i] = x;
  }
  std::vector<std::vector<float>> parameters{{1, 1}, {0, 0}, {0, 0}, {1, 1}};
  const auto expected = reference::evaluate(graph, samples, in.values, {{1, 1}, {0, 0}, {0, 0}, {1, 1}});
  for (int threads : {1, 2}) {
    cpu::Executor<P> executor(threads);
    executor.bind_input(0, in.bytes[0].data());
    for (int i = 0; i < 4; ++i) executor.bind_parameter(i, parameters[static_cast<std::size_t>(i)].data());
    executor.run(samples);
    std::vector<float> y(in.values[0].size());
    executor.read_output(0, samples, y.data());
    const double deviation = std::sqrt(1.0 / 3);
    for (std::size_t i = 0; i < y.size(); ++i)
      CHECK(std::fabs(y[i] - expected.outputs[0][i]) < 1.5 * 1024 / 16777216 / deviation);
  }
}
TEST_CASE("batch normalisation adds no pass over memory to convolutions in a row") {
  using Net =
      nn::Sequential<nn::Input<8, 8, 4>, nn::Conv2D<8, 3, nn::Same, nn::NoBias>, nn::BatchNormalization<nn::Relu>,
                     nn::Conv2D<8, 3, nn::Same, nn::NoBias>, nn::BatchNormalization<nn::Relu>,
                     nn::Conv2D<8, 3, nn::Same, nn::NoBias>, nn::GlobalAveragePooling2D, nn::Dense<3>>;
  using P = Program<TrainingGraph<Net, SGD, SparseCategoricalCrossentropy, Accuracy>>;
  for (const Stage& stage : P::plan.stages)
    if (stage.kind == StageKind::elementwise) CHECK(stage.domain.count() < 8 * 8 * 8);
}
TEST_CASE("momentum, Nesterov's look-ahead and AdamW train as the reference does") {
  using Net =
      nn::Sequential<nn::Input<4, 4, 1>, nn::Reshape<16>, nn::Dense<8, nn::Gelu>, nn::Dense<6, nn::Elu>, nn::Dense<3>>;
  test::Race<Net, SGD> plain(1, {.momentum = 0.9f});
  test::Race<Net, SGD> nesterov(1, {.momentum = 0.9f, .nesterov = true});
  test::Race<Net, AdamW> decoupled(1);
  for (int i = 0; i < 3; ++i) {
    plain.step(8);
    nesterov.step(8);
    decoupled.step(8);
    CHECK(plain.difference() < test::gamma(2000));
    CHECK(nesterov.difference() < test::gamma(2000));
    CHECK(decoupled.loss == doctest::Approx(decoupled.expected_loss).epsilon(1e-5));
  }
}
