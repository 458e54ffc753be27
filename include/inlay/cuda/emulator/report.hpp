// What the emulator knows of the thread it is running, and how it reports a defect: an exception that names
// the kernel, the block and the thread, thrown inside of the kernel and again out of launch().
#pragma once

#include <cstddef>
#include <cstdint>
#include <inlay/core/error.hpp>
#include <inlay/cuda/dim3.hpp>
#include <string>

namespace inlay::cuda {

/// A defect in a kernel that the emulator found; the message names kernel, block, thread and index.
struct EmulatorError : Error {
  using Error::Error;
};

namespace emulator {

/// The running thread, its block and the clock of its barriers. Written by the scheduler (block.hpp) only.
struct Running {
  const char* kernel = "";
  Dim3 grid, block;
  int threads = 0, thread = 0;
  int warp_sequence = 0;  // how many warp operations this thread has passed: chooses the exchange buffer
  unsigned char* shared = nullptr;
  std::size_t shared_bytes = 0;

  // Shadow of shared memory (shadow.hpp): cells are `stamp << code_bits | code`, each for 4 bytes or 1.
  bool byte_cells = false;
  std::int32_t* writers = nullptr;
  std::int32_t* readers = nullptr;
  std::int32_t first_cell = 0;      // cells below were not written by this block
  std::int32_t base_cell = 0;       // cells below are before the last sync_threads
  std::int32_t warp_base_cell = 0;  // cells below are, for lanes of this warp, before its last sync_warp
  std::int32_t own_cell = 0;        // what this thread stamps now
};

inline thread_local constinit Running running{};

inline std::string text(const Dim3& d) {
  return std::string("(") + std::to_string(d.x) + ", " + std::to_string(d.y) + ", " + std::to_string(d.z) + ")";
}

/// Throws EmulatorError about the running thread.
[[noreturn, gnu::cold, gnu::noinline]] inline void report(const std::string& what) {
  throw EmulatorError(std::string(running.kernel) + ", block " + text(running.block) + ", thread " +
                      std::to_string(running.thread) + ": " + what);
}

[[noreturn, gnu::cold, gnu::noinline]] inline void report_index(const char* memory, std::int64_t index, int elements,
                                                                std::int64_t count) {
  report((elements == 1 ? "element " + std::to_string(index)
                        : "elements " + std::to_string(index) + " to " + std::to_string(index + elements - 1)) +
         " of an array of " + std::to_string(count) + " in " + memory + " memory: out of bounds");
}

[[noreturn, gnu::cold, gnu::noinline]] inline void report_alignment(const char* memory, std::int64_t index,
                                                                    int elements) {
  report("a vector of " + std::to_string(elements) + " elements at element " + std::to_string(index) + " in " + memory +
         " memory is not aligned to its size: start it at a multiple of " + std::to_string(elements) + " elements");
}

}  // namespace emulator
}  // namespace inlay::cuda
