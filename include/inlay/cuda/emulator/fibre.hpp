// Fibres for the emulator: a stack for each thread of a block, switched in user space by Boost.Context (10 ns
// a switch; ucontext, which asks the kernel to save the signal mask, takes 356 ns). Stacks are kept for the
// next block. Under AddressSanitizer every switch is announced, so that it checks the right stack.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define INLAY_EMULATOR_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define INLAY_EMULATOR_ASAN
#endif
#endif
#if defined(INLAY_EMULATOR_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif

namespace inlay::cuda::emulator {

/// Memory for `max_stacks` stacks, reserved at first use; the page below each is a guard that faults on overflow.
class Stacks {
 public:
  static constexpr int max_stacks = 1024;
  static constexpr std::size_t stack_bytes = 256 * 1024;

  Stacks() = default;
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;
  ~Stacks() {
    if (memory) munmap(memory, max_stacks * stack_bytes);
  }

  /// The highest address of stack i. Tops are staggered, else equal frames of all fibres would share cache sets.
  char* top(int i) { return bottom(i) + bytes(i); }

  /// Usable bytes below top(i).
  std::size_t bytes(int i) const { return stack_bytes - page - static_cast<std::size_t>(i % 61) * 1088; }

  /// The lowest usable address of stack i.
  char* bottom(int i) {
    reserve(i);
    return memory + static_cast<std::size_t>(i) * stack_bytes + page;
  }

 private:
  void reserve(int i) {
    if (!memory) {
      void* got = mmap(nullptr, max_stacks * stack_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (got == MAP_FAILED) throw std::bad_alloc();
      memory = static_cast<char*>(got);
    }
    for (; guarded <= i; ++guarded)
      if (mprotect(memory + static_cast<std::size_t>(guarded) * stack_bytes, page, PROT_NONE) != 0)
        throw std::bad_alloc();
  }

  const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  char* memory = nullptr;
  int guarded = 0;
};

/// One place where execution can go on: the scheduler's or a fibre's.
struct Fibre {
  boost::context::detail::fcontext_t context = nullptr;
  const void* bottom = nullptr;
  std::size_t bytes = 0;
  void* fake_stack = nullptr;  // AddressSanitizer's
};

/// A fibre on stack i that will start in `entry`.
inline Fibre make_fibre(Stacks& stacks, int i, void (*entry)(boost::context::detail::transfer_t)) {
  return {boost::context::detail::make_fcontext(stacks.top(i), stacks.bytes(i), entry), stacks.bottom(i),
          stacks.bytes(i), nullptr};
}

/// What a fibre does first after it got control from `from`: at its start, and inside of switch_to.
inline void arrived([[maybe_unused]] Fibre& self, Fibre& from, boost::context::detail::transfer_t transfer) {
  from.context = transfer.fctx;
#if defined(INLAY_EMULATOR_ASAN)
  __sanitizer_finish_switch_fiber(self.fake_stack, &from.bottom, &from.bytes);
#endif
}

/// Leaves `self` and goes on in `to`; returns when `to` switches back. A fibre that ends says so.
inline void switch_to([[maybe_unused]] Fibre& self, Fibre& to, [[maybe_unused]] bool ends = false) {
#if defined(INLAY_EMULATOR_ASAN)
  __sanitizer_start_switch_fiber(ends ? nullptr : &self.fake_stack, to.bottom, to.bytes);
#endif
  arrived(self, to, boost::context::detail::jump_fcontext(to.context, nullptr));
}

}  // namespace inlay::cuda::emulator

#undef INLAY_EMULATOR_ASAN
