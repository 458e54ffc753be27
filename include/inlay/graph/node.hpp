// A node of the graph: one primitive applied to earlier nodes. A plain record, so that passes can copy and
// compare nodes freely; fields that an Op does not use keep their defaults.
#pragma once

#include <inlay/core/element.hpp>
#include <inlay/core/shape.hpp>
#include <inlay/graph/op.hpp>

namespace inlay {

inline constexpr int max_operands = 3;

struct Node {
  Op op = Op::constant;
  Element element = Element::f32;
  bool batched = false;     // one value per sample, or one shared by all
  bool over_batch = false;  // reduction: also over the samples
  MapOp map = MapOp::copy;
  Mode mode = Mode::forward;  // contraction
  ReduceOp reduce = ReduceOp::sum;
  int index = 0;    // input, parameter, random: which one; iota: the axis; reduction: a bit for each axis;
                    // transpose: axis of the operand for each axis of the result, four bits each; channels: the first
  float value = 0;  // constant; random: its whole numbers are below this, or 0 for numbers in [0, 1)
  Shape shape{};    // of one sample
  Window window{};  // contraction, max_index, gather, scatter
  int operand_count = 0;
  int operands[max_operands] = {-1, -1, -1};

  friend constexpr bool operator==(const Node& a, const Node& b) {
    if (a.op != b.op || a.element != b.element || a.batched != b.batched || a.over_batch != b.over_batch ||
        a.map != b.map || a.mode != b.mode || a.reduce != b.reduce || a.index != b.index ||
        a.operand_count != b.operand_count || !(a.value == b.value) || !(a.shape == b.shape))
      return false;
    for (int i = 0; i < a.operand_count; ++i)
      if (a.operands[i] != b.operands[i]) return false;
    return a.window == b.window;
  }
};

constexpr bool is_leaf(Op op) {
  return op == Op::input || op == Op::parameter || op == Op::constant || op == Op::iota || op == Op::batch_size;
}

/// Evaluated at one coordinate after another, wherever its stage or its readers need it.
constexpr bool is_elementwise(Op op) {
  return op == Op::map || op == Op::scatter || op == Op::gather || op == Op::transpose || op == Op::random ||
         op == Op::lookup || op == Op::channels;
}

/// Does an elementwise node read operand k in memory at coordinates other than its own?
constexpr bool reads_elsewhere(Op op, int k) {
  return op != Op::map && op != Op::random && (op != Op::lookup || k == 0);
}

/// A leaf that lives in memory (and is not computed from its coordinates).
constexpr bool is_stored_leaf(Op op) { return op == Op::input || op == Op::parameter || op == Op::batch_size; }

}  // namespace inlay
