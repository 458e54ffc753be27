// How far float arithmetic may stray from the reference in a whole network, forward and backward, where worst-case
// bounds grow beyond all use: a statistical error analysis (Higham and Mary: "A new approach to probabilistic rounding
// error analysis", 2019). Roundings count as independent errors of variance (u |x|)^2 / 3, and each node's variance
// follows to first order from those of its operands:
//
//   sums and contractions   sum (a^2 vb + va b^2 + va vb), and n roundings of the n products' root sum of squares
//   maps                    the image of one standard deviation, and a rounding unless the result is exact
//   views                   those of what they view
//   roundings to bf16       none, unless the middle between two bf16 numbers is within `deviations`: then one from the
//                           one to the other (support/rounded_graph.hpp makes such nodes)
//
// A comparison or maximum within `deviations` may go either way, and what it selects may be off by what its sides are
// apart. Errors are not quite independent: one that N summands share (a normalisation's scale, for each pixel and
// sample) counts sqrt(N) times too little. A test of sums of up to 500 terms therefore allows 6 standard deviations
// times sqrt(500).
#pragma once

#include "program_run.hpp"

#include <inlay/graph/build.hpp>

#include <algorithm>

namespace inlay::test {

class RoundingErrors {
 public:
  static constexpr double sharing = 22.4;  // sqrt(500)
  static constexpr double deviations = 6 * sharing;

  /// `winograd_growth`: how much more than direct summation the executor's 3 x 3 convolutions may magnify roundings; 1
  /// where it sums directly.
  RoundingErrors(const Graph& of, int sample_count, const reference::Result& values, double winograd_growth)
      : g(of), samples(sample_count), exact(values.nodes), growth(winograd_growth) {
    for (int i = 0; i < g.nodes.size; ++i) {
      variances.emplace_back(exact[static_cast<std::size_t>(i)].size(), 0.0);
      node(g.nodes[i], variances.back());
    }
  }

  /// What each element of a node may be off.
  reference::Values of_node(int i) const {
    reference::Values tolerance(variances[static_cast<std::size_t>(i)]);
    for (double& x : tolerance) x = deviations * std::sqrt(x);
    return tolerance;
  }

 private:
  using Values = reference::Values;
  static constexpr double rounding = 1.0 / 16777216 / 16777216 / 3;  // variance of a relative one
  static constexpr double tie = 1 / (sharing * sharing);             // of a decision that may be wrong by 1
  static constexpr double unknown = 1e60;

  const Graph& g;
  int samples;
  const std::vector<Values>& exact;
  double growth;
  std::vector<Values> variances;

  const Values& value(const Node& n, int k) const { return exact[static_cast<std::size_t>(n.operands[k])]; }
  const Values& variance(const Node& n, int k) const { return variances[static_cast<std::size_t>(n.operands[k])]; }

  /// The node applied to other operands.
  Values apply(Node n, const std::vector<Values>& operands) const {
    Graph alone;
    n.element = Element::f32;  // variances are not rounded
    for (int k = 0; k < n.operand_count; ++k) {
      const Node& o = g.nodes[n.operands[k]];
      n.operands[k] = build::input(alone, o.shape, o.element, o.batched);
    }
    const int y = alone.add(n);
    return reference::evaluate(alone, samples, operands, {}).nodes[static_cast<std::size_t>(y)];
  }
  /// x^2 + more
  static Values squares(const Values& x, const Values& more = {}) {
    Values y(x);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = x[i] * x[i] + (more.empty() ? 0 : more[i]);
    return y;
  }
  static double largest(const Values& x) { return x.empty() ? 0 : *std::max_element(x.begin(), x.end()); }
  static double square(double x) { return x * x; }

  void node(const Node& n, Values& v) {
    switch (n.op) {
      case Op::map: return map(n, v);
      case Op::contraction: return contraction(n, v);
      case Op::reduction: return reduction(n, v);
      case Op::max_index: return max_index(n, v);
      case Op::gather: return gather(n, v);
      case Op::scatter: return scatter(n, v);
      case Op::lookup: v = apply(n, {variance(n, 0), value(n, 1), value(n, 2)}); return;
      case Op::channels:
      case Op::reshape:
      case Op::transpose: v = apply(n, {variance(n, 0)}); return;
      default: return;  // leaves and random numbers are exact
    }
  }

  void map(const Node& n, Values& v) {
    Values x[max_operands], vx[max_operands];
    for (int k = 0; k < n.operand_count; ++k) {
      const int operand = compared(n, k);
      Node copy{.op = Op::map, .batched = n.batched, .shape = n.shape, .operand_count = 1, .operands = {operand}};
      x[k] = apply(copy, {exact[static_cast<std::size_t>(operand)]});
      vx[k] = apply(copy, {variances[static_cast<std::size_t>(operand)]});
    }
    if (n.element == Element::bf16) {
      for (std::size_t i = 0; i < v.size(); ++i) v[i] = std::min(to_bf16(x[0][i], vx[0][i]), unknown);
      return;
    }
    for (std::size_t i = 0; i < v.size(); ++i) {
      double at[max_operands] = {}, vat[max_operands] = {};
      for (int k = 0; k < n.operand_count; ++k) {
        at[k] = x[k][i];
        vat[k] = vx[k][i];
      }
      v[i] = std::min(map(n.map, at, vat), unknown);
    }
  }
  /// Of x rounded to bf16, which has 8 significant bits.
  static double to_bf16(double x, double variance) {
    const double error = deviations * std::sqrt(variance);
    const double step = std::ldexp(1, std::max(std::ilogb(std::fabs(x) + error), -126) - 7);
    const double place = std::fabs(x) / step, to_middle = std::fabs(place - std::floor(place) - 0.5) * step;
    return error < to_middle ? 0 : square(std::sqrt(variance) + step * std::sqrt(tie));
  }
  /// Operand k, but max(a, b) > b and b > min(a, b) are decided by a and b: their results are no roundings apart.
  int compared(const Node& n, int k) const {
    const Node& m = g.nodes[n.operands[k]];
    if (n.map == MapOp::greater && m.op == Op::map && m.map == (k == 0 ? MapOp::maximum : MapOp::minimum))
      for (int i = 0; i < 2; ++i)
        if (m.operands[i] == n.operands[1 - k]) return m.operands[1 - i];
    return n.operands[k];
  }
  static double map(MapOp op, const double (&x)[max_operands], const double (&v)[max_operands]) {
    using enum MapOp;
    auto f = [op](double a, double b = 0) { return reference::detail::apply(op, a, b, 0); };
    const double here = f(x[0], x[1]);
    /// A monotone function of one operand; `ulps`: an executor's error.
    auto monotone = [&](double ulps) {
      const double s = std::sqrt(v[0]), below = op == log || op == sqrt ? std::max(x[0] - s, 0.0) : x[0] - s;
      const double spread = std::max(std::fabs(f(x[0] + s) - here), std::fabs(f(below) - here));
      return square(spread) + square(2 * ulps * here) * rounding;
    };
    auto rounded = [&](double spread) {
      const bool is_exact = spread == 0 && double{static_cast<float>(here)} == here;
      return is_exact ? 0 : spread + square(here) * rounding;
    };
    auto near_tie = [&] { return v[0] + v[1] > 0 && square(x[0] - x[1]) <= square(deviations) * (v[0] + v[1]); };
    switch (op) {
      case copy:
      case stop_gradient:
      case negate:
      case absolute: return v[0];
      case exp:
      case log:
      case tanh:
      case erf: return monotone(4);
      case sqrt: return monotone(1);
      case is_finite: return 0;
      case add:
      case subtract: return rounded(v[0] + v[1]);
      case multiply: return rounded(square(x[0]) * v[1] + v[0] * square(x[1]) + v[0] * v[1]);
      case divide:
        if (square(x[1]) <= square(deviations) * v[1]) return unknown;
        return rounded((v[0] + square(here) * v[1]) / square(x[1]));
      case maximum:
      case minimum: return near_tie() ? std::max(v[0], v[1]) : here == x[0] ? v[0] : v[1];
      case equal:
      case greater: return near_tie() ? tie : 0;
      case select:
        if (v[0] > 0) return std::max(v[1], v[2]) + square(x[1] - x[2]) * v[0];
        return x[0] != 0 ? v[1] : v[2];
    }
    return unknown;
  }

  void contraction(const Node& n, Values& v) {
    const Values a = squares(value(n, 0)), b = squares(value(n, 1));
    const Values products = apply(n, {a, b});
    v = apply(n, {squares(value(n, 0), variance(n, 0)), squares(value(n, 1), variance(n, 1))});
    const Shape &sa = g.nodes[n.operands[0]].shape, &sb = g.nodes[n.operands[1]].shape;
    const bool weights = n.mode == Mode::weight_gradient;
    const double terms = weights ? static_cast<double>(sb.extents[0] * sb.extents[1] * samples)
                                 : static_cast<double>(sb.count()) / sb.extents[n.mode == Mode::forward ? 3 : 2];
    const int other_channels = weights ? sb.extents[2] : n.shape.extents[2];
    const bool transformed = growth > 1 && n.window.height == 3 && n.window.width == 3 && n.window.stride_h == 1 &&
                             n.window.stride_w == 1 && n.window.groups == 1 && sa.extents[2] >= 8 &&
                             other_channels >= 8;
    const double most = largest(products);
    for (std::size_t i = 0; i < v.size(); ++i)
      v[i] = std::min(v[i] - products[i] + terms * rounding * (transformed ? square(growth) * most : products[i]),
                      unknown);
  }

  void reduction(const Node& n, Values& v) {
    const Values& x = value(n, 0);
    const double terms = static_cast<double>(x.size()) / static_cast<double>(v.size());
    Node sum = n;
    sum.reduce = ReduceOp::sum;
    switch (n.reduce) {
      case ReduceOp::argmax: std::fill(v.begin(), v.end(), unknown); return;
      case ReduceOp::max: v = apply(n, {variance(n, 0)}); return;
      case ReduceOp::sum: {
        v = apply(sum, {variance(n, 0)});
        const Values all = apply(sum, {squares(x)});
        for (std::size_t i = 0; i < v.size(); ++i) v[i] += terms * rounding * all[i];
        return;
      }
      case ReduceOp::squared_deviations: {
        // An executor may square deviations from another number than the mean, such as the first element.
        const Values total = apply(sum, {x});
        const std::size_t channels = v.size();
        Values farthest(channels, 0.0);
        for (std::size_t i = 0; i < x.size(); ++i) {
          const double deviation = std::fabs(x[i] - total[i % channels] / terms);
          farthest[i % channels] = std::max(farthest[i % channels], deviation);
          v[i % channels] += 4 * square(deviation) * variance(n, 0)[i];
        }
        for (std::size_t c = 0; c < channels; ++c) v[c] += square(4 * terms * square(farthest[c])) * rounding;
        return;
      }
    }
  }

  /// Uncertain where another element of the window could be the greatest.
  void max_index(const Node& n, Values& v) {
    const Node& x = g.nodes[n.operands[0]];
    const Values& index = exact[variances.size() - 1];
    Graph alone;
    const int ones = build::input(alone, n.shape, Element::f32, n.batched);
    const int image = build::input(alone, x.shape, x.element, x.batched);
    const int taken = build::scatter(alone, ones, build::max_index(alone, image, n.window));
    const auto nodes = reference::evaluate(alone, samples, {Values(v.size(), 1.0), value(n, 0)}, {}).nodes;
    Values other = value(n, 0);
    for (std::size_t i = 0; i < other.size(); ++i)
      other[i] += deviations * std::sqrt(variance(n, 0)[i]) * (nodes[static_cast<std::size_t>(taken)][i] != 0 ? -1 : 1);
    const Values rival = apply(n, {other});
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = rival[i] != index[i] ? tie : 0;
  }
  void gather(const Node& n, Values& v) {
    v = apply(n, {variance(n, 0), value(n, 1)});
    const double most = largest(variance(n, 0));
    for (std::size_t i = 0; i < v.size(); ++i)
      if (variance(n, 1)[i] != 0) v[i] = 4 * most;
  }
  /// Where the index is uncertain, everywhere in its window.
  void scatter(const Node& n, Values& v) {
    v = apply(n, {variance(n, 0), value(n, 1)});
    Values uncertain = squares(value(n, 0), variance(n, 0));
    for (std::size_t i = 0; i < uncertain.size(); ++i) uncertain[i] *= variance(n, 1)[i];
    for (int place = 0; place < n.window.height * n.window.width; ++place) {
      const Values there = apply(n, {uncertain, Values(uncertain.size(), place)});
      for (std::size_t i = 0; i < v.size(); ++i) v[i] += there[i];
    }
  }
};

}  // namespace inlay::test
