// The finished Program: a plan as one constant, in arrays of exactly its size. This is the only constant that
// executors and `lower` read. `Program<Source>` runs the passes on the graph that `Source::make()` builds, each
// pass a constant of its own, because compilers bound the work of one evaluation.
#pragma once

#include <inlay/graph/fuse.hpp>
#include <inlay/graph/memory.hpp>
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
  constexpr detail::PlanSizes sizes = detail::sizes(Source::make());
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

/// All passes over the graph of `Source` (a type with `static constexpr Graph make()`).
template <class Source>
struct Program {
  static constexpr auto graph = freeze<Source>();

 private:
  struct Simplified {
    static constexpr Graph make() { return simplify(thaw(graph)); }
  };

 public:
  static constexpr auto simplified = freeze<Simplified>();

 private:
  struct Planned {
    static constexpr Plan make() { return memory(fuse(thaw(simplified))); }
  };

 public:
  static constexpr auto plan = freeze_plan<Planned>();
};

}  // namespace inlay
