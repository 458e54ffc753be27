// Layers with branches: Residual with a projection, Add and Concatenate. Values and gradients in the reference, and
// training steps on the CPU beside it (in the CUDA emulator: cuda/branches.cpp).
#include "branches.hpp"
#include "../reference/finite_differences.hpp"
#include "../support/race.hpp"

#include <inlay/graph/trace.hpp>
#include <inlay/train/optimizers.hpp>

#include <doctest/doctest.h>

#include <set>

using namespace inlay;
using namespace inlay::test;
using reference::Values;

namespace {

template <class Net>
Values output(const Values& x, const std::vector<Values>& parameters) {
  return reference::evaluate(Inference<Net>::make(), 1, {x}, parameters).outputs.at(0);
}

template <class Net>
std::vector<std::string> parameter_names() {
  const Graph graph = Inference<Net>::make();
  std::vector<std::string> names;
  for (const Parameter& p : graph.parameters) names.emplace_back(p.name.text);
  return names;
}

/// The error of the first gradients of a network with respect to all its parameters.
template <class Net>
double gradient_error() {
  Differentiable f;
  f.g = Inference<Net>::make();
  const int y = f.g.outputs[0].node;
  for (int i = 0; i < f.g.nodes.size; ++i)
    if (f.g.nodes[i].op == Op::parameter || f.g.nodes[i].op == Op::input) f.leaves.push(i);
  return test::gradient_error(f.g, f.loss(y), f.leaves);
}

}  // namespace

TEST_CASE("a projected Residual adds its shortcut to its body") {
  using Small = nn::Sequential<nn::Input<2>, nn::Residual<nn::Sequential<nn::Dense<1>>, nn::Dense<1, nn::NoBias>>>;
  CHECK(output<Small>({1, 2}, {{3, 4}, {100}, {10, 20}}) == Values{3 + 8 + 100 + 10 + 40});
}
TEST_CASE("a Residual of a single Sequential adds its input") {
  using Small = nn::Sequential<nn::Input<2>, nn::Residual<nn::Sequential<nn::Dense<2>>>>;
  CHECK(output<Small>({1, 2}, {{0, 1, 1, 0}, {10, 20}}) == Values{13, 23});
}
TEST_CASE("Add sums its branches, each with parameters of its own") {
  using Small = nn::Sequential<nn::Input<2>, nn::Add<nn::Identity, nn::Dense<2>, nn::Sequential<nn::Dense<2>>>>;
  CHECK(output<Small>({1, 2}, {{0, 1, 1, 0}, {10, 20}, {2, 0, 0, 2}, {100, 200}}) == Values{115, 227});
}
TEST_CASE("Concatenate puts what its branches make side by side") {
  using Vectors =
      nn::Sequential<nn::Input<2>, nn::Concatenate<nn::Identity, nn::Dense<1>, nn::Sequential<nn::Dense<1>>>>;
  CHECK(output<Vectors>({1, 2}, {{3, 4}, {100}, {10, 20}, {1000}}) == Values{1, 2, 111, 1050});
  using Images = nn::Sequential<nn::Input<1, 2, 2>, nn::Concatenate<nn::Conv2D<1, 1, nn::NoBias>, nn::Identity>>;
  CHECK(output<Images>({1, 2, 3, 4}, {{10, 100}}) == Values{210, 1, 2, 430, 3, 4});
}
TEST_CASE("what Concatenate puts side by side passes through memory once") {
  using Net = nn::Sequential<nn::Input<6, 6, 2>, nn::Concatenate<nn::Conv2D<20, 3, nn::Same>, nn::Conv2D<24, 1>>,
                             nn::Conv2D<5, 3>>;
  using P = Program<Inference<Net>>;
  for (const Stage& stage : P::plan.stages) CHECK(stage.kind == StageKind::contraction);
  CHECK(P::plan.stages.size == 3);
}
TEST_CASE("parameters of branches are named by path, each name once") {
  CHECK(parameter_names<nn::Sequential<nn::Input<6, 6, 2>, Projection>>() ==
        std::vector<std::string>{"1.0.conv2d.kernel", "1.0.conv2d.bias", "1.1.conv2d.kernel",
                                 "1.shortcut.conv2d.kernel", "1.shortcut.conv2d.bias"});
  CHECK(parameter_names<nn::Sequential<nn::Input<6, 6, 4>, Branches>>() ==
        std::vector<std::string>{"1.1.conv2d.kernel", "1.1.conv2d.bias", "1.2.0.conv2d.kernel", "1.2.0.conv2d.bias",
                                 "1.2.1.conv2d.kernel", "1.2.1.conv2d.bias"});
  const auto names = parameter_names<BranchedNet>();
  CHECK(std::set<std::string>(names.begin(), names.end()).size() == names.size());
}
TEST_CASE("gradients of branches agree with finite differences") {
  CHECK(gradient_error<nn::Sequential<nn::Input<3, 3, 2>, Projection, Branches>>() <= finite_difference_tolerance);
  CHECK(gradient_error<
            nn::Sequential<nn::Input<3, 3, 2>, nn::Concatenate<nn::Identity, nn::Conv2D<2, 1>>, nn::Conv2D<2, 3>>>() <=
        finite_difference_tolerance);
}
// Chains of at most 2,000 roundings; a normalisation's standard deviation may magnify them
// (nn/batch_normalization.cpp).
TEST_CASE("networks with branches train on the CPU as the reference does") {
  for (int threads : {1, 2}) {
    Race<BranchedNet, SGD> plain(threads);
    Race<ConcatenatedNet, SGD> concatenated(threads);
    Race<NormalisedNet, SGD> normalised(threads);
    for (int samples : {5, 3}) {
      plain.step(samples);
      CHECK(plain.difference() < test::gamma(2000));
      concatenated.step(samples);
      CHECK(concatenated.difference() < test::gamma(2000));
      normalised.step(samples);
      CHECK(normalised.difference() < 60 * test::gamma(2000));
    }
  }
}
