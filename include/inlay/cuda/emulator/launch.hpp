// Runs the blocks of a grid, one after another or, with OpenMP, on several OS threads. Of several blocks with defects
// the first one's is thrown, so a report does not depend on the number of threads.
#pragma once

#include <atomic>
#include <exception>
#include <inlay/cuda/emulator/block.hpp>
#include <limits>
#include <mutex>
#include <tuple>

namespace inlay::cuda::emulator {

inline void run_grid(const Kernel& kernel) {
  const std::int64_t blocks = kernel.grid.count();
  std::atomic<std::int64_t> failed = std::numeric_limits<std::int64_t>::max();
  std::exception_ptr failure;
  std::mutex lock;
#if defined(_OPENMP)
#pragma omp parallel for schedule(dynamic) if (blocks > 1)
#endif
  for (std::int64_t block = 0; block < blocks; ++block) {
    if (block > failed) continue;
    try {
      const int x = static_cast<int>(block % kernel.grid.x);
      const std::int64_t rest = block / kernel.grid.x;
      Machine::mine().run(kernel, {x, static_cast<int>(rest % kernel.grid.y), static_cast<int>(rest / kernel.grid.y)});
    } catch (...) {
      const std::lock_guard guard(lock);
      if (block < failed) {
        failed = block;
        failure = std::current_exception();
      }
    }
  }
  if (failure) std::rethrow_exception(failure);
}

/// K::run(arguments...) on every thread of the grid.
template <class K, class... Arguments>
void run_grid(const char* name, Dim3 grid, int threads, std::size_t shared_bytes,
              const std::tuple<Arguments...>& arguments) {
  auto call = [](const void* packed) {
    std::apply([](const auto&... argument) { K::run(argument...); },
               *static_cast<const std::tuple<Arguments...>*>(packed));
  };
  run_grid(Kernel{name, call, &arguments, grid, threads, shared_bytes});
}

}  // namespace inlay::cuda::emulator
