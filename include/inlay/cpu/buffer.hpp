// Memory aligned for vectors, grown between runs and never inside one.
#pragma once

#include <inlay/core/error.hpp>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

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
    const std::size_t rounded = (static_cast<std::size_t>(bytes) + alignment - 1) / alignment * alignment;
    memory = static_cast<char*>(std::aligned_alloc(alignment, rounded));
    if (memory == nullptr)
      throw Error("out of memory: " + std::to_string(rounded >> 20) +
                  " MiB are needed for this batch; use a smaller batch_size");
    std::memset(memory, 0, rounded);
    size = bytes;
  }

  char* data() const { return memory; }
  float* floats() const { return reinterpret_cast<float*>(memory); }

 private:
  static constexpr std::size_t alignment = 4096;
  char* memory = nullptr;
  std::int64_t size = 0;
};

}  // namespace inlay::cpu
