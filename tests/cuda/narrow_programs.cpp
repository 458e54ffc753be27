// Whole programs that multiply in bf16 and store images and features in bf16, against the reference of the graph with
// these roundings in it (support/rounded_graph.hpp). Where all numbers are whole multiples of some unit that fp32
// holds, partial sums included, the executor makes no rounding of its own and results have to be exact, although bf16
// rounds many of them.
#include "../nn/random_networks.hpp"
#include "../support/rounded_graph.hpp"
#include "device_precision.hpp"
#include "program_run.hpp"

#include <inlay/cuda/usable_device.hpp>
#include <inlay/nn/losses.hpp>
#include <inlay/nn/metrics.hpp>
#include <inlay/train/cuda_engine.hpp>
#include <inlay/train/training_graph.hpp>

#include <doctest/doctest.h>

using namespace inlay;
using namespace inlay::test;

namespace {

using nn::NoBias, nn::Relu, nn::Same;

/// The sum of (output - label)^2.
struct Squares {
  static constexpr auto label(Tracer& tracer) {
    return Symbol<Element::i32, true, 1>{&tracer, build::input(tracer.graph, shape_of(1), Element::i32)};
  }
  static constexpr auto call(auto y, auto label) {
    auto error = y - label;
    return sum(error * error);
  }
};

using Pooled =
    nn::Sequential<nn::Input<6, 10, 3, std::uint8_t>, nn::Rescaling<std::ratio<1, 2>>, nn::Conv2D<5, 3, Same, Relu>,
                   nn::MaxPooling2D<2>, nn::Conv2D<20, 3, Same, Relu>, nn::Flatten, nn::Dense<70, Relu>, nn::Dense<4>>;
using Residual = nn::Sequential<nn::Input<6, 5, 3, std::uint8_t>, nn::Conv2D<8, 3, Same, Relu>,
                                nn::Residual<nn::Conv2D<8, 3, Same, Relu>>, nn::Residual<nn::Conv2D<8, 3, Same>>, Relu,
                                nn::MaxPooling2D<2>, nn::Flatten, nn::Dense<3>>;
/// Small: among many numbers some are always so close to the middle between two of bf16 that no useful bound is left.
using Normalised =
    nn::Sequential<nn::Input<5, 5, 1>, nn::Conv2D<3, 3, Same, NoBias>, nn::BatchNormalization<Relu>,
                   nn::Residual<nn::Conv2D<3, 3, Same, NoBias>, nn::BatchNormalization<>>, nn::Flatten, nn::Dense<3>>;

template <class Source>
using Narrow = Program<Source, stored_in(Precision::bf16)>;
template <class Net>
using SquaresTraining = Narrow<TrainingGraph<Net, SGD, Squares, Accuracy>>;
template <class Net>
using Training = Narrow<TrainingGraph<Net, SGD, SparseCategoricalCrossentropy, Accuracy>>;

template <class P>
Graph rounded() {
  return rounded_graph(thaw(P::simplified), P::plan, true);
}

/// Whole numbers: bytes below `bytes_below`, labels below 4; of the parameters one in eight is 1 or -1.
template <class P>
Case of_integers(int samples, int bytes_below) {
  Case c = Case::of<P>(samples, 4);
  for (std::size_t i = 0; i < c.inputs.size(); ++i)
    if (P::plan.inputs[static_cast<int>(i)].element == Element::u8)
      for (double& v : c.inputs[i]) v = std::fmod(v, bytes_below);
  for (Values& values : c.parameters)
    for (double& v : values) v = std::fabs(v) > 0.4375 ? std::copysign(1, v) : 0;  // they lie in (-0.5, 0.5)
  return c;
}

/// For a training step on 4 samples: SGD's numbers are a learning rate of 1, no momentum, no decay, the whole velocity.
template <class Net>
Case exact_training(int bytes_below) {
  Case c = of_integers<SquaresTraining<Net>>(4, bytes_below);
  for (std::size_t i = 2; i < c.inputs.size(); ++i) c.inputs[i] = {i == 2 || i == 5 ? 1.0 : 0.0};
  return c;
}

/// The largest sum of magnitudes that a contraction or a reduction of the graph adds up.
double largest_sum(const Graph& graph, int samples, const reference::Result& values) {
  double largest = 0;
  for (Node n : graph.nodes) {
    if (n.op != Op::contraction && !(n.op == Op::reduction && n.reduce == ReduceOp::sum)) continue;
    Graph alone;
    std::vector<Values> magnitudes;
    for (int k = 0; k < n.operand_count; ++k) {
      const Node& operand = graph.nodes[n.operands[k]];
      magnitudes.push_back(values.nodes[static_cast<std::size_t>(n.operands[k])]);
      for (double& x : magnitudes.back()) x = std::fabs(x);
      n.operands[k] = build::input(alone, operand.shape, Element::f32, operand.batched);
    }
    alone.add(n);
    const reference::Result sums = reference::evaluate(alone, samples, magnitudes, {});
    for (double x : sums.nodes.back()) largest = std::max(largest, x);
  }
  return largest;
}

/// Outputs and parameters after a run.
template <class P>
std::vector<std::vector<float>> results(const Case& c, int samples) {
  Device<P, Precision::bf16> device(c);
  device.executor.replay(samples);
  std::vector<std::vector<float>> all;
  for (int i = 0; i < P::plan.outputs.size; ++i) all.push_back(device.output(i, samples));
  for (int i = 0; i < P::plan.parameters.size; ++i) all.push_back(device.parameter(i));
  return all;
}
std::vector<Values> results(const reference::Result& result) {
  std::vector<Values> all = result.outputs;
  all.insert(all.end(), result.updated.begin(), result.updated.end());
  return all;
}

/// `unit`: every number of the program is a multiple of it.
template <class P>
void check_exact(const Case& c, int samples, double unit) {
  const Graph graph = rounded<P>();
  const reference::Result expected = reference::evaluate(graph, samples, c.inputs, c.parameters);
  const reference::Result unrounded = reference::evaluate(thaw(P::graph), samples, c.inputs, c.parameters);
  CHECK(largest_sum(graph, samples, expected) < unit * 0x1p24);
  const std::vector<std::vector<float>> got = results<P>(c, samples);
  double off = 0, moved = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    off = std::max(off, difference(got[i], results(expected)[i]));
    moved = std::max(moved, difference(got[i], results(unrounded)[i]));
  }
  CHECK(off == 0);
  CHECK(moved > 1e-4);  // bf16 rounded something
}

}  // namespace

TEST_CASE("programs that store bf16 are exact but for these roundings") {
  if (!device_has(Precision::bf16)) return;
  check_exact<SquaresTraining<Pooled>>(exact_training<Pooled>(20), 4, 0x1p-3);
  check_exact<SquaresTraining<Residual>>(exact_training<Residual>(16), 4, 0x1p-1);
  check_exact<Narrow<Inference<Pooled>>>(of_integers<Narrow<Inference<Pooled>>>(5, 256), 5, 0x1p-1);
}

TEST_CASE("an engine that multiplies in bf16 stores bf16, and takes and gives bytes and floats as any") {
  if (!device_has(Precision::bf16)) return;
  using Engine = CudaEngine<Pooled, SGD, Squares, Accuracy, Precision::bf16>;
  using P = SquaresTraining<Pooled>;
  static_assert(std::is_same_v<Engine::Training, P>);
  static_assert(CudaEngine<Pooled, SGD, Squares, Accuracy, Precision::fp16>::Training::stored == Element::f32);
  const inlay::cuda::DeviceQuery query = inlay::cuda::usable_device();
  REQUIRE_MESSAGE(query, query.reason);
  inlay::cuda::Device device = *query.device;
  device.major = 9;  // the emulator computes in all precisions, but says that it is older
  device.minor = 0;
  device.compiled_for = 90;
  const Case c = exact_training<Pooled>(20);
  const std::vector<std::uint8_t> samples(c.inputs[0].begin(), c.inputs[0].end());
  const std::vector<int> labels(c.inputs[1].begin(), c.inputs[1].end());
  std::vector<float> numbers, outputs(4 * 4);
  for (std::size_t i = 2; i < c.inputs.size(); ++i) numbers.push_back(static_cast<float>(c.inputs[i][0]));
  Engine engine(device);
  for (std::size_t i = 0; i < c.parameters.size(); ++i)
    engine.upload(static_cast<int>(i), std::vector<float>(c.parameters[i].begin(), c.parameters[i].end()).data());

  engine.predict(samples.data(), 4, outputs.data());
  const Graph prediction = rounded<Engine::Prediction>();
  CHECK(difference(outputs, reference::evaluate(prediction, 4, {c.inputs[0]}, c.parameters).outputs[0]) == 0);

  engine.load(samples.data(), labels.data(), 4);
  const reference::Result expected = reference::evaluate(rounded<P>(), 4, c.inputs, c.parameters);
  for (int run = 0; run < 3; ++run) {  // the parameters are uploaded, then restored
    engine.train(0, 4, 4, numbers.data());
    CHECK(engine.read().loss == expected.outputs[0][0]);
    for (std::size_t i = 0; i < c.parameters.size(); ++i) {
      std::vector<float> now(c.parameters[i].size());
      engine.download(static_cast<int>(i), now.data());
      CHECK(difference(now, expected.updated[i]) == 0);
      if (run == 0)
        engine.upload(static_cast<int>(i), std::vector<float>(c.parameters[i].begin(), c.parameters[i].end()).data());
    }
    if (run == 0) engine.keep();
    else if (run == 1) engine.restore();
  }
}

TEST_CASE("the copies of weights follow their updates: steps in a row are steps from where the last one ended") {
  if (!device_has(Precision::bf16)) return;
  using P = Training<Residual>;
  const int samples = 5;
  Case c = Case::of<P>(samples, 3);
  const double numbers[] = {0.01, 0.9, 0.01, 1, 0};  // SGD's
  for (std::size_t i = 0; i < std::size(numbers); ++i) c.inputs[2 + i] = {numbers[i]};
  Device<P, Precision::bf16> in_a_row(c);
  for (int step = 0; step < 3; ++step) {
    const auto alone = results<P>(c, samples);
    in_a_row.executor.replay(samples);
    for (int i = 0; i < P::plan.parameters.size; ++i) {
      const std::vector<float> now = in_a_row.parameter(i);
      const auto& expected = alone[static_cast<std::size_t>(P::plan.outputs.size + i)];
      CHECK(std::memcmp(now.data(), expected.data(), now.size() * sizeof(float)) == 0);
      Values& before = c.parameters[static_cast<std::size_t>(i)];
      const Values after(now.begin(), now.end());
      if (P::plan.parameters[i].trainable) CHECK(after != before);
      before = after;
    }
  }
}

TEST_CASE("a normalised network that stores bf16 trains as the reference does, within bounds from roundings to fp32") {
  if (!device_has(Precision::bf16)) return;
  using P = Training<Normalised>;
  const ExpectedRun run = expected_run(rounded<P>(), 1, 1);
  const std::vector<Values> exact =
      results(reference::evaluate(thaw(P::graph), run.samples, run.inputs, run.parameters));
  const std::vector<Values> expected = results(run.expected);
  const std::vector<std::vector<float>> got = results<P>({run.inputs, run.parameters}, run.samples);
  std::vector<Values> tolerances = run.output_tolerances;
  tolerances.insert(tolerances.end(), run.parameter_tolerances.begin(), run.parameter_tolerances.end());
  Strayed strayed;
  double moved = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    strayed.add(got[i], expected[i], tolerances[i]);
    moved = std::max(moved, difference(got[i], exact[i]));
  }
  CHECK(strayed.worst <= 1);
  CHECK(moved > 1e-4);  // bf16 rounded something
}

TEST_CASE("a program that stores bf16 gives the same bits each time") {
  if (!device_has(Precision::bf16)) return;
  using P = Training<Normalised>;
  const Case c = Case::of<P>(6, 3);
  const auto first = results<P>(c, 6), second = results<P>(c, 6);
  REQUIRE(first.size() == second.size());
  for (std::size_t i = 0; i < first.size(); ++i)
    CHECK(std::memcmp(first[i].data(), second[i].data(), first[i].size() * sizeof(float)) == 0);
}
