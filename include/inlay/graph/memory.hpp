// Gives every value that passes between launches its place in one arena, from its first to its last launch.
// Values of a batch lie at offset * samples, so one constant plan serves every batch size; values shared by the
// samples have an arena of their own behind it. Freed blocks are reused best fit first; with the few sizes that a
// network has, the free list stays short and the pass near-linear.
#pragma once

#include <inlay/graph/plan.hpp>

namespace inlay {

namespace detail {

inline constexpr std::int64_t arena_alignment = 64;

class Arena {
 public:
  constexpr std::int64_t take(std::int64_t bytes) {
    bytes = rounded(bytes);
    int best = -1;
    for (int i = 0; i < free.size; ++i)
      if (free.data[i].bytes >= bytes && (best < 0 || free.data[i].bytes < free.data[best].bytes)) best = i;
    if (best < 0) {
      const std::int64_t offset = size;
      size += bytes;
      return offset;
    }
    Block& block = free.data[best];
    const std::int64_t offset = block.offset;
    block.offset += bytes;
    block.bytes -= bytes;
    if (block.bytes == 0) free.data[best] = free.data[--free.size];
    return offset;
  }
  constexpr void give(std::int64_t offset, std::int64_t bytes) {
    Block block{offset, rounded(bytes)};
    for (int i = 0; i < free.size;) {  // merge with neighbours
      const Block other = free.data[i];
      if (other.offset + other.bytes == block.offset || block.offset + block.bytes == other.offset) {
        block.offset = other.offset < block.offset ? other.offset : block.offset;
        block.bytes += other.bytes;
        free.data[i] = free.data[--free.size];
      } else {
        ++i;
      }
    }
    free.push(block);
  }
  std::int64_t size = 0;

  static constexpr std::int64_t rounded(std::int64_t bytes) {
    return (bytes + arena_alignment - 1) / arena_alignment * arena_alignment;
  }

 private:
  struct Block {
    std::int64_t offset = 0, bytes = 0;
  };
  List<Block> free;
};

/// The launches between which a value lives; it has no place where there are none.
struct Lifetime {
  int first = 0, last = -1;
};

/// Offsets of the values in one arena; -1 of those that are not in it.
struct Places {
  List<std::int64_t> offsets;
  std::int64_t bytes = 0;
};

template <class Values, class Lives>
constexpr Places place(const Values& values, int launches, Lives lifetime) {
  List<int> starts(launches + 2, -1), ends(launches + 2, -1), next_start(values.size, -1), next_end(values.size, -1);
  for (int v = values.size - 1; v >= 0; --v) {
    const Lifetime lives = lifetime(values.data[v]);
    if (lives.last < lives.first) continue;
    next_start.data[v] = starts.data[lives.first];
    starts.data[lives.first] = v;
    next_end.data[v] = ends.data[lives.last];
    ends.data[lives.last] = v;
  }
  Arena arena;
  Places places{List<std::int64_t>(values.size, -1)};
  for (int l = 0; l < launches; ++l) {
    for (int v = starts.data[l]; v >= 0; v = next_start.data[v])
      places.offsets.data[v] = arena.take(values.data[v].bytes());
    for (int v = ends.data[l]; v >= 0; v = next_end.data[v]) arena.give(places.offsets.data[v], values.data[v].bytes());
  }
  places.bytes = arena.size;
  return places;
}

/// Does a step of the plan write a parameter? P: Plan or FrozenPlan.
template <class P>
constexpr bool updates_parameters(const P& plan) {
  for (const Launch& launch : plan.launches)
    for (int s = launch.stages.first; s < launch.stages.first + launch.stages.count; ++s) {
      const Stage& stage = plan.stages.data[s];
      const Range bodies[3] = {stage.main, stage.post, stage.side};
      for (const Range& body : bodies)
        for (int i = body.first; i < body.first + body.count; ++i) {
          const Step& step = plan.steps.data[i];
          if (step.kind == StepKind::store &&
              plan.values.data[plan.bindings.data[launch.bindings.first + step.slot]].storage == Storage::parameter)
            return true;
        }
    }
  return false;
}

/// Finds the launches that read nothing but parameters and what such launches make.
constexpr void mark_ahead(Plan& plan) {
  if (updates_parameters(plan)) return;
  for (int l = 0; l < plan.launches.size; ++l) {
    Launch& launch = plan.launches.data[l];
    auto kept = [&](const Value& v) {
      if (v.storage == Storage::parameter || v.storage == Storage::rounded) return true;
      return v.storage == Storage::arena && !v.batched && (v.first == l || plan.launches.data[v.first].ahead);
    };
    launch.ahead = !plan.stages.data[launch.stages.first].batched;
    for (int b = launch.bindings.first; b < launch.bindings.first + launch.bindings.count; ++b)
      launch.ahead = launch.ahead && kept(plan.values.data[plan.bindings.data[b]]);
  }
}

/// Is the value made ahead of the run? Then nothing else may lie in its place.
constexpr bool is_made_ahead(const Plan& plan, const Value& value) {
  return value.storage == Storage::arena && value.first < plan.launches.size && plan.launches.data[value.first].ahead;
}

}  // namespace detail

/// Sets the offsets of the plan's arena values. Outputs live to the end, copies of parameters always.
constexpr Plan memory(Plan plan) {
  const int launches = plan.launches.size;
  for (Value& value : plan.values) value.first = launches;
  for (int l = 0; l < launches; ++l) {
    const Range bindings = plan.launches.data[l].bindings;
    for (int b = bindings.first; b < bindings.first + bindings.count; ++b) {
      Value& value = plan.values.data[plan.bindings.data[b]];
      if (l < value.first) value.first = l;
      value.last = l;
    }
  }
  for (const PlanOutput& output : plan.outputs) plan.values.data[output.value].last = launches;
  detail::mark_ahead(plan);

  auto arena = [&](bool batched) {
    const detail::Places places = detail::place(plan.values, launches, [&](const Value& v) {
      if ((v.storage != Storage::arena && v.storage != Storage::rounded) || v.batched != batched)
        return detail::Lifetime{};
      const bool kept = v.storage == Storage::rounded || detail::is_made_ahead(plan, v);
      return kept ? detail::Lifetime{0, launches} : detail::Lifetime{v.first, v.last};
    });
    for (int v = 0; v < plan.values.size; ++v)
      if (places.offsets.data[v] >= 0) plan.values.data[v].offset = places.offsets.data[v];
    return places.bytes;
  };
  plan.arena_bytes_per_sample = arena(true);
  plan.arena_bytes_shared = arena(false);
  plan.unplanned_bytes_per_sample = 0;
  for (const Node& node : plan.nodes)
    if (node.batched && node.op != Op::input && node.op != Op::reshape)
      plan.unplanned_bytes_per_sample += detail::Arena::rounded(bytes_of(node.element, node.shape.count()));
  return plan;
}

}  // namespace inlay
