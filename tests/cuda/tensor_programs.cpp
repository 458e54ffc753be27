// Whole programs on tensor cores against the reference. Their numbers are small integers (halves where they are divided
// by the batch) that every precision holds, so that results have to be exact: prologues, epilogues, pooling, sums
// beside a contraction, and which element of a window or side of a kink a gradient goes to.
#include "device_precision.hpp"
#include "program_run.hpp"

#include <inlay/nn/activations.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/max_pooling2d.hpp>
#include <inlay/nn/metrics.hpp>
#include <inlay/nn/rescaling.hpp>
#include <inlay/nn/sequential.hpp>
#include <inlay/train/cuda_engine.hpp>
#include <inlay/train/optimizers.hpp>
#include <inlay/train/training_graph.hpp>

#include <doctest/doctest.h>

using namespace inlay;
using namespace inlay::test;

namespace {

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

using Net = nn::Sequential<nn::Input<6, 10, 3, std::uint8_t>, nn::Rescaling<std::ratio<1, 2>>,
                           nn::Conv2D<5, 3, nn::Same, nn::Relu>, nn::MaxPooling2D<2>,
                           nn::Conv2D<20, 3, nn::Same, nn::Relu>, nn::Flatten, nn::Dense<12, nn::Relu>, nn::Dense<4>>;
using Training = Program<TrainingGraph<Net, SGD, Squares, Accuracy>>;

/// With enough channels for the weight gradient that sums all taps at once.
using Wider = nn::Sequential<nn::Input<6, 10, 9>, nn::Conv2D<20, 3, nn::Same, nn::Relu>, nn::MaxPooling2D<2>,
                             nn::Flatten, nn::Dense<4>>;
using WiderTraining = Program<TrainingGraph<Wider, SGD, Squares, Accuracy>>;

template <class P, Precision Q, int... L>
constexpr bool sums_all_taps(std::integer_sequence<int, L...>) {
  const auto sums = []<class Kernel>(const Kernel*) {
    if constexpr (requires { typename Kernel::geometry; }) return inlay::cuda::Product<Kernel>::all_taps;
    else return false;
  };
  return (sums(static_cast<const inlay::cuda::under_policy_t<Q, kernel::lowered_t<P, L>>*>(nullptr)) || ...);
}
template <class P, Precision Q>
constexpr bool sums_all_taps() {
  return sums_all_taps<P, Q>(std::make_integer_sequence<int, P::plan.launches.size>{});
}
/// Convolutions of enough channels for halo tiles, four at a time, and a pooled gradient.
using Wide = nn::Sequential<nn::Input<8, 12, 3, std::uint8_t>, nn::Rescaling<std::ratio<1, 2>>,
                            nn::Conv2D<8, 3, nn::Same, nn::Relu>, nn::Conv2D<12, 3, nn::Same, nn::Relu>,
                            nn::MaxPooling2D<2>, nn::Flatten, nn::Dense<4>>;
using WideTraining = Program<TrainingGraph<Wide, SGD, Squares, Accuracy>>;

/// A convolution and the sums of each channel over the batch, which its kernel makes on the side.
struct ConvolutionWithSums {
  static constexpr Graph make() {
    Tracer tracer;
    auto y = nn::Conv2D<20, 3, nn::Same>::call(nn::Input<9, 7, 3>::input(tracer));
    Graph& g = tracer.graph;
    g.outputs.push({y.node});
    g.outputs.push({build::reduce(g, ReduceOp::sum, y.node, 0b011, true)});
    return g;
  }
};
using WithSums = Program<ConvolutionWithSums>;

template <class P>
bool accumulates() {
  for (int i = 0; i < P::plan.steps.size; ++i)
    if (P::plan.steps[i].kind == StepKind::accumulate) return true;
  return false;
}

/// Inputs of whole numbers from -2 to 2 (from 0 to 3 where they have no sign); of the parameters one in eight is 1 or
/// -1.
template <class P>
Case of_integers(int samples) {
  Case c = Case::of<P>(samples, 4);
  for (std::size_t i = 0; i < c.inputs.size(); ++i)
    for (double& v : c.inputs[i]) {
      const Element element = P::plan.inputs[static_cast<int>(i)].element;
      if (element == Element::f32) v = std::trunc(v * 3);
      else if (element == Element::u8) v = std::fmod(v, 4);
    }
  for (Values& values : c.parameters)
    for (double& v : values) v = std::fabs(v) > 0.4375 ? std::copysign(1, v) : 0;  // they lie in (-0.5, 0.5)
  return c;
}

template <class Step>
Case step_of_integers(int samples) {
  Case c = of_integers<Step>(samples);
  const double numbers[] = {1, 0, 0, 1, 0};  // SGD's: a rate of 1, no momentum, no decay, the whole velocity
  for (std::size_t i = 0; i < 5; ++i) c.inputs[2 + i] = {numbers[i]};
  return c;
}

template <Precision P>
void check_all() {
  CAPTURE(name_of(P));
  if (!device_has(P)) return;
  const Case c = step_of_integers<Training>(4);
  CHECK(stray<Training, P>(c, 4) == 0);
  CHECK(stray<Training, P>(c, 4, 1, true) == 0);
  CHECK(stray<WideTraining, P>(step_of_integers<WideTraining>(4), 4) == 0);
  CHECK(stray<WithSums, P>(of_integers<WithSums>(3), 3) == 0);
  CHECK(sums_all_taps<WiderTraining, P>() == (P != Precision::tf32));
  CHECK(stray<WiderTraining, P>(step_of_integers<WiderTraining>(4), 4) == 0);
}

template <class Network>
void check_stored() {
  using P = Program<TrainingGraph<Network, SGD, Squares, Accuracy>, stored_in(Precision::fp16)>;
  const Case c = step_of_integers<P>(4);
  CHECK(stray<P, Precision::fp16>(c, 4) == 0);
  CHECK(stray<P, Precision::fp16>(c, 4, 1, true) == 0);
}

}  // namespace

TEST_CASE("programs on tensor cores are exact where their numbers are") {
  REQUIRE(accumulates<WithSums>());
  check_all<Precision::tf32>();
  check_all<Precision::bf16>();
  check_all<Precision::fp16>();
}

TEST_CASE("programs that store what fp16 holds are exact where their numbers are") {
  if (!device_has(Precision::fp16)) return;
  check_stored<Net>();
  check_stored<Wide>();
  check_stored<Wider>();
}

TEST_CASE("programs on tensor cores round their operands and nothing else") {
  if (!device_has(Precision::bf16)) return;
  Case c = Case::of<WithSums>(3, 4);
  const Graph graph = thaw(WithSums::graph);
  const reference::Result exact = reference::evaluate(graph, 3, c.inputs, c.parameters);
  Case magnitudes = c;
  for (std::vector<Values>* all : {&magnitudes.inputs, &magnitudes.parameters})
    for (Values& values : *all)
      for (double& v : values) v = std::fabs(v);
  const reference::Result magnitude = reference::evaluate(graph, 3, magnitudes.inputs, magnitudes.parameters);
  Device<WithSums, Precision::bf16> device(c);
  device.executor.run(3);
  const std::vector<float> got = device.output(0, 3);
  const double u = unit_roundoff(Precision::bf16), sums = 28 * 4 * unit_roundoff(Precision::fp32);  // 27 and the bias
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i)
    worst = std::max(worst, std::fabs(got[i] - exact.outputs[0][i]) / magnitude.outputs[0][i]);
  CHECK(worst <= (1 + u) * (1 + u) * (1 + sums / (1 - sums)) - 1);
  CHECK(worst > 100 * sums);  // it was bf16
}

TEST_CASE("an input that four elements at a time cannot be read from is refused") {
  const inlay::cuda::Stream stream;
  inlay::cuda::Executor<WideTraining, Precision::bf16> executor(stream);
  const inlay::cuda::DeviceBuffer<std::uint8_t> images(3 * 8 * 12 * 3);
  CHECK_NOTHROW(executor.bind_input(0, images.data() + 8 * 12 * 3));
  CHECK_THROWS_WITH_AS(
      executor.bind_input(0, images.data() + 1),
      "input 0 lies at an address that is no multiple of 4 bytes, four elements, which kernels read at "
      "once: copy it to one",
      Error);
}

TEST_CASE("an engine refuses a GPU without its precision, and says in which it multiplies") {
  using Engine = CudaEngine<Net, SGD, Squares, Accuracy, Precision::bf16>;
  const inlay::cuda::DeviceQuery query = inlay::cuda::usable_device();
  REQUIRE_MESSAGE(query, query.reason);
  inlay::cuda::Device device = *query.device;
  device.name = "a GPU";
  device.major = 7;
  device.minor = 5;
  CHECK_THROWS_AS(Engine{device}, Error);
  device.major = 9;
  device.minor = 0;
  device.compiled_for = 90;
  CHECK(Engine(device).description() == "GPU, a GPU (sm_90), multiplying in bf16");
}
