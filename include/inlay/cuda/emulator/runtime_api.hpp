// As much of the CUDA run-time library as runtime.hpp calls, under the same names, on host memory: streams run at
// once and in order, unless they are captured; then nothing runs until the graph is launched. Fresh memory is
// filled with 0xff (float NaN), so that what a kernel forgets to write shows. `device()` lets tests change
// the emulated machine: no driver, an old driver, little memory, a device that is lost.
#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace inlay::cuda {

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorNoKernelImageForDevice = 209,
  cudaErrorECCUncorrectable = 214,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchOutOfResources = 701,
  cudaErrorLaunchFailure = 719,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901,
  cudaErrorUnknown = 999,
};

inline const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInsufficientDriver: return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice: return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice: return "cudaErrorInvalidDevice";
    case cudaErrorNoKernelImageForDevice: return "cudaErrorNoKernelImageForDevice";
    case cudaErrorECCUncorrectable: return "cudaErrorECCUncorrectable";
    case cudaErrorIllegalAddress: return "cudaErrorIllegalAddress";
    case cudaErrorLaunchOutOfResources: return "cudaErrorLaunchOutOfResources";
    case cudaErrorLaunchFailure: return "cudaErrorLaunchFailure";
    case cudaErrorStreamCaptureUnsupported: return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated: return "cudaErrorStreamCaptureInvalidated";
    case cudaErrorUnknown: break;
  }
  return "cudaErrorUnknown";
}
inline const char* cudaGetErrorString(cudaError_t) { return "emulated"; }

namespace emulator {

using Work = std::vector<std::function<void()>>;

struct StreamState {
  std::unique_ptr<Work> captured;  // while it is being captured
  bool invalidated = false;        // the capture, by a call that has no place in one
};
struct EventState {
  std::chrono::steady_clock::time_point time;
};

/// What the host has asked for so far.
struct Calls {
  int uploads = 0, downloads = 0, waits = 0, graphs_made = 0, graph_launches = 0;
};

/// The emulated machine. Tests may change it.
struct Device {
  int count = 1, driver_version = 13000, major = 7, minor = 5;
  bool has_kernel_image = true;
  cudaError_t lost = cudaSuccess;  // what everything that uses it fails with
  std::size_t memory = std::size_t{4} << 30, used = 0;
  Calls calls;
  std::map<void*, std::size_t> allocations;
  std::mutex lock;
};

inline Device& device() {
  static Device device;
  return device;
}

/// As CUDA does: an error that a call has answered is reported once more by the next cudaGetLastError.
inline cudaError_t& last_error() {
  thread_local cudaError_t last = cudaSuccess;
  return last;
}
inline cudaError_t answer(cudaError_t status) {
  if (status != cudaSuccess) last_error() = status;
  return status;
}

/// Runs work now, or when the graph that the stream is captured into is launched.
template <class F>
void enqueue(StreamState* stream, F work) {
  if (stream && stream->captured) stream->captured->push_back(std::move(work));
  else work();
}

}  // namespace emulator

using cudaStream_t = emulator::StreamState*;
using cudaEvent_t = emulator::EventState*;
using cudaGraph_t = emulator::Work*;
using cudaGraphExec_t = emulator::Work*;

struct cudaDeviceProp {
  char name[256];
  int major, minor, multiProcessorCount;
  std::size_t totalGlobalMem;
};

inline constexpr int CUDART_VERSION = 13000;
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal = 1 };
enum cudaStreamCaptureStatus { cudaStreamCaptureStatusNone = 0, cudaStreamCaptureStatusActive = 1 };
inline constexpr unsigned cudaStreamNonBlocking = 1;

inline cudaError_t cudaGetLastError() { return std::exchange(emulator::last_error(), cudaSuccess); }

inline cudaError_t cudaDriverGetVersion(int* version) {
  return *version = emulator::device().driver_version, cudaSuccess;
}

inline cudaError_t cudaGetDeviceCount(int* count) {
  const emulator::Device& device = emulator::device();
  *count = 0;
  if (device.driver_version < CUDART_VERSION) return emulator::answer(cudaErrorInsufficientDriver);
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  const bool hidden = visible && (*visible == '\0' || *visible == '-');
  if (device.count == 0 || hidden) return emulator::answer(cudaErrorNoDevice);
  *count = device.count;
  return cudaSuccess;
}
inline cudaError_t cudaSetDevice(int ordinal) {
  return emulator::answer(ordinal >= 0 && ordinal < emulator::device().count ? cudaSuccess : cudaErrorInvalidDevice);
}
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  const emulator::Device& device = emulator::device();
  *properties = {"emulated device", device.major, device.minor, 1, device.memory};
  return cudaSuccess;
}
inline cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *total = emulator::device().memory;
  *free = *total - emulator::device().used;
  return cudaSuccess;
}

template <class T>
cudaError_t cudaMalloc(T** memory, std::size_t bytes) {
  emulator::Device& device = emulator::device();
  const std::lock_guard guard(device.lock);
  *memory = nullptr;
  if (device.lost != cudaSuccess) return emulator::answer(device.lost);
  if (bytes == 0) return cudaSuccess;
  if (bytes > device.memory - device.used) return emulator::answer(cudaErrorMemoryAllocation);
  void* got = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (!got) return emulator::answer(cudaErrorMemoryAllocation);
  std::memset(got, 0xff, bytes);
  device.allocations[got] = bytes;
  device.used += bytes;
  *memory = static_cast<T*>(got);
  return cudaSuccess;
}
inline cudaError_t cudaFree(void* memory) {
  emulator::Device& device = emulator::device();
  const std::lock_guard guard(device.lock);
  if (!memory) return cudaSuccess;
  const auto found = device.allocations.find(memory);
  if (found == device.allocations.end()) return emulator::answer(cudaErrorInvalidValue);
  device.used -= found->second;
  device.allocations.erase(found);
  std::free(memory);
  return cudaSuccess;
}

inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                                   cudaStream_t stream) {
  emulator::device().calls.uploads += kind == cudaMemcpyHostToDevice;
  emulator::device().calls.downloads += kind == cudaMemcpyDeviceToHost;
  if (emulator::device().lost != cudaSuccess) return emulator::answer(emulator::device().lost);
  emulator::enqueue(stream, [=] {
    if (bytes) std::memcpy(to, from, bytes);
  });
  return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void* to, int byte, std::size_t bytes, cudaStream_t stream) {
  emulator::enqueue(stream, [=] {
    if (bytes) std::memset(to, byte, bytes);
  });
  return cudaSuccess;
}

inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new emulator::StreamState;
  return cudaSuccess;
}
inline cudaError_t cudaStreamDestroy(cudaStream_t stream) { return delete stream, cudaSuccess; }
inline cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  ++emulator::device().calls.waits;
  const bool captured = stream && stream->captured;
  if (captured) stream->invalidated = true;
  return emulator::answer(captured ? cudaErrorStreamCaptureUnsupported : emulator::device().lost);
}
inline cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = stream && stream->captured ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
inline cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (!stream || stream->captured) return emulator::answer(cudaErrorInvalidValue);
  stream->captured = std::make_unique<emulator::Work>();
  stream->invalidated = false;
  return cudaSuccess;
}
inline cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (!stream || !stream->captured) return emulator::answer(cudaErrorInvalidValue);
  std::unique_ptr<emulator::Work> work = std::move(stream->captured);
  if (stream->invalidated) return emulator::answer(cudaErrorStreamCaptureInvalidated);
  *graph = work.release();
  return cudaSuccess;
}

inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  ++emulator::device().calls.graphs_made;
  *executable = new emulator::Work(*graph);
  return cudaSuccess;
}
inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return delete graph, cudaSuccess; }
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) { return delete executable, cudaSuccess; }
inline cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  ++emulator::device().calls.graph_launches;
  if (emulator::device().lost != cudaSuccess) return emulator::answer(emulator::device().lost);
  for (const auto& work : *executable) emulator::enqueue(stream, work);
  return cudaSuccess;
}

inline cudaError_t cudaEventCreate(cudaEvent_t* event) {
  *event = new emulator::EventState;
  return cudaSuccess;
}
inline cudaError_t cudaEventDestroy(cudaEvent_t event) { return delete event, cudaSuccess; }
inline cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  emulator::enqueue(stream, [=] { event->time = std::chrono::steady_clock::now(); });
  return cudaSuccess;
}
inline cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
inline cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return cudaSuccess;
}
inline cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }

}  // namespace inlay::cuda
