// Compares what a formula gives on the executor with the reference interpreter on the same formula's graph.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <inlay/expr/tensor.hpp>
#include <inlay/reference/interpreter.hpp>
#include <vector>

namespace inlay::test {

/// Reproducible numbers in [-1, 1], never equal to their neighbours.
template <class T, int... Extents>
void randomize(Tensor<T, Extents...>& tensor, unsigned seed) {
  for (T& element : tensor) {
    seed = seed * 1664525u + 1013904223u;
    element = static_cast<T>(static_cast<double>(seed >> 8) / (1 << 23) - 1);
  }
}

/// The leaves' elements, in double.
template <class E>
std::vector<reference::Values> inputs_of(const E& formula) {
  std::vector<reference::Values> inputs;
  int number = 0;
  auto collect = [&]<class L>(const L& leaf, int) {
    if constexpr (requires { leaf.data; }) inputs.emplace_back(leaf.data, leaf.data + L::Result::size());
    else inputs.push_back({leaf.value});
  };
  formula.visit(collect, number);
  return inputs;
}

template <class E>
reference::Values expected(const E&, const std::vector<reference::Values>& inputs) {
  Tracer tracer;
  const int node = E::trace(tracer).node;
  tracer.graph.outputs.push(Output{node});
  return reference::evaluate(tracer.graph, 1, inputs, {}).outputs[0];
}

/// The largest difference from the reference, relative to the largest element (at least 1).
template <class E>
double error_of(const E& formula) {
  std::vector<float> result(static_cast<std::size_t>(E::Result::size()), -77.0f);
  expr::assign(result.data(), formula);
  const reference::Values right = expected(formula, inputs_of(formula));
  double scale = 1, error = 0;
  for (double x : right) scale = std::fmax(scale, std::fabs(x));
  for (std::size_t i = 0; i < right.size(); ++i) error = std::fmax(error, std::fabs(right[i] - double{result[i]}));
  return error / scale;
}

}  // namespace inlay::test
