// Each rule of simplify, by the nodes that are left.
#include <doctest/doctest.h>

#include <inlay/graph/gradient.hpp>
#include <inlay/graph/simplify.hpp>

using namespace inlay;
using namespace inlay::build;

namespace {

/// The simplified graph of `make(graph, x, y)`, x and y being vectors of four for each sample.
template <class F>
constexpr Graph simplified(F make) {
  Graph g;
  const int x = input(g, shape_of(4)), y = input(g, shape_of(4));
  g.outputs.push({make(g, x, y)});
  return simplify(g);
}
constexpr const Node& result(const Graph& g) { return g.nodes.data[g.outputs.data[0].node]; }
template <class F>
constexpr bool becomes_x(F make) {
  const Graph g = simplified(make);
  return result(g).op == Op::input && result(g).index == 0 && g.nodes.size == 1;
}
constexpr int map_count(const Graph& g) {
  int n = 0;
  for (const Node& node : g.nodes) n += node.op == Op::map;
  return n;
}

}  // namespace

TEST_CASE("what changes nothing is removed") {
  static_assert(becomes_x([](Graph& g, int x, int) { return map(g, MapOp::multiply, x, constant(g, 1)); }));
  static_assert(becomes_x([](Graph& g, int x, int) { return map(g, MapOp::multiply, constant(g, 1), x); }));
  static_assert(becomes_x([](Graph& g, int x, int) { return map(g, MapOp::divide, x, constant(g, 1)); }));
  static_assert(becomes_x([](Graph& g, int x, int) { return map(g, MapOp::add, x, constant(g, 0)); }));
  static_assert(becomes_x([](Graph& g, int x, int) { return map(g, MapOp::add, constant(g, 0), x); }));
  static_assert(becomes_x([](Graph& g, int x, int) { return map(g, MapOp::subtract, x, constant(g, 0)); }));
  static_assert(becomes_x([](Graph& g, int x, int) { return map(g, MapOp::negate, map(g, MapOp::negate, x)); }));
  static_assert(becomes_x([](Graph& g, int x, int) { return map(g, MapOp::copy, x); }));
  static_assert(becomes_x([](Graph& g, int x, int) { return map(g, MapOp::stop_gradient, x); }));
  static_assert(becomes_x([](Graph& g, int x, int) { return reshape(g, reshape(g, x, shape_of(2, 2)), shape_of(4)); }));
}

TEST_CASE("what only looks like it stays") {
  static_assert(!becomes_x([](Graph& g, int x, int) { return map(g, MapOp::subtract, constant(g, 0), x); }));
  static_assert(!becomes_x([](Graph& g, int x, int) { return map(g, MapOp::divide, constant(g, 1), x); }));
  static_assert(!becomes_x([](Graph& g, int x, int) { return map(g, MapOp::multiply, x, constant(g, 2)); }));
}

TEST_CASE("a reshaped constant is a constant to the maps that read it") {
  constexpr bool folded = [] {
    Graph g;
    const int x = input(g, shape_of(3, 4));
    const int two = reshape(g, broadcast_to(g, constant(g, 2), shape_of(1, 1), false), Shape{});
    const int four = reshape(g, map(g, MapOp::multiply, two, constant(g, 2)), shape_of(1, 1));
    g.outputs.push({map(g, MapOp::multiply, x, broadcast_to(g, four, shape_of(3, 4), false))});
    const Graph simple = simplify(g);
    return simple.nodes.size == 3 && inlay::detail::is_constant(simple.nodes.data[result(simple).operands[1]], 4);
  }();
  static_assert(folded);
}

TEST_CASE("an identity that broadcasts becomes a broadcast") {
  constexpr Node node = [] {
    Graph g;
    const int ones = broadcast_to(g, constant(g, 1), shape_of(3, 4), false);
    g.outputs.push({map(g, MapOp::multiply, input(g, shape_of(4)), ones)});
    return result(simplify(g));
  }();
  static_assert(node.op == Op::map && node.map == MapOp::copy);
  static_assert(node.shape == shape_of(3, 4));
}

TEST_CASE("relu of relu is relu") {
  static_assert(map_count(simplified([](Graph& g, int x, int) {
                  const int zero = constant(g, 0);
                  return map(g, MapOp::maximum, map(g, MapOp::maximum, x, zero), zero);
                })) == 1);
}

TEST_CASE("equal nodes become one") {
  constexpr Graph (*make)() = [] {
    return simplified([](Graph& g, int x, int y) {
      const int a = map(g, MapOp::add, x, y), b = map(g, MapOp::add, x, y);
      return map(g, MapOp::multiply, map(g, MapOp::exp, a), map(g, MapOp::exp, b));
    });
  };
  static_assert(map_count(make()) == 3);
}

TEST_CASE("nodes that differ in any field stay two") {
  constexpr int windows = [] {
    Graph g;
    const int x = input(g, shape_of(4, 4, 1)), w = input(g, shape_of(1, 1, 1, 1), Element::f32, false);
    Window strided{.stride_h = 2, .stride_w = 2}, padded{.pad_top = 1, .pad_bottom = 1};
    g.outputs.push({contraction(g, Mode::forward, x, w, Window{}, shape_of(4, 4, 1))});
    g.outputs.push({contraction(g, Mode::forward, x, w, strided, shape_of(2, 2, 1))});
    g.outputs.push({contraction(g, Mode::forward, x, w, padded, shape_of(6, 4, 1))});
    g.outputs.push({reduce(g, ReduceOp::sum, x, 1)});
    g.outputs.push({reduce(g, ReduceOp::max, x, 1)});
    g.outputs.push({reduce(g, ReduceOp::sum, x, 2)});
    g.outputs.push({reduce(g, ReduceOp::sum, x, 2, true)});
    return simplify(g).nodes.size;
  }();
  static_assert(windows == 2 + 7);
}

TEST_CASE("arithmetic on constants is done") {
  constexpr Node node = result(simplified([](Graph& g, int, int) {
    const int six = map(g, MapOp::multiply, constant(g, 2), constant(g, 3));
    return map(g, MapOp::select, map(g, MapOp::greater, six, constant(g, 5)), map(g, MapOp::negate, six),
               constant(g, 0));
  }));
  static_assert(node.op == Op::constant && node.value == -6);
}

TEST_CASE("a division by zero is left to run time") {
  static_assert(result(simplified([](Graph& g, int, int) {
                  return map(g, MapOp::divide, constant(g, 1), constant(g, 0));
                })).op == Op::map);
}

TEST_CASE("what no output needs is dropped; inputs and parameters keep their numbers") {
  Graph g;
  input(g, shape_of(3));
  parameter(g, Parameter{.shape = shape_of(2)});
  const int x = input(g, shape_of(4));
  map(g, MapOp::exp, x);
  g.outputs.push({map(g, MapOp::log, x)});
  const Graph h = simplify(g);
  CHECK(h.nodes.size == 2);
  CHECK(h.inputs.size == 2);
  CHECK(h.parameters.size == 1);
  CHECK(h.nodes[0].index == 1);
}

TEST_CASE("the mask of ReLU moves before max pooling's scatter, so that only pooled values are read") {
  constexpr Graph (*make)() = [] {
    Graph g;
    const int a = map(g, MapOp::maximum, input(g, shape_of(4, 4, 2)), constant(g, 0));
    const int index = max_index(g, a, Window{.height = 2, .width = 2, .stride_h = 2, .stride_w = 2});
    const int spread = scatter(g, input(g, shape_of(2, 2, 2)), index);
    g.outputs.push({map(g, MapOp::select, map(g, MapOp::greater, a, constant(g, 0)), spread, constant(g, 0))});
    return simplify(g);
  };
  static_assert(result(make()).op == Op::scatter);
  constexpr bool only_pooled = [] {
    const Graph g = make();
    for (const Node& n : g.nodes)
      if (n.op == Op::map && n.map != MapOp::maximum && !(n.shape == shape_of(2, 2, 2))) return false;
    return true;
  }();
  static_assert(only_pooled);
}

TEST_CASE("simplifying twice is simplifying once") {
  Graph g;
  const int x = input(g, shape_of(4)), w = parameter(g, Parameter{.shape = shape_of(4, 4)});
  const int y = map(g, MapOp::maximum, matmul(g, x, w), constant(g, 0));
  const int loss = reshape(g, reduce(g, ReduceOp::sum, map(g, MapOp::multiply, y, y), 1, true), Shape{});
  List<int> leaves;
  leaves.push(w);
  g.outputs.push({gradient(g, loss, leaves)[0], 0});
  const Graph once = simplify(g), twice = simplify(once);
  REQUIRE(once.nodes.size == twice.nodes.size);
  for (int i = 0; i < once.nodes.size; ++i) CHECK(once.nodes[i] == twice.nodes[i]);
}

TEST_CASE("a factor that all terms share, and a sign, move out of a sum") {
  constexpr auto shape = [](auto make) {  // of the sum over samples and pixels of an image of 3 channels
    Graph g;
    const int x = input(g, shape_of(2, 2, 3)), c = input(g, shape_of(3), Element::f32, false);
    g.outputs.push({reduce(g, ReduceOp::sum, make(g, x, c), 0b011, true)});
    return simplify(g);
  };
  constexpr auto outside = [](const Graph& g, MapOp op) {
    const Node& y = result(g);
    return y.op == Op::map && y.map == op && y.shape == shape_of(1, 1, 3) && !y.batched &&
           g.nodes.data[y.operands[0]].op == Op::reduction;
  };
  static_assert(outside(shape([](Graph& g, int x, int c) { return map(g, MapOp::multiply, x, c); }), MapOp::multiply));
  static_assert(outside(shape([](Graph& g, int x, int) { return map(g, MapOp::negate, x); }), MapOp::negate));
  static_assert(result(shape([](Graph& g, int x, int) { return map(g, MapOp::multiply, x, x); })).op == Op::reduction);
  static_assert(result(shape([](Graph& g, int x, int c) { return map(g, MapOp::add, x, c); })).op == Op::reduction);
}

TEST_CASE("maps read through a reshape that only adds or drops ones in front") {
  constexpr auto nodes = [] {
    Graph g;
    const int x = input(g, shape_of(2, 2, 3)), c = input(g, shape_of(1, 1, 3), Element::f32, false);
    g.outputs.push({map(g, MapOp::add, x, reshape(g, c, shape_of(3)))});
    return simplify(g).nodes.size;
  };
  static_assert(nodes() == 3);
}
