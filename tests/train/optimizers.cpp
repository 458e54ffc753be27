// Learning rates and optimisers: schedules at their corners, and every optimiser's rule as a plain loop.
#include "../support/program_run.hpp"
#include "../temporary_folder.hpp"

#include <inlay/nn/dense.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/losses.hpp>
#include <inlay/nn/metrics.hpp>
#include <inlay/nn/sequential.hpp>
#include <inlay/train/optimizers.hpp>
#include <inlay/train/training_graph.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace inlay;
using inlay::testing::message_of;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Softmax regression: 2 features, 3 classes, 4 samples.
using Net = nn::Sequential<nn::Input<2>, nn::Dense<3, nn::NoBias>>;
constexpr int samples = 4, features = 2, classes = 3, size = features * classes;
const reference::Values x{0.5, -1, 1.5, 0.25, -0.75, 2, 1, 1}, y{0, 2, 1, 2};
const reference::Values start{0.1, -0.2, 0.3, 0.4, 0.5, -0.6};

/// The gradient of the mean cross-entropy, as one writes it by hand.
reference::Values gradient_by_hand(const reference::Values& w) {
  reference::Values gradient(size, 0.0);
  for (std::size_t n = 0; n < samples; ++n) {
    double exponential[classes], sum = 0;
    for (std::size_t k = 0; k < classes; ++k)
      sum += exponential[k] = std::exp(x[2 * n] * w[k] + x[2 * n + 1] * w[classes + k]);
    for (std::size_t k = 0; k < classes; ++k) {
      const double difference = exponential[k] / sum - (static_cast<double>(k) == y[n]);
      for (std::size_t f = 0; f < features; ++f) gradient[f * classes + k] += x[2 * n + f] * difference / samples;
    }
  }
  return gradient;
}

/// Trains with `optimizer`, in the reference and on the CPU, and by hand: rule(w, gradient, i, step) changes element i.
template <class Optimizer, class Rule>
void check_against(const Optimizer& optimizer, Rule rule) {
  using P = Program<TrainingGraph<Net, Optimizer, SparseCategoricalCrossentropy, Accuracy>>;
  const Graph graph = thaw(P::graph);
  std::vector<reference::Values> parameters{start};
  for (int i = 1; i < graph.parameters.size; ++i) parameters.emplace_back(size, 0.0);
  std::vector<std::vector<float>> floats;
  for (const reference::Values& p : parameters) floats.emplace_back(p.begin(), p.end());
  cpu::Executor<P> executor(1);
  for (int i = 0; i < graph.parameters.size; ++i)
    executor.bind_parameter(i, floats[static_cast<std::size_t>(i)].data());
  const std::vector<float> images(x.begin(), x.end());
  const std::vector<std::int32_t> labels(y.begin(), y.end());
  executor.bind_input(0, images.data());
  executor.bind_input(1, labels.data());
  reference::Values by_hand = start;
  for (int step = 1; step <= 6; ++step) {
    float numbers[Optimizer::number_count];
    optimizer.numbers(step, numbers);
    std::vector<reference::Values> inputs{x, y, {0}};
    const float smoothing = 0;
    executor.bind_input(2, &smoothing);
    for (int i = 0; i < Optimizer::number_count; ++i) {
      inputs.push_back({numbers[i]});
      executor.bind_input(3 + i, numbers + i);
    }
    parameters = reference::evaluate(graph, samples, inputs, parameters).updated;
    executor.run(samples);
    const reference::Values gradient = gradient_by_hand(by_hand);
    for (std::size_t i = 0; i < size; ++i) rule(by_hand[i], gradient[i], i, step);
    CAPTURE(step);
    for (std::size_t i = 0; i < size; ++i) {
      CAPTURE(i);
      // The numbers are floats: each of the six steps moves a weight by less than 1, with at most 8 factors rounded. A
      // gradient has 4 terms of less than 2, after at most 30 roundings; Adam, whose epsilon here is its rate,
      // magnifies its error at most fivefold, as |m| < 1.
      CHECK(std::fabs(parameters[0][i] - by_hand[i]) < step * inlay::test::gamma(8));
      CHECK(std::fabs(floats[0][i] - by_hand[i]) < step * inlay::test::gamma(8 + 5 * 4 * 2 * 30));
    }
  }
}

/// State of a rule, for each element.
struct Moments {
  double m[size] = {}, v[size] = {};
};

}  // namespace

TEST_CASE("a learning rate is a number, a schedule or any function of the steps that are done") {
  CHECK(Adam{.learning_rate = 1e-3}.learning_rate(12345) == 1e-3f);
  CHECK(SGD{}.learning_rate(0) == 0.01f);
  const SGD own{.learning_rate = [](std::int64_t step) { return step < 2 ? 0.5 : 0.25; }};
  float numbers[SGD::number_count];
  for (int step = 1; step <= 3; ++step) {  // the first step has number 1 and no step before it
    own.numbers(step, numbers);
    CHECK(numbers[0] == (step < 3 ? 0.5f : 0.25f));
  }
}

TEST_CASE("every optimiser takes the rate of its step") {
  const LearningRate falling = [](std::int64_t step) { return 1.0f / static_cast<float>(step + 1); };
  float numbers[8];
  SGD{.learning_rate = falling}.numbers(4, numbers);
  CHECK(numbers[0] == 0.25f);
  AdamW{.learning_rate = falling, .weight_decay = 0.5f}.numbers(4, numbers);
  CHECK(numbers[4] == 0.125f);
  const float rate = numbers[0];
  Adam{.learning_rate = 0.25f}.numbers(4, numbers);
  CHECK(numbers[0] == rate);
}

TEST_CASE("PiecewiseConstantDecay keeps a value up to and including its boundary, as Keras does") {
  const PiecewiseConstantDecay rate{.boundaries = {10, 20}, .values = {1, 0.5f, 0.25f}};
  const std::int64_t steps[] = {0, 10, 11, 20, 21, 1000};
  const float expected[] = {1, 1, 0.5f, 0.5f, 0.25f, 0.25f};
  for (std::size_t i = 0; i < 6; ++i) CHECK(rate(steps[i]) == expected[i]);
}

TEST_CASE("CosineDecay falls along half a wave to alpha times the initial rate and stays there") {
  const CosineDecay rate{.initial_learning_rate = 0.5f, .decay_steps = 100, .alpha = 0.125f};
  CHECK(rate(0) == 0.5f);
  CHECK(rate(50) == doctest::Approx(0.5 * (0.875 * 0.5 + 0.125)).epsilon(1e-7));
  CHECK(rate(25) == doctest::Approx(0.5 * (0.875 * 0.5 * (1 + std::sqrt(0.5)) + 0.125)).epsilon(1e-7));
  CHECK(rate(100) == 0.0625f);
  CHECK(rate(100000) == 0.0625f);
}

TEST_CASE("a warm-up rises in a straight line to its target, from where the wave falls") {
  const CosineDecay rate{.initial_learning_rate = 0.25f, .decay_steps = 10, .warmup_target = 1.0f, .warmup_steps = 3};
  CHECK(rate(0) == 0.25f);
  CHECK(rate(1) == 0.5f);
  CHECK(rate(2) == 0.75f);
  CHECK(rate(3) == 1.0f);
  CHECK(rate(8) == doctest::Approx(0.5));
  CHECK(rate(13) == 0.0f);
}

TEST_CASE("schedules whose fields make no sense are refused where they are given") {
  auto refusal = [](auto schedule) {
    return message_of<Error>([&] { static_cast<void>(Adam{.learning_rate = schedule}); });
  };
  CHECK(has(refusal(PiecewiseConstantDecay{{10}, {1}}), "1 boundaries and 1 values"));
  CHECK(has(refusal(PiecewiseConstantDecay{{10, 10}, {1, 2, 3}}), "boundary 10 after 10"));
  CHECK(has(refusal(CosineDecay{.initial_learning_rate = 1}), "decay_steps 0, expected at least 1"));
  CHECK(has(refusal(CosineDecay{.initial_learning_rate = 1, .decay_steps = 5, .warmup_steps = 2}),
            "warmup_steps 2 and no warmup_target"));
  CHECK(has(refusal(CosineDecay{.initial_learning_rate = 1, .decay_steps = 5, .warmup_target = 1.0f}),
            "warmup_steps 0 and a warmup_target"));
}

TEST_CASE("SGD steps along the gradient and the decayed weight") {
  check_against(SGD{.learning_rate = 0.5f, .weight_decay = 0.125f},
                [](double& w, double g, std::size_t, int) { w -= 0.5 * (g + 0.125 * w); });
}

TEST_CASE("SGD with momentum keeps a share of its velocity") {
  Moments kept;
  check_against(SGD{.learning_rate = 0.5f, .momentum = 0.75f, .weight_decay = 0.125f},
                [&](double& w, double g, std::size_t i, int) {
                  kept.m[i] = 0.75 * kept.m[i] - 0.5 * (g + 0.125 * w);
                  w += kept.m[i];
                });
}

TEST_CASE("with Nesterov's look-ahead it steps on by the velocity that comes next") {
  Moments kept;
  check_against(SGD{.learning_rate = 0.5f, .momentum = 0.75f, .nesterov = true, .weight_decay = 0.125f},
                [&](double& w, double g, std::size_t i, int) {
                  const double step = 0.5 * (g + 0.125 * w);
                  kept.m[i] = 0.75 * kept.m[i] - step;
                  w += 0.75 * kept.m[i] - step;
                });
}

TEST_CASE("Adam divides the corrected mean by the root of the corrected mean square") {
  Moments kept;
  auto rule = [&](double decay) {
    return [&, decay](double& w, double g, std::size_t i, int step) {
      kept.m[i] = 0.875 * kept.m[i] + 0.125 * g;
      kept.v[i] = 0.9375 * kept.v[i] + 0.0625 * g * g;
      const double corrected = std::sqrt(1 - std::pow(0.9375, step));
      w -= 0.25 * decay * w;
      w -= 0.25 * (kept.m[i] / (1 - std::pow(0.875, step))) / (std::sqrt(kept.v[i]) / corrected + 0.25 / corrected);
    };
  };
  check_against(Adam{.learning_rate = 0.25f, .beta_1 = 0.875f, .beta_2 = 0.9375f, .epsilon = 0.25f}, rule(0));
  kept = {};
  check_against(
      AdamW{.learning_rate = 0.25f, .weight_decay = 0.125f, .beta_1 = 0.875f, .beta_2 = 0.9375f, .epsilon = 0.25f},
      rule(0.125));
}

TEST_CASE("optimisers follow a schedule from step to step") {
  const PiecewiseConstantDecay schedule{.boundaries = {1, 3}, .values = {0.5f, 0.25f, 0.125f}};
  check_against(SGD{.learning_rate = schedule}, [&](double& w, double g, std::size_t, int step) {
    const double rates[] = {0.5, 0.5, 0.25, 0.25, 0.125, 0.125};
    w -= rates[step - 1] * g;
  });
}
