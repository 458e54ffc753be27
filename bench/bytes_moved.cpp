// Bytes through memory of the examples' networks, an image: as they are planned, and if every primitive were a kernel
// of its own. Prints the table of docs/results/bytes-moved.md; the plans are constants, so nothing is run.
#include "../examples/networks.hpp"

#include <cstdio>

using namespace inlay;

template <class Source>
void cells() {
  using P = Program<Source>;
  constexpr Amount apart = bytes_node_by_node(P::plan);
  constexpr Cost cost = cost_of(P::plan);
  const double planned = static_cast<double>(cost.read.per_sample + cost.written.per_sample) / 1000;
  const double by_node = static_cast<double>(apart.per_sample) / 1000;
  std::printf(" %.0f | %.0f | %.1f |", planned, by_node, by_node / planned);
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
      "KB an image, weights not counted. Planned: what the fused stages read and write. Apart: if every primitive\n"
      "(convolution, sum, maximum, map) were a kernel that reads its operands and writes its result. Written by\n"
      "`bench/bytes_moved`.\n\n"
      "| | inference, planned | apart | ratio | training step, planned | apart | ratio |\n"
      "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
  row<networks::Seed>("seed network");
  row<networks::NormalisedSeed>("with batch normalisation");
  row<networks::ResidualSeed>("with residual connections, too");
  row<networks::ResNet20>("ResNet-20");
  row<networks::ResNet9>("ResNet-9");
}
