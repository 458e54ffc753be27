// Rewrites the graph into a smaller equal one, in one forward sweep: equal nodes become one (hash consing),
// arithmetic on constants is done, identities are removed, broadcasts disappear into the maps that read them, and a
// factor that all terms of a sum share moves out of it. Nothing else changes a result by more than the sign of a zero.
// What no output needs is dropped at the end.
//
// One rule is worth its name: ReLU's derivative before max pooling. select(a > 0, scatter(d, max_index(a)), 0) is
// scatter(select(p > 0, d, 0), max_index(a)) with the pooled p = gather(a, max_index(a)), so that backward reads
// the pooled values and never the activation a, which then need not be stored.
#pragma once

#include <inlay/graph/build.hpp>

namespace inlay {

namespace detail {

constexpr bool is_constant(const Node& n) { return n.op == Op::constant; }
constexpr bool is_constant(const Node& n, float value) { return n.op == Op::constant && n.value == value; }

class Simplifier {
 public:
  constexpr explicit Simplifier(const Graph& graph) : from(graph), renamed(graph.nodes.size, -1) {
    while (slots < 4 * graph.nodes.size + 16) slots *= 2;
    table = List<int>(slots, -1);
  }

  constexpr Graph run() {
    to.inputs = from.inputs;
    to.parameters = from.parameters;
    for (int i = 0; i < from.nodes.size; ++i) {
      Node n = from.nodes.data[i];
      for (int k = 0; k < n.operand_count; ++k) n.operands[k] = renamed.data[n.operands[k]];
      renamed.data[i] = rewrite(n);
    }
    for (const Output& output : from.outputs) to.outputs.push({renamed.data[output.node], output.parameter});
    return live(to);
  }

 private:
  const Graph& from;
  Graph to;
  List<int> renamed;
  List<int> table;
  int slots = 64;

  constexpr const Node& at(int i) const { return to.nodes.data[i]; }

  /// The position of an equal node, added if there is none.
  constexpr int intern(const Node& n) {
    std::uint32_t hash = static_cast<std::uint32_t>(n.op) * 31u + static_cast<std::uint32_t>(n.map);
    hash = hash * 31u + static_cast<std::uint32_t>(n.index) + __builtin_bit_cast(std::uint32_t, n.value);
    for (int k = 0; k < n.operand_count; ++k) hash = hash * 2654435761u + static_cast<std::uint32_t>(n.operands[k] + 1);
    hash ^= hash >> 15;
    int slot = static_cast<int>(hash & static_cast<std::uint32_t>(slots - 1));
    while (table.data[slot] >= 0) {
      if (to.nodes.data[table.data[slot]] == n) return table.data[slot];
      slot = (slot + 1) & (slots - 1);
    }
    table.data[slot] = to.add(n);
    return table.data[slot];
  }

  constexpr bool replaces(int candidate, const Node& n) const {
    return at(candidate).shape == n.shape && at(candidate).batched == n.batched && at(candidate).element == n.element;
  }

  constexpr int rewrite(Node n) {
    if (n.op == Op::reshape) {
      const Node& a = at(n.operands[0]);
      if (a.op == Op::reshape) n.operands[0] = a.operands[0];
      if (replaces(n.operands[0], n)) return n.operands[0];
      const bool repeats = a.op == Op::map && a.map == MapOp::copy && is_constant(at(a.operands[0]));
      if (repeats || is_constant(a)) {  // in another shape: the number repeated
        n.op = Op::map;
        n.map = MapOp::copy;
        if (repeats) n.operands[0] = a.operands[0];
      }
    }
    if (n.op == Op::reduction && n.reduce == ReduceOp::sum) return rewrite_sum(n);
    return n.op == Op::map ? rewrite_map(n) : intern(n);
  }

  /// sum(-x) = -sum(x), and sum(x * c) = sum(x) * c where c is the same for all that is summed.
  constexpr int rewrite_sum(Node n) {
    const Node a = at(n.operands[0]);
    if (a.op != Op::map || (a.map != MapOp::negate && a.map != MapOp::multiply)) return intern(n);
    for (int k = 0; k < a.operand_count; ++k) {
      const Node& x = at(a.operands[k]);
      if (!(x.shape == a.shape) || x.batched != a.batched) continue;
      if (a.map == MapOp::multiply && !is_common_factor(at(a.operands[1 - k]), n, a.shape)) continue;
      Node outside = a;
      outside.batched = n.batched;
      outside.shape = n.shape;
      n.operands[0] = a.operands[k];
      outside.operands[k] = rewrite_sum(n);
      return rewrite_map(outside);
    }
    return intern(n);
  }
  constexpr bool is_common_factor(const Node& c, const Node& sum, const Shape& summed) const {
    if (c.batched && (sum.over_batch || !sum.batched)) return false;
    for (int axis = 0; axis < c.shape.rank; ++axis)
      if (c.shape.extents[axis] != 1 && sum.index >> (axis + summed.rank - c.shape.rank) & 1) return false;
    return true;
  }

  constexpr int rewrite_map(Node n) {
    using enum MapOp;
    if (n.map == stop_gradient) n.map = copy;
    for (int k = 0; k < n.operand_count; ++k) {  // a map broadcasts by itself
      const Node& a = at(n.operands[k]);
      if (a.op == Op::map && a.map == copy) n.operands[k] = a.operands[0];
      if (a.op == Op::reshape && only_leading_ones(a, n.shape.rank)) n.operands[k] = a.operands[0];
    }
    const int a = n.operands[0], b = n.operands[1], c = n.operands[2];
    float folded = 0;
    if (fold(n, folded)) {
      int number = intern(Node{.op = Op::constant, .value = folded});
      if (replaces(number, n)) return number;
      n = Node{.op = Op::map,
               .batched = n.batched,
               .map = copy,
               .shape = n.shape,
               .operand_count = 1,
               .operands = {number, -1, -1}};
      return intern(n);
    }
    int same = -1;
    switch (n.map) {
      case copy: same = a; break;
      case negate:
        if (at(a).op == Op::map && at(a).map == negate) same = at(a).operands[0];
        break;
      case add: same = is_constant(at(a), 0) ? b : is_constant(at(b), 0) ? a : -1; break;
      case subtract: same = is_constant(at(b), 0) ? a : -1; break;
      case multiply: same = is_constant(at(a), 1) ? b : is_constant(at(b), 1) ? a : -1; break;
      case divide: same = is_constant(at(b), 1) ? a : -1; break;
      case maximum:
      case minimum:  // relu(relu(x))
        if (at(a).op == Op::map && at(a).map == n.map && at(a).operands[1] == b) same = a;
        break;
      case select:
        if (is_constant(at(a))) same = at(a).value != 0 ? b : c;
        else if (int moved = mask_before_scatter(n); moved >= 0) return moved;
        break;
      default: break;
    }
    if (same >= 0) {
      if (replaces(same, n)) return same;
      if (n.map != copy)
        n = Node{.op = Op::map,
                 .batched = n.batched,
                 .map = copy,
                 .shape = n.shape,
                 .operand_count = 1,
                 .operands = {same, -1, -1}};
    }
    return intern(n);
  }

  /// Does the reshape change nothing but ones in front, which a map of this rank broadcasts over anyway?
  constexpr bool only_leading_ones(const Node& reshape, int rank) const {
    const Shape &before = at(reshape.operands[0]).shape, &after = reshape.shape;
    if (before.rank > rank) return false;
    for (int i = 1; i <= before.rank || i <= after.rank; ++i) {
      const int a = i <= before.rank ? before.extents[before.rank - i] : 1;
      const int b = i <= after.rank ? after.extents[after.rank - i] : 1;
      if (a != b) return false;
    }
    return true;
  }

  constexpr int mask_before_scatter(const Node& n) {
    const Node mask = at(n.operands[0]), spread = at(n.operands[1]);
    if (spread.op != Op::scatter || !is_constant(at(n.operands[2]), 0) || mask.op != Op::map ||
        mask.map != MapOp::greater || !is_constant(at(mask.operands[1])))
      return -1;
    const int index = spread.operands[1], x = mask.operands[0];
    if (at(index).op != Op::max_index || at(index).operands[0] != x) return -1;
    auto like = [this](Node node, const Node& model) {
      node.batched = model.batched;
      node.shape = model.shape;
      return intern(node);
    };
    const Node pooled = at(index);
    int p = intern(Node{.op = Op::gather,
                        .batched = pooled.batched,
                        .shape = pooled.shape,
                        .window = pooled.window,
                        .operand_count = 2,
                        .operands = {x, index, -1}});
    int open = like(
        Node{.op = Op::map, .map = MapOp::greater, .operand_count = 2, .operands = {p, mask.operands[1], -1}}, pooled);
    int d = like(Node{.op = Op::map,
                      .map = MapOp::select,
                      .operand_count = 3,
                      .operands = {open, spread.operands[0], n.operands[2]}},
                 pooled);
    Node moved = spread;
    moved.operands[0] = d;
    return intern(moved);
  }

  /// The value of a map of constants, where it needs no rounding beyond that of float arithmetic.
  constexpr bool fold(const Node& n, float& result) const {
    using enum MapOp;
    float v[max_operands] = {0, 0, 0};
    for (int k = 0; k < n.operand_count; ++k) {
      if (!is_constant(at(n.operands[k]))) return false;
      v[k] = at(n.operands[k]).value;
    }
    switch (n.map) {
      case copy:
      case stop_gradient: return false;
      case negate: result = -v[0]; return true;
      case absolute: result = v[0] < 0 ? -v[0] : v[0]; return true;
      case add: result = v[0] + v[1]; return true;
      case subtract: result = v[0] - v[1]; return true;
      case multiply: result = v[0] * v[1]; return true;
      case divide:
        if (v[1] == 0) return false;
        result = v[0] / v[1];
        return true;
      case maximum: result = v[0] > v[1] ? v[0] : v[1]; return true;
      case minimum: result = v[0] < v[1] ? v[0] : v[1]; return true;
      case equal: result = v[0] == v[1] ? 1.0f : 0.0f; return true;
      case greater: result = v[0] > v[1] ? 1.0f : 0.0f; return true;
      case select: result = v[0] != 0 ? v[1] : v[2]; return true;
      default: return false;
    }
  }

  /// The graph without the nodes that no output needs. Inputs and parameters keep their numbers. What follows from
  /// leaves alone (a scale made of two parameters) comes first, so that later stages find it computed.
  static constexpr Graph live(const Graph& graph) {
    List<int> place(graph.nodes.size, -1);
    for (const Output& output : graph.outputs) place.data[output.node] = 0;
    for (int i = graph.nodes.size - 1; i >= 0; --i) {
      const Node& n = graph.nodes.data[i];
      if (place.data[i] < 0) continue;
      for (int k = 0; k < n.operand_count; ++k) place.data[n.operands[k]] = 0;
    }
    List<bool> early(graph.nodes.size, false);
    for (int i = 0; i < graph.nodes.size; ++i) {
      const Node& n = graph.nodes.data[i];
      early.data[i] = is_leaf(n.op) || (n.op == Op::map && !n.batched);
      for (int k = 0; k < n.operand_count; ++k) early.data[i] = early.data[i] && early.data[n.operands[k]];
    }
    Graph result;
    result.inputs = graph.inputs;
    result.parameters = graph.parameters;
    for (int pass = 0; pass < 2; ++pass)
      for (int i = 0; i < graph.nodes.size; ++i) {
        if (place.data[i] < 0 || early.data[i] != (pass == 0)) continue;
        Node n = graph.nodes.data[i];
        for (int k = 0; k < n.operand_count; ++k) n.operands[k] = place.data[n.operands[k]];
        place.data[i] = result.add(n);
      }
    for (const Output& output : graph.outputs) result.outputs.push({place.data[output.node], output.parameter});
    return result;
  }
};

}  // namespace detail

constexpr Graph simplify(const Graph& graph) { return detail::Simplifier(graph).run(); }

}  // namespace inlay
