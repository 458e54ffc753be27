// Layers, losses and metrics mean what Keras means by them: small networks evaluated in the reference.
#include <doctest/doctest.h>

#include <cmath>
#include <inlay/nn/lambda.hpp>
#include <inlay/reference/interpreter.hpp>
#include <numeric>

#include "../graph/nets.hpp"

using namespace inlay;
using reference::Values;

namespace {

/// The network's output for one sample; parameters in order.
template <class Net>
Values output(const Values& x, const std::vector<Values>& parameters = {}) {
  return reference::evaluate(Inference<Net>::make(), 1, {x}, parameters).outputs.at(0);
}

/// Loss and metric of logits and a label, summed over the samples.
std::vector<Values> evaluate(const Values& logits, const Values& labels, double label_smoothing = 0) {
  using Evaluation = EvaluationGraph<nn::Sequential<nn::Input<3>>, SparseCategoricalCrossentropy, Accuracy>;
  return reference::evaluate(Evaluation::make(), static_cast<int>(labels.size()), {logits, labels, {label_smoothing}},
                             {})
      .outputs;
}

constexpr double tolerance = 1e-14;

}  // namespace

TEST_CASE("Dense is x times kernel plus bias, kernel in x out") {
  using Net = nn::Sequential<nn::Input<2>, nn::Dense<3>>;
  CHECK(output<Net>({1, 2}, {{1, 2, 3, 10, 20, 30}, {100, 200, 300}}) == Values{121, 242, 363});
}

TEST_CASE("Conv2D is a correlation with a kernel of rows x columns x in x out") {
  using Net = nn::Sequential<nn::Input<2, 3, 1>, nn::Conv2D<1, 2, nn::NoBias>>;
  CHECK(output<Net>({1, 2, 3, 4, 5, 6}, {{1, 10, 100, 1000}}) == Values{5421, 6532});
}

TEST_CASE("same padding keeps the size, strides divide it upwards") {
  using Same = nn::Sequential<nn::Input<2, 2, 1>, nn::Conv2D<1, 3, nn::Same, nn::NoBias>>;
  const Values ones(9, 1.0);
  CHECK(output<Same>({1, 2, 3, 4}, {ones}) == Values{10, 10, 10, 10});
  using Strided = nn::Sequential<nn::Input<4, 4, 1>, nn::Conv2D<1, 3, nn::Same, nn::Strides<2>, nn::NoBias>>;
  Values image(16);
  std::iota(image.begin(), image.end(), 0.0);
  CHECK(output<Strided>(image, {ones}) == Values{45, 39, 66, 50});  // nothing padded at the top and left
}

TEST_CASE("MaxPooling2D takes the maximum of each window and channel") {
  using Net = nn::Sequential<nn::Input<2, 4, 2>, nn::MaxPooling2D<2>>;
  CHECK(output<Net>({1, 8, 2, 7, 3, 6, 4, 5, 5, 4, 6, 3, 7, 2, 8, 1}) == Values{6, 8, 8, 6});
}

TEST_CASE("Rescaling scales and shifts; Flatten keeps the order") {
  using Net = nn::Sequential<nn::Input<1, 2, 2>, nn::Rescaling<std::ratio<1, 2>, std::ratio<-1>>, nn::Flatten>;
  CHECK(output<Net>({2, 4, 6, 8}) == Values{0, 1, 2, 3});
}

TEST_CASE("Residual adds its input") {
  using Net = nn::Sequential<nn::Input<2>, nn::Residual<nn::Dense<2>>>;
  CHECK(output<Net>({1, 2}, {{0, 1, 1, 0}, {10, 20}}) == Values{13, 23});
}

TEST_CASE("activations are what their names say, far from zero as well") {
  auto at = []<class Activation>(Activation, double x) {
    return output<nn::Sequential<nn::Input<1>, Activation>>({x})[0];
  };
  for (const double x : {-800.0, -1.5, 0.0, 0.25, 800.0}) {
    CHECK(at(nn::Relu{}, x) == (x > 0 ? x : 0));
    CHECK(std::fabs(at(nn::Sigmoid{}, x) - 1 / (1 + std::exp(-x))) <= tolerance);
    CHECK(std::fabs(at(nn::Tanh{}, x) - std::tanh(x)) <= tolerance);
  }
}

TEST_CASE("a lambda is a layer, and an activation with a derivative") {
  static constexpr auto swish = [](auto x) { return x * sigmoid(x); };
  using Swish = nn::Lambda<swish>;
  using Own = nn::Sequential<nn::Input<3>, nn::Dense<4, Swish>, nn::Lambda<[](auto x) { return square(x) - 1.0f; }>>;
  using Built = nn::Sequential<nn::Input<3>, nn::Dense<4, nn::Swish>>;
  const std::vector<Values> parameters = {Values(12, 0.5), {-1, 0, 1, 2}};
  const Values own = output<Own>({1, -2, 3}, parameters), built = output<Built>({1, -2, 3}, parameters);
  for (std::size_t i = 0; i < 4; ++i) CHECK(own[i] == built[i] * built[i] - 1);
  using Training =
      TrainingGraph<nn::Sequential<nn::Input<3>, nn::Dense<4, Swish>>, SGD, SparseCategoricalCrossentropy, Accuracy>;
  using Expected = TrainingGraph<Built, SGD, SparseCategoricalCrossentropy, Accuracy>;
  CHECK(Training::make().nodes.size == Expected::make().nodes.size);
}
TEST_CASE("Softmax sums to one and does not overflow") {
  using Net = nn::Sequential<nn::Input<3>, nn::Softmax>;
  const Values y = output<Net>({1000, 1001, 999});
  const double sum = std::exp(-1.0) + 1 + std::exp(-2.0);
  CHECK(std::fabs(y[0] - std::exp(-1.0) / sum) <= tolerance);
  CHECK(std::fabs(y[0] + y[1] + y[2] - 1) <= tolerance);
}

TEST_CASE("cross-entropy is -log softmax of the label, without overflow") {
  const double sum = std::exp(1.0) + std::exp(2.0) + std::exp(3.0);
  CHECK(std::fabs(evaluate({1, 2, 3}, {0})[0][0] - (std::log(sum) - 1)) <= tolerance);
  CHECK(std::fabs(evaluate({1, 2, 3, 1, 2, 3}, {1, 2})[0][0] - (2 * std::log(sum) - 5)) <= 2 * tolerance);
  CHECK(evaluate({5000, 0, 0}, {1})[0][0] == 5000);
}

TEST_CASE("label smoothing shares a part of the label's probability among all classes") {
  const double log_sum = std::log(std::exp(1.0) + std::exp(2.0) + std::exp(3.0));
  const double expected = 0.7 * (log_sum - 1) + 0.1 * (3 * log_sum - 1 - 2 - 3);
  CHECK(std::fabs(evaluate({1, 2, 3}, {0}, 0.3)[0][0] - expected) <= 1e-7);  // 1/3 is a float
  CHECK(std::fabs(evaluate({1, 2, 3}, {1}, 1)[0][0] - (log_sum - 2)) <= 1e-7);
}

TEST_CASE("accuracy counts the samples whose largest logit is the label's; the first of equals") {
  CHECK(evaluate({1, 2, 3, 3, 2, 1, 2, 2, 0}, {2, 1, 0})[1] == Values{2});
}
