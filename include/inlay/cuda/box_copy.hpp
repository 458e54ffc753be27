// Copies of boxes of an array (tensor_map.hpp) from global to shared memory, which one thread starts and the copy
// engine makes (cp.async.bulk.tensor, sm_90): the others have no part in it, and no thread computes an address. They
// arrive at a barrier in shared memory (mbarrier), which takes up a chunk: a thread says how many bytes are to come
// before it starts them, and all threads wait for these. What has arrived may be used behind a block's barrier that
// follows the wait, and what it replaces is no longer used from one on that comes before the copy is started.
//
// A box's rows of 32, 64 or 128 bytes follow one another from a multiple of 128 bytes on; their chunks are exchanged as
// warpgroup.hpp says of lines.
//
// Programs have them where they have warpgroups, compiled for sm_90a.
#pragma once

#include <inlay/cuda/device.hpp>
#include <inlay/cuda/tensor_map.hpp>
#include <inlay/cuda/warpgroup.hpp>

namespace inlay::cuda {

/// Are there such copies? Where there are not, a kernel must not ask for any.
INLAY_DEVICE bool has_box_copies() { return has_warpgroups(); }

}  // namespace inlay::cuda

#if defined(__CUDACC__)

namespace inlay::cuda {

/// Makes chunk i a barrier that boxes can arrive at, once the threads of the block have met.
INLAY_DEVICE void begin_arrivals([[maybe_unused]] const Shared<Chunk>& barriers, [[maybe_unused]] int i) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(barriers.address(i)) : "memory");
  fence_shared_writes();
#endif
}

/// Makes it a chunk like any other again, when all threads have waited for what was to arrive.
INLAY_DEVICE void end_arrivals([[maybe_unused]] const Shared<Chunk>& barriers, [[maybe_unused]] int i) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("mbarrier.inval.shared::cta.b64 [%0];" ::"r"(barriers.address(i)) : "memory");
#endif
}

/// The next boxes at barrier i have so many bytes together.
INLAY_DEVICE void expect_bytes([[maybe_unused]] const Shared<Chunk>& barriers, [[maybe_unused]] int i,
                               [[maybe_unused]] int bytes) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barriers.address(i)), "r"(bytes)
               : "memory");
#endif
}

/// Starts to copy the box there to chunk `chunk` of `to` and further; it arrives at barrier i.
INLAY_DEVICE void copy_box([[maybe_unused]] const Shared<Chunk>& to, [[maybe_unused]] int chunk,
                           [[maybe_unused]] const TensorMap& from, [[maybe_unused]] const BoxPlace& at,
                           [[maybe_unused]] const Shared<Chunk>& barriers, [[maybe_unused]] int i) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%2, %3, %4}], [%5];" ::"r"(to.address(chunk)),
      "l"(&from), "r"(at.element), "r"(at.row), "r"(at.plane), "r"(barriers.address(i))
      : "memory");
#endif
}

/// Waits for boxes at barrier i: for the first ones in turn 0, then in turn 1, and so on.
INLAY_DEVICE void wait_boxes([[maybe_unused]] const Shared<Chunk>& barriers, [[maybe_unused]] int i,
                             [[maybe_unused]] int turn) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  std::uint32_t arrived;
  do
    asm volatile(
        "{ .reg .pred arrived; mbarrier.try_wait.parity.shared::cta.b64 arrived, [%1], %2; selp.b32 %0, 1, 0, "
        "arrived; }"
        : "=r"(arrived)
        : "r"(barriers.address(i)), "r"(turn & 1)
        : "memory");
  while (arrived == 0);
#endif
}

}  // namespace inlay::cuda

#else
#include <inlay/cuda/emulator/box_copy.hpp>
#endif

namespace inlay::cuda {

/// `Count` barriers of a block at a byte of its shared memory, in kernels that copy boxes where the device does
/// (`Used`). Where it does not, these functions do nothing.
template <int Count, bool Used>
class BoxBarriers {
 public:
  static constexpr int bytes = Used ? 16 * Count : 0;

  INLAY_DEVICE explicit BoxBarriers(int first_byte) : first(first_byte) {}

  /// Before all others, by all threads. They meet.
  INLAY_DEVICE void begin(int thread) const {
    if constexpr (Used)
      if (has_box_copies()) {
        if (thread == 0)
          for (int i = 0; i < Count; ++i) begin_arrivals(chunks(), i);
        sync_threads();
      }
  }
  /// By thread 0: the next boxes at barrier i have so many bytes together.
  INLAY_DEVICE void expect(int i, int of_boxes) const { expect_bytes(chunks(), i, of_boxes); }
  INLAY_DEVICE void copy(int i, const Shared<Chunk>& to, int chunk, const TensorMap& from, const BoxPlace& at) const {
    copy_box(to, chunk, from, at, chunks(), i);
  }
  /// By all threads.
  INLAY_DEVICE void wait(int i, int turn) const {
    if constexpr (Used)
      if (has_box_copies()) wait_boxes(chunks(), i, turn);
  }
  /// By all threads, which have met since the last wait and meet again before that memory is used.
  INLAY_DEVICE void end(int thread) const {
    if constexpr (Used)
      if (has_box_copies() && thread == 0)
        for (int i = 0; i < Count; ++i) end_arrivals(chunks(), i);
  }

 private:
  INLAY_DEVICE Shared<Chunk> chunks() const { return shared_array<Chunk>(first, Count); }

  int first;
};

}  // namespace inlay::cuda
