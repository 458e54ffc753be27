// What an optimiser sees of one parameter while the training step is traced: the parameter, its gradient, run-time
// numbers, and state of its own. Shapes play no part in an update, so these expressions carry none in their type.
//
//   static constexpr void update(Update u) {            // plain SGD
//     u.assign(u.parameter() - u.number(0) * u.gradient());
//   }
#pragma once

#include <inlay/graph/symbol.hpp>

namespace inlay {

/// A node of any shape with arithmetic.
struct Expression {
  Graph* graph;
  int node;
};

namespace detail {
constexpr Expression map(MapOp op, Expression a) { return {a.graph, build::map(*a.graph, op, a.node)}; }
constexpr Expression map(MapOp op, Expression a, Expression b) {
  return {a.graph, build::map(*a.graph, op, a.node, b.node)};
}
}  // namespace detail

constexpr Expression operator+(Expression a, Expression b) { return detail::map(MapOp::add, a, b); }
constexpr Expression operator-(Expression a, Expression b) { return detail::map(MapOp::subtract, a, b); }
constexpr Expression operator*(Expression a, Expression b) { return detail::map(MapOp::multiply, a, b); }
constexpr Expression operator/(Expression a, Expression b) { return detail::map(MapOp::divide, a, b); }
constexpr Expression sqrt(Expression a) { return detail::map(MapOp::sqrt, a); }
constexpr Expression square(Expression a) { return a * a; }

/// A value that the optimiser keeps for each parameter, zero at first.
struct State {
  Expression value;
  int parameter;
};

class Update {
 public:
  constexpr Update(Tracer& tracer, int parameter_node, int gradient_node, int guard_node, const int* numbers)
      : t(tracer), p(parameter_node), g(gradient_node), guard(guard_node), hyper(numbers) {}

  constexpr Expression parameter() const { return {&t.graph, p}; }
  constexpr Expression gradient() const { return {&t.graph, g}; }
  /// The i-th of the numbers that the optimiser gives at each step.
  constexpr Expression number(int i) const { return {&t.graph, hyper[i]}; }

  constexpr State state(const char* name) {
    const int of = t.graph.nodes.data[p].index;
    Parameter kept = t.graph.parameters.data[of];
    kept.name.append(".");
    kept.name.append(name);
    kept.trainable = false;
    kept.initializer = Initializer::zeros;
    const int index = t.graph.parameters.size;
    return {{&t.graph, build::parameter(t.graph, kept)}, index};
  }

  constexpr void assign(Expression next) { write(t.graph.nodes.data[p].index, p, next); }
  constexpr void assign(const State& state, Expression next) { write(state.parameter, state.value.node, next); }

 private:
  Tracer& t;
  int p, g, guard;
  const int* hyper;

  /// Nothing changes in a step whose loss is not finite: the last good weights stay.
  constexpr void write(int parameter, int old, Expression next) {
    const int kept = build::map(t.graph, MapOp::select, guard, next.node, old);
    t.graph.outputs.push({kept, parameter});
  }
};

}  // namespace inlay
