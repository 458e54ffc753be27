// explain, plan<Net>, words and Graphviz text on the seed network.
#include <doctest/doctest.h>

#include <inlay/graph/explain.hpp>
#include <inlay/graph/graphviz.hpp>
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
#include <inlay/train/optimizers.hpp>
#include <inlay/train/training_plan.hpp>

using namespace inlay;

namespace {

using Seed = nn::Sequential<nn::Input<28, 28, 1, std::uint8_t>, nn::Rescaling<std::ratio<1, 255>>,
                            nn::Conv2D<32, 3, nn::Same, nn::Relu>, nn::Conv2D<64, 3, nn::Same, nn::Relu>,
                            nn::Conv2D<64, 3, nn::Same, nn::Relu>, nn::MaxPooling2D<2>, nn::Flatten,
                            nn::Dense<64, nn::Relu>, nn::Dense<10>>;
using Training = Program<TrainingGraph<Seed, Adam, SparseCategoricalCrossentropy, Accuracy>>;
constexpr PlanCosts costs = plan<Seed>;
constexpr PlanCosts step = training_plan<Seed, Adam, SparseCategoricalCrossentropy, Accuracy>;

// Users assert on costs like this.
static_assert(plan<Seed>.arena_bytes_per_sample < 512 * 1024);
static_assert(plan<Seed>.launches == 5);

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("the seed network's forward pass is 88.8 MFLOP an image and a training step 265.8") {
  constexpr std::int64_t conv1 = 2 * 28 * 28 * 9 * 1 * 32, conv2 = 2 * 28 * 28 * 9 * 32 * 64,
                         conv3 = 2 * 28 * 28 * 9 * 64 * 64, dense1 = 2 * 12544 * 64, dense2 = 2 * 64 * 10;
  constexpr std::int64_t forward = conv1 + conv2 + conv3 + dense1 + dense2;
  CHECK(costs.flops_per_sample == forward);
  CHECK(costs.flops_per_sample / 1e6 == doctest::Approx(88.8).epsilon(0.001));
  CHECK(step.flops_per_sample == 3 * forward - conv1);  // the image needs no gradient
}

TEST_CASE("bytes are counted once for each value that a launch reads or writes") {
  constexpr std::int64_t a1 = 28 * 28 * 32 * 4, a2 = 2 * a1, pooled = 14 * 14 * 64 * 4;
  CHECK(costs.bytes_per_sample == 28 * 28 + 2 * (a1 + a2 + pooled + 64 * 4) + 10 * 4);
  CHECK(costs.bytes_shared == costs.parameter_count * 4);
  CHECK(costs.parameter_count == 859274);
  CHECK(step.parameter_count == 859274);
}

TEST_CASE("node by node, a dense layer would write its sums and read them again to add the bias") {
  constexpr Amount bytes = bytes_node_by_node(Program<Inference<nn::Sequential<nn::Input<8>, nn::Dense<4>>>>::plan);
  CHECK(bytes.per_sample == 4 * (8 + 4 + 4 + 4));
  CHECK(bytes.shared == 4 * (8 * 4 + 4));
}

TEST_CASE("the arena of the seed network holds two activations, not all") {
  CHECK(costs.arena_bytes_per_sample == 28 * 28 * (32 + 64) * 4);
  CHECK(costs.unplanned_bytes_per_sample > 5 * costs.arena_bytes_per_sample);
}

TEST_CASE("equal networks have equal fingerprints, others don't") {
  using Same = nn::Sequential<nn::Input<8>, nn::Dense<4>>;
  using Other = nn::Sequential<nn::Input<8>, nn::Dense<5>>;
  using Activated = nn::Sequential<nn::Input<8>, nn::Dense<4, nn::Relu>>;
  constexpr std::uint64_t again = fingerprint(Inference<nn::Sequential<nn::Input<8>, nn::Dense<4>>>::make());
  CHECK(plan<Same>.fingerprint == again);
  CHECK(plan<Same>.fingerprint != plan<Other>.fingerprint);
  CHECK(plan<Same>.fingerprint != plan<Activated>.fingerprint);
  CHECK(step.fingerprint == costs.fingerprint);
}

TEST_CASE("explain names what is fused into each launch") {
  const std::string text = explain<Seed>();
  INFO(text);
  CHECK(contains(text, "multiply -> conv2d 3x3 1->32 + bias + relu\n"));
  CHECK(contains(text, "conv2d 3x3 64->64 + bias + relu + max_pool 2x2\n"));
  CHECK(contains(text, "dense 12544->64 + bias + relu\n"));
  CHECK(contains(text, "dense 64->10 + bias\n"));
  CHECK(contains(text, "parameters: 859274\n"));
  CHECK(contains(text, "NVIDIA T4"));
}

TEST_CASE("explain of a training step names the backward fusions and the parameters updated") {
  const std::string text = explain(Training{}, devices::h100, 256);
  INFO(text);
  CHECK(contains(text, "unpool 2x2 -> conv2d 3x3 64->64 data gradient + relu gradient\n"));
  CHECK(contains(text, "=> 4.conv2d.kernel, 4.conv2d.bias\n"));
  CHECK(contains(text, "NVIDIA H100 SXM in fp32, batch 256"));
  CHECK(contains(text, "parameters: 859274\n"));
}

TEST_CASE("a roofline is the longer of computing and moving, and shared bytes spread over the batch") {
  Cost cost;
  cost.flops = {1000, 0};
  cost.read = {10, 640};
  constexpr DeviceSpec device{"toy", 100, 1000, 10};
  CHECK(roofline(cost, device, 64, Arithmetic::fp32).compute == doctest::Approx(10));
  CHECK(roofline(cost, device, 64, Arithmetic::fp32).memory == doctest::Approx(2));
  CHECK(roofline(cost, device, 64, Arithmetic::tensor).seconds() == doctest::Approx(2));
  CHECK(roofline(cost, device, 1, Arithmetic::fp32).seconds() == doctest::Approx(65));
}

TEST_CASE("Graphviz text has a cluster for each launch and balanced braces") {
  const std::string text = graphviz<Seed>();
  for (int l = 0; l < costs.launches; ++l) CHECK(contains(text, "subgraph cluster_" + std::to_string(l) + " {"));
  CHECK(contains(text, "2.conv2d.kernel"));
  int depth = 0;
  for (char c : text) depth += c == '{' ? 1 : c == '}' ? -1 : 0;
  CHECK(depth == 0);
}
