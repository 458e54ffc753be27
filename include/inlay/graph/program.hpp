// The finished Program: a plan as one constant, in arrays of exactly its size. This is the only constant that
// executors and `lower` read. `Program<Source>` runs the passes on the graph that `Source::make()` builds, each
// pass a constant of its own, because compilers bound the work of one evaluation.
#pragma once

#include <inlay/graph/freeze.hpp>
#include <inlay/graph/fuse.hpp>
#include <inlay/graph/memory.hpp>
#include <inlay/graph/narrow.hpp>
#include <inlay/graph/simplify.hpp>

namespace inlay {

namespace detail {

/// The passes that do not ask how values are stored.
template <class Source>
struct GroupedProgram {
  static constexpr auto graph = freeze<Source>();

 private:
  struct Simplified {
    static constexpr Graph make() { return simplify(thaw(graph)); }
  };
  static constexpr GraphSizes unsimplified{graph.nodes.size, graph.inputs.size, graph.parameters.size,
                                           graph.outputs.size};

 public:
  static constexpr auto simplified = freeze<Simplified, unsimplified>();

 private:
  struct Grouped {
    static constexpr Grouping make() { return group(thaw(simplified)); }
  };
  static constexpr int nodes = simplified.nodes.size;
  static constexpr GroupingSizes likely{.copies = 8,
                                        .outputs = simplified.outputs.size,
                                        .roles = nodes + 8,
                                        .stages = nodes / 6 + 16,
                                        .launches = nodes / 6 + 16,
                                        .members = nodes + 8};

 public:
  static constexpr auto grouped = freeze<Grouped, likely>();
};

template <class P>
struct AllSteps {
  static constexpr int first = 0, size = P::plan.steps.size;
  static constexpr const auto& steps = P::plan.steps;
};
template <class Part, int First, int Count>
consteval auto steps_of() {
  Fixed<Step, Count> some;
  for (int i = 0; i < Count; ++i) some.data[i] = Part::steps.data[First - Part::first + i];
  return some;
}
/// Steps First, ..., First + Count - 1 of a part of a plan.
template <class Part, int First, int Count>
struct Steps {
  static constexpr int first = First, size = Count;
  static constexpr auto steps = steps_of<Part, First, Count>();
};
/// The half of a half of a half ... of the plan that has these steps, or all of it.
template <class Part, int First, int Count>
consteval auto part_of() {
  constexpr int middle = Part::first + Part::size / 2, end = Part::first + Part::size;
  if constexpr (Part::size < 256) return Part{};
  else if constexpr (First + Count <= middle)
    return part_of<Steps<Part, Part::first, middle - Part::first>, First, Count>();
  else if constexpr (First >= middle) return part_of<Steps<Part, middle, end - middle>, First, Count>();
  else return Part{};
}

}  // namespace detail

/// All passes over the graph of `Source` (a type with `static constexpr Graph make()`). `Stored`: how images and
/// features of a batch lie in memory between launches: f32, or which of them bf16 or f16 (narrow.hpp).
template <class Source, Element Stored = Element::f32>
struct Program : detail::GroupedProgram<Source> {
  static constexpr Element stored = Stored;

 private:
  using Passes = detail::GroupedProgram<Source>;
  struct Planned {
    static constexpr Plan make() {
      Graph graph = thaw(Passes::simplified);
      if constexpr (Stored != Element::f32) narrow(graph, Stored);
      return memory(emit(graph, thaw(Passes::grouped)));
    }
  };
  static constexpr int nodes = Passes::simplified.nodes.size + Passes::grouped.copies.size;
  static constexpr PlanSizes likely{.nodes = nodes,
                                    .stages = Passes::grouped.stages.size,
                                    .launches = Passes::grouped.launches.size,
                                    .steps = 2 * nodes + 16,
                                    .members = Passes::grouped.members.size,
                                    .bindings = nodes + 16,
                                    .values = nodes + 16,
                                    .outputs = Passes::grouped.outputs.size,
                                    .inputs = Passes::graph.inputs.size,
                                    .parameters = Passes::graph.parameters.size};

 public:
  static constexpr auto plan = freeze<Planned, likely>();

  // What kernel types are made of, in small constants: nvcc's front end copies a constant as a whole wherever an
  // element of it is read or is a template argument.
  static constexpr auto launches = plan.launches;
  static constexpr auto stages = plan.stages;
  /// The root of each stage.
  static constexpr auto roots = [] {
    Fixed<Node, plan.stages.size> nodes;
    for (int s = 0; s < plan.stages.size; ++s) nodes.data[s] = plan.nodes.data[plan.stages.data[s].root];
    return nodes;
  }();
  /// Steps First, ..., First + Count - 1.
  template <int First, int Count>
  static constexpr auto steps =
      detail::Steps<decltype(detail::part_of<detail::AllSteps<Program>, First, Count>()), First, Count>::steps;
};

}  // namespace inlay
