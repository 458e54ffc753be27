// Programs that store images and features in bf16 or fp16: what becomes narrow and what does not, the bytes that this
// saves, and that all readers of a rounded value see the same number.
#include "../support/rounded_graph.hpp"
#include "nets.hpp"
#include "plan_equivalence.hpp"

#include <inlay/graph/explain.hpp>
#include <inlay/nn/batch_normalization.hpp>

#include <doctest/doctest.h>

using namespace inlay;

namespace {

using Wide = Program<test::Training<test::Seed>>;
using Narrow = Program<test::Training<test::Seed>, Element::bf16>;
using Half = Program<test::Training<test::Seed>, Element::f16>;

using NormalisedNet =
    nn::Sequential<nn::Input<6, 6, 2>, nn::Conv2D<5, 3, nn::Same, nn::NoBias>, nn::BatchNormalization<nn::Relu>,
                   nn::Residual<nn::Conv2D<5, 3, nn::Same, nn::NoBias>, nn::BatchNormalization<>>, nn::MaxPooling2D<2>,
                   nn::BatchNormalization<>, nn::Flatten, nn::Dense<3>>;

template <int Channels, int Window>
using PooledNet =
    nn::Sequential<nn::Input<8, 8, 2>, nn::Conv2D<Channels, 3>, nn::MaxPooling2D<Window>, nn::Flatten, nn::Dense<3>>;

/// How far the plan with narrow values strays from the graph with a rounding behind each of them, and how far those
/// roundings move the results.
struct Strayed {
  double from_rounded, by_rounding;
};
Strayed strayed(const test::Problem& problem, int samples, Element element, int small = small_value) {
  const Graph simplified = simplify(problem.graph);
  Graph graph = simplified;
  narrow(graph, element, small);
  const Plan plan = memory(emit(graph, group(simplified)));
  auto evaluate = [&](const Graph& any) {
    return reference::evaluate(any, samples, problem.inputs, problem.parameters);
  };
  const auto got = reference::execute(plan, samples, problem.inputs, problem.parameters);
  const auto rounded = evaluate(test::rounded_graph(simplified, plan, element, false)), exact = evaluate(simplified);
  return {std::max(test::difference(got.outputs, rounded.outputs), test::difference(got.updated, rounded.updated)),
          std::max(test::difference(rounded.outputs, exact.outputs), test::difference(rounded.updated, exact.updated))};
}

template <class Net>
test::Problem training(int samples) {
  test::Problem p = test::RandomGraph::problem(test::Training<Net, SGD>::make(), samples, 3);
  p.inputs[2] = {0.01};
  for (std::size_t i = 0; i < p.parameters.size(); ++i)
    for (double& x : p.parameters[i])
      if (!p.graph.parameters[static_cast<int>(i)].trainable) x = std::fabs(x);
  return p;
}

// Sums in double, in another order.
constexpr double tolerance = 1e-11;

/// Does an output of the program follow from a node?
template <class P>
bool follows(int output, int node) {
  const Graph graph = thaw(P::simplified);
  List<bool> needed(graph.nodes.size, false);
  needed[graph.outputs[output].node] = true;
  for (int i = graph.nodes.size - 1; i > node; --i)
    for (int k = 0; needed[i] && k < graph.nodes[i].operand_count; ++k) needed[graph.nodes[i].operands[k]] = true;
  return needed[node];
}

void check_elements_of_steps(const auto& plan) {
  for (const Launch& launch : plan.launches)
    for (int s = launch.stages.first; s < launch.stages.first + launch.stages.count; ++s) {
      const Stage& stage = plan.stages[s];
      const Range bodies[] = {stage.a, stage.b, stage.main, stage.post, stage.side};
      for (const Range& body : bodies)
        for (int i = body.first; i < body.first + body.count; ++i) {
          const Step& step = plan.steps[i];
          const bool in_memory = step.kind == StepKind::load || step.kind == StepKind::store ||
                                 step.kind == StepKind::scatter || step.kind == StepKind::gather;
          auto element = [&](int slot) { return plan.values[plan.bindings[launch.bindings.first + slot]].element; };
          if (in_memory) CHECK(step.element == element(step.slot));
          if (step.kind == StepKind::scatter || step.kind == StepKind::gather)
            CHECK(step.index_element == element(step.index_slot));
        }
    }
}

/// Of a training step of the seed network.
void check_copies_of_weights(const auto& plan, Element element) {
  int copies = 0, updates = 0;
  for (const Value& v : plan.values) {
    if (v.storage != Storage::rounded) continue;
    ++copies;
    CHECK(v.element == element);
    CHECK(v.count == plan.parameters[v.index].shape.count());
    CHECK(plan.parameters[v.index].multiplied == element);
  }
  CHECK(copies == 5);  // no biases
  for (const Launch& launch : plan.launches)
    for (int s = launch.stages.first; s < launch.stages.first + launch.stages.count; ++s) {
      const Range body = plan.stages[s].main;
      auto value = [&](int i) { return plan.values[plan.bindings[launch.bindings.first + plan.steps[i].slot]]; };
      for (int i = body.first; i < body.first + body.count; ++i) {
        if (plan.steps[i].kind != StepKind::store || value(i).storage != Storage::rounded) continue;
        ++updates;
        REQUIRE(plan.steps[i - 1].kind == StepKind::store);  // of the parameter itself, from the same register
        CHECK(value(i - 1).storage == Storage::parameter);
        CHECK(value(i - 1).index == value(i).index);
        CHECK(plan.steps[i - 1].registers[0] == plan.steps[i].registers[0]);
      }
    }
  CHECK(updates == copies);
}

}  // namespace

TEST_CASE("images and features of a batch become bf16, and of what is kept nothing") {
  int narrow_values = 0;
  for (const Value& v : Narrow::plan.values) {
    if (v.storage == Storage::rounded) continue;
    const bool large = v.storage == Storage::arena && v.batched && v.count > small_value;
    if (v.element == Element::u8 || v.element == Element::i32 || v.element == Element::u2) continue;
    CAPTURE(v.node);
    CHECK(v.element == (large ? Element::bf16 : Element::f32));
    narrow_values += v.element == Element::bf16;
  }
  CHECK(narrow_values >= 6);  // three activations and their gradients
  for (const Value& v : Wide::plan.values) CHECK(v.element != Element::bf16);
}

TEST_CASE("places in windows of up to four elements take two bits where four channels fill a byte") {
  auto packed = []<class Net>() {
    int values = 0;
    for (const Value& v : Program<test::Training<Net>, Element::bf16>::plan.values) values += v.element == Element::u2;
    return values;
  };
  CHECK(packed.operator()<PooledNet<8, 2>>() == 1);
  CHECK(packed.operator()<PooledNet<8, 3>>() == 0);
  CHECK(packed.operator()<PooledNet<6, 2>>() == 0);
  for (const Value& v : Narrow::plan.values)
    if (v.element == Element::u2) CHECK(v.bytes() == 14 * 14 * 64 / 4);
  for (const Value& v : Wide::plan.values) CHECK(v.element != Element::u2);
}

TEST_CASE("what a product reads as it is becomes f16, and no gradient") {
  const auto& plan = Half::plan;
  int narrow_values = 0;
  for (const Value& v : plan.values) {
    if (v.storage != Storage::arena || v.element != Element::f16) continue;
    CAPTURE(v.node);
    ++narrow_values;
    CHECK(follows<Half>(plan.outputs[0].output, v.node));
    CHECK(v.count > small_value);
  }
  CHECK(narrow_values == 3);  // three activations
  int wide_values = 0;
  for (const Value& v : plan.values)
    wide_values += v.storage == Storage::arena && v.batched && v.count > small_value && v.element == Element::f32;
  CHECK(wide_values == 3);  // their gradients
}

TEST_CASE("what is normalised stays f32 where fp16 is stored, for it may be larger than that") {
  using Net =
      nn::Sequential<nn::Input<6, 6, 2>, nn::Conv2D<5, 3, nn::Same, nn::Relu>, nn::Conv2D<5, 3, nn::Same, nn::NoBias>,
                     nn::BatchNormalization<>, nn::Relu, nn::Conv2D<7, 3, nn::Same>, nn::Flatten, nn::Dense<3>>;
  using P = Program<test::Training<Net>, Element::f16>;
  int to_normalise = 0, to_multiply = 0;
  for (const Value& v : P::plan.values) {
    if (v.storage != Storage::arena || !follows<P>(P::plan.outputs[0].output, v.node) || v.count <= small_value)
      continue;
    CAPTURE(v.node);
    const bool summed = P::plan.nodes[v.node].op == Op::contraction && v.count == 6 * 6 * 5;
    CHECK(v.element == (summed ? Element::f32 : Element::f16));
    ++(summed ? to_normalise : to_multiply);
  }
  CHECK(to_normalise == 1);
  CHECK(to_multiply == 2);
}

TEST_CASE("what a product skips in part stays f32 where fp16 is stored, for the rest may be larger than that") {
  auto stored = []<class Convolution>(Convolution) {
    using Net = nn::Sequential<nn::Input<6, 6, 2>, nn::Conv2D<5, 3, nn::Same, nn::Relu>, Convolution, nn::Flatten,
                               nn::Dense<3>>;
    for (const Value& v : Program<test::Training<Net>, Element::f16>::plan.values)
      if (v.storage == Storage::arena && v.count == 6 * 6 * 5 && v.first == 0) return v.element;
    return Element::i32;
  };
  CHECK(stored(nn::Conv2D<7, 1, nn::Strides<2>>{}) == Element::f32);
  CHECK(stored(nn::Conv2D<7, 3, nn::Strides<2>>{}) == Element::f32);  // the last row and column
  CHECK(stored(nn::Conv2D<7, 2, nn::Strides<2>>{}) == Element::f16);
  CHECK(stored(nn::Conv2D<7, 3, nn::Same, nn::Strides<2>>{}) == Element::f16);
}

TEST_CASE("a window covers an image if each element lies in some window") {
  auto covers = [](int size, int stride, int pad, int dilation, int extent) {
    const Window w{
        .height = size, .width = 1, .stride_h = stride, .pad_top = pad, .pad_bottom = pad, .dilation_h = dilation};
    return w.covers(extent, 1);
  };
  for (int size = 1; size <= 4; ++size)
    for (int stride = 1; stride <= 4; ++stride)
      for (int pad = 0; pad <= 2; ++pad)
        for (int extent = 8; extent <= 12; ++extent) {
          std::vector<bool> seen(static_cast<std::size_t>(extent));
          const int windows = window_output(extent, size, stride, pad, pad);
          for (int i = 0; i < windows * size; ++i)
            if (const int at = i / size * stride - pad + i % size; at >= 0 && at < extent)
              seen[static_cast<std::size_t>(at)] = true;
          CHECK(covers(size, stride, pad, 1, extent) == (std::find(seen.begin(), seen.end(), false) == seen.end()));
        }
  CHECK(covers(3, 1, 2, 2, 8));
  CHECK(!covers(2, 1, 0, 5, 8));  // 0 to 2 and 5 to 7
}

TEST_CASE("steps name the element of the value that they read and write") {
  check_elements_of_steps(Narrow::plan);
  check_elements_of_steps(Half::plan);
}

TEST_CASE("weights that contractions read have a narrow copy, which whatever updates them writes, too") {
  check_copies_of_weights(Narrow::plan, Element::bf16);
  check_copies_of_weights(Half::plan, Element::f16);
  for (const Value& v : Wide::plan.values) CHECK(v.storage != Storage::rounded);
}

TEST_CASE("a program's outputs stay f32, however large, and reshapes of them") {
  using P = Program<Inference<nn::Sequential<nn::Input<12, 12, 3>, nn::Conv2D<4, 3>, nn::Conv2D<4, 3>, nn::Flatten>>,
                    Element::bf16>;
  CHECK(P::plan.values[P::plan.outputs[0].value].element == Element::f32);
  int narrow_values = 0;
  for (const Value& v : P::plan.values) narrow_values += v.storage == Storage::arena && v.element == Element::bf16;
  CHECK(narrow_values == 1);
}

TEST_CASE("the seed network's training step moves half the bytes, in half the arena") {
  constexpr Cost wide = cost_of(Wide::plan), narrow = cost_of(Narrow::plan);
  constexpr std::int64_t before = wide.read.per_sample + wide.written.per_sample;
  constexpr std::int64_t after = narrow.read.per_sample + narrow.written.per_sample;
  CAPTURE(before);
  CAPTURE(after);
  constexpr std::int64_t places = 3 * 14 * 14 * 64;  // of pooling: written once, read twice; bytes before
  CHECK(after < before / 2);
  CHECK(after >= before / 2 - places / 4);
  // Weights are read by forward passes and by all data gradients but the first convolution's.
  constexpr std::int64_t weights = 9 * 1 * 32 + 9 * 32 * 64 + 9 * 64 * 64 + 14 * 14 * 64 * 64 + 64 * 10;
  CHECK(narrow.read.shared == wide.read.shared - 2 * (2 * weights - 9 * 1 * 32));
  CHECK(narrow.written.shared == wide.written.shared + 2 * weights);
  CHECK(Narrow::plan.arena_bytes_per_sample < 0.52 * static_cast<double>(Wide::plan.arena_bytes_per_sample));
  CHECK(explain(Wide{}).find("moved: 2399.5 KB") != std::string::npos);
  CHECK(explain(Narrow{}).find("moved: 1192.2 KB") != std::string::npos);
}

TEST_CASE("in fp16 the seed network's training step moves half the bytes of its activations and weights") {
  constexpr Cost wide = cost_of(Wide::plan), narrow = cost_of(Narrow::plan), half = cost_of(Half::plan);
  CHECK(half.read.shared == narrow.read.shared);
  CHECK(half.written.shared == narrow.written.shared);
  constexpr std::int64_t saved = wide.written.per_sample - half.written.per_sample;
  CHECK(saved == 2 * (28 * 28 * 32 + 28 * 28 * 64 + 14 * 14 * 64) + 14 * 14 * 64 * 3 / 4);  // and places
  CHECK(explain(Half{}).find("moved: 1668.9 KB") != std::string::npos);
}

TEST_CASE("all readers of a narrow value read the same rounded number") {
  for (const Element element : {Element::bf16, Element::f16})
    for (const test::Problem& problem :
         {training<test::SmallSeed>(3), training<test::ResidualNet>(3), training<NormalisedNet>(3)}) {
      const Strayed s = strayed(problem, 3, element);
      CHECK(s.from_rounded < tolerance);
      CHECK(s.by_rounding > (element == Element::bf16 ? 1e-5 : 1e-6));
    }
}

TEST_CASE("so do readers of random graphs whose every value of a batch that may be is narrow") {
  for (const Element element : {Element::bf16, Element::f16})
    for (unsigned seed = 0; seed < 200; ++seed) {
      CAPTURE(seed);
      CHECK(strayed(test::RandomGraph::problem(test::RandomGraph(seed).make(20), 2, seed), 2, element, 0).from_rounded <
            tolerance);
    }
}
