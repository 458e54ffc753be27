// Counts the calls of operator new. For one file of a program.
#pragma once

#include <atomic>
#include <cstdlib>
#include <new>

namespace inlay::test {
inline std::atomic<int> allocations{0};
}

// Inlined, they would be a mismatched pair to g++.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++inlay::test::allocations;
  if (void* const memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
