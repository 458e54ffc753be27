// Data to and from the device, for tests that are written with std::vector.
#pragma once

#include <inlay/cuda/runtime.hpp>
#include <vector>

namespace inlay::test {

template <class T>
cuda::DeviceBuffer<T> on_device(const std::vector<T>& values, const cuda::Stream& stream) {
  cuda::DeviceBuffer<T> buffer(values.size());
  buffer.upload(values, stream);
  stream.synchronize();  // tests use it on other streams, too
  return buffer;
}

template <class T>
std::vector<T> on_host(const cuda::DeviceBuffer<T>& buffer, const cuda::Stream& stream) {
  std::vector<T> values(buffer.size());
  buffer.download(values, stream);
  return values;
}

}  // namespace inlay::test
