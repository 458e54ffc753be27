// What fuse decides, claim by claim, on graphs of a few nodes.
#include <doctest/doctest.h>

#include <array>
#include <utility>

#include "nets.hpp"

using namespace inlay;
using namespace inlay::build;

namespace {

constexpr Shape image = shape_of(8, 8, 4);
constexpr Window same{.height = 3, .width = 3, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1};
constexpr Window half{.height = 2, .width = 2, .stride_h = 2, .stride_w = 2};

constexpr int weights(Graph& g, const Shape& shape) { return parameter(g, Parameter{.shape = shape}); }
constexpr int convolution(Graph& g, int x, const Shape& y = image) {
  return contraction(g, Mode::forward, x, weights(g, shape_of(3, 3, 4, y.extents[2])), same, y);
}
constexpr int relu(Graph& g, int x) { return map(g, MapOp::maximum, x, constant(g, 0)); }

/// The stage that lists a node, or -1: inlined, or no node of a stage at all.
constexpr int stage_of(const Plan& plan, int node) {
  for (int s = 0; s < plan.stages.size; ++s) {
    const Range& members = plan.stages.data[s].members;
    for (int m = members.first; m < members.first + members.count; ++m)
      if (plan.members.data[m] == node) return s;
  }
  return -1;
}
constexpr bool stored(const Plan& plan, int node) {
  for (const Value& value : plan.values)
    if (value.node == node) return true;
  return false;
}
constexpr int count(const Plan& plan, const Range& body, StepKind kind) {
  int n = 0;
  for (int i = body.first; i < body.first + body.count; ++i) n += plan.steps.data[i].kind == kind;
  return n;
}
constexpr bool stores_parameter(const Plan& plan, const Launch& launch, const Range& body) {
  for (int i = body.first; i < body.first + body.count; ++i) {
    const Step& step = plan.steps.data[i];
    if (step.kind != StepKind::store) continue;
    const int value = plan.bindings.data[launch.bindings.first + step.slot];
    if (plan.values.data[value].storage == Storage::parameter) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("a map joins the stage that produces its operand") {
  constexpr auto stages = [] {
    Graph g;
    const int y = convolution(g, input(g, image));
    const int z = relu(g, map(g, MapOp::add, y, weights(g, shape_of(4))));
    g.outputs.push({z});
    const Plan plan = fuse(g);
    return stage_of(plan, y) == stage_of(plan, z) ? plan.stages.size : -1;
  }();
  static_assert(stages == 1);
}

TEST_CASE("fuse keeps a value that two stages read, and only that") {
  constexpr auto kept = [] {
    Graph g;
    const int y = convolution(g, input(g, image));
    const int a = relu(g, y);
    g.outputs.push({convolution(g, a)});
    g.outputs.push({convolution(g, a)});
    const Plan plan = fuse(g);
    return std::pair{stored(plan, a), stored(plan, y)};
  }();
  static_assert(kept.first);
  static_assert(!kept.second);
}

TEST_CASE("ReLU's mask is read from the kept activation and not stored") {
  constexpr Graph (*make)() = [] {
    Graph g;
    const int a = relu(g, convolution(g, input(g, image)));
    const int b = convolution(g, a);
    const int loss = reshape(g, reduce(g, ReduceOp::sum, map(g, MapOp::multiply, b, b), 7, true), Shape{});
    List<int> parameters;
    for (int i = 0; i < g.nodes.size; ++i)
      if (g.nodes.data[i].op == Op::parameter) parameters.push(i);
    for (int d : gradient(g, loss, parameters)) g.outputs.push({d});
    return simplify(g);
  };
  constexpr bool masks_stored = [] {
    const Graph g = make();
    const Plan plan = fuse(g);
    for (int i = 0; i < g.nodes.size; ++i)
      if (g.nodes.data[i].op == Op::map && g.nodes.data[i].map == MapOp::greater && stored(plan, i)) return true;
    return false;
  }();
  static_assert(!masks_stored);
}

TEST_CASE("max pooling joins the convolution before it, and what was pooled need not be stored") {
  constexpr auto facts = [] {
    Graph g;
    const int a = relu(g, convolution(g, input(g, image)));
    const int index = max_index(g, a, half);
    const int p = gather(g, a, index);
    g.outputs.push({p});
    const Plan plan = fuse(g);
    return std::array{plan.stages.size, int{stored(plan, a)}, int{stored(plan, index)}, plan.stages[0].pool.height};
  }();
  static_assert(facts == std::array{1, 0, 0, 2});
}

TEST_CASE("a map of pooled values follows in the same stage") {
  constexpr int stages = [] {
    Graph g;
    const int a = convolution(g, input(g, image));
    g.outputs.push({relu(g, gather(g, a, max_index(g, a, half)))});
    return fuse(g).stages.size;
  }();
  static_assert(stages == 1);
}

TEST_CASE("pooling of an input is a stage of its own") {
  Graph g;
  const int x = input(g, image);
  g.outputs.push({gather(g, x, max_index(g, x, half))});
  const Plan plan = fuse(g);
  REQUIRE(plan.stages.size == 1);
  CHECK(plan.stages[0].kind == StageKind::pooling);
}

TEST_CASE("the bias gradient is a side output of the weight gradient") {
  constexpr bool together = [] {
    Graph g;
    const int x = input(g, image), d = input(g, image);
    const int bias = reshape(g, reduce(g, ReduceOp::sum, d, 3, true), shape_of(4));
    const int kernel = contraction(g, Mode::weight_gradient, x, d, same, shape_of(3, 3, 4, 4));
    g.outputs.push({bias});
    g.outputs.push({kernel});
    const Plan plan = fuse(g);
    return plan.stages.size == 1 && plan.stages[0].side.count > 0;
  }();
  static_assert(together);
}

TEST_CASE("a parameter is updated in place where its gradient is made") {
  using Step = Program<test::Training<nn::Sequential<nn::Input<5>, nn::Dense<3>>, SGD>>;
  constexpr int updating = [] {
    int n = 0;
    for (const Launch& launch : Step::plan.launches)
      for (int s = launch.stages.first; s < launch.stages.first + launch.stages.count; ++s) {
        const Stage& stage = Step::plan.stages[s];
        if (stage.kind != StageKind::contraction) continue;
        for (const Range& body : {stage.main, stage.side})
          for (int i = body.first; i < body.first + body.count; ++i) {
            const inlay::Step& step = Step::plan.steps[i];
            n +=
                step.kind == StepKind::store &&
                Step::plan.values[Step::plan.bindings[launch.bindings.first + step.slot]].storage == Storage::parameter;
          }
      }
    return n;
  }();
  static_assert(updating == 4);  // kernel and bias, and their velocities
}

TEST_CASE("an update waits for the last reader") {
  Graph g;
  const int p = weights(g, image), x = input(g, image, Element::f32, false);
  const int next = map(g, MapOp::subtract, p, map(g, MapOp::tanh, x));
  const int late = convolution(g, p);  // reads neighbours of p, after `next` is known
  g.outputs.push({next, 0});
  g.outputs.push({late});
  const Plan plan = fuse(g);
  int reader = -1, writer = -1;
  for (int l = 0; l < plan.launches.size; ++l) {
    const Launch& launch = plan.launches[l];
    const Stage& stage = plan.stages[launch.stages.first];
    if (stage.kind == StageKind::contraction) reader = l;
    if (stores_parameter(plan, launch, stage.main)) writer = l;
  }
  CHECK(writer > reader);
  CHECK(reader >= 0);
}

TEST_CASE("rescaling is inlined into both of its readers") {
  constexpr auto facts = [] {
    Graph g;
    const int x = input(g, image, Element::u8);
    const int scaled = map(g, MapOp::multiply, x, constant(g, 1.0f / 255));
    g.outputs.push({convolution(g, scaled)});
    g.outputs.push({convolution(g, scaled)});
    const Plan plan = fuse(g);
    return std::array{plan.stages.size, int{stored(plan, scaled)}, count(plan, plan.stages[0].a, StepKind::apply),
                      count(plan, plan.stages[1].a, StepKind::apply)};
  }();
  static_assert(facts == std::array{2, 0, 1, 1});
}

TEST_CASE("what costs more than a reload is stored for two readers, not computed twice") {
  Graph g;
  const int x = input(g, image);
  const int costly = map(g, MapOp::tanh, x);
  g.outputs.push({convolution(g, costly)});
  g.outputs.push({convolution(g, costly)});
  const Plan plan = fuse(g);
  CHECK(stored(plan, costly));
  CHECK(plan.stages.size == 3);
}

TEST_CASE("max pooling's gradient is read in place by both gradients of the convolution") {
  Graph g;
  const int a = input(g, image), d = input(g, shape_of(4, 4, 4));
  const int spread = scatter(g, d, max_index(g, a, half));
  g.outputs.push({contraction(g, Mode::data_gradient, spread, weights(g, shape_of(3, 3, 4, 4)), same, image)});
  g.outputs.push({contraction(g, Mode::weight_gradient, a, spread, same, shape_of(3, 3, 4, 4))});
  const Plan plan = fuse(g);
  CHECK_FALSE(stored(plan, spread));
}

TEST_CASE("small per-sample stages share a launch; large ones do not") {
  constexpr auto launches = [](int channels) {
    Graph g;
    const int x = input(g, shape_of(8, 8, channels));
    const int m = reduce(g, ReduceOp::max, x, 7);
    const int e = map(g, MapOp::exp, map(g, MapOp::subtract, x, m));
    g.outputs.push({map(g, MapOp::divide, e, reduce(g, ReduceOp::sum, e, 7))});
    return fuse(g).launches.size;
  };
  static_assert(launches(4) == 1);
  static_assert(launches(400) == 4);
}

TEST_CASE("the sum over the batch has a launch of its own") {
  constexpr int launches = [] {
    Graph g;
    const int each = reduce(g, ReduceOp::sum, input(g, shape_of(5)), 1);
    g.outputs.push({reduce(g, ReduceOp::sum, map(g, MapOp::exp, each), 0, true)});
    return fuse(g).launches.size;
  }();
  static_assert(launches == 2);
}

TEST_CASE("a constant may be an output") {
  Graph g;
  input(g, shape_of(2));
  g.outputs.push({constant(g, 3)});
  g.outputs.push({iota(g, shape_of(4), 0)});
  CHECK(fuse(g).stages.size == 2);
}

TEST_CASE("every step of a Body reads registers of earlier steps") {
  const Plan plan = fuse(simplify(test::Training<test::SmallSeed>::make()));
  for (const Stage& stage : plan.stages)
    for (const Range& body : {stage.a, stage.b, stage.main, stage.post, stage.side})
      for (int i = 0; i < body.count; ++i) {
        const Step& step = plan.steps[body.first + i];
        for (int k = 0; k < (step.kind == StepKind::apply ? arity(step.map) : step.kind == StepKind::store); ++k)
          CHECK(step.registers[k] < i);
      }
}
