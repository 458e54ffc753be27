// Small kernels of one launch, one after another for each sample.
#pragma once

#include <inlay/cpu/runner.hpp>

namespace inlay::cpu {

template <class... Kernels>
struct Runner<kernel::Group<Kernels...>> : RunnerDefaults {
  static constexpr Partition partition = Partition::samples;
  static constexpr std::int64_t scratch_bytes = [] {
    std::int64_t most = 0;
    ((most = Runner<Kernels>::scratch_bytes > most ? Runner<Kernels>::scratch_bytes : most), ...);
    return most;
  }();

  static void samples(const Slot* slots, int first, int count, Memory memory) {
    for (int n = first; n < first + count; ++n) (Runner<Kernels>::samples(slots, n, 1, memory), ...);
  }
};

}  // namespace inlay::cpu
