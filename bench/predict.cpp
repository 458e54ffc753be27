// Inlay's side of `bench/compare/run inference` and, compiled by nvcc, of `bench/compare/gpu`: predicts on demand, in
// the words of compare/peers/predicting.py.
//
//   predict seed.safetensors [folder of the IDX files] [--bf16]       (threads: OMP_NUM_THREADS)
//   check BATCH PATH, run BATCH SECONDS                       (a line each, on its input)
#include "../examples/networks.hpp"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>

using namespace inlay;

#ifndef BUILT_BY  // said by meson.build
#define BUILT_BY __VERSION__
#endif

namespace {

#ifdef __CUDACC__
constexpr Device device = Device::cuda;
#else
constexpr Device device = Device::cpu;
#endif
constexpr std::size_t images = 1024, pixels = 28 * 28;

/// The q-quantile.
double quantile(std::vector<double> values, double q) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

/// Answers on standard output until standard input ends.
template <Precision P>
void serve(const char* weights, const data::Dataset& test) {
  auto model =
      compile<networks::Seed, P>(Adam{}, SparseCategoricalCrossentropy{}, Accuracy{}, {.device = device, .verbose = 0});
  model.load(weights);
  /// The i-th batch of the test images.
  auto predict = [&](std::size_t i, std::size_t size) {
    return model.predict({test.images.data() + i * size * pixels, size * pixels});
  };
  predict(0, images);
  std::printf("ready {\"inlay\": \"%s\", \"built by\": \"%s\"}\n", model.description().c_str(), BUILT_BY);
  std::fflush(stdout);

  for (std::string line, command, argument; std::getline(std::cin, line);) {
    std::size_t size = 0;
    std::istringstream(line) >> command >> size >> argument;
    if (size == 0 || images % size != 0 || (command != "check" && command != "run"))
      throw Error("expected check BATCH PATH or run BATCH SECONDS, got " + line);
    const std::size_t batches = images / size;
    if (command == "check") {
      std::ofstream file(argument, std::ios::binary);
      for (std::size_t i = 0; i < batches; ++i) {
        const std::vector<float> logits = predict(i, size);
        file.write(reinterpret_cast<const char*>(logits.data()),
                   static_cast<std::streamsize>(logits.size() * sizeof(float)));
      }
      file.close();
      if (!file) throw Error("cannot write " + argument);
      std::puts("checked");
    } else {
      const double start = steady_seconds(), seconds = std::stod(argument);
      double now = start, total = 0;
      std::vector<double> times;
      while (now - start < seconds || times.empty())
        for (std::size_t i = 0; i < batches; ++i) {
          const double before = steady_seconds();
          predict(i, size);
          now = steady_seconds();
          times.push_back(now - before);
          total += now - before;
        }
      std::printf("run {\"images_per_second\": %.1f, \"p50_ms\": %.6f, \"p99_ms\": %.6f}\n",
                  static_cast<double>(times.size() * size) / total, 1e3 * quantile(times, 0.5),
                  1e3 * quantile(times, 0.99));
    }
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const bool bf16 = argc > 2 && std::string(argv[argc - 1]) == "--bf16";
  if (bf16) --argc;
  if (argc != 2 && argc != 3) throw Error("give a file of weights, and a folder of IDX files if not Debian's");
  const data::Dataset test = argc == 3 ? data::load_idx(argv[2]).test : data::load_fashion_mnist().test;
  bf16 ? serve<Precision::bf16>(argv[1], test) : serve<Precision::fp32>(argv[1], test);
} catch (const std::exception& error) {
  std::fprintf(stderr, "predict: %s\n", error.what());
  return 1;
}
