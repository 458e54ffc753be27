// What the gradient pass adds to a graph. That its values are right is tested in reference/gradients.cpp.
#include <doctest/doctest.h>

#include <utility>

#include "nets.hpp"

using namespace inlay;
using namespace inlay::build;

namespace {

constexpr int total(Graph& g, int x) {
  return reshape(g, reduce(g, ReduceOp::sum, x, (1 << g.nodes.data[x].shape.rank) - 1, true), Shape{});
}
constexpr List<int> only(int node) {
  List<int> list;
  list.push(node);
  return list;
}
constexpr int count(const Graph& g, Op op, int first = 0) {
  int n = 0;
  for (int i = first; i < g.nodes.size; ++i) n += g.nodes.data[i].op == op;
  return n;
}

}  // namespace

TEST_CASE("a gradient has the shape of what it belongs to") {
  constexpr bool fits = [] {
    Graph g = Inference<test::SqueezeExciteNet>::make();
    List<int> parameters;
    for (int i = 0; i < g.nodes.size; ++i)
      if (g.nodes.data[i].op == Op::parameter) parameters.push(i);
    const List<int> d = gradient(g, total(g, g.outputs.data[0].node), parameters);
    for (int i = 0; i < d.size; ++i) {
      const Node &a = g.nodes.data[d.data[i]], &b = g.nodes.data[parameters.data[i]];
      if (!(a.shape == b.shape) || a.batched != b.batched) return false;
    }
    return true;
  }();
  static_assert(fits);
}

TEST_CASE("the gradient of an input that nobody asks for is not computed") {
  constexpr int data_gradients = [] {
    const Graph g = test::Training<test::SmallSeed>::make();
    int n = 0;
    for (const Node& node : g.nodes) n += node.op == Op::contraction && node.mode == Mode::data_gradient;
    return n;
  }();
  static_assert(data_gradients == 4);  // five layers with weights; the first one reads the image
}

TEST_CASE("relu's derivative is a mask of its result, exp's is its result") {
  constexpr auto reads = [](MapOp op) {
    Graph g;
    const int x = input(g, shape_of(4));
    const int y = op == MapOp::maximum ? map(g, op, x, constant(g, 0)) : map(g, op, x);
    const int before = total(g, y);
    gradient(g, before, only(x));
    for (int i = before + 1; i < g.nodes.size; ++i)
      for (int k = 0; k < g.nodes.data[i].operand_count; ++k)
        if (g.nodes.data[i].operands[k] == x) return x;
    return y;
  };
  static_assert(reads(MapOp::maximum) != 0);
  static_assert(reads(MapOp::exp) != 0);
  static_assert(reads(MapOp::tanh) != 0);
  static_assert(reads(MapOp::sqrt) != 0);
}

TEST_CASE("a value used three times gets two additions") {
  constexpr int additions = [] {
    Graph g;
    const int x = input(g, shape_of(4));
    const int thrice =
        map(g, MapOp::multiply, map(g, MapOp::exp, x), map(g, MapOp::subtract, map(g, MapOp::tanh, x), x));
    const int loss = total(g, thrice);
    gradient(g, loss, only(x));
    int n = 0;
    for (int i = loss + 1; i < g.nodes.size; ++i)
      n += g.nodes.data[i].op == Op::map && g.nodes.data[i].map == MapOp::add;
    return n;
  }();
  static_assert(additions == 2);
}

TEST_CASE("the gradient of a gradient is made of the same primitives") {
  constexpr auto contractions = [] {
    Graph g;
    const int x = input(g, shape_of(4, 4, 2)), w = parameter(g, Parameter{.shape = shape_of(3, 3, 2, 2)});
    const int y = contraction(g, Mode::forward, x, w, Window{.height = 3, .width = 3}, shape_of(2, 2, 2));
    const int d = gradient(g, total(g, map(g, MapOp::tanh, y)), only(w))[0];
    const int once = count(g, Op::contraction);
    gradient(g, total(g, map(g, MapOp::multiply, d, d)), only(w));
    return std::pair{once, count(g, Op::contraction)};
  }();
  static_assert(contractions.first == 2);
  static_assert(contractions.second == 4);
}

TEST_CASE("max pooling passes its gradient by scatter, and the other way round") {
  constexpr auto counts = [] {
    Graph g;
    const int x = input(g, shape_of(4, 4, 2));
    const int p = gather(g, x, max_index(g, x, Window{.height = 2, .width = 2, .stride_h = 2, .stride_w = 2}));
    const int d = gradient(g, total(g, map(g, MapOp::multiply, p, p)), only(x))[0];
    const int once = count(g, Op::scatter);
    gradient(g, total(g, map(g, MapOp::multiply, d, d)), only(x));
    return std::pair{once, count(g, Op::gather)};
  }();
  static_assert(counts.first == 1);
  static_assert(counts.second == 2);
}
