// What a training step and a prediction of the seed network are estimated to take on GPUs that are not there
// (cuda::explain, cuda/tile_cost.hpp): prints docs/results/gpu-estimate.md. Nothing is run.
#include "../examples/networks.hpp"

#include <inlay/cuda/explain.hpp>

#include <cstdio>

using namespace inlay;

constexpr int batch = 1024;

template <class Source, Precision P>
void show(const char* what, const DeviceSpec& device) {
  const std::string text = inlay::cuda::explain<P>(Program<Source, stored_in(P)>{}, device, batch);
  std::printf("## %s, %s, %s\n\n```\n%s```\n\n", device.name, name_of(P), what, text.c_str());
}
template <Precision P>
void show_both(const DeviceSpec& device) {
  show<TrainingGraph<networks::Seed, Adam, SparseCategoricalCrossentropy, Accuracy>, P>("training step", device);
  show<Inference<networks::Seed>, P>("inference", device);
}

int main() {
  std::printf(
      "# Estimated times on GPUs\n\n"
      "Of the seed network, for batches of %d: written by `bench/gpu_estimate` from shapes and data sheets,\n"
      "**measured nowhere**. What the estimate counts is said in `include/inlay/cuda/tile_cost.hpp`; it knows\n"
      "nothing of latencies and of what lies between two launches. An H100 is one for which the program is\n"
      "compiled as sm_90a.\n\n",
      batch);
  show_both<Precision::bf16>(devices::h100);
  show_both<Precision::bf16>(devices::a100);
  show_both<Precision::fp16>(devices::t4);
}
