// Bytes through memory of the examples' networks, an image: as they are planned, in fp32, bf16 and fp16, and if
// every primitive were a kernel of its own. Prints the table of docs/results/bytes-moved.md; the plans are constants,
// so nothing is run.
#include "../examples/networks.hpp"

#include <cstdio>

using namespace inlay;

template <class P>
double planned() {
  constexpr Cost cost = cost_of(P::plan);
  return static_cast<double>(cost.read.per_sample + cost.written.per_sample) / 1000;
}
template <class Source>
void cells() {
  using P = Program<Source>;
  constexpr Amount apart = bytes_node_by_node(P::plan);
  const double by_node = static_cast<double>(apart.per_sample) / 1000;
  std::printf(" %.0f | %.0f | %.0f | %.0f | %.1f |", planned<P>(), planned<Program<Source, Element::bf16>>(),
              planned<Program<Source, Element::f16>>(), by_node, by_node / planned<P>());
}
template <class Net>
void row(const char* name) {
  std::printf("| %s |", name);
  cells<Inference<Net>>();
  cells<TrainingGraph<Net, SGD, SparseCategoricalCrossentropy, Accuracy>>();
  std::printf("\n");
}

int main() {
  std::printf(
      "# Bytes moved\n\n"
      "KB an image, weights not counted. Planned: what the fused stages read and write, in fp32, and where a GPU "
      "stores\n"
      "images and features in bf16 (`Precision::bf16`), or those in fp16 that are multiplied as they are\n"
      "(`Precision::fp16`). Apart: if every primitive (convolution, sum, maximum, map) were a kernel that reads its\n"
      "operands and writes its result, in fp32. Written by `bench/bytes_moved`.\n\n"
      "| | inference, planned | in bf16 | in fp16 | apart | ratio | training step, planned | in bf16 | in fp16 | apart "
      "| "
      "ratio |\n"
      "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
  row<networks::Seed>("seed network");
  row<networks::NormalisedSeed>("with batch normalisation");
  row<networks::ResidualSeed>("with residual connections, too");
  row<networks::ResNet20>("ResNet-20");
  row<networks::ResNet9>("ResNet-9");
}
