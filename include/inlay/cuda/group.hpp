// Small kernels of one launch, one after another for each sample: a block of threads a sample, a barrier between two
// kernels, so that each reads what the ones before it stored.
#pragma once

#include <inlay/cuda/elementwise.hpp>
#include <inlay/cuda/reduction.hpp>

namespace inlay::cuda {

/// One kernel of a group, run by a block of Threads for one sample.
template <class K>
struct Member;

template <class D, bool Batched, class B>
struct Member<kernel::Elementwise<D, Batched, B>> {
  static constexpr std::int64_t work = D::count;

  template <int Threads, class Slots, class SharedValues, class SharedPositions>
  INLAY_DEVICE static void run(const Slots& slots, int sample, SharedValues, SharedPositions) {
    for (int i = thread_index(); i < static_cast<int>(D::count); i += Threads) coordinate<D>(slots, sample, i).run(B{});
  }
};

template <ReduceOp Op, class D, int Axes, bool Batched, class Prologue, class Post>
struct Member<kernel::Reduction<Op, D, Axes, Batched, false, Prologue, Post>> {
  using R = Reducer<kernel::Reduction<Op, D, Axes, Batched, false, Prologue, Post>>;
  static constexpr std::int64_t work = D::count;

  template <int Threads, class Slots, class SharedValues, class SharedPositions>
  INLAY_DEVICE static void run(const Slots& slots, int sample, SharedValues values, SharedPositions positions) {
    for (int first = 0; first < R::kept; first += Threads)
      R::template reduce<Threads>(slots, sample, first, 0, R::reduced, values, positions,
                                  [&](int k, Reduced result) { R::finish(slots, sample, k, result); });
  }
};

template <class... Kernels>
struct GroupKernel {
  static constexpr int largest() {
    std::int64_t most = 32;
    ((most = Member<Kernels>::work > most ? Member<Kernels>::work : most), ...);
    return power_of_two_above(most, 256);
  }
  static constexpr int threads = largest(), shared_bytes = 8 * threads;

  template <class Slots>
  INLAY_DEVICE static void run(const Slots& slots, int) {
    const auto values = shared_array<float>(0, threads);
    const auto positions = shared_array<int>(4 * threads, threads);
    ((Member<Kernels>::template run<threads>(slots, block_index().x, values, positions), sync_threads()), ...);
  }
};

template <class... Kernels>
struct Runner<kernel::Group<Kernels...>> : RunnerDefaults {
  template <class Slots>
  static void run(const Stream& stream, const Slots& slots, int samples, Global<float>) {
    enqueue<GroupKernel<Kernels...>>(stream, {samples}, slots, samples);
  }
};

}  // namespace inlay::cuda
