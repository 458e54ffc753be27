// Arrays in the GPU's memory, owned.
#pragma once

#include <algorithm>
#include <inlay/cuda/launch.hpp>
#include <limits>
#include <span>
#include <utility>

namespace inlay::cuda {

namespace detail {

struct Fill {
  static constexpr int threads = 256;
  template <class T>
  static INLAY_DEVICE void run(Global<T> array, T value, std::int64_t count) {
    const std::int64_t step = std::int64_t{threads} * grid_size().x;
    for (std::int64_t i = std::int64_t{threads} * block_index().x + thread_index(); i < count; i += step)
      array[i] = value;
  }
};

}  // namespace detail

/// `count` elements of T, not initialised. Copies are ordered by the stream.
template <class T>
class DeviceBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  DeviceBuffer() = default;

  /// `purpose` says in the message what the memory was for, should there be too little.
  explicit DeviceBuffer(std::size_t length, const char* purpose = "a buffer") : count(length) {
    if (count == 0) return;
    const std::size_t limit = std::numeric_limits<std::size_t>::max() / sizeof(T);
    cudaError_t status = cudaErrorMemoryAllocation;
    if (count <= limit) status = cudaMalloc(&memory, count * sizeof(T));
    if (status == cudaErrorMemoryAllocation) throw out_of_memory(purpose);
    check(status, "taking device memory");
  }
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : memory(std::exchange(other.memory, nullptr)), count(std::exchange(other.count, 0)) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(memory, other.memory);
    std::swap(count, other.count);
    return *this;
  }
  ~DeviceBuffer() {
    if (memory) cudaFree(memory);
  }

  /// Copies to elements `first`, first + 1, ... `values` in pinned memory must live until the stream has done it.
  void upload(std::span<const T> values, const Stream& stream, std::size_t first = 0) {
    check_range("upload", first, values.size());
    transfer(memory + first, values.data(), values.size(), cudaMemcpyHostToDevice, stream, "copying to the device");
  }

  /// Copies from elements `first`, first + 1, ...; they are there when it returns, unless the stream is captured.
  void download(std::span<T> values, const Stream& stream, std::size_t first = 0) const {
    check_range("download", first, values.size());
    transfer(values.data(), memory + first, values.size(), cudaMemcpyDeviceToHost, stream, "copying from the device");
    if (!stream.is_capturing()) stream.synchronize();
  }

  /// Copies all of `from`, which is as long, on the device.
  void copy(const DeviceBuffer& from, const Stream& stream) {
    check_range("copy", 0, from.count);
    transfer(memory, from.memory, from.count, cudaMemcpyDeviceToDevice, stream, "copying on the device");
  }

  void fill(T value, const Stream& stream) {
    if (count == 0) return;
    const int blocks = static_cast<int>(std::min<std::size_t>((count + 255) / 256, 1024));
    launch<detail::Fill>({blocks, 1, 1}, detail::Fill::threads, 0, stream, view(), value,
                         static_cast<std::int64_t>(count));
  }

  /// Every byte 0: zero for numbers.
  void clear(const Stream& stream) {
    if (count == 0) return;
    check(cudaMemsetAsync(memory, 0, count * sizeof(T), stream.handle()), "clearing device memory");
  }

  Global<T> view() { return {memory, static_cast<std::int64_t>(count)}; }
  Global<const T> view() const { return {memory, static_cast<std::int64_t>(count)}; }
  T* data() const { return memory; }
  std::size_t size() const { return count; }

 private:
  static void transfer(T* to, const T* from, std::size_t length, cudaMemcpyKind kind, const Stream& stream,
                       const char* attempted) {
    if (length > 0) check(cudaMemcpyAsync(to, from, length * sizeof(T), kind, stream.handle()), attempted);
  }
  void check_range(const char* what, std::size_t first, std::size_t length) const {
    if (first > count || length > count - first)
      throw Error(std::string(what) + " of elements " + std::to_string(first) + " to " +
                  std::to_string(first + length) + " of a device buffer of " + std::to_string(count) + ".");
  }

  CudaError out_of_memory(const char* purpose) const {
    cudaGetLastError();
    std::size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    const auto mib = [](std::size_t bytes) { return std::to_string(bytes >> 20) + " MiB"; };
    return {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation: " + std::string(purpose) + " of " +
                                           std::to_string(count) + " elements of " + std::to_string(sizeof(T)) +
                                           " bytes (" + mib(count * sizeof(T)) +
                                           ") does not fit into device memory: " + mib(free) + " of " + mib(total) +
                                           " are free." + advice(cudaErrorMemoryAllocation)};
  }

  T* memory = nullptr;
  std::size_t count = 0;
};

}  // namespace inlay::cuda
