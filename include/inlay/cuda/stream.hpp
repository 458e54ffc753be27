// Streams (work in order) and events (marks in a stream), owned.
#pragma once

#include <cstddef>
#include <inlay/cuda/check.hpp>
#include <inlay/cuda/dim3.hpp>
#include <string>
#include <utility>
#include <vector>

namespace inlay::cuda {

class Event;

/// What a launch would have started.
struct NotedLaunch {
  std::string kernel;
  Dim3 grid;
  int threads;
  std::size_t shared_bytes;
  int least_blocks;      // that a multiprocessor must be able to hold, for which the compiler limited registers; or 0
  const void* function;  // for cudaFuncGetAttributes; null in the emulator
};

class Stream {
 public:
  /// Starts nothing, but notes what is launched. Needs no GPU; for launches only.
  explicit Stream(std::vector<NotedLaunch>& noted) : notes(&noted) {}

  Stream() { check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "creating a stream"); }
  Stream(Stream&& other) noexcept : stream(std::exchange(other.stream, nullptr)), notes(other.notes) {}
  Stream& operator=(Stream&& other) noexcept {
    std::swap(stream, other.stream);
    std::swap(notes, other.notes);
    return *this;
  }
  ~Stream() {
    if (stream) cudaStreamDestroy(stream);
  }

  /// Waits for all work so far; throws what went wrong in it.
  void synchronize() const { check(cudaStreamSynchronize(stream), "waiting for a stream"); }

  /// Work that follows starts after the event.
  void wait(const Event& event) const;

  bool is_capturing() const {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    check(cudaStreamIsCapturing(stream, &status), "asking whether a stream is captured");
    return status != cudaStreamCaptureStatusNone;
  }

  cudaStream_t handle() const { return stream; }

  bool notes_only() const { return notes != nullptr; }
  void note(const std::string& kernel, Dim3 grid, int threads, std::size_t shared_bytes, int least_blocks,
            const void* function) const {
    notes->push_back({kernel, grid, threads, shared_bytes, least_blocks, function});
  }

 private:
  cudaStream_t stream = nullptr;
  std::vector<NotedLaunch>* notes = nullptr;
};

class Event {
 public:
  Event() { check(cudaEventCreate(&event), "creating an event"); }
  Event(Event&& other) noexcept : event(std::exchange(other.event, nullptr)) {}
  Event& operator=(Event&& other) noexcept { return std::swap(event, other.event), *this; }
  ~Event() {
    if (event) cudaEventDestroy(event);
  }

  void record(const Stream& stream) const { check(cudaEventRecord(event, stream.handle()), "recording an event"); }
  void synchronize() const { check(cudaEventSynchronize(event), "waiting for an event"); }

  /// Time between two recorded and reached events.
  float milliseconds_since(const Event& earlier) const {
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, earlier.event, event), "timing two events");
    return milliseconds;
  }

  cudaEvent_t handle() const { return event; }

 private:
  cudaEvent_t event = nullptr;
};

inline void Stream::wait(const Event& event) const {
  check(cudaStreamWaitEvent(stream, event.handle(), 0), "making a stream wait for an event");
}

}  // namespace inlay::cuda
