// The graph that a program computes which rounds to bf16 or fp16 on its way: what its plan stores so is followed by a
// node that rounds, which all readers read, weights are rounded of which it keeps a copy, and if contractions multiply
// in that precision their operands are rounded, too. The reference then says what to expect to the last bit but for an
// executor's roundings to fp32. (Of gradients that a contraction scales before it rounds them to fp16 only if they keep
// within its numbers without, too.)
#pragma once

#include <inlay/graph/graph.hpp>
#include <inlay/graph/plan.hpp>

namespace inlay::test {

/// P: Plan or FrozenPlan, of the graph `simplified`, which stores some values as `narrow`.
template <class P>
constexpr Graph rounded_graph(const Graph& simplified, const P& plan, Element narrow, bool operands_rounded) {
  List<bool> stored(simplified.nodes.size, false);
  for (const Value& value : plan.values)
    if (value.element == narrow && value.storage == Storage::arena) stored[value.node] = true;
  auto has_copy = [&](int i) {
    while (simplified.nodes[i].op == Op::reshape) i = simplified.nodes[i].operands[0];
    const Node& n = simplified.nodes[i];
    return n.op == Op::parameter && plan.parameters[n.index].multiplied == narrow;
  };
  Graph graph = simplified;
  graph.nodes = {};
  List<int> renamed(simplified.nodes.size);
  auto rounded = [&](int i) {
    const Node n = graph.nodes[i];
    if (n.element == narrow) return i;
    return graph.add(Node{.op = Op::map,
                          .element = narrow,
                          .batched = n.batched,
                          .map = MapOp::copy,
                          .shape = n.shape,
                          .operand_count = 1,
                          .operands = {i, -1, -1}});
  };
  for (int i = 0; i < simplified.nodes.size; ++i) {
    Node n = simplified.nodes[i];
    for (int k = 0; k < n.operand_count; ++k) n.operands[k] = renamed[n.operands[k]];
    if (n.op == Op::contraction)
      for (int k = 0; k < 2; ++k)
        if (operands_rounded ||
            (k == 1 && n.mode != Mode::weight_gradient && has_copy(simplified.nodes[i].operands[1])))
          n.operands[k] = rounded(n.operands[k]);
    renamed[i] = graph.add(n);
    if (stored[i]) renamed[i] = rounded(renamed[i]);
  }
  for (Output& output : graph.outputs) output.node = renamed[output.node];
  return graph;
}

}  // namespace inlay::test
