// Whole programs that multiply in bf16 or fp16 and store images and features so, against the reference of the graph
// with these roundings in it (support/rounded_graph.hpp). Where all numbers are whole multiples of some unit that fp32
// holds, partial sums included, the executor makes no rounding of its own and results have to be exact, although many
// of them are rounded.
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

/// The sum of output * label, whose gradients stay small however large outputs are.
struct Weighted : Squares {
  static constexpr auto call(auto y, auto label) { return sum(y * label); }
};

using Pooled =
    nn::Sequential<nn::Input<6, 10, 3, std::uint8_t>, nn::Rescaling<std::ratio<1, 2>>, nn::Conv2D<5, 3, Same, Relu>,
                   nn::MaxPooling2D<2>, nn::Conv2D<20, 3, Same, Relu>, nn::Flatten, nn::Dense<70, Relu>, nn::Dense<4>>;
using Residual = nn::Sequential<nn::Input<6, 5, 3, std::uint8_t>, nn::Conv2D<8, 3, Same, Relu>,
                                nn::Residual<nn::Conv2D<8, 3, Same, Relu>>, nn::Residual<nn::Conv2D<8, 3, Same>>, Relu,
                                nn::MaxPooling2D<2>, nn::Flatten, nn::Dense<3>>;
/// Places in windows take two bits: written by four channels at a time, and by each channel of a group of six alone.
using Packed =
    nn::Sequential<nn::Input<8, 12, 3, std::uint8_t>, nn::Rescaling<std::ratio<1, 2>>, nn::Conv2D<8, 3, Same, Relu>,
                   nn::MaxPooling2D<2>, nn::Conv2D<12, 3, Same, nn::Groups<2>, Relu>, nn::MaxPooling2D<2>, nn::Flatten,
                   nn::Dense<4>>;
/// Small: among many numbers some are always so close to the middle between two of bf16 that no useful bound is left.
using Normalised =
    nn::Sequential<nn::Input<5, 5, 1>, nn::Conv2D<3, 3, Same, NoBias>, nn::BatchNormalization<Relu>,
                   nn::Residual<nn::Conv2D<3, 3, Same, NoBias>, nn::BatchNormalization<>>, nn::Flatten, nn::Dense<3>>;

constexpr Precision bf16 = Precision::bf16, fp16 = Precision::fp16;

/// A program for a precision, which stores what passes between launches as that does.
template <Precision Q, class Source>
using Narrow = Program<Source, stored_in(Q)>;
template <Precision Q, class Net, class Loss = SparseCategoricalCrossentropy>
using Training = Narrow<Q, TrainingGraph<Net, SGD, Loss, Accuracy>>;

template <class P>
Graph rounded() {
  return rounded_graph(thaw(P::simplified), P::plan, P::stored, true);
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
template <class P>
Case exact_training(int bytes_below) {
  Case c = of_integers<P>(4, bytes_below);
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
template <class P, Precision Q>
std::vector<std::vector<float>> results_on_device(const Case& c, int samples) {
  Device<P, Q> device(c);
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

bool same_bits(const std::vector<std::vector<float>>& a, const std::vector<std::vector<float>>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].size() != b[i].size() || std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float)) != 0)
      return false;
  return true;
}

/// The same, on each device that multiplies in its own way: all add up the same products in the same order.
template <class P, Precision Q>
std::vector<std::vector<float>> results(const Case& c, int samples) {
  std::vector<std::vector<float>> all;
  on_each_device([&] {
    const auto now = results_on_device<P, Q>(c, samples);
    CHECK((all.empty() || same_bits(now, all)));
    all = now;
  });
  return all;
}

/// `unit`: every number of the program is a multiple of it.
template <class P, Precision Q>
void check_exact(const Case& c, int samples, double unit) {
  const Graph graph = rounded<P>();
  const reference::Result expected = reference::evaluate(graph, samples, c.inputs, c.parameters);
  const reference::Result unrounded = reference::evaluate(thaw(P::graph), samples, c.inputs, c.parameters);
  CHECK(largest_sum(graph, samples, expected) < unit * 0x1p24);
  const std::vector<std::vector<float>> got = results<P, Q>(c, samples);
  double off = 0, moved = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    off = std::max(off, difference(got[i], results(expected)[i]));
    moved = std::max(moved, difference(got[i], results(unrounded)[i]));
  }
  CHECK(off == 0);
  CHECK(moved > 1e-4);  // something was rounded
}

/// How many values of a program that pass between launches are narrow.
template <class P>
int narrow_values() {
  int count = 0;
  for (const Value& v : P::plan.values) count += v.storage == Storage::arena && is_narrow(v.element);
  return count;
}

/// A step of training with SGD.
template <class P>
Case step_of_sgd(int samples) {
  Case c = Case::of<P>(samples, 3);
  const double numbers[] = {0.01, 0.9, 0.01, 1, 0};
  for (std::size_t i = 0; i < std::size(numbers); ++i) c.inputs[2 + i] = {numbers[i]};
  return c;
}

/// Steps in a row are steps from where the last one ended.
template <Precision Q>
void check_copies_follow() {
  if (!device_has(Q)) return;
  using P = Training<Q, Residual>;
  const int samples = 5;
  Case c = step_of_sgd<P>(samples);
  for (double& v : c.inputs[0]) v = std::fmod(v, 8);  // in fp16 products of larger ones would be infinite
  Device<P, Q> in_a_row(c);
  for (int step = 0; step < 3; ++step) {
    const auto alone = results<P, Q>(c, samples);
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

/// A step of Net has the same bits where `stored` values are stored as fp16.
template <class Net>
void check_halves(int stored) {
  using Source = TrainingGraph<Net, SGD, SparseCategoricalCrossentropy, Accuracy>;
  using Wide = Program<Source>;
  using Half = Narrow<fp16, Source>;
  CHECK(narrow_values<Half>() == stored);
  const Case c = step_of_sgd<Half>(5);
  CHECK(same_bits(results<Half, fp16>(c, 5), results<Wide, fp16>(c, 5)));
}

}  // namespace

TEST_CASE("programs that store bf16 are exact but for these roundings") {
  if (!device_has(bf16)) return;
  using OfPooled = Training<bf16, Pooled, Squares>;
  using OfResidual = Training<bf16, Residual, Squares>;
  using OfPacked = Training<bf16, Packed, Squares>;
  using Predicting = Narrow<bf16, Inference<Pooled>>;
  check_exact<OfPooled, bf16>(exact_training<OfPooled>(20), 4, 0x1p-3);
  check_exact<OfResidual, bf16>(exact_training<OfResidual>(16), 4, 0x1p-1);
  check_exact<OfPacked, bf16>(exact_training<OfPacked>(64), 4, 0x1p-3);
  check_exact<Predicting, bf16>(of_integers<Predicting>(5, 256), 5, 0x1p-1);
}

TEST_CASE("programs that store fp16 are exact but for these roundings") {
  if (!device_has(fp16)) return;
  using OfPooled = Training<fp16, Pooled, Weighted>;
  using OfResidual = Training<fp16, Residual, Weighted>;
  using Predicting = Narrow<fp16, Inference<Pooled>>;
  check_exact<OfPooled, fp16>(exact_training<OfPooled>(256), 4, 0x1p-3);
  check_exact<OfResidual, fp16>(exact_training<OfResidual>(128), 4, 0x1p-2);
  check_exact<Predicting, fp16>(of_integers<Predicting>(5, 256), 5, 0x1p-1);
}

TEST_CASE("where only products and masks read what is stored as fp16, that changes no bit") {
  if (!device_has(fp16)) return;
  check_halves<Pooled>(3);
  check_halves<Packed>(2);  // whose places are bytes in wide programs
}

TEST_CASE("what is normalised may be larger than all numbers of fp16") {
  if (!device_has(fp16)) return;
  using Source = TrainingGraph<Normalised, SGD, SparseCategoricalCrossentropy, Accuracy>;
  using Wide = Program<Source>;
  using Half = Narrow<fp16, Source>;
  Case c = step_of_sgd<Half>(4);
  for (double& x : c.inputs[0]) x = std::trunc(x * 60000);
  for (double& w : c.parameters[0]) w = std::copysign(4, w);  // of the first convolution
  const reference::Result expected = reference::evaluate(thaw(Half::graph), 4, c.inputs, c.parameters);
  double largest = 0;
  for (int i = 0; i < Half::graph.nodes.size; ++i)
    if (Half::graph.nodes[i].op == Op::contraction && Half::graph.nodes[i].mode == Mode::forward)
      for (double x : expected.nodes[static_cast<std::size_t>(i)]) largest = std::max(largest, std::fabs(x));
  CHECK(largest > 2 * 65504);
  const auto got = results<Half, fp16>(c, 4);
  CHECK(std::isfinite(got[0][0]));
  CHECK(same_bits(got, results<Wide, fp16>(c, 4)));
  for (const auto& values : got)
    for (float x : values) CHECK(std::isfinite(x));
}

TEST_CASE(
    "what is multiplied in fp16 and too large for it makes the loss infinite or NaN, which keeps the parameters") {
  if (!device_has(fp16)) return;
  using Source = TrainingGraph<Residual, SGD, SparseCategoricalCrossentropy, Accuracy>;
  using Wide = Program<Source>;
  using Half = Narrow<fp16, Source>;
  CHECK(narrow_values<Half>() > 0);
  Case c = step_of_sgd<Half>(4);
  for (double& w : c.parameters[0]) w *= 256;  // outputs of the first convolution, read by products and by a sum
  const auto narrow = results<Half, fp16>(c, 4), wide = results<Wide, fp16>(c, 4);
  for (const auto* got : {&narrow, &wide}) {
    CHECK_FALSE(std::isfinite((*got)[0][0]));
    for (std::size_t i = 0; i < c.parameters.size(); ++i)
      CHECK(difference((*got)[static_cast<std::size_t>(Half::plan.outputs.size) + i], c.parameters[i]) == 0);
  }
}

TEST_CASE("an engine that multiplies in bf16 stores bf16, and takes and gives bytes and floats as any") {
  if (!device_has(Precision::bf16)) return;
  using Engine = CudaEngine<Pooled, SGD, Squares, Accuracy, Precision::bf16>;
  using P = Training<bf16, Pooled, Squares>;
  static_assert(std::is_same_v<Engine::Training, P>);
  static_assert(CudaEngine<Pooled, SGD, Squares, Accuracy, Precision::fp16>::Training::stored == Element::f16);
  const inlay::cuda::DeviceQuery query = inlay::cuda::usable_device();
  REQUIRE_MESSAGE(query, query.reason);
  inlay::cuda::Device device = *query.device;
  device.major = 9;  // the emulator computes in all precisions, but says that it is older
  device.minor = 0;
  device.compiled_for = 90;
  const Case c = exact_training<P>(20);
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
  check_copies_follow<bf16>();
  check_copies_follow<fp16>();
}

TEST_CASE("a normalised network that stores bf16 trains as the reference does, within bounds from roundings to fp32") {
  if (!device_has(Precision::bf16)) return;
  using P = Training<bf16, Normalised>;
  const ExpectedRun run = expected_run(rounded<P>(), 1, 1);
  const std::vector<Values> exact =
      results(reference::evaluate(thaw(P::graph), run.samples, run.inputs, run.parameters));
  const std::vector<Values> expected = results(run.expected);
  const std::vector<std::vector<float>> got = results<P, bf16>({run.inputs, run.parameters}, run.samples);
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
  if (!device_has(bf16)) return;
  using P = Training<bf16, Normalised>;
  const Case c = Case::of<P>(6, 3);
  CHECK(same_bits(results<P, bf16>(c, 6), results<P, bf16>(c, 6)));
}
