// L2 regularisation: its loss, its gradient, and what it costs.
#include "../support/race.hpp"

#include <inlay/nn/activations.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/identity.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/sequential.hpp>
#include <inlay/train/optimizers.hpp>

using namespace inlay;

namespace {

/// The options of both kernels; biases are never penalised.
template <class OfConvolution, class OfDense>
using Net = nn::Sequential<nn::Input<5, 4, 2>, nn::Conv2D<3, 3, nn::Same, nn::Relu, OfConvolution>, nn::Flatten,
                           nn::Dense<3, OfDense>>;
using Plain = Net<nn::Identity, nn::Identity>;
using Penalised = Net<nn::L2<std::ratio<1, 8>>, nn::L2<std::ratio<1, 32>>>;

template <class N>
using Training = TrainingGraph<N, SGD, SparseCategoricalCrossentropy, Accuracy>;
template <class N>
using Evaluation = EvaluationGraph<N, SparseCategoricalCrossentropy, Accuracy>;

constexpr int samples = 4;
const reference::Values labels{0, 2, 1, 1};

/// Without label smoothing; SGD's rate is 0.5, and it has no momentum and no decay.
std::vector<reference::Values> training_inputs(const reference::Values& images) {
  return {images, labels, {0}, {0.5}, {0}, {0}, {1}, {0}};
}

/// And velocities of 0.
std::vector<reference::Values> parameters() {
  std::mt19937 engine(5);
  std::uniform_real_distribution<double> real(-1, 1);
  std::vector<reference::Values> all{reference::Values(54), reference::Values(3), reference::Values(180),
                                     reference::Values(3)};
  for (reference::Values& values : all)
    for (double& v : values) v = real(engine);
  for (std::size_t i = 0; i < 4; ++i) all.emplace_back(all[i].size(), 0.0);
  return all;
}

double sum_of_squares(const reference::Values& values) {
  double sum = 0;
  for (double v : values) sum += v * v;
  return sum;
}

}  // namespace

TEST_CASE("L2 adds its factor times the sum of the kernel's squares to the mean loss, in training and evaluation") {
  const auto in = test::random_inputs(Evaluation<Plain>::make(), samples, 1).values[0];
  const auto weights = parameters();
  const double plain =
      reference::evaluate(Evaluation<Plain>::make(), samples, {in, labels, {0}}, weights).outputs[0][0];
  const double expected = plain / samples + sum_of_squares(weights[0]) / 8 + sum_of_squares(weights[2]) / 32;
  const auto evaluated = reference::evaluate(Evaluation<Penalised>::make(), samples, {in, labels, {0}}, weights);
  const auto trained = reference::evaluate(Training<Penalised>::make(), samples, training_inputs(in), weights);
  CHECK(evaluated.outputs[0][0] / samples == doctest::Approx(expected).epsilon(1e-13));
  CHECK(trained.outputs[0][0] == evaluated.outputs[0][0]);
}

TEST_CASE("its gradient is twice the factor times the kernel") {
  const auto in = test::random_inputs(Evaluation<Plain>::make(), samples, 2).values[0];
  const auto weights = parameters();
  const auto plain = reference::evaluate(Training<Plain>::make(), samples, training_inputs(in), weights);
  const auto penalised = reference::evaluate(Training<Penalised>::make(), samples, training_inputs(in), weights);
  const double factors[] = {1.0 / 8, 0, 1.0 / 32, 0};
  for (std::size_t p = 0; p < 4; ++p)
    for (std::size_t i = 0; i < weights[p].size(); ++i)
      CHECK(penalised.updated[p][i] ==
            doctest::Approx(plain.updated[p][i] - 0.5 * 2 * factors[p] * weights[p][i]).epsilon(1e-13));
}

TEST_CASE("it costs one reduction for each kernel and no other pass over memory") {
  using Without = Program<Training<Plain>>;
  using With = Program<Training<Penalised>>;
  CHECK(With::plan.stages.size == Without::plan.stages.size + 2);
  CHECK(With::plan.launches.size == Without::plan.launches.size + 2);
}

// See tests/cpu/executor.cpp for the bound; the penalty's sum has 180 terms.
TEST_CASE("training steps with L2 follow the reference") {
  for (int threads : {1, 2}) {
    test::Race<Penalised, SGD> race(threads);
    for (int count : {4, 1, 7}) {
      race.step(count);
      CAPTURE(count);
      CHECK(race.loss == doctest::Approx(race.expected_loss).epsilon(test::gamma(2000)));
      CHECK(race.difference() < test::gamma(20000));
    }
  }
}
