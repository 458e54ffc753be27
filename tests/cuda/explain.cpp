// cuda::explain, and what its lines follow from.
#include <inlay/cuda/explain.hpp>
#include <inlay/nn/activations.hpp>
#include <inlay/nn/batch_normalization.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/losses.hpp>
#include <inlay/nn/metrics.hpp>
#include <inlay/nn/sequential.hpp>
#include <inlay/train/optimizers.hpp>
#include <inlay/train/training_graph.hpp>

#include <doctest/doctest.h>

using namespace inlay;

namespace {

using Net = nn::Sequential<nn::Input<16, 16, 16>, nn::Conv2D<32, 3, nn::Same, nn::Relu>, nn::BatchNormalization<>,
                           nn::Flatten, nn::Dense<10>>;

struct Nothing {
  static constexpr int threads = 64;
  static INLAY_DEVICE void run(int) {}
};

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("explain has a line for each kernel of a training step, with its tile and its blocks") {
  using Training = TrainingGraph<Net, SGD, SparseCategoricalCrossentropy, Accuracy>;
  const std::string text =
      inlay::cuda::explain<Precision::bf16>(Program<Training, stored_in(Precision::bf16)>{}, devices::a100, 64);
  CHECK(has(text, "NVIDIA A100 80GB SXM, batch 64, multiplying in bf16"));
  CHECK(has(text, "Multiply, halo"));
  CHECK(has(text, "MultiplyTaps, taps"));
  CHECK(has(text, "Finish"));
  CHECK(has(text, "FinishSums"));  // of the batch normalisation
  CHECK(has(text, "conv2d 3x3 16->32"));
  CHECK(has(text, " samples/s, "));
  MESSAGE(text);
}
TEST_CASE("explain shows the tile that a policy asks for, and takes batches of any size") {
  const std::string text = inlay::cuda::explain<Net, Precision::bf16, TileSize{256, 16}>(devices::t4, 3);
  CHECK(has(text, "256x16x32"));
  CHECK(has(inlay::cuda::explain<Net>(), "Multiply, simt"));
}
TEST_CASE("explain refuses what is no GPU") {
  CHECK_THROWS_WITH_AS(inlay::cuda::explain<Net>(devices::cpu_2_cores),
                       doctest::Contains("CPU, 2 cores with AVX-512 has no multiprocessors"), Error);
}
TEST_CASE("a multiprocessor holds as many blocks as fit") {
  using inlay::cuda::occupancy;
  constexpr Multiprocessors t4 = devices::t4.multiprocessors, h100 = devices::h100.multiprocessors;
  static_assert(occupancy(h100, 128, 27392, 168).by_registers == 3);
  static_assert(occupancy(h100, 128, 27392, 169).by_registers == 2);  // 176 are given
  static_assert(occupancy(h100, 128, 27392, 168).by_shared == 8);     // 1 KB of each is the system's
  static_assert(occupancy(h100, 128, 27392, 168).by_threads == 16);
  static_assert(occupancy(h100, 128, 27392, 168).blocks() == 3);
  static_assert(occupancy(t4, 128, 27392, 0).blocks() == 2);
  static_assert(occupancy(t4, 32, 0, 0).blocks() == 16);
  static_assert(occupancy(t4, 384, 65537, 0).blocks() == 0);
}
TEST_CASE("a stream may note launches instead of starting them") {
  std::vector<inlay::cuda::NotedLaunch> noted;
  inlay::cuda::launch<Nothing>({3, 2, 1}, 64, 1000, inlay::cuda::Stream(noted), 1);
  REQUIRE(noted.size() == 1);
  CHECK(noted[0].grid == inlay::cuda::Dim3{3, 2, 1});
  CHECK(noted[0].threads == 64);
  CHECK(noted[0].shared_bytes == 1000);
}
