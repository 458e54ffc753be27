// A matrix product tiled in shared memory and registers: the pattern of all our heavy kernels, hence the emulator's
// test and its benchmark.
#include <doctest/doctest.h>

#include <chrono>

#include "on_device.hpp"

using namespace inlay;
using namespace inlay::cuda;

namespace {

/// c (m x n) = a (m x k) b (k x n), sizes multiples of the tile. A thread computes 8 x 8 elements.
template <int TileM, int TileN, int TileK>
struct MatrixProduct {
  static constexpr int threads = TileM * TileN / 64, shared_bytes = 4 * TileK * (TileM + TileN);

  static INLAY_DEVICE void run(Global<const float> a, Global<const float> b, Global<float> c, int n, int k) {
    const Shared<float> tile_a = shared_array<float>(0, TileK * TileM);  // k x m
    const Shared<float> tile_b = shared_array<float>(4 * TileK * TileM, TileK * TileN);
    const int m0 = block_index().y * TileM, n0 = block_index().x * TileN;
    const int row = thread_index() / (TileN / 8) * 8, column = thread_index() % (TileN / 8) * 8;
    float sums[8][8] = {};
    for (int k0 = 0; k0 < k; k0 += TileK) {
      for (int i = thread_index(); i < TileM * TileK; i += threads)
        tile_a[i % TileK * TileM + i / TileK] = a[(m0 + i / TileK) * k + k0 + i % TileK];
      for (int i = 4 * thread_index(); i < TileN * TileK; i += 4 * threads)
        tile_b.store4(i, b.load4((k0 + i / TileN) * n + n0 + i % TileN));
      sync_threads();
      for (int kk = 0; kk < TileK; ++kk) {
        float x[8], y[8];
        load8(tile_a, kk * TileM + row, x);
        load8(tile_b, kk * TileN + column, y);
        for (int i = 0; i < 8; ++i)
          for (int j = 0; j < 8; ++j) sums[i][j] += x[i] * y[j];
      }
      sync_threads();
    }
    for (int i = 0; i < 8; ++i)
      for (int j = 0; j < 8; j += 4)
        c.store4((m0 + row + i) * n + n0 + column + j, {sums[i][j], sums[i][j + 1], sums[i][j + 2], sums[i][j + 3]});
  }

  static INLAY_DEVICE void load8(const Shared<float>& tile, int at, float* values) {
    const Vector<float, 4> low = tile.load4(at), high = tile.load4(at + 4);
    for (int i = 0; i < 4; ++i) values[i] = low[i], values[4 + i] = high[i];
  }
};

std::vector<float> small_integers(int count, int seed) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) values[static_cast<std::size_t>(i)] = static_cast<float>((i * 37 + seed) % 11 - 5);
  return values;
}

}  // namespace

TEST_CASE("a matrix product tiled in shared memory equals the plain loop") {
  const Stream stream;
  const int m = 128, n = 192, k = 64;
  const std::vector<float> a = small_integers(m * k, 1), b = small_integers(k * n, 5);
  const auto device_a = test::on_device(a, stream), device_b = test::on_device(b, stream);
  DeviceBuffer<float> c(m * n);
  using Kernel = MatrixProduct<64, 64, 16>;
  launch<Kernel>({n / 64, m / 64, 1}, Kernel::threads, Kernel::shared_bytes, stream, device_a.view(), device_b.view(),
                 c.view(), n, k);
  const std::vector<float> got = test::on_host(c, stream);
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      float sum = 0;  // exact: all are small integers
      for (std::size_t l = 0; l < k; ++l) sum += a[i * k + l] * b[l * n + j];
      REQUIRE(got[i * n + j] == sum);
    }
}

TEST_CASE("speed of a matrix product" * doctest::skip()) {
  const Stream stream;
  const int size = 512;
  const auto a = test::on_device(small_integers(size * size, 1), stream);
  DeviceBuffer<float> c(size * size);
  using Kernel = MatrixProduct<128, 128, 16>;
  for (int repetition = 0; repetition < 3; ++repetition) {
    const auto start = std::chrono::steady_clock::now();
    launch<Kernel>({size / 128, size / 128, 1}, Kernel::threads, Kernel::shared_bytes, stream, a.view(), a.view(),
                   c.view(), size, size);
    stream.synchronize();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    const double gflops = 2e-9 * size * size * size / seconds.count();
    MESSAGE(gflops, " GFLOP/s");
  }
}
