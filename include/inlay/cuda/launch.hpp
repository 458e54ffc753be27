// Starts a kernel: a type with `static INLAY_DEVICE void run(Arguments...)`. Where it has a constant `threads`,
// blocks have that size and the compiler may use all registers that it leaves, or, where there is a constant
// `least_blocks`, those that it leaves to each of so many blocks on a multiprocessor.
#pragma once

#include <cstring>
#include <inlay/cuda/device.hpp>
#include <inlay/cuda/stream.hpp>
#include <inlay/cuda/tensor_map.hpp>
#include <string>
#include <tuple>
#include <type_traits>

namespace inlay::cuda {

namespace detail {

template <class Kernel>
constexpr const char* signature() {
  return __PRETTY_FUNCTION__;  // "constexpr const char* ...signature() [with Kernel = NAME]"
}

/// Not constexpr: compilers would try to evaluate it, seconds for each kernel.
inline std::string readable(std::string text) {
  text = text.substr(text.find("Kernel = ") + 9);
  text.resize(text.rfind(']'));
  const char* const noise[] = {"inlay::", "{anonymous}::", "(anonymous namespace)::"};
  for (const char* word : noise)
    for (std::size_t at; (at = text.find(word)) != std::string::npos;) text.erase(at, std::strlen(word));
  return text;
}

}  // namespace detail

/// A kernel's type in words, for messages.
template <class Kernel>
const std::string& kernel_name() {
  static const std::string name = detail::readable(detail::signature<Kernel>());
  return name;
}

template <class Kernel>
concept SizedKernel = requires {
  Kernel::threads;
};

namespace detail {

/// How many blocks of a kernel a multiprocessor must be able to hold: the more, the fewer registers a thread has.
template <class Kernel>
inline constexpr int least_blocks = 0;
template <class Kernel>
requires requires { Kernel::least_blocks; }
inline constexpr int least_blocks<Kernel> = Kernel::least_blocks;

#if defined(__CUDACC__)

template <class Kernel, class... Arguments>
__global__ void entry(Arguments... arguments) {
  Kernel::run(arguments...);
}

template <SizedKernel Kernel, class... Arguments>
__global__ void __launch_bounds__(Kernel::threads, least_blocks<Kernel>) sized_entry(Arguments... arguments) {
  Kernel::run(arguments...);
}

/// Maps are read where the launch put them, so they are no copies of a thread's.
template <SizedKernel Kernel, class... Arguments>
__global__ void __launch_bounds__(Kernel::threads, least_blocks<Kernel>)
    mapped_entry(const __grid_constant__ TensorMaps maps, Arguments... arguments) {
  Kernel::run(maps, arguments...);
}

template <class Kernel, class... Arguments>
constexpr auto entry_of(std::type_identity<std::tuple<Arguments...>>) {
  if constexpr (SizedKernel<Kernel>) return &sized_entry<Kernel, Arguments...>;
  else return &entry<Kernel, Arguments...>;
}
template <class Kernel, class... Others>
constexpr auto entry_of(std::type_identity<std::tuple<TensorMaps, Others...>>) {
  return &mapped_entry<Kernel, Others...>;
}

#endif

}  // namespace detail

/// Runs Kernel::run(arguments...) on `grid` blocks of `threads` threads with `shared_bytes` of dynamic shared memory
/// each, when the stream gets to it (or only notes that: Stream). TensorMaps come first among the arguments. Throws
/// Error if the sizes are impossible, CudaError if CUDA refuses, and in the emulator EmulatorError if the kernel has a
/// defect.
template <class Kernel, class... Arguments>
void launch(Dim3 grid, int threads, std::size_t shared_bytes, const Stream& stream, const Arguments&... arguments) {
  static_assert((std::is_trivially_copyable_v<Arguments> && ...), "kernels take trivially copyable arguments");
  const std::string& name = kernel_name<Kernel>();
  if (grid.x < 1 || grid.y < 1 || grid.z < 1 || grid.y > 65535 || grid.z > 65535)
    throw Error("launch of " + name + " on a grid of " + std::to_string(grid.x) + " x " + std::to_string(grid.y) +
                " x " + std::to_string(grid.z) + " blocks: every extent must be at least 1, y and z at most 65535.");
  if (threads < 32 || threads > 1024 || threads % 32 != 0)
    throw Error("launch of " + name + " with blocks of " + std::to_string(threads) +
                " threads: a multiple of 32 from 32 to 1024 is needed.");
  if constexpr (SizedKernel<Kernel>)
    if (threads != Kernel::threads)
      throw Error("launch of " + name + " with blocks of " + std::to_string(threads) +
                  " threads, but it was written for " + std::to_string(Kernel::threads) +
                  ": pass its constant `threads`.");
#if defined(__CUDACC__)
  const auto function = detail::entry_of<Kernel>(std::type_identity<std::tuple<Arguments...>>{});
  if (stream.notes_only())
    return stream.note(name, grid, threads, shared_bytes, detail::least_blocks<Kernel>,
                       reinterpret_cast<const void*>(function));
  if (shared_bytes > 48 * 1024)
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(function), cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shared_bytes)),
          "asking for " + std::to_string(shared_bytes) + " bytes of shared memory for kernel " + name);
  const dim3 blocks(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y), static_cast<unsigned>(grid.z));
  function<<<blocks, static_cast<unsigned>(threads), shared_bytes, stream.handle()>>>(arguments...);
#else
  if (stream.notes_only()) return stream.note(name, grid, threads, shared_bytes, detail::least_blocks<Kernel>, nullptr);
  if (shared_bytes > emulator::Machine::max_shared_bytes)
    throw Error("launch of " + name + " with " + std::to_string(shared_bytes) +
                " bytes of shared memory a block: at most " + std::to_string(emulator::Machine::max_shared_bytes) +
                " exist on any supported GPU.");
  emulator::enqueue(stream.handle(), [=, &name, packed = std::tuple<Arguments...>(arguments...)] {
    emulator::run_grid<Kernel>(name.c_str(), grid, threads, shared_bytes, packed);
  });
#endif
  if (const cudaError_t status = cudaGetLastError(); status != cudaSuccess) check(status, "starting kernel " + name);
}

}  // namespace inlay::cuda
