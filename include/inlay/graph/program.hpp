// The finished Program: a plan as one constant, in arrays of exactly its size. This is the only constant that
// executors and `lower` read. `Program<Source>` runs the passes on the graph that `Source::make()` builds, each
// pass a constant of its own, because compilers bound the work of one evaluation.
#pragma once

#include <inlay/graph/fuse.hpp>
#include <inlay/graph/memory.hpp>
#include <inlay/graph/narrow.hpp>
#include <inlay/graph/simplify.hpp>

namespace inlay {

/// A fixed array that may be empty.
template <class T, int N>
struct Fixed {
  T data[N > 0 ? N : 1]{};
  static constexpr int size = N;
  constexpr const T& operator[](int i) const { return data[i]; }
  constexpr const T* begin() const { return data; }
  constexpr const T* end() const { return data + N; }
};

namespace detail {

struct PlanSizes {
  int nodes, stages, launches, steps, members, bindings, values, outputs, inputs, parameters;
};
constexpr PlanSizes sizes(const Plan& p) {
  return {p.nodes.size,    p.stages.size, p.launches.size, p.steps.size,  p.members.size,
          p.bindings.size, p.values.size, p.outputs.size,  p.inputs.size, p.parameters.size};
}
/// A constant of its own: a local one would be computed again within the evaluation that uses it.
template <class Source>
struct PlanSizesOf {
  static constexpr PlanSizes value = sizes(Source::make());
};
struct GroupingSizes {
  int copies, outputs, roles, stages, launches, members;
};
constexpr GroupingSizes sizes(const Grouping& g) {
  return {g.copies.size, g.outputs.size, g.roles.size, g.stages.size, g.launches.size, g.members.size};
}
template <class Source>
struct GroupingSizesOf {
  static constexpr GroupingSizes value = sizes(Source::make());
};
template <class T, int N>
constexpr List<T> thaw(const Fixed<T, N>& fixed) {
  List<T> list(N);
  for (int i = 0; i < N; ++i) list.data[i] = fixed.data[i];
  return list;
}
constexpr void copy_list(const auto& from, auto& to) {
  for (int i = 0; i < from.size; ++i) to.data[i] = from.data[i];
}

}  // namespace detail

/// A Plan in arrays of exactly its size; the fields are Plan's.
template <detail::PlanSizes S>
struct FrozenPlan {
  Fixed<Node, S.nodes> nodes;
  Fixed<Stage, S.stages> stages;
  Fixed<Launch, S.launches> launches;
  Fixed<Step, S.steps> steps;
  Fixed<int, S.members> members;
  Fixed<int, S.bindings> bindings;
  Fixed<Value, S.values> values;
  Fixed<PlanOutput, S.outputs> outputs;
  Fixed<Input, S.inputs> inputs;
  Fixed<Parameter, S.parameters> parameters;
  std::int64_t arena_bytes_per_sample = 0;
  std::int64_t arena_bytes_shared = 0;
  std::int64_t unplanned_bytes_per_sample = 0;
};

/// The plan that `Source::make()` builds, as a constant.
template <class Source>
consteval auto freeze_plan() {
  constexpr detail::PlanSizes sizes = detail::PlanSizesOf<Source>::value;
  FrozenPlan<sizes> frozen;
  const Plan plan = Source::make();
  detail::copy_list(plan.nodes, frozen.nodes);
  detail::copy_list(plan.stages, frozen.stages);
  detail::copy_list(plan.launches, frozen.launches);
  detail::copy_list(plan.steps, frozen.steps);
  detail::copy_list(plan.members, frozen.members);
  detail::copy_list(plan.bindings, frozen.bindings);
  detail::copy_list(plan.values, frozen.values);
  detail::copy_list(plan.outputs, frozen.outputs);
  detail::copy_list(plan.inputs, frozen.inputs);
  detail::copy_list(plan.parameters, frozen.parameters);
  frozen.arena_bytes_per_sample = plan.arena_bytes_per_sample;
  frozen.arena_bytes_shared = plan.arena_bytes_shared;
  frozen.unplanned_bytes_per_sample = plan.unplanned_bytes_per_sample;
  return frozen;
}

/// A Grouping in arrays of exactly its size.
template <detail::GroupingSizes S>
struct FrozenGrouping {
  Fixed<Node, S.copies> copies;
  Fixed<Output, S.outputs> outputs;
  Fixed<Role, S.roles> roles;
  Fixed<Stage, S.stages> stages;
  Fixed<Launch, S.launches> launches;
  Fixed<int, S.members> members;
};

/// The grouping that `Source::make()` decides, as a constant.
template <class Source>
consteval auto freeze_grouping() {
  constexpr detail::GroupingSizes sizes = detail::GroupingSizesOf<Source>::value;
  FrozenGrouping<sizes> frozen;
  const Grouping grouping = Source::make();
  detail::copy_list(grouping.copies, frozen.copies);
  detail::copy_list(grouping.outputs, frozen.outputs);
  detail::copy_list(grouping.roles, frozen.roles);
  detail::copy_list(grouping.stages, frozen.stages);
  detail::copy_list(grouping.launches, frozen.launches);
  detail::copy_list(grouping.members, frozen.members);
  return frozen;
}

template <detail::GroupingSizes S>
constexpr Grouping thaw(const FrozenGrouping<S>& frozen) {
  Grouping grouping;
  grouping.copies = detail::thaw(frozen.copies);
  grouping.outputs = detail::thaw(frozen.outputs);
  grouping.roles = detail::thaw(frozen.roles);
  grouping.stages = detail::thaw(frozen.stages);
  grouping.launches = detail::thaw(frozen.launches);
  grouping.members = detail::thaw(frozen.members);
  return grouping;
}

namespace detail {

/// The passes that do not ask how values are stored.
template <class Source>
struct GroupedProgram {
  static constexpr auto graph = freeze<Source>();

 private:
  struct Simplified {
    static constexpr Graph make() { return simplify(thaw(graph)); }
  };

 public:
  static constexpr auto simplified = freeze<Simplified>();

 private:
  struct Grouped {
    static constexpr Grouping make() { return group(thaw(simplified)); }
  };

 public:
  static constexpr auto grouped = freeze_grouping<Grouped>();
};

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

 public:
  static constexpr auto plan = freeze_plan<Planned>();

  // What kernel types are made of, in small constants: nvcc's front end copies a constant as a whole wherever an
  // element of it is a template argument.
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
  static constexpr auto steps = [] {
    Fixed<Step, Count> some;
    for (int i = 0; i < Count; ++i) some.data[i] = plan.steps.data[First + i];
    return some;
  }();
};

}  // namespace inlay
