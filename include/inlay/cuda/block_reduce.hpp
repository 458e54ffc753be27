// Reductions over the threads of a block, in a fixed order, so that a result has the same bits on every run:
// each warp halves five times (lane i takes in lane i + 1, then i + 2, i + 4, i + 8, i + 16), then the warps' results
// are taken in order. That is CUB's order, which nvcc's body uses, and the emulator's body repeats it bit for bit.
#pragma once

#include <inlay/cuda/device.hpp>

#if defined(__CUDACC__)
#include <cub/block/block_reduce.cuh>
#endif

namespace inlay::cuda {

struct Sum {
  template <class T>
  INLAY_HOST_DEVICE T operator()(const T& a, const T& b) const {
    return a + b;
  }
};

/// The first operand where they are equal or not comparable.
struct Maximum {
  template <class T>
  INLAY_HOST_DEVICE T operator()(const T& a, const T& b) const {
    return b > a ? b : a;
  }
};

/// combine(...) of all threads' values, given to every thread. T is trivially copyable, of 4, 8, 12 or 16 bytes;
/// `combine` is associative, operands in the order of the threads. All `Threads` of the block must call it, at one
/// place; it ends after a barrier. Natively it takes static shared memory besides the launch's: sizeof(T) x (warps +
/// 1).
template <int Threads, class T, class Combine>
INLAY_DEVICE T block_reduce(T value, Combine combine) {
  static_assert(Threads % 32 == 0 && Threads <= 1024, "a block has a multiple of 32 threads, up to 1024");
#if defined(__CUDACC__)
  using Reduce = cub::BlockReduce<T, Threads>;
  __shared__ typename Reduce::TempStorage scratch;
  __shared__ T result;
  const T reduced = Reduce(scratch).Reduce(value, combine);
  if (thread_index() == 0) result = reduced;
  sync_threads();
  return result;
#else
  if (block_threads() != Threads)
    emulator::report("block_reduce<" + std::to_string(Threads) + "> in a block of " + std::to_string(block_threads()) +
                     " threads: the numbers must be equal");
  for (int step = 1; step < 32; step *= 2) {
    const T other = shuffle_down(value, step);
    if (lane() + step < 32) value = combine(value, other);
  }
  emulator::Machine& machine = emulator::Machine::mine();
  if (lane() == 0) std::memcpy(machine.warp_slot(warp()), &value, sizeof(T));
  sync_threads();
  T result;
  std::memcpy(&result, machine.warp_slot(0), sizeof(T));
  for (int w = 1; w < Threads / 32; ++w) {
    T next;
    std::memcpy(&next, machine.warp_slot(w), sizeof(T));
    result = combine(result, next);
  }
  sync_threads();
  return result;
#endif
}

template <int Threads, class T>
INLAY_DEVICE T block_reduce_sum(T value) {
  return block_reduce<Threads>(value, Sum{});
}

template <int Threads, class T>
INLAY_DEVICE T block_reduce_max(T value) {
  return block_reduce<Threads>(value, Maximum{});
}

}  // namespace inlay::cuda
