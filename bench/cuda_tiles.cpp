// The seed network's training step on a GPU: its kernels, with their registers, and the time of each heavy contraction
// in each tile that could be asked for, beside what the estimate says that tiles are chosen by (cuda/tile_cost.hpp).
//
//   cuda_tiles [batch]     by CUDA events, in the precision that it was compiled for (-DPRECISION=bf16)
#include <inlay/cuda/explain.hpp>
#include <inlay/inlay.hpp>
#include <inlay/train/training_graph.hpp>

#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#ifndef PRECISION
#define PRECISION bf16
#endif

namespace inlay::bench {

using Net = nn::Sequential<nn::Input<28, 28, 1, std::uint8_t>, nn::Rescaling<std::ratio<1, 255>>,
                           nn::Conv2D<32, 3, nn::Same, nn::Relu>, nn::Conv2D<64, 3, nn::Same, nn::Relu>,
                           nn::Conv2D<64, 3, nn::Same, nn::Relu>, nn::MaxPooling2D<2>, nn::Flatten,
                           nn::Dense<64, nn::Relu>, nn::Dense<10>>;
constexpr Precision precision = Precision::PRECISION;
using Training = Program<TrainingGraph<Net, Adam, SparseCategoricalCrossentropy, Accuracy>, stored_in(precision)>;

/// What is known of the device; of an unknown one an H100's rates, on the multiprocessors that it has.
DeviceSpec spec_of(const cuda::Device& device) {
  const std::pair<const char*, DeviceSpec> known[] = {
      {"H100", devices::h100}, {"H200", devices::h100},  // with other memory
      {"A100", devices::a100}, {"4090", devices::rtx_4090}, {"T4", devices::t4}, {"T400", devices::t400},
  };
  for (const auto& [name, spec] : known)
    if (device.name.ends_with(name) || device.name.find(std::string(name) + " ") != std::string::npos) return spec;
  DeviceSpec spec = devices::h100;
  spec.name = "a device that is not known";
  spec.multiprocessors.count = device.multiprocessors;
  return spec;
}

/// The arguments of launch L: memory of their size, all zeros.
template <int L>
struct Arguments {
  static constexpr Range bindings = Training::launches.data[L].bindings;
  std::vector<cuda::DeviceBuffer<unsigned char>> memory;
  cuda::Slots<bindings.count> slots{};

  Arguments(const Plan& plan, int batch, const cuda::Stream& stream) {
    for (int b = 0; b < bindings.count; ++b) {
      const Value& value = plan.values[plan.bindings[bindings.first + b]];
      const std::int64_t copies = value.batched ? batch : 1;
      memory.emplace_back(static_cast<std::size_t>(value.bytes() * copies + 16));
      memory.back().clear(stream);
      slots.data[b] = memory.back().data();
      slots.count[b] = value.count * copies;
    }
  }
};

template <int L, int Rows, int Columns>
void measure(const Arguments<L>& arguments, int batch, const DeviceSpec& device, const cuda::Stream& stream) {
  using Plain = kernel::lowered_t<Training, L>;
  using Kernel = cuda::under_policy_t<cuda::Policy{precision, TileSize{Rows, Columns}}, Plain>;
  using Chosen = cuda::under_policy_t<precision, Plain>;
  using Runner = cuda::Runner<Kernel>;
  std::vector<cuda::NotedLaunch> noted;
  cuda::DeviceBuffer<float> scratch(static_cast<std::size_t>(Runner::scratch_bytes(batch)) / 4 + 1);
  Runner::run(cuda::Stream(noted), arguments.slots, batch, scratch.view());
  const cuda::detail::CompiledKernel compiled = cuda::detail::compiled_kernel(noted[0]);

  constexpr int repetitions = 20;
  for (int i = 0; i < 3; ++i) Runner::run(stream, arguments.slots, batch, scratch.view());
  const cuda::Event begin, end;
  begin.record(stream);
  for (int i = 0; i < repetitions; ++i) Runner::run(stream, arguments.slots, batch, scratch.view());
  end.record(stream);
  end.synchronize();
  std::printf("| %6d | %3d x %3d%s | %3d | %3d | %9.2f | %9.2f |\n", L, Kernel::tile_rows, Kernel::tile_columns,
              std::is_same_v<Kernel, Chosen> ? " (chosen)" : "", compiled.registers, compiled.local_bytes,
              1e3 * static_cast<double>(end.milliseconds_since(begin)) / repetitions,
              1e6 * cuda::contraction_seconds<Kernel>(batch, device, compiled.registers));
}

/// Launches with less than a twentieth of all arithmetic are left out, to compile in about a minute.
template <int L>
void measure_launch(const Plan& plan, int batch, const DeviceSpec& device, const cuda::Stream& stream) {
  constexpr std::int64_t flops = cost_of_launch(Training::plan, L).flops.per_sample;
  if constexpr (20 * flops > cost_of(Training::plan).flops.per_sample) {
    std::printf("launch %d: %s\n\n| launch | tile | registers | spilled | measured, us | estimated, us |\n", L,
                describe(plan, L).c_str());
    std::printf("| ---: | --- | ---: | ---: | ---: | ---: |\n");
    const Arguments<L> arguments(plan, batch, stream);
    using Kernel = cuda::under_policy_t<precision, kernel::lowered_t<Training, L>>;
    if constexpr (cuda::Product<Kernel>::all_taps) {
      measure<L, 0, 0>(arguments, batch, device, stream);
    } else {
      measure<L, 64, 64>(arguments, batch, device, stream);
      measure<L, 128, 32>(arguments, batch, device, stream);
      measure<L, 128, 64>(arguments, batch, device, stream);
      measure<L, 128, 128>(arguments, batch, device, stream);
      measure<L, 256, 32>(arguments, batch, device, stream);
      measure<L, 256, 64>(arguments, batch, device, stream);
    }
    std::printf("\n");
  }
}

template <int... L>
void measure_all(int batch, const DeviceSpec& device, std::integer_sequence<int, L...>) {
  const cuda::Stream stream;
  const Plan plan = thaw(Training::plan);
  (measure_launch<L>(plan, batch, device, stream), ...);
}

}  // namespace inlay::bench

int main(int argc, char** argv) try {
  using namespace inlay;
  const int batch = argc > 1 ? std::atoi(argv[1]) : 512;
  const inlay::cuda::DeviceQuery query = inlay::cuda::usable_device();
  if (!query) throw Error("no GPU can be used: " + query.reason);
  inlay::cuda::require_precision(*query.device, bench::precision);
  const DeviceSpec device = bench::spec_of(*query.device);
  std::printf("%s, estimated as %s; %s, batch %d\n\n", query.device->name.c_str(), device.name,
              name_of(bench::precision), batch);
  std::printf("```text\n%s```\n\n",
              inlay::cuda::explain<inlay::cuda::Policy{bench::precision}>(bench::Training{}, device, batch).c_str());
  bench::measure_all(batch, device, std::make_integer_sequence<int, bench::Training::plan.launches.size>{});
} catch (const inlay::Error& error) {
  std::fprintf(stderr, "cuda_tiles: %s\n", error.what());
  return 1;
}
