// Random graphs over the whole vocabulary of primitives, from a seed, with inputs and parameters to run them on:
// passes are tested by what they must not change.
#pragma once

#include <inlay/graph/gradient.hpp>
#include <inlay/reference/interpreter.hpp>
#include <random>
#include <vector>

namespace inlay::test {

/// A graph and something to run it on.
struct Problem {
  Graph graph;
  std::vector<reference::Values> inputs, parameters;
};

class RandomGraph {
 public:
  explicit RandomGraph(unsigned seed) : engine(seed) {}

  /// `operations` random primitives; then, as it comes, outputs, gradients, updates, gradients of gradients.
  Graph make(int operations) {
    leaves();
    for (int i = 0; i < operations; ++i) operation();
    finish();
    return g;
  }

  /// Values for the graph's inputs and parameters: bytes and small integers where the element says so, else in (-1,
  /// 1).
  static Problem problem(Graph graph, int samples, unsigned seed) {
    std::mt19937 engine(seed + 1000);
    auto fill = [&](std::int64_t count, Element element) {
      reference::Values v(static_cast<std::size_t>(count));
      for (double& x : v) {
        const double u = static_cast<double>(engine()) / 4294967296.0;
        x = element == Element::u8 ? std::floor(u * 256) : element == Element::i32 ? std::floor(u * 3) : 2 * u - 1;
      }
      return v;
    };
    Problem p;
    for (const Input& input : graph.inputs)
      p.inputs.push_back(fill(input.shape.count() * (input.batched ? samples : 1), input.element));
    for (const Parameter& parameter : graph.parameters)
      p.parameters.push_back(fill(parameter.shape.count(), Element::f32));
    p.graph = std::move(graph);
    return p;
  }

 private:
  std::mt19937 engine;
  Graph g;

  int below(int n) { return static_cast<int>(engine() % static_cast<unsigned>(n)); }
  bool chance(int percent) { return below(100) < percent; }
  const Node& at(int i) const { return g.nodes.data[i]; }
  const Shape& shape(int i) const { return at(i).shape; }

  int any() {  // the latest are the likeliest
    const int n = g.nodes.size;
    return chance(50) && n > 8 ? n - 1 - below(8) : below(n);
  }
  /// A node that satisfies `fits`, or -1.
  template <class F>
  int find(F fits) {
    for (int tries = 0; tries < 40; ++tries)
      if (const int i = any(); fits(i)) return i;
    return -1;
  }

  int parameter(const Shape& shape) {
    Parameter p{.shape = shape};
    p.name.append("p");
    p.name.append(g.parameters.size);
    return build::parameter(g, p);
  }

  void leaves() {
    build::input(g, shape_of(4, 6, 2));
    const int bytes = build::input(g, shape_of(4, 4, 3), Element::u8);
    build::map(g, MapOp::multiply, bytes, build::constant(g, 1.0f / 255));
    build::input(g, shape_of(5));
    build::input(g, Shape{}, Element::f32, false);
    build::input(g, shape_of(3, 4), Element::f32, false);
    parameter(shape_of(2));
    parameter(shape_of(3, 4));
    parameter(shape_of(4, 6, 2));
  }

  int unary(MapOp op, int a) { return build::map(g, op, a); }
  int binary(MapOp op, int a, int b) { return build::map(g, op, a, b); }
  int one_plus_square(int a) { return binary(MapOp::add, binary(MapOp::multiply, a, a), build::constant(g, 1)); }
  int relu(int a) { return binary(MapOp::maximum, a, build::constant(g, 0)); }

  void operation() {
    switch (below(19)) {
      case 0: return map_of_one();
      case 1:
      case 2:
      case 3: return map_of_two();
      case 4: return select();
      case 5:
      case 6: return reduction();
      case 7: return reshape();
      case 8: return transpose();
      case 9:
      case 10: return convolution();
      case 11: return transposed_convolution();
      case 12: return matmul();
      case 13: return pooling();
      case 14: return outer_product();
      case 15: random(); return;
      case 16: return lookup();
      case 17: return channels();
      default: return leaf();
    }
  }

  void map_of_one() {
    const int a = any();
    switch (below(10)) {
      case 0: unary(MapOp::negate, a); return;
      case 1: unary(MapOp::absolute, a); return;
      case 2: unary(MapOp::exp, unary(MapOp::tanh, a)); return;
      case 3: unary(MapOp::log, one_plus_square(a)); return;
      case 4: unary(MapOp::sqrt, one_plus_square(a)); return;
      case 5: unary(MapOp::tanh, a); return;
      case 6: unary(MapOp::erf, a); return;
      case 7: unary(MapOp::stop_gradient, a); return;
      case 8: unary(MapOp::is_finite, a); return;
      default: relu(a);
    }
  }

  int partner(int a) {
    return find([&](int b) {
      const Broadcast both = broadcast(shape(a), shape(b));
      return both.fits && both.shape.count() <= 400;
    });
  }

  void map_of_two() {
    const int a = any(), b = partner(a);
    if (b < 0) return;
    switch (below(8)) {
      case 0: binary(MapOp::subtract, a, b); return;
      case 1: binary(MapOp::multiply, a, unary(MapOp::tanh, b)); return;
      case 2: binary(MapOp::divide, a, one_plus_square(b)); return;
      case 3: binary(MapOp::maximum, a, b); return;
      case 4: binary(MapOp::minimum, a, b); return;
      case 5: binary(chance(50) ? MapOp::equal : MapOp::greater, a, b); return;
      default: binary(MapOp::add, a, b);
    }
  }

  void select() {
    const int a = any(), b = partner(a), c = b < 0 ? -1 : partner(a);
    if (c < 0 || !broadcast(shape(b), shape(c)).fits) return;
    const Broadcast ab = broadcast(shape(a), shape(b));
    if (!broadcast(ab.shape, shape(c)).fits) return;
    build::map(g, MapOp::select, binary(MapOp::greater, a, build::constant(g, 0.1f)), b, c);
  }

  void reduction() {
    const int a = any();
    const ReduceOp op = chance(60) ? ReduceOp::sum : chance(70) ? ReduceOp::max : ReduceOp::argmax;
    const int axes = below(1 << shape(a).rank);
    const int r = build::reduce(g, op, a, axes, op == ReduceOp::sum && chance(25));
    if (op == ReduceOp::sum) binary(MapOp::multiply, r, build::constant(g, 0.1f));
  }

  void reshape() {
    const int a = find([&](int i) { return shape(i).rank > 0; });
    if (a < 0) return;
    const int n = static_cast<int>(shape(a).count());
    const int first = n % 3 == 0 ? 3 : n % 2 == 0 ? 2 : 1;
    switch (below(4)) {
      case 0: build::reshape(g, a, shape_of(n)); return;
      case 1: build::reshape(g, a, shape_of(1, 1, n)); return;
      case 2: build::reshape(g, a, shape_of(first, n / first)); return;
      default: build::reshape(g, a, shape_of(n / first, 1, first));
    }
  }

  void transpose() {
    const int a = find([&](int i) { return shape(i).rank >= 2 && shape(i).rank <= 3; });
    if (a < 0) return;
    if (shape(a).rank == 2) build::transpose(g, a, {1, 0, 2, 3});
    else if (chance(50)) build::transpose(g, a, {1, 2, 0, 3});
    else build::transpose(g, a, {1, 0, 2, 3});
  }

  Window window(bool may_group, int channels) {
    Window w{.height = 1 + below(3),
             .width = 1 + below(3),
             .stride_h = 1 + below(2),
             .stride_w = 1 + below(2),
             .pad_top = below(2),
             .pad_left = below(2),
             .pad_bottom = below(2),
             .pad_right = below(2)};
    if (chance(20)) w.dilation_h = 2;
    if (chance(20)) w.dilation_w = 2;
    if (may_group && channels % 2 == 0 && chance(30)) w.groups = 2;
    return w;
  }
  int image() {
    return find([&](int i) {
      return shape(i).rank == 3 && shape(i).extents[0] * shape(i).extents[1] <= 64 && shape(i).extents[2] <= 12;
    });
  }

  /// Weights of this shape: a parameter, or computed.
  int weights(const Shape& s) {
    const int w = parameter(s);
    return chance(70) ? w : binary(MapOp::multiply, w, build::constant(g, 0.5f));
  }

  int convolution_of(int x, const Window& w, int& kernel) {
    const Shape s = shape(x);
    const int p = window_output(s.extents[0], w.height, w.stride_h, w.pad_top, w.pad_bottom, w.dilation_h);
    const int q = window_output(s.extents[1], w.width, w.stride_w, w.pad_left, w.pad_right, w.dilation_w);
    if (s.extents[0] + w.pad_top + w.pad_bottom < (w.height - 1) * w.dilation_h + 1 ||
        s.extents[1] + w.pad_left + w.pad_right < (w.width - 1) * w.dilation_w + 1)
      return -1;
    const int k = w.groups * (1 + below(2));
    kernel = weights(shape_of(w.height, w.width, s.extents[2] / w.groups, k));
    return build::contraction(g, Mode::forward, x, kernel, w, shape_of(p, q, k));
  }

  void convolution() {
    const int x = image();
    if (x < 0) return;
    int kernel = -1;
    const Window w = window(true, shape(x).extents[2]);
    int y = convolution_of(x, w, kernel);
    if (y < 0) return;
    if (chance(60)) y = binary(MapOp::add, y, parameter(shape_of(shape(y).extents[2])));
    if (chance(60)) y = relu(y);
    if (chance(40)) pool(y);
  }

  void transposed_convolution() {
    const int d = image();
    if (d < 0) return;
    const Shape s = shape(d);
    Window w = window(false, 0);
    const int h = (s.extents[0] - 1) * w.stride_h + (w.height - 1) * w.dilation_h + 1 - w.pad_top - w.pad_bottom;
    const int q = (s.extents[1] - 1) * w.stride_w + (w.width - 1) * w.dilation_w + 1 - w.pad_left - w.pad_right;
    if (h < 1 || q < 1) return;
    const int c = 1 + below(3);
    build::contraction(g, Mode::data_gradient, d, weights(shape_of(w.height, w.width, c, s.extents[2])), w,
                       shape_of(h, q, c));
  }

  /// A weight gradient of a convolution, as a value of its own.
  void outer_product() {
    const int x = image();
    if (x < 0) return;
    int kernel = -1;
    const Window w = window(true, shape(x).extents[2]);
    const int y = convolution_of(x, w, kernel);
    if (y < 0) return;
    const int d = unary(MapOp::tanh, y);
    const int product = build::contraction(g, Mode::weight_gradient, x, d, w, shape(kernel));
    binary(MapOp::multiply, product, build::constant(g, 0.1f));
    if (chance(50)) build::reduce(g, ReduceOp::sum, d, 3, true);
  }

  void matmul() {
    const int a = find(
        [&](int i) { return shape(i).rank >= 1 && shape(i).rank <= 2 && shape(i).extents[shape(i).rank - 1] <= 64; });
    if (a < 0) return;
    const int k = shape(a).extents[shape(a).rank - 1];
    const int b = find([&](int i) { return !at(i).batched && shape(i).rank == 2 && shape(i).extents[0] == k; });
    build::matmul(g, a, b >= 0 && chance(50) ? b : weights(shape_of(k, 1 + below(4))));
  }

  void pooling() {
    if (const int x = image(); x >= 0) pool(x);
  }
  void pool(int x) {
    const Shape s = shape(x);
    Window w{};
    w.height = s.extents[0] % 2 == 0 ? 2 : 1;
    w.width = s.extents[1] % 3 == 0 && chance(50) ? 3 : s.extents[1] % 2 == 0 ? 2 : 1;
    if (w.height * w.width == 1) return;
    w.stride_h = w.height;
    w.stride_w = w.width;
    const int index = build::max_index(g, x, w);
    const int p = build::gather(g, x, index);
    if (chance(30)) relu(p);
    if (chance(30)) build::scatter(g, chance(50) ? p : unary(MapOp::tanh, p), index);
  }

  int random() {
    const int key = find([&](int i) { return !at(i).batched && shape(i).count() == 1; });
    const int like = any();
    if (key < 0) return build::constant(g, 0);
    return build::random(g, chance(50) ? shape(like) : Shape{}, g.nodes.size, chance(50) ? 0 : 3, key,
                         build::constant(g, 0.5f));
  }

  void lookup() {
    const int x = image();
    if (x < 0) return;
    const int h = shape(x).extents[0], w = shape(x).extents[1];
    const int shift = binary(MapOp::subtract, random(), build::constant(g, 1));
    const int rows = build::iota(g, shape_of(h, 1, 1), 0),
              columns = build::iota(g, shape_of(chance(50) ? 1 : h, w, 1), 1);
    const bool shifted = shape(shift).count() == 1 && shape(shift).rank <= 3;
    const int row = shifted ? binary(MapOp::add, rows, shift) : rows;
    const int column =
        chance(50) ? columns : binary(MapOp::subtract, build::constant(g, static_cast<float>(w)), columns);
    const int y = build::lookup(g, unary(MapOp::stop_gradient, x), row, column);
    if (chance(50)) binary(MapOp::multiply, y, build::constant(g, 0.5f));
  }

  /// A slice, a padding or a mixture of both; or two values side by side.
  void channels() {
    const int a = find([&](int i) { return shape(i).rank > 0 && shape(i).extents[shape(i).rank - 1] <= 12; });
    if (a < 0) return;
    const int rank = shape(a).rank, of_a = shape(a).extents[rank - 1];
    const int b = find([&](int i) {
      return shape(i).rank == rank && shape(i).count() * of_a == shape(a).count() * shape(i).extents[rank - 1];
    });
    if (b < 0 || chance(50)) {
      build::channels(g, a, below(2 * of_a) - of_a, 1 + below(of_a + 2));
      return;
    }
    const int both = of_a + shape(b).extents[rank - 1];
    for (int axis = 0; axis + 1 < rank; ++axis)
      if (shape(a).extents[axis] != shape(b).extents[axis]) return;
    binary(MapOp::add, build::channels(g, a, 0, both), build::channels(g, b, -of_a, both));
  }

  void leaf() {
    switch (below(3)) {
      case 0: build::constant(g, 0.25f * static_cast<float>(below(9) - 4)); return;
      case 1: build::batch_size(g); return;
      default: {
        const int a = any();
        if (shape(a).rank > 0) binary(MapOp::add, a, build::iota(g, shape(a), below(shape(a).rank)));
      }
    }
  }

  /// The sum over the batch of a squashed combination of late nodes.
  int loss() {
    int total = build::constant(g, 0);
    const int count = g.nodes.size;
    for (int i = 0; i < 4; ++i) {
      const int node = count - 1 - below(count > 24 ? 24 : count);
      const int squashed = unary(MapOp::tanh, node);
      int s = build::reduce(g, ReduceOp::sum, squashed, (1 << shape(node).rank) - 1, true);
      s = build::reshape(g, s, Shape{});
      total = binary(MapOp::add, total, s);
    }
    return total;
  }

  List<int> parameters_above(int first) const {
    List<int> found;
    for (int i = 0; i < g.nodes.size; ++i)
      if (at(i).op == Op::parameter && at(i).index >= first) found.push(i);
    return found;
  }

  void finish() {
    for (int i = 0; i < 3; ++i) g.outputs.push({any()});
    if (chance(20)) return;
    const int l = loss();
    g.outputs.push({l});
    const List<int> parameters = parameters_above(0);
    const List<int> gradients = gradient(g, l, parameters);
    const int rate = build::constant(g, 0.125f);
    const bool momentum = chance(50);
    for (int i = 0; i < parameters.size; ++i) {
      const int p = parameters.data[i];
      if (chance(20)) {  // a gradient handed out; the parameter stays
        g.outputs.push({gradients.data[i]});
        continue;
      }
      int step = gradients.data[i];
      if (momentum) {
        const int kept = parameter(shape(p));
        step = binary(MapOp::add, step, binary(MapOp::multiply, kept, build::constant(g, 0.5f)));
        g.outputs.push({step, at(kept).index});
      }
      g.outputs.push({binary(MapOp::subtract, p, binary(MapOp::multiply, rate, step)), at(p).index});
    }
    if (!chance(30)) return;
    int squares = build::constant(g, 0);  // the gradient of the gradient's squared length
    for (int d : gradients) {
      int s = build::reduce(g, ReduceOp::sum, binary(MapOp::multiply, d, d), (1 << shape(d).rank) - 1);
      squares = binary(MapOp::add, squares, build::reshape(g, s, Shape{}));
    }
    const List<int> second = gradient(g, squares, parameters);
    for (int i = 0; i < second.size && i < 3; ++i) g.outputs.push({second.data[i]});
  }
};

}  // namespace inlay::test
