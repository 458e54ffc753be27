// What the CPU executor asks of each kernel: Runner<Kernel>, specialised beside the kernel it implements.
//
//   partition      samples: each sample by itself.  reduced: `samples` adds a thread's samples to its partial and,
//                  after a barrier, `finish` combines the partials in order of threads.  outputs: all samples are
//                  read, each thread writes a share of the result, or of every sample's.  A kernel without a batch is
//                  `outputs` too.
//   part           (optional) a thread's share of one sample, for when there are fewer samples than threads
//   joins          `part` only leaves sums in the partials, from which `join` makes a thread's share of the sample
//   chunked        samples may be run a few at a time with the kernels before and after, to stay in the cache
//   packed_bytes   made by `prepare` from the weights before the first run that needs them, read by all threads
//   scratch_bytes  private to a thread, contents undefined;  partial_bytes: private, zero before the first sample
//
// No Runner allocates. Results depend on the number of threads only through the split of samples.
#pragma once

#include <inlay/cpu/context.hpp>

namespace inlay::cpu {

enum class Partition : std::uint8_t { samples, reduced, outputs };

/// One thread's place among all.
struct Share {
  int thread, threads;

  /// The thread's part of `count` things, in whole multiples of `grain`.
  struct Part {
    int first, end;
  };
  constexpr Part of(int count, int grain = 1) const {
    const int grains = (count + grain - 1) / grain;
    const std::int64_t first = std::int64_t{grains} * thread / threads * grain;
    const std::int64_t end = std::int64_t{grains} * (thread + 1) / threads * grain;
    return {static_cast<int>(first), static_cast<int>(end < count ? end : count)};
  }
};

struct Memory {
  float* packed = nullptr;
  float* scratch = nullptr;
  float* partial = nullptr;
};

/// The partials of all threads.
struct Partials {
  float* first;
  std::int64_t stride;  // floats
  int threads;

  /// The sum over threads at a position.
  template <class V>
  INLAY_INLINE V sum(std::int64_t i) const {
    V total{};
    for (int t = 0; t < threads; ++t) {
      const float* p = first + t * stride + i;
      if constexpr (std::is_same_v<V, float>) total += *p;
      else total += load_vector(p);
    }
    return total;
  }
};

struct RunnerDefaults {
  static constexpr bool chunked = true, joins = false;
  static constexpr std::int64_t packed_bytes = 0, scratch_bytes = 0, partial_bytes = 0;
  static void prepare(const Slot*, Memory, Share) {}
  static void samples(const Slot*, int, int, Memory) {}
  static void join(const Slot*, int, Partials, Share) {}
  static void finish(const Slot*, Partials, Share) {}
  static void outputs(const Slot*, int, Memory, Share) {}
};

/// Of kernels with one result for each sample's coordinates, which may sum it by channel on the side: Main and Post
/// accumulate in the thread's partial, `finish` adds the threads' sums in their order and runs Side.
template <bool Batched, int Channels, class Main, class Post, class Side>
struct SidedRunner : RunnerDefaults {
  static constexpr int sums =
      kernel::sum_count<Main> > kernel::sum_count<Post> ? kernel::sum_count<Main> : kernel::sum_count<Post>;
  static constexpr Partition partition = !Batched   ? Partition::outputs
                                         : sums > 0 ? Partition::reduced
                                                    : Partition::samples;
  static constexpr std::int64_t partial_bytes = 8 * ChannelSums<Channels>::count(sums);

  static void finish([[maybe_unused]] const Slot* slots, [[maybe_unused]] Partials partials,
                     [[maybe_unused]] Share share) {
    if constexpr (sums > 0) {
      if (share.thread > 0) return;
      auto* total = reinterpret_cast<double*>(partials.first);
      for (int t = 1; t < partials.threads; ++t) {
        const auto* more = reinterpret_cast<const double*>(partials.first + t * partials.stride);
        for (int i = 0; i < ChannelSums<Channels>::count(sums); ++i) total[i] += more[i];
      }
      run_row<Side, Channels>(slots, 0, 0, 0, 0, 0, Channels, no_input, no_output);
    }
  }
};

template <class Kernel>
struct Runner;

}  // namespace inlay::cpu
