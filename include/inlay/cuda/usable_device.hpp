// Is there a GPU that can run this program's kernels, and if not, why? Devices are those that CUDA_VISIBLE_DEVICES
// leaves visible, numbered from 0 as CUDA does.
#pragma once

#include <cstddef>
#include <inlay/cuda/check.hpp>
#include <inlay/cuda/tiled.hpp>
#include <optional>
#include <string>

namespace inlay::cuda {

struct Device {
  int ordinal;
  std::string name;
  int major, minor;  // compute capability
  int multiprocessors;
  std::size_t memory_bytes;
  int compiled_for;  // ten times the compute capability that its kernels were written for: 80 for sm_80 and sm_86
};

/// A usable device, made the current one, or the reason why there is none.
struct DeviceQuery {
  std::optional<Device> device;
  std::string reason;

  explicit operator bool() const { return device.has_value(); }
};

namespace detail {

inline std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

#if defined(__CUDACC__)

template <class>
__global__ void probe() {}

inline cudaError_t find_kernel_image(int& compiled_for) {
  cudaFuncAttributes attributes{};
  const cudaError_t status = cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(&probe<void>));
  compiled_for = attributes.ptxVersion;
  return status;
}

/// The architectures this program's kernels were compiled for: "sm_75 sm_90".
inline std::string compiled_architectures() {
  std::string text;
#if defined(__CUDA_ARCH_LIST__)
  for (int architecture : {__CUDA_ARCH_LIST__})
    text += (text.empty() ? "sm_" : " sm_") + std::to_string(architecture / 10);
#endif
  return text;
}

#else

inline cudaError_t find_kernel_image(int& compiled_for) {
  compiled_for = emulator::device().major * 10 + emulator::device().minor;
  return emulator::device().has_kernel_image ? cudaSuccess : cudaErrorNoKernelImageForDevice;
}
inline std::string compiled_architectures() { return "the emulator"; }

#endif

}  // namespace detail

inline DeviceQuery usable_device(int ordinal = 0) {
  int driver = 0, count = 0;
  cudaDriverGetVersion(&driver);
  const cudaError_t counted = cudaGetDeviceCount(&count);
  if (counted != cudaSuccess) cudaGetLastError();
  if (driver == 0) return {{}, "no NVIDIA driver is installed"};
  if (counted == cudaErrorInsufficientDriver)
    return {{},
            "the NVIDIA driver supports CUDA " + detail::version_text(driver) + ", but this program needs CUDA " +
                detail::version_text(CUDART_VERSION) + ": update the driver"};
  if (counted == cudaErrorNoDevice || (counted == cudaSuccess && count == 0))
    return {{}, "no CUDA device is visible (nvidia-smi lists devices, CUDA_VISIBLE_DEVICES hides them)"};
  if (counted != cudaSuccess)
    return {
        {},
        std::string("CUDA cannot be used: ") + cudaGetErrorName(counted) + " (" + cudaGetErrorString(counted) + ")"};
  if (ordinal < 0 || ordinal >= count)
    return {{},
            "there is no CUDA device " + std::to_string(ordinal) + ": " + std::to_string(count) +
                " visible, numbered from 0"};

  cudaDeviceProp properties{};
  int compiled_for = 0;
  cudaError_t status = cudaSetDevice(ordinal);
  if (status == cudaSuccess) status = cudaGetDeviceProperties(&properties, ordinal);
  const std::string named = std::string(properties.name) + " (sm_" + std::to_string(properties.major) +
                            std::to_string(properties.minor) + ")";
  if (status == cudaSuccess) {
    status = detail::find_kernel_image(compiled_for);
    if (status != cudaSuccess) {
      cudaGetLastError();
      return {{},
              named + " cannot run this program's kernels, which were compiled for " +
                  detail::compiled_architectures() + ": " + cudaGetErrorName(status)};
    }
  }
  if (status != cudaSuccess) {
    cudaGetLastError();
    return {{},
            "CUDA device " + std::to_string(ordinal) + " cannot be used: " + cudaGetErrorName(status) + " (" +
                cudaGetErrorString(status) + ")"};
  }
  return {Device{ordinal, properties.name, properties.major, properties.minor, properties.multiProcessorCount,
                 properties.totalGlobalMem, compiled_for},
          {}};
}

/// Turing's small GPUs have compute capability 7.5 without tensor cores. They run the same instructions, but several
/// times slower than fp32's own (llama.cpp's pull request 4682).
inline bool has_tensor_cores(const Device& device) {
  if (device.major != 7 || device.minor != 5) return device.major >= 7;
  for (const char* family : {"GTX 16", "T400", "T500", "T550", "T600", "T1000", "T1200", "Quadro T", "MX4", "MX5"})
    if (device.name.find(family) != std::string::npos) return false;
  return true;
}

/// Throws Error if the device, or its kernels in this program, cannot multiply in a precision.
inline void require_precision(const Device& device, Precision precision) {
  const int least = least_capability(precision), capability = 10 * device.major + device.minor;
  const std::string needs = std::string("compile: Precision::") + name_of(precision) +
                            " needs a GPU of compute capability " + std::to_string(least / 10) + "." +
                            std::to_string(least % 10) + " or newer";
  if (capability < least)
    throw Error(needs + ", but " + device.name + " has " + std::to_string(device.major) + "." +
                std::to_string(device.minor) + ": use " +
                (capability >= least_capability(Precision::fp16) ? "Precision::fp16 or " : "") + "Precision::fp32");
  if (device.compiled_for < least)
    throw Error(needs + ", but this program's kernels for " + device.name + " were compiled for sm_" +
                std::to_string(device.compiled_for) + ": compile it for sm_" + std::to_string(capability));
}

}  // namespace inlay::cuda
