// What a plan costs, as constants: arithmetic, bytes through memory, arena, parameters. Counted from the plan's
// Bodies and bindings, so it is what the kernels do and not what the layers' formulas say.
//
//   static_assert(plan<Net>.arena_bytes_per_sample < 64 * 1024);
#pragma once

#include <cstdint>
#include <inlay/graph/program.hpp>
#include <inlay/graph/trace.hpp>

namespace inlay {

/// A quantity that grows with the batch, and one that doesn't: `per_sample` * samples + `shared`.
struct Amount {
  std::int64_t per_sample = 0, shared = 0;

  constexpr void add(std::int64_t count, bool batched) { (batched ? per_sample : shared) += count; }
  constexpr Amount& operator+=(const Amount& other) {
    per_sample += other.per_sample;
    shared += other.shared;
    return *this;
  }
};

/// Of one launch, or of a whole plan.
struct Cost {
  Amount flops;        // of contractions: two for each multiply-add, those with padding included
  Amount elementwise;  // one for each elementwise primitive or comparison evaluated
  Amount read;         // bytes of each value read, once a launch; not what the launch itself wrote before
  Amount written;      // bytes

  constexpr Cost& operator+=(const Cost& other) {
    flops += other.flops;
    elementwise += other.elementwise;
    read += other.read;
    written += other.written;
    return *this;
  }
};

namespace detail {

/// Multiply-adds of a contraction for one sample, whatever its mode.
constexpr std::int64_t multiply_adds(const Node& n, const Stage& s) {
  const Shape& w = n.mode == Mode::weight_gradient ? s.domain : s.second;
  const Shape& y = n.mode == Mode::forward ? s.domain : n.mode == Mode::data_gradient ? s.input : s.second;
  return w.count() * y.extents[1] * y.extents[2];  // w holds C / groups input channels for each output channel
}

/// P: Plan or FrozenPlan.
template <class P>
class CostOfLaunch {
 public:
  constexpr CostOfLaunch(const P& of, int number)
      : p(of), launch(of.launches.data[number]), seen(launch.bindings.count, char{0}) {}

  constexpr Cost run() {
    for (int s = launch.stages.first; s < launch.stages.first + launch.stages.count; ++s) stage(p.stages.data[s]);
    return cost;
  }

 private:
  const P& p;
  const Launch& launch;
  List<char> seen;  // by slot: 1 read from outside, 2 written
  Cost cost;

  constexpr void stage(const Stage& s) {
    const Node& n = p.nodes.data[s.root];
    const std::int64_t domain = s.domain.count(), pooled = s.pooled.rank > 0 ? s.pooled.count() : 0;
    bool result_batched = s.batched;
    switch (s.kind) {
      case StageKind::contraction:
        result_batched = n.batched;
        cost.flops.add(2 * multiply_adds(n, s), s.batched);
        if (n.mode == Mode::weight_gradient && s.side.count > 0) cost.elementwise.add(s.second.count(), s.batched);
        break;
      case StageKind::reduction:
        result_batched = n.batched;
        cost.elementwise.add(s.input.count(), s.batched);
        break;
      default: break;
    }
    cost.elementwise.add(pooled * s.pool.height * s.pool.width, s.batched);
    body(s.a, s.kind == StageKind::pooling ? domain : s.input.count(), s.batched);
    body(s.b, s.second.count(), s.batched);
    body(s.main, domain, result_batched);
    body(s.post, pooled, s.batched);
    body(s.side, s.domain.extents[max_rank - 1], false);
  }

  constexpr void body(const Range& steps, std::int64_t evaluations, bool batched) {
    for (int i = steps.first; i < steps.first + steps.count; ++i) {
      const Step& step = p.steps.data[i];
      switch (step.kind) {
        case StepKind::apply:
          if (step.map != MapOp::copy) cost.elementwise.add(evaluations, batched);
          break;
        case StepKind::scatter:
        case StepKind::gather: read(step.index_slot); [[fallthrough]];
        case StepKind::lookup:
        case StepKind::channels:
        case StepKind::load: read(step.slot); break;
        case StepKind::random:
        case StepKind::accumulate: cost.elementwise.add(evaluations, batched); break;
        case StepKind::store:
          if (!(seen.data[step.slot] & 2)) touch(cost.written, step.slot);
          seen.data[step.slot] |= 2;
          break;
        default: break;
      }
    }
  }
  constexpr void read(int slot) {
    if (seen.data[slot] == 0) touch(cost.read, slot);
    seen.data[slot] |= 1;
  }
  constexpr void touch(Amount& bytes, int slot) {
    const Value& value = p.values.data[p.bindings.data[launch.bindings.first + slot]];
    if (value.storage != Storage::batch_size) bytes.add(value.bytes(), value.batched);
  }
};

constexpr std::int64_t count_elements(const Parameter* parameters, int count) {
  std::int64_t total = 0;
  for (int i = 0; i < count; ++i) total += parameters[i].shape.count();
  return total;
}

}  // namespace detail

/// P: Plan or FrozenPlan.
template <class P>
constexpr Cost cost_of_launch(const P& plan, int launch) {
  return detail::CostOfLaunch<P>(plan, launch).run();
}
template <class P>
constexpr Cost cost_of(const P& plan) {
  Cost total;
  for (int l = 0; l < plan.launches.size; ++l) total += cost_of_launch(plan, l);
  return total;
}

/// Bytes that would be moved if every node of the plan's graph were a kernel of its own, which reads its operands and
/// writes its result.
template <class P>
constexpr Amount bytes_node_by_node(const P& plan) {
  Amount bytes;
  for (int i = 0; i < plan.nodes.size; ++i) {
    const Node& n = plan.nodes.data[i];
    if (is_leaf(n.op) || n.op == Op::reshape) continue;
    bytes.add(bytes_of(n.element, n.shape.count()), n.batched);
    for (int k = 0; k < n.operand_count; ++k) {
      const Node& o = plan.nodes.data[n.operands[k]];
      if (!is_leaf(o.op) || is_stored_leaf(o.op)) bytes.add(bytes_of(o.element, o.shape.count()), o.batched);
    }
  }
  return bytes;
}

/// The figures to assert on. Per sample: of one image; shared: once a run, whatever the batch.
struct PlanCosts {
  std::int64_t flops_per_sample;  // of contractions
  std::int64_t elementwise_per_sample;
  std::int64_t bytes_per_sample;  // read and written, activations
  std::int64_t bytes_shared;      // read and written, mostly weights
  std::int64_t arena_bytes_per_sample;
  std::int64_t unplanned_bytes_per_sample;  // had every value its own memory
  std::int64_t parameter_count;             // of the network, without an optimiser's state
  int launches;
  int stages;
  std::uint64_t fingerprint;  // of the network's graph: equal for equal networks, stored in checkpoints
};

namespace detail {

/// Each figure that takes a pass is a constant of its own.
template <class Source>
struct SourceCost {
  using P = Program<Source>;
  static constexpr Cost value = cost_of(P::plan);
};
template <class Net>
struct NetFacts {
  using P = Program<Inference<Net>>;
  static constexpr std::uint64_t fingerprint = inlay::fingerprint(thaw(P::graph));
  static constexpr std::int64_t parameter_count = count_elements(P::graph.parameters.data, P::graph.parameters.size);
};
template <class Net, class Source>
struct CostsOf {
  using P = Program<Source>;
  static constexpr Cost cost = SourceCost<Source>::value;
  static constexpr PlanCosts value{
      cost.flops.per_sample,
      cost.elementwise.per_sample,
      cost.read.per_sample + cost.written.per_sample,
      cost.read.shared + cost.written.shared,
      P::plan.arena_bytes_per_sample,
      P::plan.unplanned_bytes_per_sample,
      NetFacts<Net>::parameter_count,
      P::plan.launches.size,
      P::plan.stages.size,
      NetFacts<Net>::fingerprint,
  };
};

}  // namespace detail

/// Of the network's inference program.
template <class Net>
inline constexpr PlanCosts plan = detail::CostsOf<Net, Inference<Net>>::value;

}  // namespace inlay
