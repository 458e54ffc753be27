// Reverse-mode differentiation as a pass: it appends the backward nodes, in the same primitives, so the gradient
// of a gradient is nothing special. Values used more than once get the sum of their users' contributions. Where a
// derivative can be written with the forward result instead of the operand it is, so that the operand need not be
// kept: relu'(x) is (relu(x) > 0), exp'(x) is exp(x).
//
// At ties, maximum(a, b) passes the gradient to b, and a max reduction passes it to every maximal element.
#pragma once

#include <inlay/graph/build.hpp>

namespace inlay {

namespace detail {

/// Sums a gradient over whatever broadcasting repeated, back to the shape of `target`.
constexpr int reduce_to(Graph& g, int d, const Node& target) {
  const Node from = g.nodes.data[d];
  int axes = 0;
  for (int i = 0; i < from.shape.rank; ++i) {
    int j = target.shape.rank - from.shape.rank + i;
    int extent = j >= 0 ? target.shape.extents[j] : 1;
    if (extent == 1 && from.shape.extents[i] != 1) axes |= 1 << i;
  }
  bool over_batch = from.batched && !target.batched;
  if (axes != 0 || over_batch) d = build::reduce(g, ReduceOp::sum, d, axes, over_batch);
  return build::reshape(g, d, target.shape);
}

/// The gradients of one node with respect to its operands, given `d` with respect to its result.
class Backward {
 public:
  constexpr Backward(Graph& graph, List<int>& adjoint_of, const List<bool>& wanted_nodes)
      : g(graph), adjoints(adjoint_of), wanted(wanted_nodes) {}

  constexpr void node(int y, int d) {
    const Node n = g.nodes.data[y];
    switch (n.op) {
      case Op::map: return map(n, y, d);
      case Op::contraction: return contraction(n, d);
      case Op::reduction: return reduction(n, y, d);
      case Op::reshape: return give(n, 0, build::reshape(g, d, operand(n, 0).shape));
      case Op::transpose: return transpose(n, d);
      case Op::gather: return give(n, 0, build::scatter(g, d, n.operands[1]));
      case Op::scatter: return give(n, 0, build::gather(g, d, n.operands[1]));
      case Op::channels: return channels(n, d);
      case Op::lookup:
        if (wants(n, 0))
          throw Error(
              "gradient: a lookup passes none to its image; put random flips, shifts and the like first in a "
              "network, before every layer that is trained");
        return;
      default: return;
    }
  }

 private:
  Graph& g;
  List<int>& adjoints;
  const List<bool>& wanted;

  constexpr Node operand(const Node& n, int i) const { return g.nodes.data[n.operands[i]]; }
  constexpr bool wants(const Node& n, int i) const { return wanted.data[n.operands[i]]; }

  /// Adds `d` to the gradient of operand i.
  constexpr void give(const Node& n, int i, int d) {
    if (!wants(n, i)) return;
    int& adjoint = adjoints.data[n.operands[i]];
    adjoint = adjoint < 0 ? d : build::map(g, MapOp::add, adjoint, d);
  }
  constexpr void give_broadcast(const Node& n, int i, int d) {
    if (wants(n, i)) give(n, i, reduce_to(g, d, operand(n, i)));
  }

  constexpr void map(const Node& n, int y, int d) {
    using enum MapOp;
    auto apply = [this](MapOp op, int a, int b = -1, int c = -1) { return build::map(g, op, a, b, c); };
    auto number = [this](float value) { return build::constant(g, value); };
    const int a = n.operands[0], b = n.operands[1];
    switch (n.map) {
      case copy: return give_broadcast(n, 0, d);
      case negate: return give_broadcast(n, 0, apply(negate, d));
      case absolute: return give_broadcast(n, 0, apply(select, apply(greater, a, number(0)), d, apply(negate, d)));
      case exp: return give_broadcast(n, 0, apply(multiply, d, y));
      case log: return give_broadcast(n, 0, apply(divide, d, a));
      case sqrt: return give_broadcast(n, 0, apply(divide, apply(multiply, d, number(0.5f)), y));
      case tanh: return give_broadcast(n, 0, apply(multiply, d, apply(subtract, number(1), apply(multiply, y, y))));
      case erf: {  // 2 / sqrt(pi) * exp(-a * a)
        int density = apply(exp, apply(negate, apply(multiply, a, a)));
        return give_broadcast(n, 0, apply(multiply, d, apply(multiply, number(1.1283791670955126f), density)));
      }
      case add: give_broadcast(n, 0, d); return give_broadcast(n, 1, d);
      case subtract:
        give_broadcast(n, 0, d);
        if (wants(n, 1)) give_broadcast(n, 1, apply(negate, d));
        return;
      case multiply:
        if (wants(n, 0)) give_broadcast(n, 0, apply(multiply, d, b));
        if (wants(n, 1)) give_broadcast(n, 1, apply(multiply, d, a));
        return;
      case divide:
        if (wants(n, 0)) give_broadcast(n, 0, apply(divide, d, b));
        if (wants(n, 1)) give_broadcast(n, 1, apply(negate, apply(divide, apply(multiply, d, y), b)));
        return;
      case maximum:
        if (wants(n, 0)) give_broadcast(n, 0, apply(select, apply(greater, y, b), d, number(0)));
        if (wants(n, 1)) give_broadcast(n, 1, apply(select, apply(greater, y, b), number(0), d));
        return;
      case minimum:
        if (wants(n, 0)) give_broadcast(n, 0, apply(select, apply(greater, b, y), d, number(0)));
        if (wants(n, 1)) give_broadcast(n, 1, apply(select, apply(greater, b, y), number(0), d));
        return;
      case select:
        if (wants(n, 1)) give_broadcast(n, 1, apply(select, a, d, number(0)));
        if (wants(n, 2)) give_broadcast(n, 2, apply(select, a, number(0), d));
        return;
      case stop_gradient:
      case is_finite:
      case equal:
      case greater: return;
    }
  }

  constexpr void contraction(const Node& n, int d) {
    const int a = n.operands[0], b = n.operands[1];
    const Shape sa = operand(n, 0).shape, sb = operand(n, 1).shape;
    auto gradient = [&](int i, Mode mode, int p, int q, const Shape& shape) {
      if (wants(n, i)) give(n, i, build::contraction(g, mode, p, q, n.window, shape));
    };
    switch (n.mode) {  // the data gradient first: the weights may be updated where their gradient is made
      case Mode::forward:
        gradient(0, Mode::data_gradient, d, b, sa);
        return gradient(1, Mode::weight_gradient, a, d, sb);
      case Mode::data_gradient:
        gradient(0, Mode::forward, d, b, sa);
        return gradient(1, Mode::weight_gradient, d, a, sb);
      case Mode::weight_gradient:
        gradient(0, Mode::data_gradient, b, d, sa);
        return gradient(1, Mode::forward, a, d, sb);
    }
  }

  constexpr void reduction(const Node& n, int y, int d) {
    if (!wants(n, 0) || n.reduce == ReduceOp::argmax) return;
    const Node x = operand(n, 0);
    if (n.reduce == ReduceOp::squared_deviations) {  // 2 (x - mean): the deviations themselves sum to zero
      const int deviation = build::map(g, MapOp::subtract, n.operands[0], build::mean_of_channels(g, n.operands[0]));
      const int twice = build::map(g, MapOp::multiply, d, build::constant(g, 2));
      return give(n, 0, build::map(g, MapOp::multiply, deviation, twice));
    }
    if (n.reduce == ReduceOp::max) d = build::map(g, MapOp::multiply, build::map(g, MapOp::equal, n.operands[0], y), d);
    give(n, 0, build::broadcast_to(g, d, x.shape, x.batched));
  }

  /// The other way: what x does not have is dropped, what was not taken of it is 0.
  constexpr void channels(const Node& n, int d) {
    const Shape x = operand(n, 0).shape;
    d = build::broadcast_to(g, d, n.shape, n.batched);
    give(n, 0, build::channels(g, d, -n.index, x.extents[x.rank - 1]));
  }

  constexpr void transpose(const Node& n, int d) {
    int inverse[max_rank] = {0, 1, 2, 3};
    for (int i = 0; i < n.shape.rank; ++i) inverse[build::transposed_axis(n, i)] = i;
    give(n, 0, build::transpose(g, d, inverse));
  }
};

}  // namespace detail

/// Appends d(loss)/d(node) for each node of `wrt` and returns where they are (zero where loss doesn't depend on it).
/// `loss` is shared by all samples and has one element.
constexpr List<int> gradient(Graph& g, int loss, const List<int>& wrt) {
  const Node end = g.nodes.data[loss];
  if (end.batched || end.shape.count() != 1) throw Error("gradient: the loss must be one number for the whole batch");
  List<bool> wanted(loss + 1, false);
  for (int node : wrt)
    if (node <= loss) wanted.data[node] = true;
  for (int i = 0; i <= loss; ++i) {
    const Node& n = g.nodes.data[i];
    if (n.op == Op::map && n.map == MapOp::stop_gradient) continue;
    for (int k = 0; k < n.operand_count; ++k) wanted.data[i] = wanted.data[i] || wanted.data[n.operands[k]];
  }
  List<int> adjoints(loss + 1, -1);
  adjoints.data[loss] = build::broadcast_to(g, build::constant(g, 1), end.shape, false);
  detail::Backward backward(g, adjoints, wanted);
  for (int i = loss; i >= 0; --i)
    if (wanted.data[i] && adjoints.data[i] >= 0) backward.node(i, adjoints.data[i]);
  List<int> result(wrt.size);
  for (int i = 0; i < wrt.size; ++i) {
    const Node node = g.nodes.data[wrt.data[i]];
    bool reached = wrt.data[i] <= loss && adjoints.data[wrt.data[i]] >= 0;
    result.data[i] =
        reached ? adjoints.data[wrt.data[i]] : build::broadcast_to(g, build::constant(g, 0), node.shape, node.batched);
  }
  return result;
}

}  // namespace inlay
