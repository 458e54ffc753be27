// Streams (work in order) and events (marks in a stream), owned.
#pragma once

#include <inlay/cuda/check.hpp>
#include <utility>

namespace inlay::cuda {

class Event;

class Stream {
 public:
  Stream() { check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "creating a stream"); }
  Stream(Stream&& other) noexcept : stream(std::exchange(other.stream, nullptr)) {}
  Stream& operator=(Stream&& other) noexcept { return std::swap(stream, other.stream), *this; }
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

 private:
  cudaStream_t stream = nullptr;
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
