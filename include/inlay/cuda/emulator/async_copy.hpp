// The emulator's body of cuda/async_copy.hpp: a copy is kept aside until its thread waits for it (block.hpp).
#pragma once

#include <inlay/cuda/emulator/device.hpp>

namespace inlay::cuda {

template <bool Reused = false, class T>
void copy_async(const Shared<Chunk>& to, int i, const Global<const T>& from, std::int64_t at, int count) {
  unsigned char bytes[sizeof(Chunk)] = {};
  if (count > 0 && reinterpret_cast<std::uintptr_t>(&from[at]) % sizeof(Chunk) != 0)
    emulator::report_alignment("global", at, sizeof(Chunk) / sizeof(T));
  for (int e = 0; e < count; ++e)
    std::memcpy(bytes + static_cast<std::size_t>(e) * sizeof(T), &from[at + e], sizeof(T));
  emulator::Machine::mine().begin_copy(to.address(i), bytes);
}

inline void commit_copies() { emulator::Machine::mine().commit_copies(); }

template <int Left>
void wait_copies() {
  emulator::Machine::mine().wait_copies(Left);
}

}  // namespace inlay::cuda
