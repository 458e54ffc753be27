// How many blocks of a kernel a multiprocessor holds at a time: as many as its threads, shared memory and registers
// suffice for.
#pragma once

#include <inlay/graph/device_specs.hpp>

namespace inlay::cuda {

struct Occupancy {
  int by_threads, by_shared, by_registers;

  constexpr int blocks() const {
    const int fewer = by_threads < by_shared ? by_threads : by_shared;
    return fewer < by_registers ? fewer : by_registers;
  }
};

/// `registers` of a thread; 0: not known, no limit. Warps get them in portions of 256, 8 a thread.
constexpr Occupancy occupancy(const Multiprocessors& on, int threads, int shared_bytes, int registers) {
  const int warps = (threads + 31) / 32, by_threads = on.threads / (32 * warps);
  const int of_block = shared_bytes + on.reserved_bytes;
  return {by_threads < on.blocks ? by_threads : on.blocks, of_block > 0 ? on.shared_bytes / of_block : on.blocks,
          registers > 0 ? 65536 / ((registers + 7) / 8 * 8 * 32) / warps : on.blocks};
}

}  // namespace inlay::cuda
