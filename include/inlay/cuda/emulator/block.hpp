// Runs the threads of a block as fibres. A fibre runs until it meets a barrier, a warp operation or its end; the
// scheduler takes the lanes of a warp in turn until all wait for the same, then the warps of the block. Waiting
// for different things is a defect, reported with who waits where. Nothing is locked: a block is one OS thread.
#pragma once

#include <algorithm>
#include <cstring>
#include <exception>
#include <functional>
#include <inlay/cuda/emulator/fibre.hpp>
#include <inlay/cuda/emulator/report.hpp>
#include <inlay/cuda/emulator/shadow.hpp>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

namespace inlay::cuda::emulator {

/// What a fibre gave control back for, and the place in the kernel's source.
struct Stop {
  enum Kind : std::uint8_t { nowhere, block_barrier, warp_operation, end };
  Kind kind = nowhere;
  int line = 0;
  const char* operation = "";
  const char* file = "";

  bool meets(const Stop& other) const { return kind == other.kind && line == other.line; }
};

/// Thrown through the fibres of a block that is given up, so that they unwind.
struct Cancelled {};

/// All threads of one kernel launch do the same: call(arguments).
struct Kernel {
  const char* name;
  void (*call)(const void* arguments);
  const void* arguments;
  Dim3 grid;
  int threads;
  std::size_t shared_bytes;
};

class Machine {
 public:
  static constexpr int max_threads = Stacks::max_stacks, warp_size = 32, exchange_bytes = 64;
  static constexpr std::size_t max_shared_bytes = 227 * 1024;

  /// This OS thread's.
  static Machine& mine() {
    static thread_local Machine machine;
    return machine;
  }

  /// Runs one block; throws what a thread of it threw, after all its fibres have unwound.
  void run(const Kernel& launched, const Dim3& block) {
    kernel = &launched;
    if (shared.size() <= kernel->shared_bytes / sizeof(Slot)) shared.resize(kernel->shared_bytes / sizeof(Slot) + 1);
    running.kernel = kernel->name;
    running.grid = kernel->grid;
    running.block = block;
    running.threads = kernel->threads;
    running.shared = reinterpret_cast<unsigned char*>(shared.data());
    running.shared_bytes = kernel->shared_bytes;
    shadow.begin_block(kernel->shared_bytes);
    for (int t = 0; t < kernel->threads; ++t) {
      fibres[t] = make_fibre(stacks, t, &Machine::start);
      stops[t] = Stop{};
      warp_sequences[t] = 0;
      groups[t] = 0;
      fences[t] = 0;
      products[t].number = 0;
    }
    for (std::vector<std::uint64_t>& of_warpgroup : matrices) of_warpgroup.clear();
    started = 0;
    try {
      while (!phase()) shadow.sync_threads();
      if (!arrivals.empty()) report("ends with a barrier that boxes can arrive at: end_arrivals is missing");
    } catch (...) {
      cancel();
      throw;
    }
  }

  /// Called by kernels' threads: waits until all others of the block (or the warp) have come here too.
  void wait(Stop::Kind kind, const char* operation, const char* file, int line) {
    const int thread = running.thread;
    stops[thread] = {kind, line, operation, file};
    switch_to(fibres[thread], scheduler);
    if (cancelled) throw Cancelled{};
  }

  /// Where lane `lane` of the running thread's warp puts its value for warp operation number `sequence`.
  unsigned char* exchange(int sequence, int lane) {
    return exchanged[sequence % 2][(running.thread / warp_size) * warp_size + lane].bytes;
  }

  /// Before an access to a V at that byte of shared memory: checks and records it.
  template <class V, bool Writes>
  static void access(std::size_t offset) {
    constexpr bool words = alignof(V) % 4 == 0;
    if constexpr (!words)
      if (!running.byte_cells) mine().shadow.split();
    if (words && !running.byte_cells) [[likely]]
      touch<static_cast<int>(sizeof(V) + 3) / 4, Writes>(offset / 4);
    else touch<static_cast<int>(sizeof(V)), Writes>(offset);
  }

  // --- asynchronous copies (cuda/async_copy.hpp) of the running thread

  /// A copy of a chunk to byte `offset` begins: until it is waited for, nobody may touch these bytes.
  void begin_copy(std::size_t offset, const unsigned char* bytes) {
    access<Chunk, true>(offset);
    shadow.mark(offset, in_flight_cell);
    Copy& copy = copies[running.thread].emplace_back(Copy{offset, groups[running.thread], {}});
    std::memcpy(copy.bytes, bytes, sizeof copy.bytes);
  }
  void commit_copies() { ++groups[running.thread]; }

  /// Delivers all but those of the last `left` groups.
  void wait_copies(int left) {
    std::vector<Copy>& own = copies[running.thread];
    std::size_t kept = 0;
    for (const Copy& copy : own) {
      if (copy.group >= groups[running.thread] - left) {
        own[kept++] = copy;
        continue;
      }
      std::memcpy(running.shared + copy.offset, copy.bytes, sizeof copy.bytes);
      shadow.mark(copy.offset, running.own_cell);
    }
    own.resize(kept);
  }

  // --- boxes (cuda/box_copy.hpp), which arrive at barriers in shared memory

  /// Until end_arrivals the chunk at that byte is a barrier, and nobody may touch it.
  void begin_arrivals(std::size_t barrier) {
    access<Chunk, true>(barrier);
    shadow.mark(barrier, in_flight_cell);
    if (!arrivals.emplace(barrier, Arrivals{}).second) report("begins arrivals at a barrier that is one already");
  }
  void end_arrivals(std::size_t barrier) {
    if (arrivals_at(barrier).expected != 0) report("ends arrivals that no thread has waited for");
    arrivals.erase(barrier);
    shadow.mark(barrier, running.own_cell);
  }
  void expect_bytes(std::size_t barrier, int bytes) {
    Arrivals& at = arrivals_at(barrier);
    if (at.expected != 0) report("expects further boxes before those on their way have been waited for");
    at.expected = bytes;
  }
  /// A chunk of a box is on its way to byte `offset`.
  void begin_box_copy(std::size_t offset, const unsigned char* bytes, std::size_t barrier) {
    access<Chunk, true>(offset);
    shadow.mark(offset, in_flight_cell);
    std::memcpy(arrivals_at(barrier).copies.emplace_back(Copy{offset, 0, {}}).bytes, bytes, sizeof(Chunk));
  }
  /// Delivers the boxes number `turn` of a barrier, if no other thread has had them delivered.
  void wait_boxes(std::size_t barrier, int turn) {
    Arrivals& at = arrivals_at(barrier);
    if (turn == at.turn - 1) return;
    const std::size_t on_their_way = at.copies.size() * sizeof(Chunk);
    if (turn != at.turn)
      report("waits for boxes number " + std::to_string(turn) + " at a barrier where those number " +
             std::to_string(at.turn) + " are the next");
    if (at.expected == 0 || on_their_way != static_cast<std::size_t>(at.expected))
      report("waits for " + std::to_string(at.expected) + " bytes of boxes, but " + std::to_string(on_their_way) +
             " are on their way: it would wait for ever");
    for (const Copy& copy : at.copies) {
      std::memcpy(running.shared + copy.offset, copy.bytes, sizeof copy.bytes);
      shadow.mark(copy.offset, running.own_cell);
    }
    at = {at.turn + 1, 0, {}};
  }

  // --- products in the background (cuda/warpgroup.hpp) of the running thread

  /// What it has written may be read by products from now on.
  void fence_writes() { fences[running.thread] = running.own_cell; }

  /// Before a product reads the word at that byte of shared memory.
  void access_matrix(std::size_t offset) const {
    access<std::uint32_t, false>(offset);
    const std::int32_t writer = running.writers[running.byte_cells ? offset : offset / 4];
    if (fences[writer & code_mask] < writer) [[unlikely]]
      report("multiplies by byte " + std::to_string(offset) + " of shared memory, which " + accessor(writer) +
             " wrote without fence_shared_writes between that and the barrier");
  }

  /// A group begins: when it is waited for, product(sums) adds it. Until then the sums are NaN.
  void start_products(float* sums, int count, std::uint64_t matrix, std::function<void(float*)> product) {
    Products& own = products[running.thread];
    if (own.started.empty()) {
      own.sums = sums;
      own.values.assign(sums, sums + count);
      for (int i = 0; i < count; ++i) std::memcpy(sums + i, &untouched, sizeof untouched);
    } else if (own.sums != sums) {
      report("starts products that are added to other sums than those under way: wait_products is missing");
    }
    own.started.push_back(std::move(product));
    std::vector<std::uint64_t>& given = matrices[running.thread / (4 * warp_size)];
    if (own.number == given.size()) given.push_back(matrix);
    if (given[own.number++] != matrix) report("starts products with another matrix than the other warps");
  }

  /// Delivers all but the last `left` groups.
  void wait_products(int left, const float* sums) {
    Products& own = products[running.thread];
    if (own.started.empty()) return;
    if (own.sums != sums) report("waits for products that are added to other sums");
    for (std::size_t i = 0; i < own.values.size(); ++i)
      if (std::memcmp(sums + i, &untouched, sizeof untouched) != 0)
        report("has written sums to which products are still to be added: wait_products is missing");
    const auto end = own.started.end() - std::min<std::ptrdiff_t>(left, std::ssize(own.started));
    for (auto product = own.started.begin(); product != end; ++product) (*product)(own.values.data());
    own.started.erase(own.started.begin(), end);
    if (own.started.empty()) std::copy(own.values.begin(), own.values.end(), own.sums);
  }

  /// One slot for each warp of the block, beside shared memory: block_reduce's.
  unsigned char* warp_slot(int warp) { return warp_slots[warp].bytes; }

 private:
  /// Runs every thread to the next sync_threads or to the end; whether it was the end.
  bool phase() {
    for (int warp = 0; warp * warp_size < kernel->threads; ++warp) {
      while (run_lanes(warp)) {
        if (stops[warp * warp_size].operation == std::string_view("sync_warp")) shadow.sync_warp(warp);
      }
    }
    for (int t = 1; t < kernel->threads; ++t)
      if (!stops[t].meets(stops[0])) report_divergence(0, kernel->threads, t);
    return stops[0].kind == Stop::end;
  }

  /// Runs each lane of the warp to its next stop; whether all now wait for the same warp operation.
  bool run_lanes(int warp) {
    const int first = warp * warp_size, end = first + warp_size;
    bool equal = true, operations = false;
    for (int t = first; t < end; ++t) {
      resume(t);
      equal &= stops[t].meets(stops[first]);
      operations |= stops[t].kind == Stop::warp_operation;
    }
    if (operations && !equal)
      for (int t = first + 1; t < end; ++t)
        if (!stops[t].meets(stops[first])) report_divergence(first, end, t);
    return operations;
  }

  void resume(int thread) {
    running.thread = thread;
    running.warp_sequence = warp_sequences[thread];
    shadow.resume(thread);
    started = std::max(started, thread + 1);
    switch_to(scheduler, fibres[thread]);
    warp_sequences[thread] = running.warp_sequence;
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
  }

  static void start(boost::context::detail::transfer_t transfer) {
    Machine& m = mine();
    const int thread = running.thread;
    arrived(m.fibres[thread], m.scheduler, transfer);
    try {
      m.kernel->call(m.kernel->arguments);
      if (!m.copies[thread].empty()) report("ends with asynchronous copies that it has not waited for");
      if (!m.products[thread].started.empty()) report("ends with products that it has not waited for");
    } catch (const Cancelled&) {
    } catch (...) {
      m.failure = std::current_exception();
    }
    m.stops[thread] = {Stop::end, 0, "the end of the kernel", ""};
    switch_to(m.fibres[thread], m.scheduler, true);
  }

  void cancel() {
    cancelled = true;
    for (int t = 0; t < started; ++t) {
      if (stops[t].kind == Stop::end) continue;
      running.thread = t;
      switch_to(scheduler, fibres[t]);
    }
    cancelled = false;
    failure = nullptr;
    for (int t = 0; t < started; ++t) {
      for (const Copy& copy : copies[t]) shadow.mark(copy.offset, 0);
      copies[t].clear();
      products[t].started.clear();
    }
    for (const auto& [barrier, at] : arrivals) {
      for (const Copy& copy : at.copies) shadow.mark(copy.offset, 0);
      shadow.mark(barrier, 0);
    }
    arrivals.clear();
  }

  struct Copy;
  struct Arrivals;
  Arrivals& arrivals_at(std::size_t barrier) {
    const auto found = arrivals.find(barrier);
    if (found == arrivals.end())
      report("byte " + std::to_string(barrier) + " of shared memory is no barrier that boxes can arrive at");
    return found->second;
  }

  [[noreturn]] void report_divergence(int first, int end, int other) {
    int with_other = 0;
    for (int t = first; t < end; ++t) with_other += stops[t].meets(stops[other]);
    running.thread = other;
    report("divergent barrier: thread " + std::to_string(first) + " is at " + place(stops[first]) + ", thread " +
           std::to_string(other) + " (and " + std::to_string(with_other - 1) + " more of " +
           std::to_string(end - first) + ") at " + place(stops[other]) + "; all threads must reach the same barrier");
  }

  static std::string place(const Stop& stop) {
    std::string result = stop.operation;
    if (stop.line) result += std::string(" in ") + stop.file + ":" + std::to_string(stop.line);
    return result;
  }

  struct alignas(exchange_bytes) Slot {
    unsigned char bytes[exchange_bytes];
  };
  struct Copy {
    std::size_t offset;
    int group;
    unsigned char bytes[sizeof(Chunk)];
  };
  struct Arrivals {
    int turn = 0;      // of the boxes that come next
    int expected = 0;  // bytes of them
    std::vector<Copy> copies;
  };
  struct Products {
    float* sums = nullptr;
    std::vector<float> values;  // of the sums
    std::vector<std::function<void(float*)>> started;
    std::size_t number = 0;  // of all groups of the block so far
  };
  static constexpr std::uint32_t untouched = 0x7fc0dead;  // a NaN

  const Kernel* kernel = nullptr;
  Stacks stacks;
  Shadow shadow;
  Fibre scheduler, fibres[max_threads];
  Stop stops[max_threads];
  int warp_sequences[max_threads] = {};
  std::vector<Copy> copies[max_threads];     // under way
  int groups[max_threads] = {};              // complete ones
  std::map<std::size_t, Arrivals> arrivals;  // by the barrier's byte
  Products products[max_threads];
  std::int32_t fences[max_threads] = {};                               // their own_cell at the last one
  std::vector<std::uint64_t> matrices[max_threads / (4 * warp_size)];  // that a warpgroup's groups multiply by
  Slot exchanged[2][max_threads], warp_slots[max_threads / warp_size];
  std::vector<Slot> shared;
  std::exception_ptr failure;
  int started = 0;
  bool cancelled = false;
};

}  // namespace inlay::cuda::emulator
