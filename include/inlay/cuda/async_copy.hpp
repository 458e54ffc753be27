// Copies from global to shared memory that go on while the thread computes (cp.async, sm_80; on sm_75 they are done at
// once). A thread starts copies, makes a group of those it has started, and waits for its own groups; what it copied
// is visible to the other threads after a barrier that follows the wait. The emulator delivers a copy at the wait and
// reports any access to its 16 bytes before.
#pragma once

#include <inlay/cuda/device.hpp>

#if defined(__CUDACC__)

namespace inlay::cuda {

/// Chunk i of `to` becomes elements from[at], from[at + 1], ...: `count` of them (all, some or none of 16 bytes), the
/// rest zero. Where count > 0, the elements' address is a multiple of 16. `Reused`: other blocks read the same, so that
/// the multiprocessor's own cache should keep it.
template <bool Reused = false, class T>
INLAY_DEVICE void copy_async(const Shared<Chunk>& to, int i, const Global<const T>& from, std::int64_t at, int count) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  const int bytes = count * static_cast<int>(sizeof(T));
  const T* const source = &from[count > 0 ? at : 0];
  if constexpr (Reused)
    asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;" ::"r"(to.address(i)), "l"(source), "r"(bytes));
  else asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to.address(i)), "l"(source), "r"(bytes));
#else
  constexpr int whole = 16 / sizeof(T);
  Chunk chunk = {};
  if (count == 0 || count == whole) {  // no branch, so that several copies' loads can be under way
    const Chunk there = *reinterpret_cast<const Chunk*>(&from[count > 0 ? at : 0]);
    for (int word = 0; word < 4; ++word) chunk[word] = count > 0 ? there[word] : 0;
  } else {
    T elements[whole] = {};
    for (int e = 0; e < count; ++e) elements[e] = from[at + e];
    __builtin_memcpy(&chunk, elements, 16);
  }
  to[i] = chunk;
#endif
}

/// The copies that this thread has started since the last call are a group.
INLAY_DEVICE void commit_copies() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;");
#endif
}

/// Waits until at most the last `Left` groups of this thread are under way.
template <int Left>
INLAY_DEVICE void wait_copies() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(Left) : "memory");
#endif
}

}  // namespace inlay::cuda

#else
#include <inlay/cuda/emulator/async_copy.hpp>
#endif

namespace inlay::cuda {

/// Do copies go on in the background? Where they do not, a thread that has many to make had better load several pieces
/// into registers before it stores the first.
#if INLAY_BEFORE_SM_80
inline constexpr bool copies_go_on = false;
#else
inline constexpr bool copies_go_on = true;
#endif

}  // namespace inlay::cuda
