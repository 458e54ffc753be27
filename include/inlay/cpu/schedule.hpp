// The order in which a thread works through a Program's launches. Launches that treat each sample by itself follow
// one another without a barrier, a few samples at a time so that their values stay in the cache; sums over samples
// are finished after the next barrier, as late as their readers permit; what reads all samples stands between
// barriers.
#pragma once

#include <inlay/cpu/convolution.hpp>
#include <inlay/cpu/elementwise.hpp>
#include <inlay/cpu/group.hpp>
#include <inlay/cpu/matrix.hpp>
#include <inlay/cpu/pooling.hpp>
#include <inlay/cpu/reduction.hpp>
#include <inlay/cpu/winograd_convolution.hpp>
#include <inlay/kernel/lower.hpp>

namespace inlay::cpu {

/// A Runner as a value.
struct Entry {
  Partition partition;
  bool chunked;
  std::int64_t packed_bytes, scratch_bytes, partial_bytes;
  void (*prepare)(const Slot*, Memory, Share);
  void (*samples)(const Slot*, int, int, Memory);
  void (*finish)(const Slot*, Partials, Share);
  void (*outputs)(const Slot*, int, Memory, Share);
};

template <class Kernel>
constexpr Entry entry_of() {
  using R = Runner<Kernel>;
  return {R::partition, R::chunked, R::packed_bytes, R::scratch_bytes, R::partial_bytes,
          R::prepare,   R::samples, R::finish,       R::outputs};
}

/// The kernels of a Program, one for each launch.
template <class P, class I>
struct Entries;
template <class P, int... L>
struct Entries<P, std::integer_sequence<int, L...>> {
  static constexpr Entry data[sizeof...(L) + 1] = {entry_of<kernel::lowered_t<P, L>>()..., Entry{}};
};
template <class P>
using entries_of = Entries<P, std::make_integer_sequence<int, P::plan.launches.size>>;

enum class ActionKind : std::uint8_t { chunks, whole, outputs, finish, barrier };

struct Action {
  ActionKind kind = ActionKind::barrier;
  int first = 0, end = 0;  // launches
};

template <class P>
constexpr List<Action> make_schedule() {
  constexpr auto& plan = P::plan;
  const Entry* entries = entries_of<P>::data;
  List<Action> actions;
  List<int> pending;  // sums whose finish is still due
  int open = -1;      // first launch of the current run of chunks

  auto binds = [&](int launch, int producer, bool operands_only) {
    const Range bindings = plan.launches.data[launch].bindings;
    auto made_by = [&](int slot) {
      const Value& v = plan.values.data[plan.bindings.data[bindings.first + slot]];
      return v.storage == Storage::arena && !v.batched && v.first == producer;
    };
    if (!operands_only) {
      for (int slot = 0; slot < bindings.count; ++slot)
        if (made_by(slot)) return true;
      return false;
    }
    const Stage& stage = plan.stages.data[plan.launches.data[launch].stages.first];
    const bool finishes_main = !plan.nodes.data[stage.root].batched && stage.kind != StageKind::elementwise;
    const Range bodies[] = {stage.a, stage.b, finishes_main ? Range{} : stage.main, stage.post};
    for (const Range& body : bodies)
      for (int s = body.first; s < body.first + body.count; ++s) {
        const Step& step = plan.steps.data[s];
        const bool reads = step.kind == StepKind::load || step.kind == StepKind::scatter ||
                           step.kind == StepKind::gather || step.kind == StepKind::lookup ||
                           step.kind == StepKind::channels;
        if (reads && made_by(step.slot)) return true;
      }
    return false;
  };
  auto close = [&](int launch) {
    if (open >= 0) actions.push({ActionKind::chunks, open, launch});
    open = -1;
  };
  auto reuses = [&](int launch, int before) {  // memory that the one before may still read
    const Range reads = plan.launches.data[before].bindings, writes = plan.launches.data[launch].bindings;
    for (int w = writes.first; w < writes.first + writes.count; ++w) {
      const Value& written = plan.values.data[plan.bindings.data[w]];
      if (written.storage != Storage::arena || written.batched || written.first != launch) continue;
      for (int r = reads.first; r < reads.first + reads.count; ++r) {
        const Value& read = plan.values.data[plan.bindings.data[r]];
        if (read.storage == Storage::arena && !read.batched && read.offset < written.offset + written.bytes() &&
            written.offset < read.offset + read.bytes())
          return true;
      }
    }
    return false;
  };
  auto flush = [&] {
    actions.push({ActionKind::barrier});
    for (int p = 0; p < pending.size; ++p) {
      actions.push({ActionKind::finish, pending.data[p], pending.data[p] + 1});
      for (int q = p + 1; q < pending.size; ++q)
        if (binds(pending.data[q], pending.data[p], false) || reuses(pending.data[q], pending.data[p])) {
          actions.push({ActionKind::barrier});
          break;
        }
    }
    pending.size = 0;
  };

  for (int l = 0; l < plan.launches.size; ++l) {
    const Entry& entry = entries[l];
    if (entry.partition == Partition::outputs) {
      close(l);
      const bool finishes = pending.size > 0;
      flush();
      if (finishes) actions.push({ActionKind::barrier});
      actions.push({ActionKind::outputs, l, l + 1});
      actions.push({ActionKind::barrier});
      continue;
    }
    bool waits = false;
    for (int p : pending) waits = waits || binds(l, p, entry.partition == Partition::reduced);
    if (waits) {
      close(l);
      flush();
      actions.push({ActionKind::barrier});
    }
    if (!entry.chunked) {
      close(l);
      actions.push({ActionKind::whole, l, l + 1});
    } else if (open < 0) {
      open = l;
    }
    if (entry.partition == Partition::reduced) pending.push(l);
  }
  close(plan.launches.size);
  flush();
  return actions;
}

/// The schedule as a constant.
template <class P>
struct Schedule {
  static constexpr int size = make_schedule<P>().size;
  static constexpr Fixed<Action, size> actions = [] {
    Fixed<Action, size> fixed;
    inlay::detail::copy_list(make_schedule<P>(), fixed);
    return fixed;
  }();
};

}  // namespace inlay::cpu
