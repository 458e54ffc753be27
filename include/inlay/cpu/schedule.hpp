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
  bool chunked, joins;
  std::int64_t packed_bytes, scratch_bytes, partial_bytes;
  void (*prepare)(const Slot*, Memory, Share);
  void (*samples)(const Slot*, int, int, Memory);
  void (*part)(const Slot*, int, Memory, Share);
  void (*join)(const Slot*, int, Partials, Share);
  void (*finish)(const Slot*, Partials, Share);
  void (*outputs)(const Slot*, int, Memory, Share);
};

template <class Kernel, Policy Allowed>
constexpr Entry entry_of() {
  using R = Chosen<Kernel, Allowed>;
  auto part = [] {
    if constexpr (requires { R::part; }) return R::part;
    else
      return [](const Slot* slots, int sample, Memory memory, Share share) {
        if (share.thread == 0) R::samples(slots, sample, 1, memory);
      };
  }();
  return {R::partition, R::chunked, R::joins, R::packed_bytes, R::scratch_bytes, R::partial_bytes,
          R::prepare,   R::samples, part,     R::join,         R::finish,        R::outputs};
}

/// The kernels of a Program, one for each launch.
template <class P, Policy Allowed, class I>
struct Entries;
template <class P, Policy Allowed, int... L>
struct Entries<P, Allowed, std::integer_sequence<int, L...>> {
  static constexpr Entry data[sizeof...(L) + 1] = {entry_of<kernel::lowered_t<P, L>, Allowed>()..., Entry{}};
};
template <class P, Policy Allowed>
using entries_of = Entries<P, Allowed, std::make_integer_sequence<int, P::plan.launches.size>>;

/// `prepare`: packs the weights of a launch, for all its samples.
enum class ActionKind : std::uint8_t { prepare, chunks, whole, outputs, finish, barrier };

struct Action {
  ActionKind kind = ActionKind::barrier;
  int first = 0, end = 0;  // launches
};

/// The first `ahead` actions follow from the parameters alone.
struct Actions {
  List<Action> list;
  int ahead = 0;
};

template <class P, Policy Allowed>
class Scheduler {
 public:
  constexpr Actions run() {
    for (int l = 0; l < launches; ++l)
      if (plan.launches.data[l].ahead) outputs(l);
    if (since.size > 0) sync();
    prepare_all([](const Value& weights) { return is_kept(weights); });
    result.ahead = list.size;
    prepare_all([](const Value& weights) { return weights.storage == Storage::input; });
    for (int l = 0; l < launches; ++l)
      if (!plan.launches.data[l].ahead) launch(l);
    close(launches);
    flush();
    result.list = static_cast<List<Action>&&>(list);
    return static_cast<Actions&&>(result);
  }

 private:
  static constexpr auto& plan = P::plan;
  static constexpr int launches = plan.launches.size;

  Actions result;
  List<Action> list;
  List<int> pending;     // sums whose finish is still due
  List<int> since;       // outputs and finishes since the last barrier
  bool sampled = false;  // were samples worked on since then?
  int open = -1;         // first launch of the current run of chunks

  static constexpr const Entry& entry(int launch) { return entries_of<P, Allowed>::data[launch]; }
  static constexpr const Value& bound(int binding) { return plan.values.data[plan.bindings.data[binding]]; }

  constexpr void push(ActionKind kind, int first, int end) { list.push({kind, first, end}); }
  constexpr void sync() {
    push(ActionKind::barrier, 0, 0);
    since.size = 0;
    sampled = false;
  }
  constexpr void close(int launch) {
    if (open >= 0) push(ActionKind::chunks, open, launch);
    open = -1;
  }

  constexpr void launch(int l) {
    const Partition partition = entry(l).partition;
    if (entry(l).packed_bytes > 0 && weights(l).storage == Storage::arena && !is_kept(weights(l))) {
      finish_before(l);
      push(ActionKind::prepare, l, l + 1);
      sync();
    }
    if (partition == Partition::outputs) {
      close(l);
      flush();
      return outputs(l);
    }
    bool waits = false;
    for (int p : pending) waits = waits || (partition == Partition::reduced ? loads_early(l, p) : binds(l, p));
    if (waits) finish_before(l);
    if (since.size > 0) sync();
    if (!entry(l).chunked) {
      close(l);
      push(ActionKind::whole, l, l + 1);
    } else if (open < 0) {
      open = l;
    }
    sampled = true;
    if (partition == Partition::reduced) pending.push(l);
  }

  constexpr void outputs(int l) {
    if (sampled || conflicts(l)) sync();
    push(ActionKind::outputs, l, l + 1);
    since.push(l);
  }
  constexpr void finish_before(int l) {
    close(l);
    flush();
    sync();
  }
  constexpr void flush() {
    if (pending.size == 0) return;
    sync();
    for (int p : pending) {
      if (conflicts(p)) sync();
      push(ActionKind::finish, p, p + 1);
      since.push(p);
    }
    pending.size = 0;
  }

  // --- weights ---------------------------------------------------------------------------------------------------

  /// What a launch that packs its weights packs: its operand b is a plain load.
  static constexpr const Value& weights(int launch) {
    const Launch& l = plan.launches.data[launch];
    return bound(l.bindings.first + plan.steps.data[plan.stages.data[l.stages.first].b.first].slot);
  }
  static constexpr bool is_kept(const Value& weights) {
    return weights.storage == Storage::parameter ||
           (weights.storage == Storage::arena && plan.launches.data[weights.first].ahead);
  }
  template <class F>
  constexpr void prepare_all(F which) {
    const int before = list.size;
    for (int l = 0; l < launches; ++l)
      if (entry(l).packed_bytes > 0 && which(weights(l))) push(ActionKind::prepare, l, l + 1);
    if (list.size > before) sync();
  }

  // --- dependencies between launches that no barrier separates -----------------------------------------------------

  constexpr bool conflicts(int l) const {
    for (int other : since)
      if (binds(l, other) || reuses(l, other) || shares_parameter(l, other) || divides_samples(l) ||
          divides_samples(other))
        return true;
    return false;
  }
  /// Do several threads make the values of one sample?
  static constexpr bool divides_samples(int launch) {
    if (entry(launch).partition != Partition::outputs) return false;
    const Range bindings = plan.launches.data[launch].bindings;
    for (int b = bindings.first; b < bindings.first + bindings.count; ++b)
      if (bound(b).batched && bound(b).storage == Storage::arena && bound(b).first == launch) return true;
    return false;
  }
  static constexpr bool made_by(const Value& v, int producer) {
    return v.storage == Storage::arena && !v.batched && v.first == producer;
  }
  static constexpr bool binds(int launch, int producer) {
    const Range bindings = plan.launches.data[launch].bindings;
    for (int b = bindings.first; b < bindings.first + bindings.count; ++b)
      if (made_by(bound(b), producer)) return true;
    return false;
  }
  /// Does a launch that is finished later need the producer's values while it works on samples?
  static constexpr bool loads_early(int launch, int producer) {
    const Stage& stage = plan.stages.data[plan.launches.data[launch].stages.first];
    const bool finishes_main = !plan.nodes.data[stage.root].batched && stage.kind != StageKind::elementwise;
    const Range bodies[] = {stage.a, stage.b, finishes_main ? Range{} : stage.main, stage.post};
    for (const Range& body : bodies)
      for (int s = body.first; s < body.first + body.count; ++s) {
        const Step& step = plan.steps.data[s];
        const bool reads = step.kind == StepKind::load || step.kind == StepKind::scatter ||
                           step.kind == StepKind::gather || step.kind == StepKind::lookup ||
                           step.kind == StepKind::channels;
        if (reads && made_by(bound(plan.launches.data[launch].bindings.first + step.slot), producer)) return true;
      }
    return false;
  }
  /// Does a launch write memory that the one before may still read?
  static constexpr bool reuses(int launch, int before) {
    const Range reads = plan.launches.data[before].bindings, writes = plan.launches.data[launch].bindings;
    for (int w = writes.first; w < writes.first + writes.count; ++w) {
      const Value& written = bound(w);
      if (!made_by(written, launch)) continue;
      for (int r = reads.first; r < reads.first + reads.count; ++r) {
        const Value& read = bound(r);
        if (read.storage == Storage::arena && !read.batched && read.offset < written.offset + written.bytes() &&
            written.offset < read.offset + read.bytes())
          return true;
      }
    }
    return false;
  }
  /// One of the two may update it.
  static constexpr bool shares_parameter(int a, int b) {
    const Range of_a = plan.launches.data[a].bindings, of_b = plan.launches.data[b].bindings;
    for (int i = of_a.first; i < of_a.first + of_a.count; ++i)
      for (int j = of_b.first; j < of_b.first + of_b.count; ++j)
        if (plan.bindings.data[i] == plan.bindings.data[j] && bound(i).storage == Storage::parameter) return true;
    return false;
  }
};

/// The schedule as a constant, evaluated once: in room for more actions than there can be, then without it.
template <class P, Policy Allowed = Policy{}>
struct Schedule {
 private:
  static constexpr int most = 8 * P::plan.launches.size + 8;
  struct Found {
    Action data[most]{};
    int size = 0, ahead = 0;
  };
  static constexpr Found found = [] {
    const Actions run = Scheduler<P, Allowed>().run();
    Found room{.size = run.list.size, .ahead = run.ahead};
    inlay::detail::copy_list(run.list, room);
    return room;
  }();

 public:
  static constexpr int size = found.size, ahead = found.ahead;
  static constexpr Fixed<Action, size> actions = [] {
    Fixed<Action, size> fixed;
    inlay::detail::copy_list(found, fixed);
    return fixed;
  }();
};

/// Where a value that is stored for each sample lies: at `offset` in the sample's part of an arena. What one run of
/// chunks makes and nobody else reads is local: every thread has an arena for such values of the few samples in work,
/// which stays in the cache. Others have a place for every sample of the batch.
struct Place {
  bool local = false;
  std::int64_t offset = -1;
};

template <class P, Policy Allowed = Policy{}>
class Placement {
  static constexpr auto& plan = P::plan;

  struct Found {
    Fixed<Place, P::plan.values.size> values;
    std::int64_t local_bytes = 0, batch_bytes = 0;
  };
  static constexpr Found found = [] {
    List<int> run_of(plan.launches.size + 1, -1);  // of chunks, by launch; outputs live until behind the last
    for (int a = 0; a < Schedule<P, Allowed>::size; ++a)
      if (const Action& action = Schedule<P, Allowed>::actions.data[a]; action.kind == ActionKind::chunks)
        for (int l = action.first; l < action.end; ++l) run_of.data[l] = a;
    auto is_local = [&](const Value& v) {
      return run_of.data[v.first] >= 0 && run_of.data[v.first] == run_of.data[v.last];
    };
    Found result;
    for (const bool local : {false, true}) {
      const inlay::detail::Places places = inlay::detail::place(plan.values, plan.launches.size, [&](const Value& v) {
        const bool placed = v.storage == Storage::arena && v.batched && is_local(v) == local;
        return placed ? inlay::detail::Lifetime{v.first, v.last} : inlay::detail::Lifetime{};
      });
      (local ? result.local_bytes : result.batch_bytes) = places.bytes;
      for (int v = 0; v < plan.values.size; ++v)
        if (places.offsets.data[v] >= 0) result.values.data[v] = {local, places.offsets.data[v]};
    }
    return result;
  }();

 public:
  static constexpr std::int64_t local_bytes = found.local_bytes, batch_bytes = found.batch_bytes;  // a sample
  static constexpr auto& values = found.values;
};

}  // namespace inlay::cpu
