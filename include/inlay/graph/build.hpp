// Functions that add a node and infer its shape. Symbolic tensors, the gradient and the tests all build graphs
// through these. Types have checked the shapes of a traced network before; a graph built by hand gets an Error
// (in constant evaluation: a compile error at the throw).
#pragma once

#include <inlay/core/error.hpp>
#include <inlay/graph/graph.hpp>

namespace inlay::build {

constexpr int input(Graph& g, const Shape& shape, Element element = Element::f32, bool batched = true) {
  Node node{.op = Op::input, .element = element, .batched = batched, .index = g.inputs.size, .shape = shape};
  g.inputs.push({shape, element, batched});
  return g.add(node);
}

constexpr int parameter(Graph& g, const Parameter& parameter) {
  Node node{.op = Op::parameter, .index = g.parameters.size, .shape = parameter.shape};
  g.parameters.push(parameter);
  return g.add(node);
}

constexpr int constant(Graph& g, float value) { return g.add(Node{.op = Op::constant, .value = value}); }

/// Coordinates 0, 1, ... along `axis` of `shape`.
constexpr int iota(Graph& g, const Shape& shape, int axis) {
  return g.add(Node{.op = Op::iota, .index = axis, .shape = shape});
}

/// The number of samples of the run.
constexpr int batch_size(Graph& g) { return g.add(Node{.op = Op::batch_size}); }

/// An elementwise function; operands broadcast.
constexpr int map(Graph& g, MapOp op, int a, int b = -1, int c = -1) {
  Node node{.op = Op::map, .map = op, .operand_count = arity(op), .operands = {a, b, c}};
  node.shape = g.nodes.data[a].shape;
  for (int i = 0; i < node.operand_count; ++i) {
    const Node& operand = g.nodes.data[node.operands[i]];
    Broadcast both = broadcast(node.shape, operand.shape);
    if (!both.fits) throw Error("map: operands of unlike shapes do not broadcast");
    node.shape = both.shape;
    node.batched = node.batched || operand.batched;
  }
  return g.add(node);
}

/// The operand repeated along the axes it lacks.
constexpr int broadcast_to(Graph& g, int a, const Shape& shape, bool batched) {
  const Node& operand = g.nodes.data[a];
  if (operand.shape == shape && operand.batched == batched) return a;
  return g.add(Node{.op = Op::map,
                    .batched = batched,
                    .map = MapOp::copy,
                    .shape = shape,
                    .operand_count = 1,
                    .operands = {a, -1, -1}});
}

constexpr int reshape(Graph& g, int a, const Shape& shape) {
  const Node operand = g.nodes.data[a];
  if (operand.shape.count() != shape.count()) throw Error("reshape: the number of elements changes");
  if (operand.shape == shape) return a;
  return g.add(Node{.op = Op::reshape,
                    .element = operand.element,
                    .batched = operand.batched,
                    .shape = shape,
                    .operand_count = 1,
                    .operands = {a, -1, -1}});
}

/// Axis i of the result is axis `axes[i]` of the operand.
constexpr int transpose(Graph& g, int a, const int (&axes)[max_rank]) {
  const Node operand = g.nodes.data[a];
  Node node{.op = Op::transpose,
            .element = operand.element,
            .batched = operand.batched,
            .shape = operand.shape,
            .operand_count = 1,
            .operands = {a, -1, -1}};
  for (int i = 0; i < operand.shape.rank; ++i) {
    node.index |= axes[i] << (4 * i);
    node.shape.extents[i] = operand.shape.extents[axes[i]];
  }
  return g.add(node);
}

constexpr int transposed_axis(const Node& node, int i) { return node.index >> (4 * i) & 15; }

/// forward: a = x, b = w. data_gradient: a = dy, b = w. weight_gradient: a = x, b = dy. `shape` is the result's.
/// x: H x W x C, w: R x S x C/groups x K, y: P x Q x K.
constexpr int contraction(Graph& g, Mode mode, int a, int b, const Window& window, const Shape& shape) {
  const Node& na = g.nodes.data[a];
  const Node& nb = g.nodes.data[b];
  const Shape& x = mode == Mode::data_gradient ? shape : na.shape;
  const Shape& w = mode == Mode::weight_gradient ? shape : nb.shape;
  const Shape& y = mode == Mode::forward ? shape : mode == Mode::data_gradient ? na.shape : nb.shape;
  bool fits = x.rank == 3 && w.rank == 4 && y.rank == 3 && w.extents[0] == window.height &&
              w.extents[1] == window.width && w.extents[2] * window.groups == x.extents[2] &&
              w.extents[3] == y.extents[2] && w.extents[3] % window.groups == 0 &&
              y.extents[0] == window_output(x.extents[0], window.height, window.stride_h, window.pad_top,
                                            window.pad_bottom, window.dilation_h) &&
              y.extents[1] == window_output(x.extents[1], window.width, window.stride_w, window.pad_left,
                                            window.pad_right, window.dilation_w);
  if (!fits) throw Error("contraction: the shapes of x, w and y do not belong to this window");
  if (mode != Mode::weight_gradient && nb.batched) throw Error("contraction: weights can't differ by sample");
  bool batched = mode != Mode::weight_gradient && na.batched;
  return g.add(Node{.op = Op::contraction,
                    .batched = batched,
                    .over_batch = mode == Mode::weight_gradient && na.batched,
                    .mode = mode,
                    .shape = shape,
                    .window = window,
                    .operand_count = 2,
                    .operands = {a, b, -1}});
}

/// The matrix product of a (M x K) and b (K x N), or of a vector per sample (K) and b.
constexpr int matmul(Graph& g, int a, int b) {
  Shape sa = g.nodes.data[a].shape, sb = g.nodes.data[b].shape;
  if (sa.rank < 1 || sa.rank > 2 || sb.rank != 2 || sa.extents[sa.rank - 1] != sb.extents[0])
    throw Error("matmul: needs (M x K) or (K) times (K x N)");
  int m = sa.rank == 2 ? sa.extents[0] : 1, k = sb.extents[0], n = sb.extents[1];
  const int rows = reshape(g, a, shape_of(1, m, k)), weights = reshape(g, b, shape_of(1, 1, k, n));
  const int y = contraction(g, Mode::forward, rows, weights, Window{}, shape_of(1, m, n));
  return reshape(g, y, sa.rank == 2 ? shape_of(m, n) : shape_of(n));
}

/// The bits of the axes that are no channels.
constexpr int all_but_the_last(const Shape& shape) { return shape.rank > 0 ? (1 << (shape.rank - 1)) - 1 : 0; }

/// Over the axes whose bit is set (bit i: axis i) and, if asked, over the batch. Reduced axes keep extent 1.
constexpr int reduce(Graph& g, ReduceOp op, int a, int axes, bool over_batch = false) {
  const Node operand = g.nodes.data[a];
  over_batch = over_batch && operand.batched;
  if (op == ReduceOp::squared_deviations && !(over_batch && axes == all_but_the_last(operand.shape)))
    throw Error("squared_deviations: runs over the batch and all axes but the last");
  Node node{.op = Op::reduction,
            .batched = operand.batched && !over_batch,
            .over_batch = over_batch,
            .reduce = op,
            .index = axes,
            .shape = operand.shape,
            .operand_count = 1,
            .operands = {a, -1, -1}};
  for (int i = 0; i < node.shape.rank; ++i)
    if (axes >> i & 1) node.shape.extents[i] = 1;
  return g.add(node);
}

/// What is summed by channel, divided by the number of elements of `a` in a channel, over the batch.
constexpr int divide_by_count(Graph& g, int sums, int a) {
  const Shape shape = g.nodes.data[a].shape;
  const int pixels = constant(g, static_cast<float>(shape.count() / shape.extents[shape.rank - 1]));
  return map(g, MapOp::divide, map(g, MapOp::divide, sums, pixels), batch_size(g));
}

/// The mean of each channel of `a` over the batch and all axes but the last, which keep extent 1.
constexpr int mean_of_channels(Graph& g, int a) {
  return divide_by_count(g, reduce(g, ReduceOp::sum, a, all_but_the_last(g.nodes.data[a].shape), true), a);
}

/// The variance of each channel, likewise (divided by the number of elements).
constexpr int variance_of_channels(Graph& g, int a) {
  const int axes = all_but_the_last(g.nodes.data[a].shape);
  return divide_by_count(g, reduce(g, ReduceOp::squared_deviations, a, axes, true), a);
}

/// Where in each window of x (H x W x C) its maximum lies; of equal elements, at the first. Padding has no part in it.
constexpr int max_index(Graph& g, int a, const Window& window) {
  const Node operand = g.nodes.data[a];
  const Shape& x = operand.shape;
  if (x.rank != 3) throw Error("max pooling: takes an image, height x width x channels");
  if (window.height * window.width > 256) throw Error("max pooling: a window of more than 256 elements");
  if (window.pad_top >= window.height || window.pad_left >= window.width || window.pad_bottom >= window.height ||
      window.pad_right >= window.width)
    throw Error("max pooling: a window that holds nothing but padding");
  const int p = window_output(x.extents[0], window.height, window.stride_h, window.pad_top, window.pad_bottom);
  const int q = window_output(x.extents[1], window.width, window.stride_w, window.pad_left, window.pad_right);
  if (p < 1 || q < 1) throw Error("max pooling: the window does not fit into the image");
  const Shape pooled = shape_of(p, q, x.extents[2]);
  return g.add(Node{.op = Op::max_index,
                    .element = Element::u8,
                    .batched = operand.batched,
                    .shape = pooled,
                    .window = window,
                    .operand_count = 1,
                    .operands = {a, -1, -1}});
}

/// The elements of x that `index` (from max_index) names.
constexpr int gather(Graph& g, int x, int index) {
  const Node& at = g.nodes.data[index];
  return g.add(Node{.op = Op::gather,
                    .batched = at.batched || g.nodes.data[x].batched,
                    .shape = at.shape,
                    .window = at.window,
                    .operand_count = 2,
                    .operands = {x, index, -1}});
}

/// At each position of the image the sum of `d` over the windows whose `index` names it: the transpose of gather.
constexpr int scatter(Graph& g, int d, int index) {
  const Node at = g.nodes.data[index];
  d = broadcast_to(g, d, at.shape, at.batched || g.nodes.data[d].batched);
  const Shape shape = g.nodes.data[at.operands[0]].shape;
  return g.add(Node{.op = Op::scatter,
                    .batched = at.batched || g.nodes.data[d].batched,
                    .shape = shape,
                    .window = at.window,
                    .operand_count = 2,
                    .operands = {d, index, -1}});
}

/// Random numbers of a sample: in [0, 1), or whole numbers below `below` if that is not 0. `number` tells the random
/// nodes of a graph apart; the keys are shared numbers (see core/random.hpp).
constexpr int random(Graph& g, const Shape& shape, int number, int below, int key0, int key1) {
  const Node &a = g.nodes.data[key0], &b = g.nodes.data[key1];
  if (a.batched || b.batched || a.shape.count() != 1 || b.shape.count() != 1)
    throw Error("random: a key must be one number, shared by the samples");
  return g.add(Node{.op = Op::random,
                    .batched = true,
                    .index = number,
                    .value = static_cast<float>(below),
                    .shape = shape,
                    .operand_count = 2,
                    .operands = {key0, key1, -1}});
}

/// Channels `first`, `first` + 1, ... of x, `count` of them; 0 for those that x does not have. The last axis is that of
/// the channels.
constexpr int channels(Graph& g, int x, int first, int count) {
  Node node = g.nodes.data[x];
  if (node.shape.rank < 1 || count < 1) throw Error("channels: needs an axis, and takes at least one channel of it");
  int& extent = node.shape.extents[node.shape.rank - 1];
  if (first == 0 && count == extent) return x;
  extent = count;
  return g.add(Node{.op = Op::channels,
                    .batched = node.batched,
                    .index = first,
                    .shape = node.shape,
                    .operand_count = 1,
                    .operands = {x, -1, -1}});
}

/// x (H x W x C) at other pixels: y[h, w, c] = x[row, column, c], 0 outside of x. `row` and `column` hold whole
/// numbers; both have one channel, and broadcast to the shape of the result.
constexpr int lookup(Graph& g, int x, int row, int column) {
  const Node &image = g.nodes.data[x], &r = g.nodes.data[row], &c = g.nodes.data[column];
  const Broadcast both = broadcast(r.shape, c.shape);
  if (image.shape.rank != 3 || r.shape.rank != 3 || c.shape.rank != 3 || !both.fits || both.shape.extents[2] != 1)
    throw Error("lookup: needs an image, and rows and columns of one channel that broadcast");
  return g.add(Node{.op = Op::lookup,
                    .batched = image.batched || r.batched || c.batched,
                    .shape = shape_of(both.shape.extents[0], both.shape.extents[1], image.shape.extents[2]),
                    .operand_count = 3,
                    .operands = {x, row, column}});
}

}  // namespace inlay::build
