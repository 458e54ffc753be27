// What the CPU executor makes of whole programs: the layers of the seed network, forward and both gradients, each as a
// program of its own, and its whole training step; on one thread and on all, as fractions of the machine's FMA peak on
// as many threads. (cpu_convolution measures the kernels alone.)
//
//   bench/cpu_programs --benchmark_filter='28x28x64'
//
// FLOP are those of the direct sums, so Winograd may exceed 1. Times are wall-clock: run it on an idle machine, and
// read the rows _median and, for the rates, _best.
#include "../examples/networks.hpp"

#include <inlay/graph/build.hpp>
#include <inlay/inlay.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace inlay;

namespace {

constexpr int samples = 64;

double thread_seconds() {
  std::timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// FLOP a second of multiply-adds on registers, in independent chains; the asm hides that they are alike.
double multiply_add_rate() {
  constexpr int chains = 12;
  constexpr std::int64_t steps = 10'000'000;
  cpu::Vector sum[chains], factor = cpu::splat(0.5f);
  asm volatile("" : "+m"(factor));
  cpu::unroll<chains>([&](int c) INLAY_LAMBDA {
    sum[c] = cpu::splat(static_cast<float>(c));
    asm volatile("" : "+m"(sum[c]));
  });
  const double start = thread_seconds();
  for (std::int64_t i = 0; i < steps; ++i)
    cpu::unroll<chains>([&](int c) INLAY_LAMBDA { sum[c] = sum[c] * factor + factor; });
  const double seconds = thread_seconds() - start;
  cpu::unroll<chains>([&](int c) INLAY_LAMBDA { asm volatile("" : : "m"(sum[c])); });
  return 2.0 * chains * cpu::lanes * steps / seconds;
}

/// The best of 10 times that `threads` threads did this together, each by its own clock.
double peak(int threads) {
  static std::map<int, double> known;
  double& best = known[threads];
  if (best > 0) return best;
  for (int repetition = 0; repetition < 10; ++repetition) {
    std::vector<double> rates(static_cast<std::size_t>(threads));
    std::vector<std::thread> team;
    for (double& rate : rates) team.emplace_back([&rate] { rate = multiply_add_rate(); });
    for (std::thread& t : team) t.join();
    double total = 0;
    for (double rate : rates) total += rate;
    best = std::max(best, total);
  }
  return best;
}

/// One contraction of a layer of Window x Window with same padding; a dense layer is 1 x 1 x C to K.
template <Mode M, int H, int W, int C, int K, int Size>
struct Layer {
  static constexpr int pad = Size / 2;
  static constexpr double flop = 2.0 * H * W * C * K * Size * Size * samples;

  static constexpr Graph make() {
    const Shape x = shape_of(H, W, C), w = shape_of(Size, Size, C, K), y = shape_of(H, W, K);
    const Shape& first = M == Mode::data_gradient ? y : x;
    const Shape& second = M == Mode::weight_gradient ? y : w;
    const Shape& result = M == Mode::forward ? y : M == Mode::data_gradient ? x : w;
    const Window window{
        .height = Size, .width = Size, .pad_top = pad, .pad_left = pad, .pad_bottom = pad, .pad_right = pad};
    Graph g;
    const int a = build::input(g, first, Element::f32);
    const int b = build::input(g, second, Element::f32, M == Mode::weight_gradient);
    g.outputs.push({build::contraction(g, M, a, b, window, result)});
    return g;
  }
};

void report(benchmark::State& state, double flop, int threads) {
  const double total = flop * static_cast<double>(state.iterations());
  state.counters["GFLOPS"] = benchmark::Counter(total / 1e9, benchmark::Counter::kIsRate);
  state.counters["of_peak"] = benchmark::Counter(total / peak(threads), benchmark::Counter::kIsRate);
}

template <class Source>
void run_layer(benchmark::State& state) {
  using P = Program<Source>;
  const int threads = static_cast<int>(state.range(0));
  cpu::Executor<P> executor(threads);
  std::mt19937 random(1);
  std::vector<std::vector<float>> inputs;
  for (const Input& input : P::plan.inputs) {
    inputs.emplace_back(static_cast<std::size_t>(input.shape.count() * (input.batched ? samples : 1)));
    for (float& x : inputs.back()) x = static_cast<float>(random() % 2001) / 1000 - 1;
  }
  for (int i = 0; i < P::plan.inputs.size; ++i) executor.bind_input(i, inputs[static_cast<std::size_t>(i)].data());
  executor.run(samples);  // allocates
  for (auto _ : state) executor.run(samples);
  report(state, Source::flop, threads);
}

using Net = networks::Seed;
/// Of one image: forward, twice that backward, less the first layer's data gradient.
constexpr double step_flop = 2.0 * (3 * (28 * 28 * 9 * (32 + 32 * 64 + 64 * 64) + 12544 * 64 + 640) - 28 * 28 * 9 * 32);

void training_step(benchmark::State& state) {
  const int threads = static_cast<int>(state.range(0));
  auto model = compile<Net>(Adam{}, SparseCategoricalCrossentropy{}, Accuracy{},
                            {.device = Device::cpu, .threads = threads, .verbose = 0});
  std::mt19937 random(1);
  std::vector<std::uint8_t> images(std::size_t{samples} * 28 * 28);
  std::vector<int> labels(samples);
  for (std::uint8_t& x : images) x = static_cast<std::uint8_t>(random());
  for (int& label : labels) label = static_cast<int>(random() % 10);
  model.train_on_batch(images, labels);  // allocates
  for (auto _ : state) model.train_on_batch(images, labels);
  report(state, step_flop * samples, threads);
  state.counters["images/s"] =
      benchmark::Counter(samples * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void add(const std::string& name, void (*run)(benchmark::State&), const std::vector<int>& threads) {
  for (int count : threads)
    benchmark::RegisterBenchmark(name.c_str(), run)
        ->ArgName("threads")
        ->Arg(count)
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime()
        ->Repetitions(5)
        ->ReportAggregatesOnly(true)
        ->ComputeStatistics("best", [](const std::vector<double>& v) { return *std::max_element(v.begin(), v.end()); });
}

template <int H, int W, int C, int K, int Size>
void add_layer(const std::string& name, const std::vector<int>& threads) {
  add(name + " forward", run_layer<Layer<Mode::forward, H, W, C, K, Size>>, threads);
  add(name + " data_gradient", run_layer<Layer<Mode::data_gradient, H, W, C, K, Size>>, threads);
  add(name + " weight_gradient", run_layer<Layer<Mode::weight_gradient, H, W, C, K, Size>>, threads);
}

std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown processor";
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::vector<int> threads{1};
  if (cpu::default_threads() > 1) threads.push_back(cpu::default_threads());
  std::printf("%s, %d floats a vector, batches of %d\n", processor().c_str(), cpu::lanes, samples);
  for (int count : threads) std::printf("threads: %d   FMA peak: %.1f GFLOP/s\n", count, peak(count) / 1e9);
  add_layer<28, 28, 64, 64, 3>("28x28x64->64", threads);
  add_layer<28, 28, 32, 64, 3>("28x28x32->64", threads);
  add_layer<28, 28, 1, 32, 3>("28x28x1->32", threads);
  add_layer<1, 1, 12544, 64, 1>("dense 12544->64", threads);
  add("training step", training_step, threads);
  benchmark::RunSpecifiedBenchmarks();
}
