// The parameters of a net on the device: weights first, then the optimiser's state, numbered as its programs number
// them. Several executors (training, evaluation, prediction) may be bound to the same ones, since a net's programs
// number their common parameters alike.
#pragma once

#include <inlay/cuda/device_buffer.hpp>
#include <inlay/graph/program.hpp>

#include <span>
#include <vector>

namespace inlay::cuda {

class Parameters {
 public:
  /// Room for `counts[i]` floats for each parameter i, all zero.
  Parameters(std::span<const std::int64_t> counts, const Stream& stream) : first{0} {
    for (std::int64_t count : counts) {
      sizes.push_back(static_cast<std::size_t>(count));
      first.push_back(first.back() + (sizes.back() + alignment - 1) / alignment * alignment);
    }
    memory = DeviceBuffer<float>(first.back(), "the parameters");
    memory.clear(stream);
  }

  /// For all parameters of a program.
  template <class Program>
  static Parameters of(const Stream& stream) {
    std::vector<std::int64_t> counts;
    for (const Parameter& parameter : Program::plan.parameters) counts.push_back(parameter.shape.count());
    return Parameters(counts, stream);
  }

  int count() const { return static_cast<int>(sizes.size()); }
  std::size_t size(int i) const { return sizes.at(static_cast<std::size_t>(i)); }
  /// On the device.
  float* data(int i) { return memory.data() + first.at(static_cast<std::size_t>(i)); }

  void upload(int i, std::span<const float> values, const Stream& stream) {
    check_size(i, values.size());
    memory.upload(values, stream, first[static_cast<std::size_t>(i)]);
  }
  void download(int i, std::span<float> values, const Stream& stream) const {
    check_size(i, values.size());
    memory.download(values, stream, first[static_cast<std::size_t>(i)]);
  }

  /// Keeps a copy of all on the device, for `restore`.
  void keep(const Stream& stream) {
    if (kept.size() < memory.size()) kept = DeviceBuffer<float>(memory.size(), "a copy of the parameters");
    kept.copy(memory, stream);
  }
  void restore(const Stream& stream) { memory.copy(kept, stream); }

 private:
  static constexpr std::size_t alignment = 64;

  DeviceBuffer<float> memory, kept;
  std::vector<std::size_t> sizes, first;

  void check_size(int i, std::size_t given) const {
    if (given != size(i))
      throw Error("parameter " + std::to_string(i) + " has " + std::to_string(size(i)) + " elements, got " +
                  std::to_string(given));
  }
};

}  // namespace inlay::cuda
