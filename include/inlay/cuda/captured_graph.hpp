// A sequence of kernels and copies recorded once from a stream and launched again and again by one call.
#pragma once

#include <inlay/cuda/stream.hpp>
#include <utility>

namespace inlay::cuda {

/// `CapturedGraph step(stream, [&] { ...launches on stream... });` records what the function puts into the stream,
/// without running it. Arguments of kernels are kept as they are now: let what changes live in device memory.
class CapturedGraph {
 public:
  CapturedGraph() = default;

  template <class Work>
  CapturedGraph(const Stream& stream, Work work) {
    check(cudaStreamBeginCapture(stream.handle(), cudaStreamCaptureModeThreadLocal), "beginning to capture a graph");
    cudaGraph_t graph = nullptr;
    try {
      work();
    } catch (...) {
      if (cudaStreamEndCapture(stream.handle(), &graph) == cudaSuccess) cudaGraphDestroy(graph);
      else cudaGetLastError();  // a call that has no place in a capture ended it: the next launch is not to blame
      throw;
    }
    check(cudaStreamEndCapture(stream.handle(), &graph), "capturing a graph");
    const cudaError_t status = cudaGraphInstantiate(&executable, graph, 0);
    cudaGraphDestroy(graph);
    check(status, "making a captured graph executable");
  }
  CapturedGraph(CapturedGraph&& other) noexcept : executable(std::exchange(other.executable, nullptr)) {}
  CapturedGraph& operator=(CapturedGraph&& other) noexcept { return std::swap(executable, other.executable), *this; }
  ~CapturedGraph() {
    if (executable) cudaGraphExecDestroy(executable);
  }

  explicit operator bool() const { return executable != nullptr; }

  void launch(const Stream& stream) const {
    check(cudaGraphLaunch(executable, stream.handle()), "launching a captured graph");
  }

 private:
  cudaGraphExec_t executable = nullptr;
};

}  // namespace inlay::cuda
