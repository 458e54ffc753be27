// What the executor asks of each kernel type: Runner<Kernel>, specialised beside the kernel it implements.
//
//   scratch_bytes(samples)                    memory that the launch needs for itself
//   run(stream, slots, samples, scratch)      enqueues the kernel, or the two kernels, of one launch
//
// A Runner neither allocates nor waits, so that a step can be captured in a CUDA graph.
#pragma once

#include <inlay/core/error.hpp>
#include <inlay/cuda/context.hpp>
#include <inlay/cuda/integers.hpp>
#include <inlay/cuda/runtime.hpp>

#include <cstdint>
#include <limits>
#include <string>

namespace inlay::cuda {

template <class Kernel>
struct Runner;

struct RunnerDefaults {
  static constexpr std::int64_t scratch_bytes(int) { return 0; }
};

/// Enqueues Kernel::run(arguments...) on a grid.
template <class Kernel, class... Arguments>
void enqueue(const Stream& stream, Dim3 grid, const Arguments&... arguments) {
  launch<Kernel>(grid, Kernel::threads, Kernel::shared_bytes, stream, arguments...);
}

/// samples * each, which kernels count in 32 bits.
inline int work_items(int samples, std::int64_t each) {
  const std::int64_t count = samples * each;
  if (count > std::numeric_limits<int>::max() / 2)
    throw Error("a batch of " + std::to_string(samples) + " samples is too large for one kernel: use at most " +
                std::to_string(std::numeric_limits<int>::max() / 2 / each));
  return static_cast<int>(count);
}

}  // namespace inlay::cuda
