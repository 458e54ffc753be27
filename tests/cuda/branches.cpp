// Training steps of networks with branches on the device against the reference.
#include "../nn/branches.hpp"
#include "program_run.hpp"

#include <inlay/nn/losses.hpp>
#include <inlay/nn/metrics.hpp>
#include <inlay/train/optimizers.hpp>
#include <inlay/train/training_graph.hpp>

#include <doctest/doctest.h>

using namespace inlay;
using namespace inlay::test;

TEST_CASE("networks with branches train as the reference does") {
  using P = Program<TrainingGraph<BranchedNet, SGD, SparseCategoricalCrossentropy, Accuracy>>;
  CHECK(stray<P>(Case::of<P>(3, 3), 3) <= 2e-6);
  using Q = Program<TrainingGraph<ConcatenatedNet, SGD, SparseCategoricalCrossentropy, Accuracy>>;
  CHECK(stray<Q>(Case::of<Q>(3, 3), 3) <= 2e-6);
}
