// Which values are stored in fewer bytes than they are computed in, in programs that want that: the images and feature
// vectors of a batch and their gradients, which are most of what a training step moves. Everything that outlives a step
// or adds up over the batch (parameters, optimiser state, their gradients, statistics) stays f32, as do a program's
// inputs and outputs. Of weights that contractions read there is a narrow copy beside the parameter, which every tile
// of a result reads again.
#pragma once

#include <inlay/graph/graph.hpp>

namespace inlay {

/// Values of no more elements a sample stay f32: logits and what a loss makes of them move next to nothing, and a
/// rounding counts for most in them.
inline constexpr int small_value = 64;

/// Says of all nodes that may be so that they are stored as `stored` if they are, and of all parameters that are
/// weights that contractions read them so.
constexpr void narrow(Graph& graph, Element stored, int small = small_value) {
  List<bool> kept(graph.nodes.size, false);
  for (const Output& output : graph.outputs) kept.data[output.node] = true;
  for (int i = graph.nodes.size - 1; i >= 0; --i)  // a reshape is its operand
    if (kept.data[i] && graph.nodes.data[i].op == Op::reshape) kept.data[graph.nodes.data[i].operands[0]] = true;
  for (int i = 0; i < graph.nodes.size; ++i) {
    Node& n = graph.nodes.data[i];
    if (n.op == Op::reshape) n.element = graph.nodes.data[n.operands[0]].element;
    else if (n.batched && n.element == Element::f32 && !is_leaf(n.op) && n.shape.count() > small && !kept.data[i])
      n.element = stored;
  }
  for (const Node& n : graph.nodes) {
    if (n.op != Op::contraction || n.mode == Mode::weight_gradient) continue;
    int weights = n.operands[1];
    while (graph.nodes.data[weights].op == Op::reshape) weights = graph.nodes.data[weights].operands[0];
    if (const Node& w = graph.nodes.data[weights]; w.op == Op::parameter)
      graph.parameters.data[w.index].multiplied = stored;
  }
}

}  // namespace inlay
