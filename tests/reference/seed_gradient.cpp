// The gradient of the whole seed network, at its full size, against central finite differences.
//
// The loss is smooth but for the kinks of ReLU and max pooling. A coordinate counts where both perturbed runs take
// the same side of every kink as the unperturbed one. Then with h = 1e-6 the difference quotient is off by
//   h^2 / 6 |f'''|  +  n eps |f| / h,
// of which the first is 1e-9 while |f'''| stays below a thousand, and n, the roundings of f that do not cancel, grows
// with the root of the longest sum: 12,544 products, n = 112.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <inlay/reference/interpreter.hpp>
#include <limits>
#include <random>
#include <string>

#include "../graph/nets.hpp"

using namespace inlay;

namespace {

/// Values for the network's parameters as training would start them, and images and labels.
struct Start {
  std::vector<reference::Values> inputs, parameters;
  std::mt19937 engine{1};

  double uniform() { return static_cast<double>(engine()) / 4294967296.0; }

  Start(const Graph& g, int samples) {
    reference::Values images(static_cast<std::size_t>(g.inputs[0].shape.count() * samples)), labels;
    for (double& x : images) x = std::floor(256 * uniform());
    for (int s = 0; s < samples; ++s) labels.push_back(std::floor(10 * uniform()));
    inputs = {images, labels, {0.1}};  // label smoothing
    for (const Parameter& p : g.parameters) {
      reference::Values v(static_cast<std::size_t>(p.shape.count()));
      const double limit = std::sqrt(6.0 / (p.fan_in + p.fan_out));
      for (double& x : v) x = (2 * uniform() - 1) * (p.initializer == Initializer::zeros ? 0.1 : limit);
      parameters.push_back(v);
    }
  }
};

/// The side that every kink takes: masks of ReLU and places of maxima.
std::vector<bool> sides(const Graph& g, const reference::Result& r) {
  std::vector<bool> bits;
  for (int i = 0; i < g.nodes.size; ++i) {
    const Node& n = g.nodes[i];
    const reference::Values& v = r.nodes[static_cast<std::size_t>(i)];
    if (n.op == Op::map && n.map == MapOp::maximum)
      for (double x : v) bits.push_back(x > 0);
    if (n.op == Op::max_index)
      for (double x : v)
        for (int bit = 0; bit < 3; ++bit) bits.push_back((static_cast<int>(x) >> bit & 1) != 0);
  }
  return bits;
}

struct Outcome {
  double worst = 0;  // relative to the largest gradient of the parameter
  double worst_absolute = 0;
  double tolerance = 0;  // of the absolute error
  int checked = 0, at_kinks = 0;
};

template <class Net>
Outcome check(int samples, int coordinates) {
  using Evaluation = EvaluationGraph<Net, SparseCategoricalCrossentropy, Accuracy>;
  const Graph g = simplify(Evaluation::make());
  Graph both = g;
  List<int> leaves;
  for (int i = 0; i < g.nodes.size; ++i)
    if (g.nodes[i].op == Op::parameter) leaves.push(i);
  const int loss = build::reshape(both, g.outputs[0].node, Shape{});
  const List<int> gradients = gradient(both, loss, leaves);

  Start start(g, samples);
  const reference::Result exact = reference::evaluate(both, samples, start.inputs, start.parameters);
  const std::vector<bool> kinks = sides(g, exact);
  const double h = 1e-6;
  const double eps = std::numeric_limits<double>::epsilon();
  Outcome all;
  all.tolerance = 1e-9 + 112 * eps * std::fabs(exact.nodes[static_cast<std::size_t>(loss)][0]) / h;
  for (int l = 0; l < leaves.size; ++l) {
    const Node& leaf = g.nodes[leaves[l]];
    const reference::Values& d = exact.nodes[static_cast<std::size_t>(gradients[l])];
    reference::Values& p = start.parameters[static_cast<std::size_t>(leaf.index)];
    double largest = 0;
    for (double x : d) largest = std::max(largest, std::fabs(x));
    Outcome one;
    for (int k = 0; k < coordinates; ++k) {
      const std::size_t i = start.engine() % p.size();
      const double at = p[i];
      bool smooth = true;
      auto f = [&](double moved) {
        p[i] = moved;
        const reference::Result r = reference::evaluate(g, samples, start.inputs, start.parameters);
        smooth = smooth && sides(g, r) == kinks;
        return r.outputs[0][0];
      };
      const double above = at + h, below = at - h;
      const double slope = (f(above) - f(below)) / (above - below);
      p[i] = at;
      if (!smooth) {
        ++one.at_kinks;
        continue;
      }
      ++one.checked;
      one.worst_absolute = std::max(one.worst_absolute, std::fabs(slope - d[i]));
      one.worst = std::max(one.worst, std::fabs(slope - d[i]) / largest);
    }
    MESSAGE(std::string(g.parameters[leaf.index].name.text), ": largest gradient ", largest, ", worst error ",
            one.worst, " of it; ", one.checked, " coordinates, ", one.at_kinks, " at kinks");
    all.worst = std::max(all.worst, one.worst);
    all.worst_absolute = std::max(all.worst_absolute, one.worst_absolute);
    all.checked += one.checked;
    all.at_kinks += one.at_kinks;
  }
  MESSAGE("worst relative error ", all.worst, ", absolute ", all.worst_absolute, ", of ", all.checked,
          " coordinates; tolerance ", all.tolerance);
  return all;
}

}  // namespace

TEST_CASE("the seed network's gradient is that of finite differences") {
  const Outcome r = check<test::Seed>(1, 12);
  CHECK(r.worst_absolute <= r.tolerance);
  CHECK(r.checked > r.at_kinks);
}

TEST_CASE("so is that of the same network on 8 x 8 images, at hundreds of coordinates of each parameter") {
  const Outcome r = check<test::SmallSeed>(4, 300);
  CHECK(r.worst_absolute <= r.tolerance);
  CHECK(r.checked > 10 * r.at_kinks);
}
