// Batch normalisation on the device against the reference: sums beside every kind of kernel.
#include "../nn/normalised.hpp"
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

TEST_CASE("normalised networks train as the reference does") {
  CHECK(stray<Training<NormalisedStages>>(Case::of<Training<NormalisedStages>>(6, 3), 6) <= 2e-6);
  CHECK(stray<Training<NormalisedChannels>>(Case::of<Training<NormalisedChannels>>(5, 3), 5) <= 2e-6);
  CHECK(stray<Training<NormalisedWindows>>(Case::of<Training<NormalisedWindows>>(5, 3), 5) <= 2e-6);
}
