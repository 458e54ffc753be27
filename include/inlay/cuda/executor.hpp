// Runs a Program on a GPU (or in the emulator): one or two kernels a launch of the plan, on one stream, with all
// intermediate values in one arena. Nothing is allocated by a run that is no larger than the largest before it.
// What follows from the parameters alone (the scale of a batch normalisation in inference, rounded weights) is
// kept from run to run.
//
// `replay` launches CUDA graphs. What changes from run to run (the optimiser's numbers, the place in the epoch) lies in
// a table in device memory (run_table.hpp), so that a graph can hold several runs: 1, 2, 4, ... of them, up to about
// 2048 kernels. Runs of any number are thus few launches of few graphs, which serve other numbers as well. Longer
// graphs would gain nothing: 2048 kernels take more than 2 ms, one more launch some microseconds, of the host's time
// while the GPU is busy; but recording one takes time and device memory for each kernel.
#pragma once

#include <inlay/cuda/contraction.hpp>
#include <inlay/cuda/elementwise.hpp>
#include <inlay/cuda/gradient_scale.hpp>
#include <inlay/cuda/group.hpp>
#include <inlay/cuda/parameters.hpp>
#include <inlay/cuda/pooling.hpp>
#include <inlay/cuda/reduction.hpp>
#include <inlay/cuda/round_parameter.hpp>
#include <inlay/cuda/run_table.hpp>
#include <inlay/kernel/lower.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

namespace inlay::cuda {

/// A dataset on the device, `count` samples one after another, and the order in which they are taken: a list of their
/// places (epoch_order.hpp).
struct GatherSource {
  const void* samples = nullptr;
  std::int64_t count = 0;
  const int* order = nullptr;
  std::int64_t order_count = 0;

  bool operator==(const GatherSource&) const = default;
};

/// Contractions multiply as policy P says, all other arithmetic is fp32. How values lie in memory is the Program's
/// choice.
template <class Program, Policy P = Policy{}>
class Executor {
 public:
  /// Work is enqueued on `stream`, which outlives the executor.
  explicit Executor(const Stream& work_stream)
      : stream(work_stream),
        inputs(static_cast<std::size_t>(plan().inputs.size)),
        uploaded(static_cast<std::size_t>(plan().inputs.size)),
        parameters(static_cast<std::size_t>(plan().parameters.size), nullptr),
        table(plan().inputs.size) {
    if constexpr (scales_gradients) {
      scale_states = DeviceBuffer<float>(ScaleState::size * Program::launches.size, "the scales of gradients");
      scale_states.upload(ScaleState::initially(Program::launches.size), stream);
      stream.synchronize();
    }
  }

  /// Makes room for batches of `samples`. Called by run; call it before timing or capturing. Throws CudaError, which
  /// says how many samples would fit, if there is too little memory; smaller batches can be run after that.
  void reserve(int samples) {
    // Partial sums of a small batch may need more than those of a large one, which is split into fewer parts.
    const auto scratch = static_cast<std::size_t>(scratch_floats(samples, launches()));
    if (samples > capacity) {
      capacity = 0;
      try {
        replace(memory,
                static_cast<std::size_t>(plan().arena_bytes_per_sample * samples + plan().arena_bytes_shared + 1),
                "the values of a batch");
      } catch (const CudaError& error) {
        if (error.status != cudaErrorMemoryAllocation) throw;
        throw CudaError(error.status, error.what() + what_fits());
      }
      capacity = samples;
      stale = true;
    }
    if (scratch_memory.size() < scratch + 1) replace(scratch_memory, scratch + 1, "the partial sums of a batch");
  }

  // --- inputs and parameters -----------------------------------------------------------------------------------

  /// Input i is read from device memory: all samples one after another, or the only copy of a shared one. Kernels read
  /// four elements at a time: it throws Error where a sample is a multiple of four and the address is not.
  void bind_input(int i, const void* device_data) {
    check_alignment("input", i, plan().inputs[i].shape.count(), plan().inputs[i].element, device_data);
    set_source(i, {.samples = device_data});
  }
  /// Input i, of samples, is read where a dataset on the device has them: sample n is the one that the order has at
  /// place set_cursor + n. Aligned as bind_input wants it. Inputs that one kernel reads have the same order.
  void bind_gathered(int i, const GatherSource& source) {
    if (!plan().inputs[i].batched)
      throw Error("bind_gathered: input " + std::to_string(i) +
                  " of the program is not one of samples: use bind_input");
    check_alignment("input", i, plan().inputs[i].shape.count(), plan().inputs[i].element, source.samples);
    set_source(i, source);
  }
  /// Input i is copied from the host, for the runs that follow.
  void upload_input(int i, std::span<const unsigned char> bytes) {
    DeviceBuffer<unsigned char>& own = uploaded.at(static_cast<std::size_t>(i));
    if (own.size() < bytes.size()) {
      set_source(i, {});
      replace(own, bytes.size(), "an input");
    }
    own.upload(bytes, stream);
    set_source(i, {.samples = own.data()});
  }
  /// Shared input i is one number, in the runs that are queued from now on.
  void set_number(int i, float value) { table.set_number(i, value); }
  /// Where in their order gathered inputs begin, likewise.
  void set_cursor(int first) { table.set_cursor(first); }

  /// Parameter i lies in device memory: read, and updated in place by training programs. Throws as bind_input does.
  void bind_parameter(int i, float* device_data) {
    check_alignment("parameter", i, plan().parameters[i].shape.count(), Element::f32, device_data);
    parameters.at(static_cast<std::size_t>(i)) = device_data;
    graphs.clear();
    parameters_changed();
  }
  /// To be called when somebody else has written to bound parameters.
  void parameters_changed() { stale = true; }

  /// All parameters; those of a smaller program are the first ones of a larger.
  void bind_parameters(Parameters& all) {
    for (int i = 0; i < plan().parameters.size; ++i) bind_parameter(i, all.data(i));
  }

  /// Every run adds outputs 0 and 1, one number each, to these two in device memory.
  void bind_sums(double* both) {
    sums = both;
    graphs.clear();
  }

  // --- running -------------------------------------------------------------------------------------------------

  /// Enqueues one run over `samples` samples.
  void run(int samples) {
    queue(samples);
    enqueue_queued([&](int batch, int runs) {
      for (int i = 0; i < runs; ++i) enqueue_run(batch);
    });
  }

  /// The same as a CUDA graph.
  void replay(int samples) {
    queue(samples);
    replay();
  }

  /// One more run for `replay`, with the numbers and the cursor as they are now. Only programs with bound sums have
  /// several.
  void queue(int samples) {
    if (samples < 1) throw Error("run: a batch of " + std::to_string(samples) + " samples; at least 1 is needed");
    if (table.size() > 0 && sums == nullptr) throw Error("queue: a second run needs bind_sums");
    if (table.size() == table.capacity()) replay();
    table.add(samples);
  }

  /// Enqueues what was queued, by graphs that are recorded when first needed.
  void replay() {
    enqueue_queued([&](int samples, int runs) {
      for (int length; runs > 0; runs -= length) {
        length = static_cast<int>(std::bit_floor(static_cast<unsigned>(std::min(runs, longest_graph))));
        recorded(samples, length).launch(stream);
      }
    });
  }

  /// Output i of the last run, of `samples` samples if it has a batch. Waits for it.
  void read_output(int i, int samples, float* to) const {
    const int v = plan().outputs[i].value;
    const Value& value = plan().values[v];
    const std::size_t count = static_cast<std::size_t>(value.count * (value.batched ? samples : 1));
    std::vector<unsigned char> bytes(
        static_cast<std::size_t>(bytes_of(value.element, static_cast<std::int64_t>(count))));
    if (value.storage != Storage::arena)
      throw Error("output " + std::to_string(i) + " is an input or a parameter itself");
    memory.download(bytes, stream, static_cast<std::size_t>(offset(value, last_samples)));
    for (std::size_t k = 0; k < count; ++k) to[k] = element(value.element, bytes.data(), k);
  }

  /// Bytes of device memory in use, without parameters and inputs.
  std::int64_t memory_bytes() const { return static_cast<std::int64_t>(memory.size() + 4 * scratch_memory.size()); }

 private:
  struct Recorded {
    int samples, runs;
    CapturedGraph graph;
  };
  static constexpr int longest_graph = std::max(1, 2048 / (Program::launches.size + 1));  // in runs
  static constexpr std::size_t most_graphs = 64;

  /// Does the program multiply gradients in fp16?
  static constexpr bool scales_gradients = [] {
    for (const Node& root : Program::roots)
      if (P == Precision::fp16 && root.op == Op::contraction && root.mode != Mode::forward) return true;
    return false;
  }();

  const Stream& stream;
  std::vector<GatherSource> inputs;  // without an order: the samples of a batch, or the only copy of a shared input
  std::vector<DeviceBuffer<unsigned char>> uploaded;
  std::vector<float*> parameters;
  RunTable table;
  double* sums = nullptr;
  DeviceBuffer<unsigned char> memory;
  DeviceBuffer<float> scratch_memory;
  DeviceBuffer<float> scale_states;  // of launches, where gradients are scaled
  std::vector<Recorded> graphs;      // the oldest first
  int capacity = 0, last_samples = 0;
  bool stale = true;  // what was made ahead of the last run, and copies of parameters

  /// Not constexpr: at run time g++ would evaluate each use of so large a constant anew.
  static const auto& plan() { return Program::plan; }
  static constexpr auto launches() { return std::make_integer_sequence<int, Program::launches.size>{}; }

  static void check_alignment(const char* what, int i, std::int64_t count, Element element, const void* data) {
    const auto four = static_cast<std::uintptr_t>(bytes_of(element, 4));
    if (count % 4 == 0 && std::bit_cast<std::uintptr_t>(data) % four != 0)
      throw Error(std::string(what) + " " + std::to_string(i) + " lies at an address that is no multiple of " +
                  std::to_string(four) + " bytes, four elements, which kernels read at once: copy it to one");
  }

  void set_source(int i, const GatherSource& source) {
    GatherSource& input = inputs.at(static_cast<std::size_t>(i));
    if (input != source) graphs.clear();
    input = source;
  }

  /// Another buffer for `buffer`, whose memory is given back first. Recorded graphs named it: they are forgotten.
  template <class T>
  void replace(DeviceBuffer<T>& buffer, std::size_t count, const char* purpose) {
    graphs.clear();
    stream.synchronize();
    buffer = DeviceBuffer<T>();
    buffer = DeviceBuffer<T>(count, purpose);
  }

  /// How large a batch the free memory has room for, partial sums not counted.
  std::string what_fits() {
    memory = DeviceBuffer<unsigned char>();
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "asking how much device memory is free");
    const std::int64_t each = plan().arena_bytes_per_sample + 1;
    const std::int64_t samples = (static_cast<std::int64_t>(free) - plan().arena_bytes_shared) / each;
    return samples < 1 ? " Not even one sample fits." : " About " + std::to_string(samples) + " samples fit.";
  }

  template <int... L>
  static std::int64_t scratch_floats(int samples, std::integer_sequence<int, L...>) {
    std::int64_t most = 0;
    ((most = std::max(
          most, Runner<under_policy_t<P, kernel::lowered_t<Program, L>>>::scratch_bytes(batch_of<L>(samples)) / 4)),
     ...);
    return most;
  }

  /// The samples that launch L runs over: 1 where nothing is batched.
  template <int L>
  static constexpr int batch_of(int samples) {
    return Program::stages.data[Program::launches.data[L].stages.first].batched ? samples : 1;
  }

  /// Has `enqueue(samples, runs)` enqueue the queued runs, as many at a time as have equally many samples.
  template <class Enqueue>
  void enqueue_queued(Enqueue enqueue) {
    const std::vector<int> batches = table.upload(stream);
    for (std::size_t first = 0, end = 0; first < batches.size(); first = end) {
      while (end < batches.size() && batches[end] == batches[first]) ++end;
      prepare(batches[first]);
      enqueue(batches[first], static_cast<int>(end - first));
    }
  }

  void prepare(int samples) {
    reserve(samples);
    last_samples = samples;
    if (stale) {
      if constexpr (Program::stored != Element::f32) round_parameters(samples);
      enqueue_launches<true>(samples, launches());
    }
    stale = false;
  }

  /// The copies of all parameters that have one.
  void round_parameters(int samples) {
    for (const Value& value : plan().values)
      if (value.storage == Storage::rounded)
        round_parameter(stream, bound_parameter(value),
                        reinterpret_cast<storage_t<Program::stored>*>(memory.data() + offset(value, samples)),
                        value.count);
  }

  const CapturedGraph& recorded(int samples, int runs) {
    for (const Recorded& r : graphs)
      if (r.samples == samples && r.runs == runs) return r.graph;
    if (graphs.size() == most_graphs) graphs.erase(graphs.begin());
    graphs.push_back({samples, runs, CapturedGraph(stream, [&] {
                        for (int i = 0; i < runs; ++i) enqueue_run(samples);
                      })});
    return graphs.back().graph;
  }

  void enqueue_run(int samples) {
    if constexpr (scales_gradients)
      enqueue<SettleScales>(stream, {1}, scale_states.view(), Global<const float>(table.device_batch_size(), 1),
                            Program::launches.size);
    enqueue_launches<false>(samples, launches());
    if (sums != nullptr) table.end_run(stream, device_output(0), device_output(1), {sums, 2});
  }
  /// Output i, one number.
  Global<const float> device_output(int i) const {
    const Value& value = plan().values[plan().outputs[i].value];
    return {reinterpret_cast<const float*>(memory.data() + value.offset), value.count};
  }
  template <bool Ahead, int... L>
  void enqueue_launches([[maybe_unused]] int samples, std::integer_sequence<int, L...>) {
    (enqueue_launch<Ahead, L>(samples), ...);
  }
  template <bool Ahead, int L>
  requires(Program::launches.data[L].ahead != Ahead) void enqueue_launch(int) {}
  template <bool Ahead, int L>
  requires(Program::launches.data[L].ahead == Ahead) void enqueue_launch(int samples) {
    constexpr Range bindings = Program::launches.data[L].bindings;
    Slots<bindings.count> slots;
    if constexpr (scales_gradients) slots.scale = scale_states.data() + ScaleState::size * L;
    bool first_input = true;
    for (int b = 0; b < bindings.count; ++b) {
      const Value& value = plan().values[plan().bindings[bindings.first + b]];
      bind(slots, b, value, samples);
      if (value.storage == Storage::input && value.batched) gather(slots, b, value, std::exchange(first_input, false));
    }
    Runner<under_policy_t<P, kernel::lowered_t<Program, L>>>::run(stream, slots, batch_of<L>(samples),
                                                                  scratch_memory.view());
  }

  std::int64_t offset(const Value& value, int samples) const {
    return value.batched ? plan().arena_bytes_shared + value.offset * samples : value.offset;
  }

  template <int N>
  void bind(Slots<N>& slots, int b, const Value& value, int samples) {
    slots.count[b] = value.count * (value.batched ? samples : 1);
    const auto i = static_cast<std::size_t>(value.index);
    switch (value.storage) {
      case Storage::arena:
      case Storage::rounded: slots.data[b] = memory.data() + offset(value, samples); break;
      case Storage::input:
        slots.data[b] = const_cast<void*>(inputs[i].samples);
        if (slots.data[b] == nullptr && !value.batched && value.count == 1)
          slots.data[b] = table.device_number(value.index);
        break;
      case Storage::parameter: slots.data[b] = bound_parameter(value); break;
      case Storage::batch_size: slots.data[b] = table.device_batch_size(); break;
      case Storage::sums: return;  // in scratch memory
    }
    if (slots.data[b] == nullptr) fail_unbound("input", value);
  }
  /// The samples of slot b, a batched input, are where its source says.
  template <int N>
  void gather(Slots<N>& slots, int b, const Value& value, bool first_input) {
    const GatherSource& source = inputs[static_cast<std::size_t>(value.index)];
    if (first_input) slots.gathered = {source.order, source.order_count, table.device_cursor()};
    if (slots.gathered.rows != source.order)
      throw Error("run: input " + std::to_string(value.index) +
                  " of the program has another order than one that the same kernel reads: bind both by bind_gathered "
                  "with the same order, or neither");
    if (source.order != nullptr) slots.count[b] = value.count * source.count;
  }
  float* bound_parameter(const Value& value) const {
    float* const data = parameters[static_cast<std::size_t>(value.index)];
    if (data == nullptr) fail_unbound("parameter", value);
    return data;
  }
  [[noreturn]] static void fail_unbound(const char* what, const Value& value) {
    throw Error(std::string("run: ") + what + " " + std::to_string(value.index) + " of the program has not been bound");
  }

  static float element(Element e, const unsigned char* data, std::size_t i) {
    if (e == Element::u8) return data[i];
    if (e == Element::f32) return read<float>(data + 4 * i);
    return static_cast<float>(read<std::int32_t>(data + 4 * i));
  }
  template <class T>
  static T read(const unsigned char* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
};

}  // namespace inlay::cuda
