// A layer of one's own: SqueezeExcite, a function of symbolic tensors, inside a network.
#include <doctest/doctest.h>

#include <cmath>
#include <inlay/graph/gradient.hpp>
#include <inlay/graph/program.hpp>
#include <inlay/graph/trace.hpp>
#include <inlay/nn/activations.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/losses.hpp>
#include <inlay/nn/metrics.hpp>
#include <inlay/nn/sequential.hpp>
#include <inlay/reference/interpreter.hpp>
#include <inlay/reference/plan_interpreter.hpp>
#include <inlay/train/model.hpp>
#include <inlay/train/optimizers.hpp>
#include <inlay/train/training_graph.hpp>
#include <string>
#include <vector>

using namespace inlay;

namespace {

struct SqueezeExcite {
  static constexpr auto call(auto x) {
    auto gate = nn::Dense<x.channels() / 4, nn::Relu>::call(mean_over_pixels(x));
    return x * nn::Dense<x.channels(), nn::Sigmoid>::call(gate);
  }
};

using Net =
    nn::Sequential<nn::Input<5, 4, 2>, nn::Conv2D<8, 3, nn::Same, nn::Relu>, SqueezeExcite, nn::Flatten, nn::Dense<3>>;
using Training = Program<TrainingGraph<Net, SGD, SparseCategoricalCrossentropy, Accuracy>>;

std::vector<reference::Values> numbers(const Graph& g, int samples) {
  std::vector<reference::Values> parameters;
  unsigned seed = 7;
  auto next = [&seed] {
    seed = seed * 1664525u + 1013904223u;
    return static_cast<double>(seed >> 8) / (1 << 23) - 1;
  };
  for (const Parameter& p : g.parameters) {
    parameters.emplace_back();
    for (int i = 0; i < p.shape.count(); ++i) parameters.back().push_back(0.5 * next());
  }
  parameters.emplace_back();  // the images
  for (int i = 0; i < samples * 5 * 4 * 2; ++i) parameters.back().push_back(next());
  return parameters;
}

}  // namespace

TEST_CASE("a user's layer has the parameters of the layers that it calls, named by their place") {
  const Graph g = Inference<Net>::make();
  std::vector<std::string> names;
  for (const Parameter& p : g.parameters) names.emplace_back(p.name.text);
  CHECK(names == std::vector<std::string>{"1.conv2d.kernel", "1.conv2d.bias", "2.dense.kernel", "2.dense.bias",
                                          "2.dense_1.kernel", "2.dense_1.bias", "4.dense.kernel", "4.dense.bias"});
  CHECK(g.parameters[2].shape == shape_of(8, 2));
  CHECK(g.parameters[4].shape == shape_of(2, 8));
}

TEST_CASE("its gradients agree with finite differences of the reference") {
  constexpr int samples = 3;
  Tracer tracer;
  Graph& g = tracer.graph;
  const int total = EvaluationGraph<Net, SparseCategoricalCrossentropy, Accuracy>::trace(tracer);
  List<int> nodes;
  for (int i = 0; i < g.nodes.size; ++i)
    if (g.nodes[i].op == Op::parameter) nodes.push(i);
  for (int node : gradient(g, total, nodes)) g.outputs.push(Output{node});
  std::vector<reference::Values> parameters = numbers(g, samples);
  const std::vector<reference::Values> inputs{parameters.back(), {0, 2, 1}, {0.1}};
  parameters.pop_back();
  const auto outputs = reference::evaluate(g, samples, inputs, parameters).outputs;

  double worst = 0;
  constexpr double h = 1e-6;
  for (std::size_t p = 0; p < parameters.size(); ++p)
    for (std::size_t i = 0; i < parameters[p].size(); ++i) {
      double loss[2];
      for (int side = 0; side < 2; ++side) {
        auto moved = parameters;
        moved[p][i] += side == 0 ? h : -h;
        loss[side] = reference::evaluate(g, samples, inputs, moved).outputs[0][0];
      }
      worst = std::fmax(worst, std::fabs((loss[0] - loss[1]) / (2 * h) - outputs[2 + p][i]));
    }
  CHECK(worst < 1e-7);  // rounding 1e-16 * loss / h, and h^2
}

TEST_CASE("the fused plan of a training step does what the graph says") {
  constexpr int samples = 3;
  const Graph g = thaw(Training::graph);
  std::vector<reference::Values> parameters = numbers(g, samples);
  const std::vector<reference::Values> inputs{parameters.back(), {0, 2, 1}, {0.1}, {0.1}, {0.9}, {0.01}, {0.9}, {1}};
  parameters.pop_back();
  const auto expected = reference::evaluate(g, samples, inputs, parameters);
  const auto planned = reference::execute(Training::plan, samples, inputs, parameters);
  double worst = 0;
  for (std::size_t p = 0; p < parameters.size(); ++p)
    for (std::size_t i = 0; i < parameters[p].size(); ++i)
      worst = std::fmax(worst, std::fabs(expected.updated[p][i] - planned.updated[p][i]));
  CHECK(worst < 1e-12);
}

TEST_CASE("it trains like any other layer") {
  std::vector<reference::Values> values = numbers(Inference<Net>::make(), 6);
  const std::vector<float> images(values.back().begin(), values.back().end());
  const std::vector<int> labels{0, 1, 2, 2, 1, 0};
  auto model = compile<Net>(Adam{.learning_rate = 1e-2f}, SparseCategoricalCrossentropy{}, Accuracy{});
  const double first = model.train_on_batch(images, labels).loss;
  double last = first;
  for (int step = 0; step < 200; ++step) last = model.train_on_batch(images, labels).loss;
  CHECK(std::isfinite(first));
  CHECK(last < 0.05 * first);
}
