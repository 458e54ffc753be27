// Assignment of a formula: its type becomes one Program, which runs on the leaves that the value points at. The
// result is written where it belongs by the kernel that computes it. Where the destination is also a leaf, a formula
// whose elements depend on their own coordinate only runs in place; any other goes by way of a copy.
#pragma once

#include <inlay/expr/expression.hpp>
#include <inlay/expr/run.hpp>
#include <inlay/graph/program.hpp>

#include <cstdint>
#include <vector>

namespace inlay::expr {

namespace detail {

/// Has a value its kernel's store write it where it belongs (as a parameter's next value), if a map computes it;
/// other values are outputs, which the run copies.
constexpr void add_output(Graph& g, int node) {
  int base = node;
  while (g.nodes.data[base].op == Op::reshape) base = g.nodes.data[base].operands[0];
  if (g.nodes.data[base].op != Op::map) {
    g.outputs.push(Output{node, -1});
    return;
  }
  const int parameter = g.parameters.push(Parameter{.shape = g.nodes.data[node].shape});
  g.outputs.push(Output{node, parameter});
}

}  // namespace detail

/// The graph of a formula type: leaf i is input i, the result output 0.
template <class E>
struct Source {
  static constexpr Graph make() {
    Tracer tracer;
    const int result = E::trace(tracer).node;
    detail::add_output(tracer.graph, result);
    return tracer.graph;
  }
};

/// The program that assigns a formula: program_of<decltype(relu(matmul(a, w) + b))>::plan.launches.size == 1.
template <class E>
using program_of = Program<Source<node_t<E>>>;

namespace detail {

/// Does every element of the result depend on elements at its own position only, of operands as large as itself?
template <class FrozenPlan>
constexpr bool runs_in_place(const FrozenPlan& p) {
  if (p.launches.size != 1 || p.stages.size != 1) return false;
  const Stage& stage = p.stages.data[0];
  if (stage.kind != StageKind::elementwise || p.outputs.size != 0) return false;
  for (int i = stage.main.first; i < stage.main.first + stage.main.count; ++i) {
    const Step& step = p.steps.data[i];
    if (step.kind == StepKind::scatter || step.kind == StepKind::gather || step.kind == StepKind::lookup ||
        step.kind == StepKind::channels)
      return false;
    if (step.kind != StepKind::load) continue;
    const Value& value = p.values.data[p.bindings.data[p.launches.data[0].bindings.first + step.slot]];
    if (value.count != stage.domain.count()) continue;  // not the destination as a whole
    int stride = 1;
    for (int axis = max_rank - 1; axis >= 0; --axis) {
      if (stage.domain.extents[axis] != 1 && step.strides[axis] != stride) return false;
      stride *= stage.domain.extents[axis];
    }
  }
  return true;
}

template <class E>
struct Leaves {
  const void* data[E::leaf_count];
};

template <class E>
Leaves<E> leaves_of(const E& formula) {
  Leaves<E> leaves;
  int number = 0;
  auto collect = [&](const auto& leaf, int i) {
    if constexpr (requires { leaf.data; }) leaves.data[i] = leaf.data;
    else leaves.data[i] = &leaf.value;
  };
  formula.visit(collect, number);
  return leaves;
}

/// Would a formula that is evaluated into `destination` read elements that it has written? Not those of a leaf that is
/// the destination as a whole, if it runs in place.
template <class E>
bool writes_what_it_reads(const Leaves<E>& leaves, const float* destination) {
  constexpr auto& plan = program_of<E>::plan;
  constexpr bool in_place = runs_in_place(plan);
  const auto first = reinterpret_cast<std::uintptr_t>(destination), end = first + 4 * E::Result::size();
  for (int i = 0; i < E::leaf_count; ++i) {
    const auto leaf = reinterpret_cast<std::uintptr_t>(leaves.data[i]);
    const auto leaf_end =
        leaf + static_cast<std::uintptr_t>(bytes_of(plan.inputs.data[i].element, plan.inputs.data[i].shape.count()));
    const bool is_destination = leaf == first && leaf_end == end;
    if (leaf < end && first < leaf_end && !(in_place && is_destination)) return true;
  }
  return false;
}

}  // namespace detail

/// Evaluates a formula into memory for as many floats as it has elements, which may be that of its own leaves, or share
/// some with them: all are read as they were before.
template <Node E>
void assign(float* destination, const E& formula) {
  using P = program_of<E>;
  const detail::Leaves<E> leaves = detail::leaves_of(formula);
  if (detail::writes_what_it_reads<E>(leaves, destination)) {
    thread_local std::vector<float> copy(static_cast<std::size_t>(E::Result::size()));
    float* const to[] = {copy.data()};
    run<P>(leaves.data, to);
    for (std::size_t i = 0; i < copy.size(); ++i) destination[i] = copy[i];
  } else {
    float* const to[] = {destination};
    run<P>(leaves.data, to);
  }
}

/// The value of a formula of one element.
template <Operand E>
float value(E&& formula) {
  static_assert(result_t<E>::size() == 1, "value() takes a formula of one element");
  float result = 0;
  assign(&result, node(std::forward<E>(formula)));
  return result;
}

}  // namespace inlay::expr
