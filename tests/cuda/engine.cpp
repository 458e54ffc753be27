#include "on_device.hpp"

#include <inlay/nn/activations.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/losses.hpp>
#include <inlay/nn/max_pooling2d.hpp>
#include <inlay/nn/metrics.hpp>
#include <inlay/nn/rescaling.hpp>
#include <inlay/nn/sequential.hpp>
#include <inlay/train/cpu_engine.hpp>
#include <inlay/train/cuda_engine.hpp>
#include <inlay/train/initialize.hpp>
#include <inlay/train/optimizers.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace inlay;

namespace {

using Net = nn::Sequential<nn::Input<28, 28, 1, std::uint8_t>, nn::Rescaling<std::ratio<1, 255>>,
                           nn::Conv2D<32, 3, nn::Same, nn::Relu>, nn::Conv2D<64, 3, nn::Same, nn::Relu>,
                           nn::Conv2D<64, 3, nn::Same, nn::Relu>, nn::MaxPooling2D<2>, nn::Flatten,
                           nn::Dense<64, nn::Relu>, nn::Dense<10>>;
using Cpu = CpuEngine<Net, SGD, SparseCategoricalCrossentropy, Accuracy, cpu::Policy{Numerics::exact}>;
using Gpu = CudaEngine<Net, SGD, SparseCategoricalCrossentropy, Accuracy>;
constexpr auto& plan = Cpu::Training::plan;

template <class Engine>
std::vector<std::vector<float>> weights(const Engine& engine) {
  std::vector<std::vector<float>> all;
  for (int i = 0; i < plan.parameters.size; ++i) {
    all.emplace_back(static_cast<std::size_t>(plan.parameters[i].shape.count()));
    engine.download(i, all.back().data());
  }
  return all;
}

double largest(const std::vector<float>& a, const std::vector<float>& b) {
  double result = 0;
  for (std::size_t i = 0; i < a.size(); ++i) result = std::max(result, std::fabs(double{a[i]} - double{b[i]}));
  return result;
}

}  // namespace

// Both engines sum the same products in different orders. A sum of n terms errs by about sqrt(n) u of the sum of their
// absolute values (Higham and Mary, 2019), which for terms of random sign is sqrt(n) times their own; n is 784 pixels x
// 2 samples and 576 terms in each of four layers, below 5,000. Where a sum is so near to 0, or to another of a pooling
// window, that the engines' errors decide about a ReLU or a maximum, updates differ by more: the smaller errors are,
// the less likely it is. Hence exact numerics on the CPU, and the same weights before each step.
TEST_CASE("the seed network's weights agree between the GPU and the CPU engine after each step") {
  const inlay::cuda::DeviceQuery query = inlay::cuda::usable_device();
  REQUIRE_MESSAGE(query, query.reason);
  Cpu cpu(2);
  Gpu gpu(*query.device);
  std::vector<float> values;
  for (int i = 0; i < plan.parameters.size; ++i) {
    values.resize(static_cast<std::size_t>(plan.parameters[i].shape.count()));
    initialize(plan.parameters[i], i, 7, values.data());
    cpu.upload(i, values.data());
    gpu.upload(i, values.data());
  }
  constexpr int images = 5;
  std::vector<std::uint8_t> pixels(784 * images);
  std::vector<int> labels;
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(philox(1, 2, i).word[0]);
  for (int i = 0; i < images; ++i) labels.push_back(i * 3 % 10);
  cpu.load(pixels.data(), labels.data(), images);
  gpu.load(pixels.data(), labels.data(), images);
  const data::Shuffle order(3, 0, images);
  cpu.set_order(order);
  gpu.set_order(order);
  const double tolerance = 5000.0 / 16777216;
  const float numbers[] = {0.1f, 0.05f, 0, 0.01f, 1, 0};  // label smoothing; SGD's rate, momentum, decay, no Nesterov
  std::vector<std::vector<float>> before = weights(cpu);
  for (int step = 0; step < 3; ++step) {  // the last batch is short
    const int count = step < 2 ? 2 : 1;
    cpu.train(2 * step, 2 * step + count, count, numbers);
    gpu.train(2 * step, 2 * step + count, count, numbers);
    const Sums a = cpu.read(), b = gpu.read();
    CHECK(a.samples == b.samples);
    CHECK(a.loss == doctest::Approx(b.loss).epsilon(tolerance));
    CHECK(a.metric == b.metric);
    const auto on_cpu = weights(cpu), on_gpu = weights(gpu);
    double worst = 0;
    for (std::size_t i = 0; i < on_cpu.size(); ++i) {
      const double update = largest(on_cpu[i], before[i]);
      CAPTURE(plan.parameters[static_cast<int>(i)].name.text);
      CHECK(largest(on_cpu[i], on_gpu[i]) <= tolerance * update + 1e-7);
      if (update > 0) worst = std::max(worst, largest(on_cpu[i], on_gpu[i]) / update);
    }
    MESSAGE("step " << step + 1 << ": worst difference " << worst << " of the largest update, bound " << tolerance);
    before = on_cpu;
    for (std::size_t i = 0; i < on_cpu.size(); ++i) gpu.upload(static_cast<int>(i), on_cpu[i].data());
  }
}
