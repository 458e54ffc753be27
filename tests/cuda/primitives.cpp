// Every name that cuda/device.hpp and cuda/block_reduce.hpp give to kernels, on the device and in the emulator alike.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <inlay/cuda/block_reduce.hpp>
#include <numeric>

#include "on_device.hpp"

using namespace inlay;
using namespace inlay::cuda;
using test::on_device;
using test::on_host;

namespace {

struct NumberThreads {
  static INLAY_DEVICE void run(Global<int> out) {
    const Dim3 b = block_index(), g = grid_size();
    const int block = b.x + g.x * (b.y + g.y * b.z);
    out[block * block_threads() + thread_index()] = 1000 * block + 100 * warp() + lane();
  }
};

struct Shuffles {
  static constexpr int threads = 64;
  static INLAY_DEVICE void run(Global<int> out) {
    const int t = thread_index();
    out[t] = shuffle(t, 5);
    out[64 + t] = shuffle_xor(t, 3);
    out[128 + t] = shuffle_down(t, 30);
    out[192 + t] = static_cast<int>(inlay::cuda::ballot(t % 3 == 0));
  }
};

struct Pair {
  float value;
  int index;
};

struct Larger {
  INLAY_HOST_DEVICE Pair operator()(const Pair& a, const Pair& b) const { return b.value > a.value ? b : a; }
};

struct ShuffleOfPairs {
  static constexpr int threads = 32;
  static INLAY_DEVICE void run(Global<Pair> out) {
    const Pair mine{0.5f * static_cast<float>(lane()), lane()};
    out[lane()] = shuffle_xor(mine, 31);
  }
};

struct Vectors {
  static constexpr int threads = 32;
  static INLAY_DEVICE void run(Global<const float> in, Global<float> out) {
    const Shared<float> tile = shared_array<float>(16, 128);
    const int t = thread_index();
    tile.store4(4 * t, in.load4(4 * t));
    sync_threads();
    const Vector<float, 2> low = tile.load2(126 - 4 * t);
    out.store2(4 * t, low);
    Vector<float, 2> high = tile.load2(124 - 4 * t);
    high[1] = in.load_invariant(0) - high[1];
    tile.store2(124 - 4 * t, high);
    sync_threads();
    out.store2(4 * t + 2, in.from(0).load2(4 * t + 2));
    out[4 * t + 3] = tile[4 * t + 1];
  }
};

struct Bytes {
  static constexpr int threads = 64;
  static INLAY_DEVICE void run(Global<int> out) {
    const Shared<std::uint8_t> bytes = shared_array<std::uint8_t>(0, threads);
    const Shared<int> words = shared_array<int>(0, threads / 4);
    const int t = thread_index();
    bytes[t] = static_cast<std::uint8_t>(t);
    sync_threads();
    if (t < threads / 4) out[t] = words[t];
  }
};

struct ReverseInWarp {
  static constexpr int threads = 64;
  static INLAY_DEVICE void run(Global<int> out) {
    const Shared<int> values = shared_array<int>(0, threads);
    for (int round = 0; round < 3; ++round) {
      values[thread_index()] = thread_index() + round;
      sync_warp();
      const int opposite = values[32 * warp() + 31 - lane()];
      sync_warp();
      values[thread_index()] = opposite;
      out[thread_index()] = opposite;
      sync_warp();
    }
  }
};

struct CountMultiples {
  static constexpr int threads = 96;
  static INLAY_DEVICE void run(Global<int> count) {
    const int i = block_index().x * threads + thread_index();
    if (i % 7 == 0) atomic_add(&count[0], 1);
    thread_fence();
  }
};

struct Reductions {
  static constexpr int threads = 256;
  static INLAY_DEVICE void run(Global<const float> in, Global<float> sums, Global<float> maxima, Global<Pair> best) {
    const int t = block_index().x * threads + thread_index();
    sums[t] = block_reduce_sum<threads>(in[t]);
    maxima[t] = block_reduce_max<threads>(in[t]);
    best[t] = block_reduce<threads>(Pair{in[t], thread_index()}, Larger{});
    sums[t] += block_reduce_sum<threads>(0.0f);
  }
};

struct Mathematics {
  static constexpr int threads = 32;
  static INLAY_DEVICE void run(Global<const float> x, Global<float> out) {
    const int t = thread_index();
    float* y = &out[8 * t];
    y[0] = inlay::cuda::exp(x[t]);
    y[1] = inlay::cuda::log(x[t]);
    y[2] = inlay::cuda::tanh(x[t]);
    y[3] = inlay::cuda::erf(x[t]);
    y[4] = inlay::cuda::exp_fast(x[t]);
    y[5] = inlay::cuda::sqrt(x[t]);
    y[6] = divide(1.0f, x[t]);
    y[7] = multiply_add(x[t], x[t], -1.0f);
  }
};

std::vector<float> uneven(std::size_t n) {
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = std::sin(static_cast<float>(i) * 1.7f) * 10.0f;
  return values;
}

}  // namespace

TEST_CASE("each thread of a three-dimensional grid has its own indices") {
  const Stream stream;
  DeviceBuffer<int> out(3 * 2 * 4 * 96);
  launch<NumberThreads>({3, 2, 4}, 96, 0, stream, out.view());
  const std::vector<int> got = on_host(out, stream);
  for (int i = 0; i < static_cast<int>(got.size()); ++i) {
    const int block = i / 96, thread = i % 96;
    REQUIRE(got[static_cast<std::size_t>(i)] == 1000 * block + 100 * (thread / 32) + thread % 32);
  }
}

TEST_CASE("shuffles and ballots exchange values within each warp") {
  const Stream stream;
  DeviceBuffer<int> out(256);
  launch<Shuffles>({}, 64, 0, stream, out.view());
  const std::vector<int> got = on_host(out, stream);
  for (int t = 0; t < 64; ++t) {
    const auto at = [&](int row) { return got[static_cast<std::size_t>(64 * row + t)]; };
    const int warp_start = t / 32 * 32, lane_number = t % 32;
    CHECK(at(0) == warp_start + 5);
    CHECK(at(1) == (t ^ 3));
    CHECK(at(2) == (lane_number < 2 ? t + 30 : t));
    std::uint32_t votes = 0;
    for (int l = 0; l < 32; ++l) votes |= std::uint32_t((warp_start + l) % 3 == 0) << l;
    CHECK(static_cast<std::uint32_t>(at(3)) == votes);
  }
}

TEST_CASE("a shuffle carries structures of several words") {
  const Stream stream;
  DeviceBuffer<Pair> out(32);
  launch<ShuffleOfPairs>({}, 32, 0, stream, out.view());
  const std::vector<Pair> got = on_host(out, stream);
  for (int t = 0; t < 32; ++t) {
    CHECK(got[static_cast<std::size_t>(t)].value == 0.5f * static_cast<float>(31 - t));
    CHECK(got[static_cast<std::size_t>(t)].index == 31 - t);
  }
}

TEST_CASE("vectors of two and four elements move through global and shared memory") {
  const Stream stream;
  std::vector<float> values(128);
  std::iota(values.begin(), values.end(), 1.0f);
  const auto in = on_device(values, stream);
  DeviceBuffer<float> out(128);
  launch<Vectors>({}, 32, 16 + 512, stream, in.view(), out.view());
  const std::vector<float> got = on_host(out, stream);
  for (std::size_t t = 0; t < 32; ++t) {
    CHECK(got[4 * t] == values[126 - 4 * t]);
    CHECK(got[4 * t + 1] == values[127 - 4 * t]);
    CHECK(got[4 * t + 2] == values[4 * t + 2]);
    CHECK(got[4 * t + 3] == values[0] - values[4 * t + 1]);
  }
}

TEST_CASE("bytes that several threads write side by side are read as words") {
  const Stream stream;
  DeviceBuffer<int> out(16);
  launch<Bytes>({}, 64, 64, stream, out.view());
  const std::vector<int> got = on_host(out, stream);
  for (int i = 0; i < 16; ++i) CHECK(got[static_cast<std::size_t>(i)] == 0x03020100 + 4 * i * 0x01010101);
}

TEST_CASE("sync_warp orders the shared memory accesses of its own warp") {
  const Stream stream;
  DeviceBuffer<int> out(64);
  launch<ReverseInWarp>({}, 64, 256, stream, out.view());
  const std::vector<int> got = on_host(out, stream);
  for (int t = 0; t < 64; ++t) CHECK(got[static_cast<std::size_t>(t)] == t / 32 * 32 + 31 - t % 32 + 2);
}

TEST_CASE("atomic_add counts over all blocks") {
  const Stream stream;
  DeviceBuffer<int> count(1);
  count.clear(stream);
  launch<CountMultiples>({.x = 10}, 96, 0, stream, count.view());
  CHECK(on_host(count, stream)[0] == (960 + 6) / 7);
}

TEST_CASE("block reductions give every thread the same bits, in the documented order, on every run") {
  const Stream stream;
  const std::vector<float> values = uneven(512);
  const auto in = on_device(values, stream);
  for (int repetition = 0; repetition < 2; ++repetition) {
    DeviceBuffer<float> sums(512), maxima(512);
    DeviceBuffer<Pair> best(512);
    launch<Reductions>({.x = 2}, 256, 0, stream, in.view(), sums.view(), maxima.view(), best.view());
    const auto got_sums = on_host(sums, stream), got_maxima = on_host(maxima, stream);
    const auto got_best = on_host(best, stream);
    for (std::size_t block = 0; block < 2; ++block) {
      float sum = 0;
      std::size_t largest = 0;
      for (std::size_t warp = 0; warp < 8; ++warp) {
        float lanes[32];
        for (std::size_t l = 0; l < 32; ++l) {
          lanes[l] = values[256 * block + 32 * warp + l];
          if (lanes[l] > values[256 * block + largest]) largest = 32 * warp + l;
        }
        for (std::size_t step = 1; step < 32; step *= 2)
          for (std::size_t l = 0; l + step < 32; ++l) lanes[l] += lanes[l + step];
        sum = warp == 0 ? lanes[0] : sum + lanes[0];
      }
      for (std::size_t t = 256 * block; t < 256 * (block + 1); ++t) {
        REQUIRE(std::bit_cast<std::uint32_t>(got_sums[t]) == std::bit_cast<std::uint32_t>(sum));
        REQUIRE(got_maxima[t] == values[256 * block + largest]);
        REQUIRE(got_best[t].index == static_cast<int>(largest));
      }
    }
  }
}

TEST_CASE("mathematics has the documented accuracy") {
  const Stream stream;
  std::vector<float> x(32);
  for (std::size_t i = 0; i < 32; ++i) x[i] = 0.01f + 0.3f * static_cast<float>(i);
  const auto in = on_device(x, stream);
  DeviceBuffer<float> out(256);
  launch<Mathematics>({}, 32, 0, stream, in.view(), out.view());
  const std::vector<float> got = on_host(out, stream);
  for (std::size_t i = 0; i < 32; ++i) {
    const double v = x[i];
    const double exact[] = {std::exp(v), std::log(v), std::tanh(v), std::erf(v), std::exp(v)};
    for (std::size_t f = 0; f < 5; ++f) {
      const double units = f == 4 ? 2 + 1.2 * v : 2;
      CAPTURE(f);
      CAPTURE(v);
      CHECK(std::fabs(got[8 * i + f] - exact[f]) <= (units + 0.5) * std::fabs(exact[f]) * 0x1p-23);
    }
    CHECK(got[8 * i + 5] == std::sqrt(x[i]));
    CHECK(got[8 * i + 6] == 1.0f / x[i]);
    CHECK(got[8 * i + 7] == std::fmaf(x[i], x[i], -1.0f));
  }
}
