// Whole programs: simplified, fused, planned and executed from an arena, against the graph as it was traced.
#include "plan_equivalence.hpp"

#include <doctest/doctest.h>

#include "nets.hpp"

using namespace inlay;
using namespace inlay::test;

namespace {

/// Sums in another order, hundreds of operations deep.
constexpr double tolerance = 1e-9;

/// A problem for a training graph, with label smoothing, the optimiser's numbers and moments that have a root.
template <class Net, class Optimizer = Adam>
Problem training_problem(int samples) {
  Problem p = RandomGraph::problem(Training<Net, Optimizer>::make(), samples, 7);
  float numbers[Optimizer::number_count];
  Optimizer{}.numbers(2, numbers);
  p.inputs[2][0] = 0.01;
  for (std::size_t i = 3; i < p.inputs.size(); ++i) p.inputs[i][0] = numbers[i - 3];
  for (std::size_t i = 0; i < p.parameters.size(); ++i)
    for (double& x : p.parameters[i])
      if (!p.graph.parameters[static_cast<int>(i)].trainable) x = std::fabs(x);
  return p;
}

}  // namespace

TEST_CASE("three Adam steps of the plan are three Adam steps of the graph") {
  CHECK(plan_difference(training_problem<SmallSeed>(3), 3, 3) < tolerance);
  CHECK(plan_difference(training_problem<ResidualNet>(2), 2, 3) < tolerance);
  CHECK(plan_difference(training_problem<SqueezeExciteNet>(3), 3, 3) < tolerance);
  CHECK(plan_difference(training_problem<DenseNet>(4), 4, 3) < tolerance);
  CHECK(plan_difference(training_problem<StridedNet>(2), 2, 3) < tolerance);
}

TEST_CASE("one sample is a batch, too, and SGD an optimiser") {
  CHECK(plan_difference(training_problem<SmallSeed>(1), 1) < tolerance);
  CHECK(plan_difference(training_problem<ResidualNet, SGD>(1), 1) < tolerance);
}

TEST_CASE("a step whose loss is not finite changes no parameter") {
  Problem p = training_problem<SmallSeed>(2);
  p.parameters.back()[0] = HUGE_VAL;
  for (double& x : p.parameters[1]) x = HUGE_VAL;
  const Plan plan = memory(fuse(simplify(p.graph)));
  CHECK(difference(reference::execute(plan, 2, p.inputs, p.parameters).updated, p.parameters) == 0);
}

TEST_CASE("programs without samples: a product of matrices and its gradients") {
  Graph g;
  const int a = build::input(g, shape_of(6, 5), Element::f32, false);
  const int w = build::input(g, shape_of(5, 7), Element::f32, false);
  const int b = build::input(g, shape_of(7), Element::f32, false);
  const int y =
      build::map(g, MapOp::maximum, build::map(g, MapOp::add, build::matmul(g, a, w), b), build::constant(g, 0));
  const int loss = build::reshape(g, build::reduce(g, ReduceOp::sum, build::map(g, MapOp::multiply, y, y), 3), Shape{});
  List<int> leaves;
  for (int leaf : {a, w, b}) leaves.push(leaf);
  for (int d : gradient(g, loss, leaves)) g.outputs.push({d});
  g.outputs.push({loss});
  g.outputs.push({build::transpose(g, y, {1, 0, 2, 3})});
  CHECK(plan_difference(RandomGraph::problem(g, 1, 1), 1) < tolerance);
}

TEST_CASE("parameters exchanged by updates, and handed out before them") {
  Graph g;
  const int p = build::parameter(g, Parameter{.shape = shape_of(3)});
  const int q = build::parameter(g, Parameter{.shape = shape_of(3)});
  g.outputs.push({q, 0});
  g.outputs.push({p, 1});
  g.outputs.push({p});
  const Problem problem = RandomGraph::problem(g, 1, 1);
  CHECK(plan_difference(problem, 1, 3) == 0);
}

TEST_CASE("an output that is an input, a constant, a coordinate or a count of samples") {
  Graph g;
  const int x = build::input(g, shape_of(3));
  const int along = build::iota(g, shape_of(2, 3), 1);
  for (int node : {x, build::constant(g, 2.5f), along, build::reshape(g, along, shape_of(6)), build::batch_size(g)})
    g.outputs.push({node});
  CHECK(plan_difference(RandomGraph::problem(g, 2, 1), 2) == 0);
}

TEST_CASE("an inlined scatter is read at its own pixels, though its reader's stage has them along another axis") {
  Graph g;
  const int x = build::input(g, shape_of(2, 1, 2)), y = build::input(g, shape_of(1, 2, 3));
  const int index = build::max_index(g, x, Window{.height = 2, .width = 1, .stride_h = 2});
  const int spread = build::scatter(g, build::gather(g, x, index), index);
  const int w = build::parameter(g, Parameter{.shape = shape_of(1, 1, 3, 2)});
  const int column = build::contraction(g, Mode::forward, y, w, Window{}, shape_of(1, 2, 2));
  g.outputs.push({build::map(g, MapOp::add, spread, build::reshape(g, column, shape_of(2, 1, 2)))});
  CHECK(plan_difference(RandomGraph::problem(g, 2, 1), 2) < tolerance);
}

TEST_CASE("transposed and scattered values are broadcast by their readers") {
  Graph g;
  const int x = build::input(g, shape_of(4, 4, 1)), wide = build::input(g, shape_of(4, 4, 3));
  const int index = build::max_index(g, x, Window{.height = 2, .width = 2, .stride_h = 2, .stride_w = 2});
  const int spread = build::scatter(g, build::gather(g, x, index), index);
  g.outputs.push({build::map(g, MapOp::multiply, spread, wide)});
  g.outputs.push({build::map(g, MapOp::multiply, build::transpose(g, x, {1, 0, 2, 3}), wide)});
  CHECK(plan_difference(RandomGraph::problem(g, 2, 1), 2) < tolerance);
}

TEST_CASE("coordinates count along their own axis: broadcast, of extent one, reshaped and transposed") {
  Graph g;
  const int x = build::input(g, shape_of(4, 6, 2));
  g.outputs.push({build::map(g, MapOp::add, x, build::iota(g, shape_of(1, 1, 2), 0))});
  g.outputs.push({build::map(g, MapOp::add, x, build::iota(g, shape_of(6, 1), 0))});
  g.outputs.push({build::map(g, MapOp::add, x, build::reshape(g, build::iota(g, shape_of(3, 4), 1), shape_of(6, 2)))});
  g.outputs.push({build::map(g, MapOp::add, x, build::transpose(g, build::iota(g, shape_of(2, 6), 0), {1, 0, 2, 3}))});
  CHECK(plan_difference(RandomGraph::problem(g, 2, 1), 2) == 0);
}

TEST_CASE("random graphs: the plan computes what the graph says") {
  for (unsigned seed = 0; seed < 400; ++seed) {
    const int operations = seed % 4 == 3 ? 60 : seed % 4 == 2 ? 10 : 25, samples = 1 + static_cast<int>(seed % 3);
    const Problem p = RandomGraph::problem(RandomGraph(seed).make(operations), samples, seed);
    INFO("seed ", seed);
    CHECK(plan_difference(p, samples, 2) < 1e-7);  // products and exponentials magnify the order of sums
  }
}

TEST_CASE("random graphs: simplify changes no result") {
  for (unsigned seed = 0; seed < 400; ++seed) {
    const Problem p = RandomGraph::problem(RandomGraph(seed).make(25), 2, seed);
    const Graph simpler = simplify(p.graph);
    const reference::Result before = reference::evaluate(p.graph, 2, p.inputs, p.parameters);
    const reference::Result after = reference::evaluate(simpler, 2, p.inputs, p.parameters);
    INFO("seed ", seed);
    CHECK(difference(before.outputs, after.outputs) < 1e-6);  // constants are folded in float
    CHECK(difference(before.updated, after.updated) < 1e-6);
    CHECK(simpler.nodes.size <= p.graph.nodes.size);
  }
}

TEST_CASE("random graphs: fuse needs no simplify before it") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    const Problem p = RandomGraph::problem(RandomGraph(seed).make(25), 2, seed);
    const Plan plan = memory(fuse(p.graph));
    const reference::Result expected = reference::evaluate(p.graph, 2, p.inputs, p.parameters);
    const reference::PlanResult actual = reference::execute(plan, 2, p.inputs, p.parameters);
    INFO("seed ", seed);
    CHECK(difference(expected.outputs, actual.outputs) < 1e-7);
    CHECK(difference(expected.updated, actual.updated) < 1e-7);
  }
}
