// cuda::explain: the kernels that a GPU would run for a plan, a line for each: how the work is divided into blocks of
// threads, how many of those a multiprocessor holds, and how long it is estimated to take. No GPU is needed; where one
// is usable, the registers are those that its kernels were compiled to.
//
//   std::fputs(inlay::cuda::explain<Net, Precision::bf16>(devices::h100, 256).c_str(), stdout);
//
// (CUDA's own headers have a namespace cuda, too, hence inlay::cuda.)
#pragma once

#include <inlay/cuda/executor.hpp>
#include <inlay/cuda/tile_cost.hpp>
#include <inlay/graph/explain.hpp>
#include <inlay/graph/trace.hpp>

#include <string>
#include <vector>

namespace inlay::cuda {

namespace detail {

/// What the compiler made of a kernel.
struct CompiledKernel {
  int registers = 0, local_bytes = 0;  // of a thread; 0 registers: not known
};
inline CompiledKernel compiled_kernel([[maybe_unused]] const NotedLaunch& launch) {
#if defined(__CUDACC__)
  cudaFuncAttributes attributes{};
  check(cudaFuncGetAttributes(&attributes, launch.function), "asking for the registers of kernel " + launch.kernel);
  return {attributes.numRegs, static_cast<int>(attributes.localSizeBytes)};
#else
  return {};
#endif
}

/// "Multiply" of "cuda::Multiply<...>".
inline std::string short_name(const std::string& kernel) {
  const std::string name = kernel.substr(0, kernel.find('<'));
  return name.substr(name.rfind(':') + 1);
}

template <class Walk>
inline constexpr const char* walk_name = "";
template <class C>
inline constexpr const char* walk_name<SimtWalk<C>> = "simt";
template <class C>
inline constexpr const char* walk_name<TensorWalk<C>> = "tensor";
template <class C>
inline constexpr const char* walk_name<HaloWalk<C>> = "halo";
template <class C>
inline constexpr const char* walk_name<TapsWalk<C>> = "taps";

/// What is known of a launch by its type: the tile in words, the parts of its depth, and its time.
struct TypedLaunch {
  std::string walk, tile;
  int parts = 1;
  int registers = 0;  // estimated
  double seconds = 0;
  const char* limit = "";
};

template <class C>
TypedLaunch typed_launch(int samples, const DeviceSpec& device, int registers) {
  using P = Product<C>;
  const BlockWork work = block_work<C>(samples);
  const BlockCycles cycles = block_cycles(work, device);
  TypedLaunch typed;
  typed.parts = P::splits(samples);
  typed.registers = work.registers;
  typed.seconds = contraction_seconds<C>(samples, device, registers);
  typed.limit = cycles.longest() == cycles.multiply ? "multiply"
                : cycles.longest() == cycles.shared ? "shared"
                : cycles.longest() == cycles.cache  ? "cache"
                                                    : "issue";
  if constexpr (P::all_taps) {
    using T = TapsTile<typename C::geometry>;
    typed.walk = walk_name<TapsWalk<C>>;
    typed.tile = std::to_string(P::taps * T::inputs) + "x" + std::to_string(T::outputs) + "x" + std::to_string(T::step);
  } else {
    using S = typename P::Shape;
    typed.walk = walk_name<typename Multiply<C>::Walk>;
    typed.tile = std::to_string(S::rows) + "x" + std::to_string(S::columns) + "x" + std::to_string(S::depth);
  }
  return typed;
}

inline std::string line(const std::string& launch, const NotedLaunch& noted, const TypedLaunch& typed,
                        const CompiledKernel& compiled, const DeviceSpec& device, const std::string& what) {
  const Multiprocessors& on = device.multiprocessors;
  const int registers = compiled.registers > 0 ? compiled.registers : typed.registers;
  const Occupancy fits = occupancy(on, noted.threads, static_cast<int>(noted.shared_bytes), registers);
  const std::int64_t blocks = noted.grid.count();
  const std::string name = short_name(noted.kernel) + (typed.walk.empty() ? "" : ", " + typed.walk);
  auto known = [](bool is, int value) { return is ? std::to_string(value) : std::string("-"); };
  return inlay::detail::formatted(
             "%6s  %-25s %-12s %5s %7d %7d %6s%s %6s %9lld %4d %4d %4s %8.2f ", launch.c_str(), name.c_str(),
             typed.tile.c_str(), known(!typed.tile.empty(), typed.parts).c_str(), noted.threads,
             static_cast<int>(noted.shared_bytes), known(registers > 0, registers).c_str(),
             compiled.registers > 0 || registers == 0 ? " " : "?",
             known(compiled.registers > 0, compiled.local_bytes).c_str(), static_cast<long long>(blocks),
             fits.by_threads, fits.by_shared, known(registers > 0, fits.by_registers).c_str(),
             fits.blocks() > 0 ? static_cast<double>(blocks) / (on.count * fits.blocks()) : 0.0) +
         (launch.empty() ? std::string(20, ' ')
                         : inlay::detail::formatted("%10.2f %-9s", typed.seconds * 1e6, typed.limit)) +
         what + "\n";
}

/// Its seconds.
template <class Program, Policy P, int L>
double explain_launch(const Plan& plan, const DeviceSpec& device, int batch, bool usable, std::string& text) {
  using Kernel = under_policy_t<P, kernel::lowered_t<Program, L>>;
  constexpr Launch launch = Program::launches.data[L];
  const int samples = Program::stages.data[launch.stages.first].batched ? batch : 1;
  std::vector<NotedLaunch> noted;
  Runner<Kernel>::run(Stream(noted), Slots<launch.bindings.count>{}, samples,
                      Global<float>(nullptr, std::int64_t{1} << 40));
  const Roofline roof = roofline(cost_of_launch(plan, L), device, samples, Arithmetic::fp32);
  double seconds = 0;
  for (std::size_t i = 0; i < noted.size(); ++i) {
    const CompiledKernel compiled = usable ? compiled_kernel(noted[i]) : CompiledKernel{};
    TypedLaunch typed;
    if (i == 0) {
      double computing = roof.compute * samples;
      typed.limit = "compute";
      if constexpr (requires { typename Kernel::geometry; }) {
        typed = typed_launch<Kernel>(samples, device, compiled.registers);
        computing = typed.seconds;
      }
      typed.seconds = computing;
      if (roof.memory * samples > computing) {
        typed.seconds = roof.memory * samples;
        typed.limit = "memory";
      }
      seconds = typed.seconds;
    }
    text += line(i == 0 ? std::to_string(L) : "", noted[i], typed, compiled, device, i == 0 ? describe(plan, L) : "");
  }
  return seconds;
}

template <class Program, Policy P, int... L>
std::string explain(const DeviceSpec& device, int batch, std::integer_sequence<int, L...>) {
  if (device.multiprocessors.count < 1)
    throw Error(std::string("cuda::explain: ") + device.name +
                " has no multiprocessors; name a GPU, or fill in DeviceSpec::multiprocessors");
  const DeviceQuery query = usable_device();
  std::string text =
      inlay::detail::formatted("%s, batch %d, multiplying in %s; ", device.name, batch, name_of(P.precision));
#if defined(__CUDACC__)
  const bool usable = query.device.has_value();
#else
  const bool usable = false;
#endif
  text += usable ? "registers as compiled for sm_" + std::to_string(query.device->compiled_for)
                 : "registers of contractions estimated (?), since " +
                       (query ? std::string("this is the emulator") : query.reason);
  text +=
      "\nblocks by: of those on one multiprocessor, by threads, shared memory and registers; waves: blocks, by all\n"
      "that the device holds at a time; times include those of the kernels that finish a launch\n"
      "launch  kernel                    tile         parts threads  shared  registers spilled    blocks  by:          "
      "  waves       us limited by\n";
  const Plan plan = thaw(Program::plan);
  double seconds = 0;
  ((seconds += explain_launch<Program, P, L>(plan, device, batch, usable, text)), ...);
  return text + inlay::detail::formatted(
                    "all launches, without the time from one to the next: %.1f us, %.0f samples/s, %.1f TFLOP/s\n",
                    seconds * 1e6, batch / seconds,
                    static_cast<double>(cost_of(plan).flops.per_sample) * batch / seconds / 1e12);
}

}  // namespace detail

/// Of any Program (of a training step, say) as `P` has it. Times are estimates (tile_cost.hpp), or where memory takes
/// longer those of the roofline. Throws Error where the DeviceSpec is not one of a GPU.
template <Policy P = Policy{}, class Source, Element Stored>
std::string explain(Program<Source, Stored>, const DeviceSpec& device = devices::h100, int batch = 256) {
  return detail::explain<Program<Source, Stored>, P>(
      device, batch, std::make_integer_sequence<int, Program<Source, Stored>::plan.launches.size>{});
}
/// Of a network's inference. Policies as in `compile`: Precision, TileSize.
template <class Net, auto... Policies>
std::string explain(const DeviceSpec& device = devices::h100, int batch = 256) {
  constexpr Precision precision = inlay::detail::chosen(Precision::fp32, Policies...);
  constexpr TileSize tile = inlay::detail::chosen(TileSize{}, Policies...);
  constexpr Policy policy(precision, tile);
  return explain<policy>(Program<Inference<Net>, stored_in(precision)>{}, device, batch);
}

}  // namespace inlay::cuda
