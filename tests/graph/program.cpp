// Program: the finished constants of whole networks, as users may assert on them.
#include <doctest/doctest.h>

#include <inlay/kernel/lower.hpp>
#include <type_traits>

#include "nets.hpp"

using namespace inlay;

namespace {

using SeedStep = Program<test::Training<test::Seed>>;
using SeedInference = Program<Inference<test::Seed>>;

// A training step of the seed network is 17 kernels: 5 forward, the loss, two sums over the batch, 9 backward (the
// first layer needs no gradient of its input), with Adam inside of them.
static_assert(SeedStep::plan.launches.size == 17);
static_assert(SeedStep::plan.arena_bytes_per_sample < 640 * 1024);
static_assert(SeedStep::plan.arena_bytes_per_sample < SeedStep::plan.unplanned_bytes_per_sample / 4);
static_assert(SeedInference::plan.launches.size == 5);
static_assert(SeedInference::plan.arena_bytes_per_sample < 320 * 1024);

}  // namespace

TEST_CASE("all parameters are updated in the step, and only there") {
  constexpr int updates = [] {
    int n = 0;
    for (int i = 0; i < SeedStep::graph.outputs.size; ++i) n += SeedStep::graph.outputs[i].is_update();
    return n;
  }();
  static_assert(updates == 30);  // 10 weights, each with two moments
  static_assert(SeedStep::plan.outputs.size == 2);
}

TEST_CASE("freezing and thawing keep the graph") {
  const Graph g = Inference<test::Seed>::make();
  CHECK(fingerprint(g) == fingerprint(thaw(SeedInference::graph)));
}

TEST_CASE("the fingerprint does not depend on the order in which operands were added") {
  constexpr auto print = [](bool reversed) {
    Graph g;
    const int x = build::input(g, shape_of(4));
    const int first = build::map(g, reversed ? MapOp::tanh : MapOp::exp, x);
    const int second = build::map(g, reversed ? MapOp::exp : MapOp::tanh, x);
    g.outputs.push({build::map(g, MapOp::subtract, reversed ? second : first, reversed ? first : second)});
    return fingerprint(g);
  };
  static_assert(print(false) == print(true));
}

TEST_CASE("passes in constants give what they give at run time") {
  const Plan plan = memory(fuse(simplify(test::Training<test::Seed>::make())));
  CHECK(plan.steps.size == SeedStep::plan.steps.size);
  CHECK(plan.arena_bytes_per_sample == SeedStep::plan.arena_bytes_per_sample);
}

TEST_CASE("equal layers lower to equal kernel types, but for what reads an input, whose samples may lie anywhere") {
  using Net =
      nn::Sequential<nn::Input<8, 8, 4>, nn::Conv2D<4, 3, nn::Same, nn::Relu>, nn::Conv2D<4, 3, nn::Same, nn::Relu>,
                     nn::Conv2D<4, 3, nn::Same, nn::Relu>, nn::Conv2D<4, 1, nn::Same, nn::Relu>>;
  using P = Program<Inference<Net>>;
  static_assert(P::plan.launches.size == 4);
  static_assert(!std::is_same_v<kernel::lowered_t<P, 0>, kernel::lowered_t<P, 1>>);
  static_assert(std::is_same_v<kernel::lowered_t<P, 1>, kernel::lowered_t<P, 2>>);
  static_assert(!std::is_same_v<kernel::lowered_t<P, 2>, kernel::lowered_t<P, 3>>);
}

TEST_CASE("equal residual blocks lower to equal kernel types") {
  using Block = nn::Residual<nn::Conv2D<4, 3, nn::Same, nn::Relu>, nn::Conv2D<4, 3, nn::Same>>;
  using P = Program<Inference<nn::Sequential<nn::Input<8, 8, 4>, Block, Block, Block>>>;
  static_assert(P::plan.launches.size == 6);
  static_assert(std::is_same_v<kernel::lowered_t<P, 2>, kernel::lowered_t<P, 4>>);
  static_assert(std::is_same_v<kernel::lowered_t<P, 3>, kernel::lowered_t<P, 5>>);
}

TEST_CASE("the fingerprint is the same for the same network, and no other") {
  constexpr auto print = []<class Net>(std::type_identity<Net>) { return fingerprint(Inference<Net>::make()); };
  constexpr std::uint64_t seed = print(std::type_identity<test::SmallSeed>{});
  static_assert(seed == print(std::type_identity<test::SeedLike<8, 4>>{}));
  static_assert(seed != print(std::type_identity<test::SeedLike<8, 5>>{}));
  static_assert(seed != print(std::type_identity<test::SeedLike<10, 4>>{}));
  using A = nn::Sequential<nn::Input<6>, nn::Dense<4, nn::Relu>>;
  using B = nn::Sequential<nn::Input<6>, nn::Dense<4, nn::Tanh>>;
  using C = nn::Sequential<nn::Input<6>, nn::Dense<4>, nn::Relu>;
  using D = nn::Sequential<nn::Input<6>, nn::Flatten, nn::Dense<4, nn::Relu>>;
  static_assert(print(std::type_identity<A>{}) != print(std::type_identity<B>{}));
  static_assert(print(std::type_identity<A>{}) == print(std::type_identity<C>{}));  // the same parameters and function
  static_assert(print(std::type_identity<A>{}) != print(std::type_identity<D>{}));  // parameters under other names
}

TEST_CASE("the fingerprint changes with every parameter's shape and every field that has a meaning") {
  const Graph g = Inference<test::SmallSeed>::make();
  const std::uint64_t before = fingerprint(g);
  for (int p = 0; p < g.parameters.size; ++p)
    for (int axis = 0; axis < g.parameters[p].shape.rank; ++axis) {
      Graph other = g;
      ++other.parameters[p].shape.extents[axis];
      CHECK(fingerprint(other) != before);
    }
  for (int i = 0; i < g.nodes.size; ++i) {
    Graph other = g;
    ++other.nodes[i].index;
    CHECK(fingerprint(other) != before);
    other = g;
    other.nodes[i].value += 1;
    CHECK(fingerprint(other) != before);
    other = g;
    ++other.nodes[i].window.pad_right;
    CHECK(fingerprint(other) != before);
  }
}

TEST_CASE("decoupled weight decay is fused into the gradient's stage, too") {
  using WithDecay = Program<TrainingGraph<test::SmallSeed, AdamW, SparseCategoricalCrossentropy, Accuracy>>;
  using Without = Program<TrainingGraph<test::SmallSeed, Adam, SparseCategoricalCrossentropy, Accuracy>>;
  static_assert(WithDecay::plan.launches.size == Without::plan.launches.size);
}
