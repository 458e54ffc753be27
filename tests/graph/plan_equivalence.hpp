// The end-to-end check of the passes: a graph evaluated as it is, and its plan executed, must agree.
#pragma once

#include <algorithm>
#include <inlay/graph/fuse.hpp>
#include <inlay/graph/memory.hpp>
#include <inlay/graph/simplify.hpp>
#include <inlay/reference/plan_interpreter.hpp>

#include "random_graph.hpp"

namespace inlay::test {

/// The worst difference of two lists of values, relative to the larger of 1 and the largest value of its list.
/// Equal non-finite values agree; infinity stands for any other disagreement, such as of sizes.
inline double difference(const std::vector<reference::Values>& a, const std::vector<reference::Values>& b) {
  const double never = HUGE_VAL;
  if (a.size() != b.size()) return never;
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].size() != b[i].size()) return never;
    double scale = 1;
    for (double x : a[i])
      if (std::isfinite(x)) scale = std::max(scale, std::fabs(x));
    for (std::size_t k = 0; k < a[i].size(); ++k) {
      if (std::isnan(a[i][k]) && std::isnan(b[i][k])) continue;
      if (a[i][k] == b[i][k]) continue;
      const double d = std::fabs(a[i][k] - b[i][k]) / scale;
      worst = std::max(worst, std::isnan(d) ? never : d);
    }
  }
  return worst;
}

/// How far `steps` runs of the plan, parameters carried over, stray from as many evaluations of the graph.
inline double plan_difference(const Problem& problem, int samples, int steps = 1) {
  const Plan plan = memory(fuse(simplify(problem.graph)));
  std::vector<reference::Values> expected = problem.parameters, actual = problem.parameters;
  double worst = 0;
  for (int step = 0; step < steps; ++step) {
    const reference::Result a = reference::evaluate(problem.graph, samples, problem.inputs, expected);
    const reference::PlanResult b = reference::execute(plan, samples, problem.inputs, actual);
    worst = std::max({worst, difference(a.outputs, b.outputs), difference(a.updated, b.updated)});
    expected = a.updated;
    actual = b.updated;
  }
  return worst;
}

}  // namespace inlay::test
