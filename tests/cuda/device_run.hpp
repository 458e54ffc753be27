// Runs one kernel type on arguments given as vectors, in the emulator or on a GPU.
#pragma once

#include <inlay/cuda/runner.hpp>

#include "warpgroup_device.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace inlay::test {

/// Numbers in (-1, 1), the same for the same seed everywhere.
inline std::vector<float> random_floats(int count, std::uint32_t seed) {
  std::vector<float> values(static_cast<std::size_t>(count));
  std::uint32_t state = seed * 2654435761u + 1;
  for (float& v : values) {
    state = state * 1664525u + 1013904223u;
    v = static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
  }
  return values;
}

/// An argument of a kernel, in elements of any type.
struct Argument {
  std::vector<unsigned char> bytes;
  int element_bits;

  template <class T>
  Argument(const std::vector<T>& values, int bits = 8 * sizeof(T))
      : bytes(values.size() * sizeof(T)), element_bits(bits) {
    std::memcpy(bytes.data(), values.data(), bytes.size());
  }
};

/// Room for `count` floats: NaN, so that what is not written shows.
inline Argument output(int count) { return std::vector<float>(static_cast<std::size_t>(count), std::nanf("")); }

/// All arguments after the kernel has run, as floats (those of four-byte elements). `scale`: Slots::scale.
template <class Kernel, int N>
std::vector<std::vector<float>> run_slots(int samples, const std::vector<Argument>& arguments, float* scale = nullptr) {
  using Runner = cuda::Runner<Kernel>;
  const cuda::Stream stream;
  std::vector<cuda::DeviceBuffer<unsigned char>> buffers;
  cuda::Slots<N> slots{};
  slots.scale = scale;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    buffers.emplace_back(arguments[i].bytes.size());
    buffers.back().upload(arguments[i].bytes, stream);
    slots.data[i] = buffers.back().data();
    slots.count[i] = std::ssize(arguments[i].bytes) * 8 / arguments[i].element_bits;
  }
  cuda::DeviceBuffer<float> scratch(static_cast<std::size_t>(Runner::scratch_bytes(samples)) / 4 + 1);
  Runner::run(stream, slots, samples, scratch.view());
  std::vector<std::vector<float>> results;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::vector<unsigned char> bytes(arguments[i].bytes.size());
    buffers[i].download(bytes, stream);
    results.emplace_back(bytes.size() / 4);
    std::memcpy(results.back().data(), bytes.data(), bytes.size() / 4 * 4);
  }
  return results;
}

/// The emulator runs contractions on each device: they add up the same products in the same order.
template <class Kernel>
std::vector<std::vector<float>> run_kernel(int samples, const std::vector<Argument>& arguments,
                                           float* scale = nullptr) {
  std::vector<std::vector<float>> results;
  on_each_device([&] {
    const auto now = run_slots<Kernel, 4>(samples, arguments, scale);
    for (std::size_t i = 0; i < results.size(); ++i)
      CHECK(std::memcmp(now[i].data(), results[i].data(), 4 * now[i].size()) == 0);
    results = now;
  });
  return results;
}

}  // namespace inlay::test
