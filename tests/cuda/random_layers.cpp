// Random numbers and the layers made of them on the device: the same bits as in the reference, also where a recorded
// step is replayed with other keys.
#include "../nn/random_layers.hpp"
#include "on_device.hpp"
#include "program_run.hpp"

#include <inlay/nn/losses.hpp>
#include <inlay/nn/metrics.hpp>
#include <inlay/train/cpu_engine.hpp>
#include <inlay/train/cuda_engine.hpp>
#include <inlay/train/optimizers.hpp>

#include <doctest/doctest.h>

using namespace inlay;
using namespace inlay::test;

TEST_CASE("the device draws the reference's numbers, bit for bit, in a replayed step too") {
  using P = Program<Draws>;
  const Graph graph = thaw(P::graph);
  for (int samples : {1, 5, 40}) {
    Case c = Case::of<P>(samples, 2);
    Device<P> device(c);
    for (std::uint64_t step : {1, 2, 3}) {
      const RandomKey key = random_key(4, step);
      for (int i = 0; i < 2; ++i) {
        c.inputs[static_cast<std::size_t>(1 + i)] = {double{key.number[i]}};
        device.executor.set_number(1 + i, key.number[i]);
      }
      device.executor.replay(samples);
      const auto expected = reference::evaluate(graph, samples, c.inputs, {});
      for (int o = 0; o < P::plan.outputs.size; ++o) {
        const std::vector<float> got = device.output(o, samples);
        CHECK(Values(got.begin(), got.end()) == expected.outputs[static_cast<std::size_t>(o)]);
      }
    }
  }
}

TEST_CASE("networks with random layers train as the reference does") {
  using Random = Program<TrainingGraph<RandomNet, SGD, SparseCategoricalCrossentropy, Accuracy>>;
  using Flipped = Program<TrainingGraph<FlippedNet, SGD, SparseCategoricalCrossentropy, Accuracy>>;
  for (bool replay : {false, true}) {
    CHECK(stray<Random>(Case::of<Random>(5, 3), 5, 2, replay) <= 2e-6);
    CHECK(stray<Flipped>(Case::of<Flipped>(3, 3), 3, 2, replay) <= 2e-6);
  }
}

// A mask that differs in one element would change the loss by far more than the rounding of its sums.
TEST_CASE("with the same keys the CPU engine and the CUDA engine see the same masks and images, step after step") {
  using Cpu = CpuEngine<RandomNet, SGD, SparseCategoricalCrossentropy, Accuracy>;
  using Gpu = CudaEngine<RandomNet, SGD, SparseCategoricalCrossentropy, Accuracy>;
  const inlay::cuda::DeviceQuery query = inlay::cuda::usable_device();
  REQUIRE_MESSAGE(query, query.reason);
  Cpu cpu(2);
  Gpu gpu(*query.device);
  const auto c = Case::of<Cpu::Training>(6, 3);
  const auto images = bytes_of(c.inputs[0], Element::u8);
  const std::vector<int> labels{0, 1, 2, 0, 1, 2};
  const data::Shuffle order(3, 0, 6);
  for (int i = 0; i < Cpu::Training::plan.parameters.size; ++i) {
    const Values& values = c.parameters[static_cast<std::size_t>(i)];
    const std::vector<float> floats(values.begin(), values.end());
    cpu.upload(i, floats.data());
    gpu.upload(i, floats.data());
  }
  cpu.load(images.data(), labels.data(), 6);
  gpu.load(images.data(), labels.data(), 6);
  cpu.set_order(order);
  gpu.set_order(order);
  double last = 0;
  for (std::uint64_t step = 1; step <= 4; ++step) {
    const RandomKey key = random_key(11, step);
    const float numbers[] = {
        key.number[0], key.number[1], 0, 0, 0, 0, 0, 0};  // nothing is learnt: only the masks differ
    static_assert(Cpu::number_count == 8);
    cpu.train(0, 6, 6, numbers);
    gpu.train(0, 6, 6, numbers);
    const double a = cpu.read().loss, b = gpu.read().loss;
    CHECK(a == doctest::Approx(b).epsilon(2e-6));
    CHECK(std::fabs(a - last) > 1e-3);
    last = a;
  }
}
