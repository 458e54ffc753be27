// Memory aligned for vectors, grown between runs and never inside one. Where there is enough for them, it is of huge
// pages, if the system has such to give: kernels write to dozens of places at a time, each on a page of its own, and
// where these are small the processor looks most of them up anew. A training step of the seed network takes 3 to 8 %
// less so.
#pragma once

#include <inlay/core/error.hpp>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace inlay::cpu {

class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::int64_t bytes) { grow(bytes); }
  Buffer(Buffer&& other) noexcept : memory(other.memory), size(other.size) {
    other.memory = nullptr;
    other.size = 0;
  }
  Buffer& operator=(Buffer&& other) noexcept {
    char* m = memory;
    memory = other.memory;
    size = other.size;
    other.memory = m;
    return *this;
  }
  ~Buffer() { std::free(memory); }

  /// At least `bytes`, zeroed where it is new; the contents are lost if it grows.
  void grow(std::int64_t bytes) {
    if (bytes <= size) return;
    std::free(memory);
    size = 0;
    const bool huge = bytes >= static_cast<std::int64_t>(huge_page / 2);
    const std::size_t alignment = huge ? huge_page : page;
    const std::size_t rounded = (static_cast<std::size_t>(bytes) + alignment - 1) / alignment * alignment;
    memory = static_cast<char*>(std::aligned_alloc(alignment, rounded));
    if (memory == nullptr)
      throw Error("out of memory: " + std::to_string(rounded >> 20) +
                  " MiB are needed for this batch; use a smaller batch_size");
#if defined(__linux__)
    if (huge) madvise(memory, rounded, MADV_HUGEPAGE);  // a wish: it may come to nothing
#endif
    std::memset(memory, 0, rounded);
    size = bytes;
  }

  char* data() const { return memory; }
  float* floats() const { return reinterpret_cast<float*>(memory); }

 private:
  static constexpr std::size_t page = 4096, huge_page = std::size_t{2} << 20;
  char* memory = nullptr;
  std::int64_t size = 0;
};

}  // namespace inlay::cpu
