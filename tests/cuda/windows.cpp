// Pooling and convolution by any windows on the device against the reference.
#include "../nn/windows.hpp"
#include "program_run.hpp"

#include <inlay/nn/losses.hpp>
#include <inlay/nn/metrics.hpp>
#include <inlay/train/optimizers.hpp>
#include <inlay/train/training_graph.hpp>

#include <doctest/doctest.h>

using namespace inlay;
using namespace inlay::test;

template <class Net>
using Training = Program<TrainingGraph<Net, SGD, SparseCategoricalCrossentropy, Accuracy>>;

TEST_CASE("networks of such windows train as the reference does") {
  CHECK(stray<Training<MaxPools>>(Case::of<Training<MaxPools>>(6, 3), 6) <= 2e-6);
  CHECK(stray<Training<AveragePools>>(Case::of<Training<AveragePools>>(5, 3), 5) <= 2e-6);
  CHECK(stray<Training<Grouped>>(Case::of<Training<Grouped>>(5, 3), 5) <= 2e-6);
}
