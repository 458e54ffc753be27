// Contraction kernels of the CPU executor as fractions of the machine's FMA peak, on one thread: what the layers of
// the seed network cost forward and backward, with each algorithm that can do them.
//
//   bench/cpu_convolution --benchmark_filter=direct
//
// FLOP are always those of the direct sums, so Winograd may exceed 1. Time is the thread's own processor time, and
// each repetition is set against the peak measured beside it: read the rows _median. Samples are streamed: each has
// memory of its own, as in a training step.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <inlay/cpu/buffer.hpp>
#include <inlay/cpu/schedule.hpp>
#include <string>
#include <vector>

using namespace inlay;
using namespace inlay::kernel;
using cpu::Algorithm;

namespace {

/// FLOP a second of multiply-adds on registers, in chains that are independent and stay so: equal ones would be
/// merged by the compiler, hence the asm that hides each start.
double measure_peak() {
  constexpr int chains = 12;
  constexpr std::int64_t steps = 4'000'000;
  double best = 0;
  for (int repetition = 0; repetition < 4; ++repetition) {
    cpu::Vector sum[chains], factor = cpu::splat(0.5f);
    asm volatile("" : "+m"(factor));
    cpu::unroll<chains>([&](int c) INLAY_LAMBDA {
      sum[c] = cpu::splat(static_cast<float>(c));
      asm volatile("" : "+m"(sum[c]));
    });
    const std::clock_t start = std::clock();
    for (std::int64_t i = 0; i < steps; ++i)
      cpu::unroll<chains>([&](int c) INLAY_LAMBDA { sum[c] = sum[c] * factor + factor; });
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    cpu::unroll<chains>([&](int c) INLAY_LAMBDA { asm volatile("" : : "m"(sum[c])); });
    best = std::max(best, 2.0 * chains * cpu::lanes * steps / seconds);
  }
  return best;
}

template <int H, int W, int C>
using Image = Strides<H * W * C, 0, W * C, C, 1>;

/// A layer of window Window x Window with same padding; what is computed has bias and ReLU in its epilogue, as in a
/// network, and the weight gradient sums the bias gradient beside it.
template <int H, int W, int C, int K, int Window, int Stride = 1, int Groups = 1>
struct Layer {
  static constexpr int P = (H + Stride - 1) / Stride, Q = (W + Stride - 1) / Stride;
  static constexpr int inputs = C / Groups;  // channels that an output channel sees
  static constexpr int pad_top = std::max(0, (P - 1) * Stride + Window - H) / 2;
  static constexpr int pad_left = std::max(0, (Q - 1) * Stride + Window - W) / 2;
  using G = Geometry<H, W, C, P, Q, K, Window, Window, Stride, Stride, pad_top, pad_left, 1, 1, Groups>;
  using X = Load<0, Element::f32, Image<H, W, C>>;
  using Y = Load<0, Element::f32, Image<P, Q, K>>;
  using Weights = Load<1, Element::f32, Strides<0, Window * inputs * K, inputs * K, K, 1>>;
  using Relu = Body<Result<0>, Load<3, Element::f32, Strides<0, 0, 0, 0, 1>>, Apply<MapOp::add, 0, 1>, Constant<0>,
                    Apply<MapOp::maximum, 2, 3>, Store<2, Element::f32, Image<P, Q, K>, 4>>;
  using Forward = Contraction<Mode::forward, G, true, Body<X>, Body<Weights>, Epilogue<Relu>>;
  using DataGradient = Contraction<Mode::data_gradient, G, true, Body<Y>, Body<Weights>,
                                   Epilogue<Body<Result<0>, Store<2, Element::f32, Image<H, W, C>, 0>>>>;
  using WeightGradient = Contraction<
      Mode::weight_gradient, G, true, Body<X>, Body<Load<1, Element::f32, Image<P, Q, K>>>,
      Epilogue<Body<Result<0>, Store<2, Element::f32, Strides<0, Window * inputs * K, inputs * K, K, 1>, 0>>>,
      Body<Result<0>, Store<3, Element::f32, Strides<0, 0, 0, 0, 1>, 0>>>;

  static constexpr std::int64_t input = std::int64_t{4} * H * W * C, output = std::int64_t{4} * P * Q * K;
  static constexpr std::int64_t weights = std::int64_t{4} * Window * Window * inputs * K;
  static constexpr double flop = 2.0 * P * Q * inputs * K * Window * Window;
};

template <class Kernel, Algorithm A, class L>
void run(benchmark::State& state) {
  using R = cpu::ContractionRunner<Kernel, A>;
  constexpr int samples = 64;
  constexpr bool gradient = Kernel::mode == Mode::weight_gradient;
  constexpr std::int64_t bytes[4] = {Kernel::mode == Mode::data_gradient ? L::output : L::input,
                                     gradient ? L::output : L::weights,
                                     gradient                              ? L::weights
                                     : Kernel::mode == Mode::data_gradient ? L::input
                                                                           : L::output,
                                     4096};
  const bool batched[4] = {true, gradient, !gradient, false};
  std::vector<cpu::Buffer> buffers;
  cpu::Slot slots[4];
  for (int s = 0; s < 4; ++s) {
    const std::int64_t count = bytes[s] * (batched[s] ? samples : 1) / 4;
    buffers.emplace_back(4 * count);
    for (std::int64_t i = 0; i < count; ++i) buffers.back().floats()[i] = static_cast<float>(i % 31) / 16 - 1;
    slots[s] = {buffers.back().data(), batched[s] ? bytes[s] : 0};
  }
  cpu::Buffer packed(R::packed_bytes + 64), scratch(R::scratch_bytes + 64), partial(R::partial_bytes + 64);
  const cpu::Memory memory{packed.floats(), scratch.floats(), partial.floats()};

  double peak = measure_peak();  // beside what it measures: the clock of a processor changes
  for (auto _ : state) {
    R::prepare(slots, memory, {0, 1});
    if constexpr (R::partition == cpu::Partition::outputs) {
      R::outputs(slots, samples, memory, {0, 1});
    } else {
      R::samples(slots, 0, samples, memory);
      if constexpr (R::partition == cpu::Partition::reduced) R::finish(slots, {partial.floats(), 0, 1}, {0, 1});
    }
    benchmark::ClobberMemory();
  }
  peak = std::max(peak, measure_peak());
  const double flop = L::flop * samples * static_cast<double>(state.iterations());
  state.counters["of_peak"] = benchmark::Counter(flop / peak, benchmark::Counter::kIsRate);
  state.counters["GFLOPS"] = benchmark::Counter(flop / 1e9, benchmark::Counter::kIsRate);
}

template <class Kernel, Algorithm A, class L>
void add(const std::string& name) {
  const char* algorithms[] = {"matrix", "compressed", "winograd_2x2", "winograd_4x4", "winograd_6x6", "direct"};
  const bool chosen = cpu::choose(cpu::problem<Kernel>, {}) == A;
  benchmark::RegisterBenchmark((name + " " + algorithms[static_cast<int>(A)] + (chosen ? " chosen" : "")).c_str(),
                               run<Kernel, A, L>)
      ->Unit(benchmark::kMillisecond)
      ->Repetitions(5)
      ->ReportAggregatesOnly(true);
}

/// All that a training step asks of a layer: forward, weight gradient and, where something learns before it, the data
/// gradient.
template <class L, Algorithm A>
void add_layer(const std::string& name, bool first = false) {
  add<typename L::Forward, A, L>(name + " forward");
  if constexpr (A != Algorithm::winograd_6x6) add<typename L::WeightGradient, A, L>(name + " weight_gradient");
  if (!first) add<typename L::DataGradient, A, L>(name + " data_gradient");
}
/// With each algorithm that a 3x3 layer may take.
template <class L>
void add_layer(const std::string& name) {
  add_layer<L, Algorithm::direct>(name);
  add_layer<L, Algorithm::winograd_2x2>(name);
  add_layer<L, Algorithm::winograd_4x4>(name);
  add_layer<L, Algorithm::winograd_6x6>(name);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::printf("FMA peak of one thread: %.1f GFLOP/s (%d lanes)\n", measure_peak() / 1e9, cpu::lanes);
  add_layer<Layer<28, 28, 64, 64, 3>>("28x28x64->64");
  add_layer<Layer<28, 28, 32, 64, 3>>("28x28x32->64");
  add_layer<Layer<28, 28, 8, 8, 3>>("28x28x8->8");
  add_layer<Layer<14, 14, 32, 32, 3>>("14x14x32->32");
  add_layer<Layer<14, 14, 64, 128, 3>>("14x14x64->128");
  add_layer<Layer<7, 7, 64, 64, 3>>("7x7x64->64");
  add_layer<Layer<7, 7, 128, 256, 3>>("7x7x128->256");
  add_layer<Layer<4, 4, 64, 64, 3>>("4x4x64->64");
  add_layer<Layer<3, 3, 64, 64, 3>>("3x3x64->64");
  add_layer<Layer<28, 28, 1, 32, 3>, Algorithm::direct>("28x28x1->32", true);
  add_layer<Layer<28, 28, 64, 64, 3, 1, 64>, Algorithm::direct>("28x28x64 depthwise");
  add_layer<Layer<28, 28, 64, 64, 3, 2, 64>, Algorithm::direct>("28x28x64 depthwise, stride 2");
  add_layer<Layer<28, 28, 64, 64, 3, 2>, Algorithm::direct>("28x28x64->64 stride 2");
  add_layer<Layer<14, 14, 64, 128, 3, 2>, Algorithm::direct>("14x14x64->128 stride 2");
  add_layer<Layer<28, 28, 32, 64, 1, 2>, Algorithm::direct>("28x28x32->64 1x1, stride 2");
  add_layer<Layer<28, 28, 64, 64, 1>, Algorithm::matrix>("28x28x64->64 1x1");
  add_layer<Layer<1, 1, 12544, 64, 1>, Algorithm::matrix>("dense 12544->64");
  benchmark::RunSpecifiedBenchmarks();
}
