// Gradients of a graph against central finite differences of the reference, in double precision.
//
//   (f(x + h) - f(x - h)) / 2h = f'(x) + h^2 / 6 f'''(x) +- rounding * eps |f| / h
//
// With h = cbrt(eps) = 6e-6 the first error is 6e-12 |f'''| and the second 4e-11 |f| for each rounding of f, so
// functions of a few dozen terms with third derivatives below 100 must agree to 5e-9 of their size.
#pragma once

#include <algorithm>
#include <cmath>
#include <inlay/graph/gradient.hpp>
#include <inlay/reference/interpreter.hpp>
#include <limits>
#include <random>
#include <vector>

namespace inlay::test {

inline const double step_size = std::cbrt(std::numeric_limits<double>::epsilon());
inline constexpr double finite_difference_tolerance = 5e-9;
/// Where the derivative contains a constant rounded to float.
inline constexpr double rounded_constant_tolerance = 6e-8;

/// A graph under test: its leaves are what gradients are taken of.
struct Differentiable {
  Graph g;
  List<int> leaves;

  int input(const Shape& shape, bool batched = true) { return leaf(build::input(g, shape, Element::f32, batched)); }
  int parameter(const Shape& shape) {
    Parameter p{.shape = shape};
    return leaf(build::parameter(g, p));
  }
  int map(MapOp op, int a, int b = -1, int c = -1) { return build::map(g, op, a, b, c); }
  int number(float value) { return build::constant(g, value); }

  /// Everything of y, weighted by position (so that no two elements count alike) and bent (so that the gradient is
  /// no constant), summed: sum(y * w + y^2 / 2).
  int loss(int y) {
    const Shape shape = g.nodes.data[y].shape;
    int weighted = y;
    for (int axis = 0; axis < shape.rank; ++axis) {
      const int position = map(MapOp::multiply, build::iota(g, shape, axis), number(0.3f));
      weighted = map(MapOp::multiply, weighted, map(MapOp::add, position, number(0.7f)));
    }
    return total(map(MapOp::add, weighted, map(MapOp::multiply, number(0.5f), map(MapOp::multiply, y, y))));
  }
  /// The sum over all elements and samples.
  int total(int y) {
    const int s = build::reduce(g, ReduceOp::sum, y, (1 << g.nodes.data[y].shape.rank) - 1, true);
    return build::reshape(g, s, Shape{});
  }

 private:
  int leaf(int node) {
    leaves.push(node);
    return node;
  }
};

struct Feed {
  std::vector<reference::Values> inputs, parameters;

  Feed(const Graph& g, int samples, unsigned seed) {
    std::mt19937 engine(seed);
    auto fill = [&](std::int64_t count) {
      reference::Values v(static_cast<std::size_t>(count));
      for (double& x : v) x = static_cast<double>(engine()) / 2147483648.0 - 1;
      return v;
    };
    for (const Input& input : g.inputs) inputs.push_back(fill(input.shape.count() * (input.batched ? samples : 1)));
    for (const Parameter& parameter : g.parameters) parameters.push_back(fill(parameter.shape.count()));
  }
  reference::Values& of(const Node& leaf) {
    return (leaf.op == Op::input ? inputs : parameters).at(static_cast<std::size_t>(leaf.index));
  }
};

/// The worst error of the gradients of `loss`, relative to the larger of 1 and the largest element of its gradient.
inline double gradient_error(const Graph& g, int loss, const List<int>& leaves, int samples = 2, unsigned seed = 1) {
  Graph both = g;
  const List<int> gradients = gradient(both, loss, leaves);
  Feed feed(g, samples, seed);
  const reference::Result result = reference::evaluate(both, samples, feed.inputs, feed.parameters);
  double worst = 0;
  for (int l = 0; l < leaves.size; ++l) {
    const reference::Values& d = result.nodes[static_cast<std::size_t>(gradients.data[l])];
    reference::Values& x = feed.of(g.nodes.data[leaves.data[l]]);
    if (d.size() != x.size()) return HUGE_VAL;
    double scale = 1;
    for (double value : d) scale = std::max(scale, std::fabs(value));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double at = x[i];
      auto f = [&](double moved) {
        x[i] = moved;
        return reference::evaluate(g, samples, feed.inputs, feed.parameters).nodes[static_cast<std::size_t>(loss)][0];
      };
      const double above = at + step_size, below = at - step_size;
      const double slope = (f(above) - f(below)) / (above - below);
      x[i] = at;
      worst = std::max(worst, std::fabs(slope - d[i]) / scale);
    }
  }
  return worst;
}

/// The error of the first gradients, and of the gradient of half their squared length.
struct GradientErrors {
  double first, second;
};
inline GradientErrors gradient_errors(Differentiable& f, int y, int samples = 2) {
  const int loss = f.loss(y);
  GradientErrors errors{};
  errors.first = gradient_error(f.g, loss, f.leaves, samples);
  const List<int> gradients = gradient(f.g, loss, f.leaves);
  int squares = f.number(0);
  for (int d : gradients) squares = f.map(MapOp::add, squares, f.total(f.map(MapOp::multiply, d, d)));
  errors.second = gradient_error(f.g, f.map(MapOp::multiply, f.number(0.5f), squares), f.leaves, samples);
  return errors;
}

}  // namespace inlay::test
