// Every status of the CUDA run-time library goes through check(), which throws a CudaError that names CUDA's error,
// what was being done and what to do about it.
#pragma once

#include <inlay/core/error.hpp>
#include <string>
#include <string_view>

#if defined(INLAY_CUDA_EMULATOR) && !defined(__CUDACC__)
#include <inlay/cuda/emulator/runtime_api.hpp>
#else
#include <cuda_runtime_api.h>
#endif

namespace inlay::cuda {

struct CudaError : Error {
  CudaError(cudaError_t code, const std::string& message) : Error(message), status(code) {}
  cudaError_t status;
};

/// A sentence on what to do about a CUDA error, or nothing.
constexpr const char* advice(cudaError_t status) {
  switch (status) {
    case cudaErrorMemoryAllocation: return " Use a smaller batch, or end other programs on this GPU.";
    case cudaErrorInsufficientDriver:
      return " Install an NVIDIA driver that supports the CUDA toolkit this program was compiled with.";
    case cudaErrorNoDevice: return " Check nvidia-smi and CUDA_VISIBLE_DEVICES.";
    case cudaErrorInvalidDevice: return " Choose a device that nvidia-smi lists; see also CUDA_VISIBLE_DEVICES.";
    case cudaErrorNoKernelImageForDevice: return " Compile for this GPU's architecture, for example -arch=native.";
    case cudaErrorIllegalAddress:
      return " A kernel accessed memory that is not its own; run under compute-sanitizer to find it. The process's "
             "CUDA context is lost.";
    case cudaErrorECCUncorrectable:
    case cudaErrorLaunchFailure:
    case cudaErrorUnknown:
      return " The GPU, or this process's access to it, is lost: see nvidia-smi and the system's log (Xid), then start "
             "the program again. What was saved last is intact.";
    case cudaErrorLaunchOutOfResources: return " The kernel needs more registers or shared memory than the GPU has.";
    case cudaErrorStreamCaptureUnsupported: return " This cannot be done while a stream is captured into a graph.";
    default: return "";
  }
}

/// Throws if `status` is an error; `attempted` continues "while ...".
inline void check(cudaError_t status, std::string_view attempted) {
  if (status == cudaSuccess) [[likely]]
    return;
  cudaGetLastError();  // so that the next call does not report it again
  throw CudaError(status, std::string("CUDA error ") + cudaGetErrorName(status) + " (" + cudaGetErrorString(status) +
                              ") while " + std::string(attempted) + "." + advice(status));
}

}  // namespace inlay::cuda
