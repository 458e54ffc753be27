// The emulator's record of who touched each word of shared memory. A word has two cells, its last writer and its
// last readers, each stamped with the time: a clock that every barrier of the block advances. From them follow
//   read of a word not written since the block began          -> uninitialised,
//   write after another thread's read or write, or read after another's write, without a barrier between -> race.
// sync_warp orders the lanes of its own warp only. From a block's first access to less than a word on, each byte has
// cells of its own. What an asynchronous copy is about to write is marked as written at the end of time, so that every
// access to it conflicts. The usual case, no defect, is four cells at a time without a branch.
#pragma once

#include <algorithm>
#include <cstring>
#include <inlay/cuda/emulator/report.hpp>
#include <vector>

namespace inlay::cuda::emulator {

// A cell's code is the thread's number, or for readers also: several lanes of warp w, or threads of several warps.
inline constexpr int code_bits = 11;
inline constexpr std::int32_t code_mask = (1 << code_bits) - 1, several_lanes = 1024, several_warps = code_mask;
inline constexpr std::int32_t in_flight_cell = 0x7fffffff - 1;  // later than all, by none of the threads

/// The memory behind Running::writers and readers, and the clock.
class Shadow {
 public:
  /// Prepares for a block with that much shared memory.
  void begin_block(std::size_t bytes) {
    bytes = (bytes + 15) / 16 * 16;
    if (writers.size() < bytes || time > max_time / 2) {
      writers.assign(std::max(bytes, writers.size()), 0);
      readers.assign(writers.size(), 0);
      time = 0;
    }
    running.writers = writers.data();
    running.readers = readers.data();
    running.byte_cells = false;
    running.first_cell = tick();
    sync_threads();
  }

  /// From now on, in this block, a cell stands for one byte.
  void split() {
    for (std::size_t i = writers.size(); i-- > 0;) {
      writers[i] = writers[i / 4];
      readers[i] = readers[i / 4];
    }
    running.byte_cells = true;
  }

  /// All threads of the block have met.
  void sync_threads() {
    if (time > max_time / 2) restart_clock();
    base_cell = tick();
    for (std::int32_t& cell : warp_base_cells) cell = base_cell;
  }

  /// The lanes of one warp have met.
  void sync_warp(int warp) {
    if (time >= max_time) report("more than half a million sync_warp without a sync_threads between: add one");
    warp_base_cells[warp] = tick();
  }

  /// Sets the writer of the chunk at that byte.
  void mark(std::size_t offset, std::int32_t cell) {
    const std::size_t first = running.byte_cells ? offset : offset / 4, cells = running.byte_cells ? 16 : 4;
    std::fill_n(writers.begin() + static_cast<std::ptrdiff_t>(first), cells, cell);
  }

  /// Sets what `running` needs to know when a thread goes on.
  void resume(int thread) const {
    running.base_cell = base_cell;
    running.warp_base_cell = warp_base_cells[thread / 32];
    running.own_cell = now | thread;
  }

 private:
  static constexpr std::int32_t max_time = (1 << (31 - code_bits)) - 2;

  std::int32_t tick() { return now = ++time << code_bits; }

  void restart_clock() {
    for (std::int32_t& cell : writers)
      if (cell != in_flight_cell) cell = cell >= running.first_cell ? (1 << code_bits | (cell & code_mask)) : 0;
    readers.assign(readers.size(), 0);
    time = 1;
    running.first_cell = 1 << code_bits;
  }

  std::vector<std::int32_t> writers, readers;
  std::int32_t time = 0, now = 0, base_cell = 0, warp_base_cells[32] = {};
};

/// Whether the access that left `cell` in this barrier interval may be concurrent with the running thread.
inline bool is_concurrent(std::int32_t cell) {
  const std::int32_t code = cell & code_mask, warp = running.thread / 32;
  if (code == running.thread || cell < running.base_cell) return false;
  const bool same_warp = code < several_lanes ? code / 32 == warp : code == several_lanes + warp;
  return !same_warp || cell >= running.warp_base_cell;
}

inline std::string accessor(std::int32_t cell) {
  const std::int32_t code = cell & code_mask;
  if (code == several_warps) return "several threads";
  if (code >= several_lanes) return "several lanes of warp " + std::to_string(code - several_lanes);
  return "thread " + std::to_string(code);
}

/// Tells a defect from a false alarm of the quick test.
[[gnu::cold, gnu::noinline]] inline void examine(std::size_t first, int cells, bool writes) {
  for (std::size_t i = first; i < first + static_cast<std::size_t>(cells); ++i) {
    const std::int32_t writer = running.writers[i], reader = running.readers[i];
    const std::string where = " byte " + std::to_string(running.byte_cells ? i : 4 * i) + " of shared memory";
    if (writer == in_flight_cell)
      report((writes ? "writes" : "reads") + where +
             ", which an asynchronous copy is still to write: wait_copies or wait_boxes, and then a barrier, are missing");
    if (!writes && writer < running.first_cell)
      report("reads" + where +
             ", which no thread of the block has written so far: it is uninitialised, or a barrier is missing");
    if (is_concurrent(writer))
      report((writes ? "writes" : "reads") + where + ", which " + accessor(writer) +
             " wrote with no barrier between: a data race");
    if (writes && is_concurrent(reader))
      report("writes" + where + ", which " + accessor(reader) + " read with no barrier between: a data race");
  }
}

using Cells __attribute__((vector_size(16))) = std::int32_t;

/// The next N = 4, 2 or 1 cells; fewer than 4 are repeated.
template <int N>
Cells load_cells(const std::int32_t* p) {
  Cells cells;
  if constexpr (N == 4) std::memcpy(&cells, p, sizeof cells);
  else cells = Cells{p[0], p[N - 1], p[0], p[N - 1]};
  return cells;
}

template <int N>
void store_cells(std::int32_t* p, Cells cells) {
  std::memcpy(p, &cells, 4 * N);
}

inline bool any(Cells mask) {
  std::int64_t halves[2];
  std::memcpy(halves, &mask, sizeof halves);
  return (halves[0] | halves[1]) != 0;
}

/// Checks and records an access of the running thread to what `Count` cells stand for.
template <int Count, bool Writes>
void touch(std::size_t first_touched) {
  constexpr int step = Count % 4 == 0 ? 4 : Count % 2 == 0 ? 2 : 1;
  const std::int32_t me = running.thread, warp = me / 32;
  const std::int32_t first = running.first_cell, base = running.base_cell, warp_base = running.warp_base_cell;
  const std::int32_t own = running.own_cell, lanes = (own & ~code_mask) | (several_lanes + warp);
  std::int32_t* writers = running.writers + first_touched;
  std::int32_t* readers = running.readers + first_touched;

  auto conflicts = [&](Cells cell) { return (cell >= base) & ((cell & code_mask) != me); };
  auto merged = [&](Cells cell) {  // the readers after this thread has read as well
    const Cells code = cell & code_mask;
    const Cells same = ((code >> 5) == warp) | (code == several_lanes + warp);
    const Cells kept = (code != me) & ((cell >= warp_base) | (~same & (cell >= base)));
    return (~kept & own) | (kept & same & lanes) | (kept & ~same & (own | several_warps));
  };

  Cells bad{};
  for (int i = 0; i < Count; i += step) {
    const Cells writer = load_cells<step>(writers + i);
    bad |= conflicts(writer) | (Writes ? conflicts(load_cells<step>(readers + i)) : Cells(writer < first));
  }
  if (any(bad)) [[unlikely]]
    examine(first_touched, Count, Writes);
  for (int i = 0; i < Count; i += step) {
    if constexpr (Writes) store_cells<step>(writers + i, Cells{} + own);
    else store_cells<step>(readers + i, merged(load_cells<step>(readers + i)));
  }
}

}  // namespace inlay::cuda::emulator
