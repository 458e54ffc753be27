// Which values are stored in fewer bytes than they are computed in, in programs that want that. Of the images and
// feature vectors of a batch and their gradients, which are most of what a training step moves:
//
//   bf16   all, since it has the exponents of a float.
//   f16    those that a product reads as they are and rounds to fp16 in any case: what forward passes multiply, and
//          weight gradients as their x. So they are multiplied as the same numbers as if they were stored as f32, and
//          one beyond 65504, which becomes infinite, would have been infinite there. What only maps and sums read (what
//          is to be normalised, averaged, selected from), and what products skip in part (a stride wider than its
//          window), stays f32 and may be as large as a float. So do gradients:
//          most of them are too small for fp16, and a launch that multiplies them knows its scale only while it runs
//          (cuda/gradient_scale.hpp), and no other launch that reads them.
//
// Everything that outlives a step or adds up over the batch (parameters, optimiser state, their gradients, statistics)
// stays f32, as do a program's inputs and outputs. Places in windows of pooling, of up to four elements, take two bits
// each in both, where a pixel's fill whole bytes. Of weights that contractions read there is a narrow copy beside the
// parameter, which every tile of a result reads again.
#pragma once

#include <inlay/graph/graph.hpp>

namespace inlay {

/// Values of no more elements a sample stay f32: logits and what a loss makes of them move next to nothing, and a
/// rounding counts for most in them.
inline constexpr int small_value = 64;

namespace detail {

/// What a reshape views.
constexpr int viewed(const Graph& graph, int i) {
  while (graph.nodes.data[i].op == Op::reshape) i = graph.nodes.data[i].operands[0];
  return i;
}

/// The nodes that may be stored as f16: a product multiplies all their elements as values of the forward pass, which no
/// precision scales before it rounds them.
constexpr List<bool> multiplied_as_they_are(const Graph& graph) {
  List<bool> multiplied(graph.nodes.size, false);
  for (const Node& n : graph.nodes) {
    if (n.op != Op::contraction || n.mode == Mode::data_gradient) continue;
    const Shape& x = graph.nodes.data[n.operands[0]].shape;
    if (n.window.covers(x.extents[0], x.extents[1])) multiplied.data[viewed(graph, n.operands[0])] = true;
  }
  return multiplied;
}

/// Do the places that it finds take two bits each, those of a pixel's channels whole bytes?
constexpr bool packs(const Node& max_index) {
  return max_index.window.height * max_index.window.width <= 4 &&
         max_index.shape.extents[max_index.shape.rank - 1] % 4 == 0;
}

}  // namespace detail

/// Says of all nodes that may be so that they are stored as `stored` if they are, and of all parameters that are
/// weights that contractions read them so.
constexpr void narrow(Graph& graph, Element stored, int small = small_value) {
  List<bool> given(graph.nodes.size, false), wide(graph.nodes.size, false);
  for (const Output& output : graph.outputs) given.data[detail::viewed(graph, output.node)] = true;
  if (stored == Element::f16) {
    const List<bool> multiplied = detail::multiplied_as_they_are(graph);
    for (int i = 0; i < graph.nodes.size; ++i) wide.data[i] = !multiplied.data[i];
  }
  for (int i = 0; i < graph.nodes.size; ++i) {
    Node& n = graph.nodes.data[i];
    if (n.op == Op::reshape) n.element = graph.nodes.data[n.operands[0]].element;
    else if (is_leaf(n.op) || !n.batched || given.data[i]) continue;
    else if (n.op == Op::max_index && detail::packs(n)) n.element = Element::u2;
    else if (n.element == Element::f32 && n.shape.count() > small && !wide.data[i]) n.element = stored;
  }
  for (const Node& n : graph.nodes) {
    if (n.op != Op::contraction || n.mode == Mode::weight_gradient) continue;
    if (const Node& w = graph.nodes.data[detail::viewed(graph, n.operands[1])]; w.op == Op::parameter)
      graph.parameters.data[w.index].multiplied = stored;
  }
}

}  // namespace inlay
