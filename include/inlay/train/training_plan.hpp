// What a training step costs, as constants like plan<Net> for inference:
//
//   static_assert(training_plan<Net, Adam, SparseCategoricalCrossentropy, Accuracy>.launches < 20);
#pragma once

#include <inlay/graph/cost.hpp>
#include <inlay/train/training_graph.hpp>

namespace inlay {

/// Of one training step: forward, loss, metric, backward and update.
template <class Net, class Optimizer, class Loss, class Metric>
inline constexpr PlanCosts training_plan = detail::CostsOf<Net, TrainingGraph<Net, Optimizer, Loss, Metric>>::value;

}  // namespace inlay
