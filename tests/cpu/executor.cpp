#include "../support/program_run.hpp"

#include <inlay/graph/trace.hpp>
#include <inlay/nn/activations.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/losses.hpp>
#include <inlay/nn/max_pooling2d.hpp>
#include <inlay/nn/metrics.hpp>
#include <inlay/nn/rescaling.hpp>
#include <inlay/nn/residual.hpp>
#include <inlay/nn/sequential.hpp>
#include <inlay/train/optimizers.hpp>
#include <inlay/train/training_graph.hpp>

using namespace inlay;

namespace {

using Small = nn::Sequential<nn::Input<8, 8, 1, std::uint8_t>, nn::Rescaling<std::ratio<1, 255>>,
                             nn::Conv2D<5, 3, nn::Same, nn::Relu>, nn::Conv2D<20, 3, nn::Same, nn::Relu>,
                             nn::MaxPooling2D<2>, nn::Flatten, nn::Dense<9, nn::Relu>, nn::Dense<3>>;
using Deep = nn::Sequential<nn::Input<6, 6, 2>, nn::Conv2D<16, 3, nn::Same, nn::Tanh>,
                            nn::Residual<nn::Conv2D<16, 3, nn::Same, nn::Relu>, nn::Conv2D<16, 3, nn::Same>>,
                            nn::MaxPooling2D<2>, nn::Conv2D<7, 1, nn::Sigmoid>, nn::Flatten, nn::Dense<4>>;

/// Trains the net on the executor and in the reference, step by step.
template <class Net, class Optimizer>
class Race {
 public:
  using P = Program<TrainingGraph<Net, Optimizer, SparseCategoricalCrossentropy, Accuracy>>;

  explicit Race(int threads, std::uint32_t seed = 3) : executor(threads), engine(seed) {
    for (const Parameter& p : graph.parameters) {
      std::vector<float> values(static_cast<std::size_t>(p.shape.count()), 0.0f);
      std::uniform_real_distribution<float> real(-1, 1);
      const float scale = std::sqrt(3.0f / static_cast<float>(p.fan_in));
      if (p.trainable)
        for (float& v : values) v = real(engine) * (p.initializer == Initializer::zeros ? 0.1f : scale);
      expected.emplace_back(values.begin(), values.end());
      parameters.push_back(values);
    }
    for (int i = 0; i < graph.parameters.size; ++i)
      executor.bind_parameter(i, parameters[static_cast<std::size_t>(i)].data());
  }

  void step(int samples) {
    test::Numbers in = test::random_inputs(graph, samples, engine());
    for (std::size_t i = 0; i < in.values[1].size(); ++i) {
      const int label = static_cast<int>(in.values[1][i]) % 3;
      reinterpret_cast<std::int32_t*>(in.bytes[1].data())[i] = label;
      in.values[1][i] = label;
    }
    float numbers[8] = {};
    Optimizer{}.numbers(++steps, numbers);
    for (int i = 0; i < Optimizer::number_count; ++i) {
      std::memcpy(in.bytes[static_cast<std::size_t>(2 + i)].data(), numbers + i, 4);
      in.values[static_cast<std::size_t>(2 + i)] = {numbers[i]};
    }
    for (int i = 0; i < graph.inputs.size; ++i) executor.bind_input(i, in.bytes[static_cast<std::size_t>(i)].data());
    executor.run(samples);
    executor.read_output(0, samples, &loss);
    const auto result = reference::evaluate(graph, samples, in.values, expected);
    expected = result.updated;
    expected_loss = result.outputs[0][0];
  }

  /// Largest difference of a trainable parameter, relative to the largest of its tensor.
  double difference() const {
    double worst = 0;
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      if (!graph.parameters[static_cast<int>(p)].trainable) continue;
      double largest = 0, error = 0;
      for (std::size_t i = 0; i < parameters[p].size(); ++i) {
        largest = std::max(largest, std::fabs(expected[p][i]));
        error = std::max(error, std::fabs(parameters[p][i] - expected[p][i]));
      }
      worst = std::max(worst, error / largest);
    }
    return worst;
  }

  Graph graph = thaw(P::graph);
  cpu::Executor<P> executor;
  std::mt19937 engine;
  std::vector<std::vector<float>> parameters;
  std::vector<reference::Values> expected;
  std::int64_t steps = 0;
  float loss = 0;
  double expected_loss = 0;
};

}  // namespace

// With SGD an update is learning_rate * gradient; the gradients' sums have fewer than 2,000 terms of either sign, each
// after fewer than 10 layers of roundings: gamma(2000 * 10) of the magnitudes, which learning_rate = 0.01 scales down.
TEST_CASE("training steps with SGD follow the reference, for any number of samples and threads") {
  for (int threads : {1, 2, 3}) {
    Race<Small, SGD> small(threads);
    Race<Deep, SGD> deep(threads);
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
// Adam divides by the root of the squared gradient: where a gradient is rounding noise its step is of any size up to
// learning_rate. Few elements may be so; the loss must agree all the same.
TEST_CASE("training steps with Adam follow the reference") {
  Race<Small, Adam> small(2);
  for (int i = 0; i < 5; ++i) {
    small.step(6);
    CHECK(small.loss == doctest::Approx(small.expected_loss).epsilon(1e-5));
    CHECK(small.difference() < 2e-3);
  }
}
TEST_CASE("the same number of threads gives the same bits") {
  Race<Small, Adam> a(2), b(2);
  for (int i = 0; i < 3; ++i) {
    a.step(5);
    b.step(5);
  }
  CHECK(a.parameters == b.parameters);
}
TEST_CASE("a sample that is not finite changes nothing but its own outputs") {
  using P = Program<Inference<Deep>>;
  const Graph graph = thaw(P::graph);
  cpu::Executor<P> executor(2);
  std::vector<std::vector<float>> parameters;
  for (const Parameter& p : graph.parameters) parameters.emplace_back(static_cast<std::size_t>(p.shape.count()), 0.05f);
  for (int i = 0; i < graph.parameters.size; ++i)
    executor.bind_parameter(i, parameters[static_cast<std::size_t>(i)].data());
  std::vector<float> x(72 * 5, 0.25f), clean(20), poisoned(20);
  executor.bind_input(0, x.data());
  executor.run(5);
  executor.read_output(0, 5, clean.data());
  x[72 * 2 + 11] = NAN;
  x[72 * 2 + 50] = INFINITY;
  executor.run(5);
  executor.read_output(0, 5, poisoned.data());
  for (std::size_t i = 0; i < 20; ++i)
    if (i / 4 != 2) CHECK(poisoned[i] == clean[i]);
}
TEST_CASE("an input that was not bound is an error that says so") {
  cpu::Executor<Program<Inference<Deep>>> executor(1);
  CHECK_THROWS_WITH_AS(executor.run(1), doctest::Contains("not been bound"), Error);
}
