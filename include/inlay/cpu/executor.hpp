// Runs a Program on the CPU. All of a sample's values lie together, so that samples never touch each other's memory,
// and those that only the launches of one chunk need take turns in memory that stays in the cache. What follows from
// the parameters alone (packed weights, the scale of a batch normalisation in inference) is kept from run to run.
// Nothing is allocated in a run that is no larger than the largest before it.
#pragma once

#include <inlay/cpu/buffer.hpp>
#include <inlay/cpu/schedule.hpp>
#include <inlay/cpu/team.hpp>

#include <cstring>
#include <vector>

namespace inlay::cpu {

/// Allowed: how it may compute contractions.
template <class P, Policy Allowed = Policy{}>
class Executor {
  static_assert(P::stored == Element::f32, "the CPU keeps values in fp32: leave out Program's second argument");

 public:
  explicit Executor(int thread_count = default_threads()) : threads(thread_count < 1 ? 1 : thread_count) {
    for (int l = 0; l < P::plan.launches.size; ++l) {
      const Entry& entry = entries_of<P, Allowed>::data[l];
      packed_offsets.push_back(packed_bytes);
      partial_offsets.push_back(partial_bytes);
      packed_bytes += aligned(entry.packed_bytes);
      partial_bytes += aligned(entry.partial_bytes);
      scratch_bytes = scratch_bytes > aligned(entry.scratch_bytes) ? scratch_bytes : aligned(entry.scratch_bytes);
    }
    shared.grow(P::plan.arena_bytes_shared + 64);
    packed.grow(packed_bytes + 64);
    private_memory.grow(threads * private_bytes() + 64);
    values.resize(static_cast<std::size_t>(P::plan.values.size));
    slots.resize(static_cast<std::size_t>(P::plan.bindings.size * threads));
    inputs.resize(static_cast<std::size_t>(P::plan.inputs.size));
    parameters.resize(static_cast<std::size_t>(P::plan.parameters.size));
  }

  /// Input i, for the runs that follow: all samples one after another, or the only copy of a shared input.
  void bind_input(int i, const void* data) {
    inputs[static_cast<std::size_t>(i)] = static_cast<char*>(const_cast<void*>(data));
  }
  /// Parameter i: read, and updated in place by training programs.
  void bind_parameter(int i, float* data) {
    parameters[static_cast<std::size_t>(i)] = reinterpret_cast<char*>(data);
    parameters_changed();
  }
  /// To be called when somebody else has written to bound parameters.
  void parameters_changed() { stale = true; }

  void run(int samples) {
    arena.grow(Places::batch_bytes * samples + 64);
    batch_size = static_cast<float>(samples);
    bind();
    const int first = stale ? 0 : Schedule<P, Allowed>::ahead;
    run_team(threads, [&](Share share) { work(share, samples, first); });
    stale = updates;
  }

  /// Output i of the last run, of `samples` samples if it has a batch.
  void read_output(int i, int samples, float* to) const {
    const Value& value = P::plan.values.data[P::plan.outputs.data[i].value];
    const Slot& from = values[static_cast<std::size_t>(P::plan.outputs.data[i].value)];
    for (int n = 0; n < (value.batched ? samples : 1); ++n)
      for (std::int64_t k = 0; k < value.count; ++k)
        *to++ = element(value.element, from.data + n * from.sample_bytes, k);
  }

 private:
  using Places = Placement<P, Allowed>;
  /// Samples that go through a run of chunks together.
  static constexpr int chunk = [] {
    constexpr std::int64_t cache = 512 * 1024;
    const std::int64_t fits = cache / (P::plan.arena_bytes_per_sample + 1);
    return static_cast<int>(fits < 1 ? 1 : fits > 64 ? 64 : fits);
  }();
  static constexpr std::int64_t local_bytes = chunk * Places::local_bytes;  // a thread

  static constexpr bool updates = inlay::detail::updates_parameters(P::plan);

  int threads;
  std::int64_t packed_bytes = 0, partial_bytes = 0, scratch_bytes = 0;
  std::vector<std::int64_t> packed_offsets, partial_offsets;
  Buffer arena, shared, packed, private_memory;
  bool stale = true;  // what was made ahead of the last run
  float batch_size = 0;
  std::vector<Slot> values, slots;
  std::vector<char*> inputs, parameters;

  static constexpr std::int64_t aligned(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }

  static float element(Element e, const char* data, std::int64_t i) {
    if (e == Element::f32) return reinterpret_cast<const float*>(data)[i];
    if (e == Element::u8) return reinterpret_cast<const std::uint8_t*>(data)[i];
    return static_cast<float>(reinterpret_cast<const std::int32_t*>(data)[i]);
  }

  void bind() {
    for (int v = 0; v < P::plan.values.size; ++v) {
      const Value& value = P::plan.values.data[v];
      Slot& slot = values[static_cast<std::size_t>(v)];
      switch (value.storage) {
        case Storage::arena:
          if (!value.batched) slot = {shared.data() + value.offset, 0};
          else if (const Place& place = Places::values.data[v]; place.local) continue;  // below
          else slot = {arena.data() + place.offset, Places::batch_bytes};
          break;
        case Storage::input:
          slot = {inputs[static_cast<std::size_t>(value.index)], value.batched ? value.bytes() : 0};
          break;
        case Storage::parameter: slot = {parameters[static_cast<std::size_t>(value.index)], 0}; break;
        case Storage::batch_size: slot = {reinterpret_cast<char*>(&batch_size), 0}; break;
        case Storage::rounded: continue;  // in programs that it does not run
        case Storage::sums: continue;     // below
      }
      if (slot.data == nullptr) throw Error("run: an input or parameter of the program has not been bound");
    }
    for (int thread = 0; thread < threads; ++thread)
      for (int l = 0; l < P::plan.launches.size; ++l) {
        const Range bindings = P::plan.launches.data[l].bindings;
        for (int b = bindings.first; b < bindings.first + bindings.count; ++b) {
          const int v = P::plan.bindings.data[b];
          const bool sums = P::plan.values.data[v].storage == Storage::sums;
          slots[static_cast<std::size_t>(thread * P::plan.bindings.size + b)] =
              sums ? Slot{reinterpret_cast<char*>(partials(thread)) + partial_offsets[static_cast<std::size_t>(l)], 0}
                   : values[static_cast<std::size_t>(v)];
        }
      }
  }
  /// Sets the slots of a thread's local values for a chunk that begins with a sample; they lie in the memory of
  /// `owner`.
  void enter_chunk(const Action& chunks, int sample, int thread, int owner) {
    char* local = private_memory.data() + owner * private_bytes();
    const Range first = P::plan.launches.data[chunks.first].bindings;
    const Range last = P::plan.launches.data[chunks.end - 1].bindings;
    for (int b = first.first; b < last.first + last.count; ++b)
      if (const Place& place = Places::values.data[P::plan.bindings.data[b]]; place.local)
        slots[static_cast<std::size_t>(thread * P::plan.bindings.size + b)] = {
            local + place.offset - sample * Places::local_bytes, Places::local_bytes};
  }

  /// A thread's: local values, partials, scratch memory. Kernels fetch ahead what lies behind the values that they
  /// load; in this order that is the thread's own, too, and not taken from another.
  std::int64_t private_bytes() const { return local_bytes + partial_bytes + scratch_bytes; }

  const Slot* slots_of(int launch, Share share) const {
    return slots.data() + share.thread * P::plan.bindings.size + P::plan.launches.data[launch].bindings.first;
  }
  float* partials(int thread) const {
    return reinterpret_cast<float*>(private_memory.data() + thread * private_bytes() + local_bytes);
  }
  Memory memory_of(int launch, Share share) const {
    const auto l = static_cast<std::size_t>(launch);
    return {reinterpret_cast<float*>(packed.data() + packed_offsets[l]), partials(share.thread) + partial_bytes / 4,
            partials(share.thread) + partial_offsets[l] / 4};
  }

  Partials partials_of(int launch, Share share) const {
    return {partials(0) + partial_offsets[static_cast<std::size_t>(launch)] / 4, private_bytes() / 4, share.threads};
  }

  void work(Share share, int samples, int first_action) {
    const Entry* entries = entries_of<P, Allowed>::data;
    std::memset(partials(share.thread), 0, static_cast<std::size_t>(partial_bytes));
    const auto own = share.of(samples);
    const int chunks = (own.end - own.first + chunk - 1) / chunk;
    bool backwards = false;  // every other time: the samples of the last chunks are still in the cache
    for (int a = first_action; a < Schedule<P, Allowed>::size; ++a) {
      const Action& action = Schedule<P, Allowed>::actions.data[a];
      const int l = action.first;
      switch (action.kind) {
        case ActionKind::prepare: entries[l].prepare(slots_of(l, share), memory_of(l, share), share); break;
        case ActionKind::chunks:
          if (samples < share.threads) {
            share_samples(action, samples, share);
            break;
          }
          for (int i = 0; i < chunks; ++i) {
            const int n = own.first + (backwards ? chunks - 1 - i : i) * chunk;
            enter_chunk(action, n, share.thread, share.thread);
            for (int m = l; m < action.end; ++m)
              entries[m].samples(slots_of(m, share), n, chunk < own.end - n ? chunk : own.end - n, memory_of(m, share));
          }
          backwards = !backwards;
          break;
        case ActionKind::whole:
          if (samples < share.threads) share_samples(action, samples, share);
          else if (own.end > own.first)
            entries[l].samples(slots_of(l, share), own.first, own.end - own.first, memory_of(l, share));
          break;
        case ActionKind::outputs: entries[l].outputs(slots_of(l, share), samples, memory_of(l, share), share); break;
        case ActionKind::finish: entries[l].finish(slots_of(l, share), partials_of(l, share), share); break;
        case ActionKind::barrier: barrier(share); break;
      }
    }
  }
  /// With fewer samples than threads: all threads work on each, launch by launch.
  void share_samples(const Action& action, int samples, Share share) {
    for (int n = 0; n < samples; ++n) {
      enter_chunk(action, n, share.thread, 0);
      for (int l = action.first; l < action.end; ++l) {
        const Entry& entry = entries_of<P, Allowed>::data[l];
        entry.part(slots_of(l, share), n, memory_of(l, share), share);
        barrier(share);
        if (!entry.joins) continue;
        entry.join(slots_of(l, share), n, partials_of(l, share), share);
        barrier(share);
      }
    }
  }
};

}  // namespace inlay::cpu
