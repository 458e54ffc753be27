// The instructions of tensor cores and asynchronous copies against plain loops over the tables of the PTX ISA, sections
// "Matrix fragments for mma.m16n8k16", "... mma.m16n8k8" and "ldmatrix". In the emulator, and on a GPU where it has
// them.
#include <inlay/cuda/async_copy.hpp>
#include <inlay/cuda/tensor_core.hpp>

#include "device_precision.hpp"
#include "on_device.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <string>

using namespace inlay;
using namespace inlay::cuda;

namespace {

std::vector<float> small_integers(int count, int seed) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) values[static_cast<std::size_t>(i)] = static_cast<float>((i * 37 + seed) % 15 - 7);
  return values;
}

template <Precision P>
struct Round {
  static constexpr int threads = 32;
  static INLAY_DEVICE void run(Global<const float> x, Global<std::uint32_t> bits, int count) {
    for (int i = thread_index(); i < count; i += threads) {
      if constexpr (P == Precision::tf32) bits[i] = round_to_tf32(x[i]);
      else bits[i] = pack<P>(x[i], -x[i]);
    }
  }
};

/// x on the grid of a precision, by arithmetic.
double nearest(Precision p, double x) {
  const int digits = p == Precision::bf16 ? 7 : 10, least = p == Precision::fp16 ? -14 : -126;
  const double quantum = std::ldexp(1.0, std::max(std::ilogb(x), least) - digits);
  const double rounded = (p == Precision::tf32 ? std::round(x / quantum) : std::nearbyint(x / quantum)) * quantum;
  return p == Precision::fp16 && std::fabs(rounded) > 65504 ? std::copysign(HUGE_VAL, x) : rounded;
}
double value(Precision p, std::uint32_t bits) {
  if (p == Precision::tf32) return std::bit_cast<float>(bits);
  const int digits = p == Precision::bf16 ? 7 : 10, bias = p == Precision::bf16 ? 127 : 15;
  const int exponent = static_cast<int>(bits >> digits) & (2 * bias + 1),
            fraction = static_cast<int>(bits) & ((1 << digits) - 1);
  const double sign = bits >> 15 & 1 ? -1 : 1;
  if (exponent == 2 * bias + 1) return fraction == 0 ? sign * HUGE_VAL : NAN;
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - digits);
  return sign * std::ldexp(fraction + (1 << digits), exponent - bias - digits);
}

template <Precision P>
void check_rounding() {
  if (!test::device_has(P)) return;
  std::vector<float> x{1,     -1,      0.1f,  1.00390625f, 1.01171875f, 1.00048828125f, 1.00146484375f, 3e-5f,
                       6e-8f, 2.9e-8f, 65504, 65519,       65520,       1e5f,           1e-20f,         3e38f};
  for (int i = 0; i < 200; ++i) x.push_back(std::ldexp(std::sin(static_cast<float>(i) + 1), i % 40 - 25));
  const Stream stream;
  const auto device_x = test::on_device(x, stream);
  DeviceBuffer<std::uint32_t> bits(x.size());
  launch<Round<P>>({}, 32, 0, stream, device_x.view(), bits.view(), static_cast<int>(x.size()));
  const auto got = test::on_host(bits, stream);
  for (std::size_t i = 0; i < x.size(); ++i) {
    CAPTURE(x[i]);
    const double expected = nearest(P, x[i]);
    if constexpr (P == Precision::tf32) {
      CHECK(value(P, got[i]) == expected);
    } else {
      CHECK(value(P, got[i] & 0xffff) == expected);
      CHECK(value(P, got[i] >> 16) == -expected);
    }
  }
}

/// One product of fragments that each lane fills from matrices in memory by the tables of the PTX ISA.
template <Precision P, bool HalfDepth = false>
struct MultiplyOnce {
  static constexpr Precision precision = P;
  static constexpr int threads = 32, each = P == Precision::tf32 ? 1 : 2,
                       depth = P == Precision::tf32 || HalfDepth ? 8 : 16;

  static INLAY_DEVICE std::uint32_t two(float low, [[maybe_unused]] float high) {
    if constexpr (P == Precision::tf32) return round_to_tf32(low);
    else return pack<P>(low, high);
  }
  static INLAY_DEVICE void run(Global<const float> a, Global<const float> b, Global<float> c) {
    const int group = lane() / 4, in_group = lane() % 4;
    std::uint32_t fragment_a[4] = {}, fragment_b[2] = {};
    float fragment_c[4];
    for (int r = 0; r < (HalfDepth ? 2 : 4);
         ++r) {  // rows: a0 and a2 g, a1 and a3 g + 8; columns: a2 and a3 further on
      const int row = group + r % 2 * 8, column = in_group * each + r / 2 * (4 * each);
      fragment_a[r] = two(a[row * depth + column], a[row * depth + column + each - 1]);
    }
    for (int r = 0; r < (HalfDepth ? 1 : 2); ++r) {
      const int row = in_group * each + r * (4 * each);
      fragment_b[r] = two(b[row * 8 + group], b[(row + each - 1) * 8 + group]);
    }
    for (int i = 0; i < 4; ++i) fragment_c[i] = c[(group + i / 2 * 8) * 8 + in_group * 2 + i % 2];
    if constexpr (HalfDepth) multiply_half_depth(fragment_c, fragment_a[0], fragment_a[1], fragment_b[0]);
    else multiply_fragments<P>(fragment_c, fragment_a, fragment_b);
    for (int i = 0; i < 4; ++i) c[(group + i / 2 * 8) * 8 + in_group * 2 + i % 2] = fragment_c[i];
  }
};

template <class Kernel>
void check_product() {
  if (!test::device_has(Kernel::precision)) return;
  constexpr int depth = Kernel::depth;
  const std::vector<float> a = small_integers(16 * depth, 3), b = small_integers(depth * 8, 5),
                           c = small_integers(128, 9);
  const Stream stream;
  const auto device_a = test::on_device(a, stream), device_b = test::on_device(b, stream);
  auto device_c = test::on_device(c, stream);
  launch<Kernel>({}, 32, 0, stream, device_a.view(), device_b.view(), device_c.view());
  const std::vector<float> got = test::on_host(device_c, stream);
  for (std::size_t row = 0; row < 16; ++row)
    for (std::size_t column = 0; column < 8; ++column) {
      float sum = c[row * 8 + column];
      for (std::size_t k = 0; k < depth; ++k) sum += a[row * depth + k] * b[k * 8 + column];
      CHECK(got[row * 8 + column] == sum);
    }
}

/// Four matrices of 8 x 8 halves, row r of matrix m in chunk order[8 m + r].
template <bool Transposed>
struct LoadFour {
  static constexpr int threads = 32;
  static INLAY_DEVICE void run(Global<const std::uint32_t> words, Global<const int> order,
                               Global<std::uint32_t> loaded) {
    const Shared<Chunk> tile = shared_array<Chunk>(0, 40);
    for (int i = lane(); i < 40; i += 32) {
      Chunk chunk;
      for (int w = 0; w < 4; ++w) chunk[w] = words[4 * i + w];
      tile[i] = chunk;
    }
    sync_warp();
    const Chunk result = load_matrices<Transposed>(tile, order[lane()]);
    for (int m = 0; m < 4; ++m) loaded[m * 32 + lane()] = result[m];
  }
};

template <bool Transposed>
void check_loading() {
  std::vector<std::uint32_t> words(160);
  for (std::uint32_t i = 0; i < 160; ++i) words[i] = 2 * i | (2 * i + 1) << 16;  // half h of memory is h
  std::vector<int> order(32);
  for (int l = 0; l < 32; ++l) order[static_cast<std::size_t>(l)] = (l * 11 + 5) % 40;
  const Stream stream;
  const auto device_words = test::on_device(words, stream);
  const auto device_order = test::on_device(order, stream);
  DeviceBuffer<std::uint32_t> loaded(128);
  launch<LoadFour<Transposed>>({}, 32, 40 * 16, stream, device_words.view(), device_order.view(), loaded.view());
  const auto got = test::on_host(loaded, stream);
  for (int m = 0; m < 4; ++m)
    for (int l = 0; l < 32; ++l)
      for (int half = 0; half < 2; ++half) {
        const int row = Transposed ? l % 4 * 2 + half : l / 4, column = Transposed ? l / 4 : l % 4 * 2 + half;
        const int expected = order[static_cast<std::size_t>(m * 8 + row)] * 8 + column;
        CHECK((got[static_cast<std::size_t>(m * 32 + l)] >> 16 * half & 0xffff) == static_cast<unsigned>(expected));
      }
}

/// Thread t copies the first t % 5 floats from 4 t, in two groups, and gives what its neighbour copied.
struct CopyShifted {
  static constexpr int threads = 64;
  static INLAY_DEVICE void run(Global<const float> from, Global<float> to) {
    const Shared<Chunk> chunks = shared_array<Chunk>(0, 2 * threads);
    const Shared<float> floats = shared_array<float>(0, 8 * threads);
    const int t = thread_index(), left = (t + threads - 1) % threads;
    copy_async(chunks, t, from, 4 * t, t % 5);
    commit_copies();
    copy_async(chunks, threads + t, from, 4 * (threads - 1 - t), 4);
    commit_copies();
    wait_copies<1>();
    sync_threads();
    for (int i = 0; i < 4; ++i) to[4 * t + i] = floats[4 * left + i];
    wait_copies<0>();
    sync_threads();
    for (int i = 0; i < 4; ++i) to[4 * (threads + t) + i] = floats[4 * (threads + left) + i];
  }
};

}  // namespace

TEST_CASE("floats are rounded to the nearest number of a precision") {
  check_rounding<Precision::tf32>();
  check_rounding<Precision::bf16>();
  check_rounding<Precision::fp16>();
}

TEST_CASE("fragments laid out as in the PTX ISA multiply as matrices do") {
  check_product<MultiplyOnce<Precision::tf32>>();
  check_product<MultiplyOnce<Precision::bf16>>();
  check_product<MultiplyOnce<Precision::fp16>>();
  check_product<MultiplyOnce<Precision::fp16, true>>();
}

TEST_CASE("matrices are loaded from any rows, transposed or not") {
  check_loading<false>();
  check_loading<true>();
}

TEST_CASE("asynchronous copies arrive with their group, and zeros fill the rest") {
  const Stream stream;
  std::vector<float> numbers(256);
  for (std::size_t i = 0; i < 256; ++i) numbers[i] = static_cast<float>(i + 1);
  const auto from = test::on_device(numbers, stream);
  DeviceBuffer<float> to(512);
  launch<CopyShifted>({}, CopyShifted::threads, 128 * 16, stream, from.view(), to.view());
  const auto got = test::on_host(to, stream);
  for (std::size_t t = 0; t < 64; ++t)
    for (std::size_t i = 0; i < 4; ++i) {
      const std::size_t left = (t + 63) % 64;
      CHECK(got[4 * t + i] == (i < left % 5 ? static_cast<float>(4 * left + i + 1) : 0.0f));
      CHECK(got[256 + 4 * t + i] == static_cast<float>(4 * (63 - left) + i + 1));
    }
}

#if defined(INLAY_CUDA_EMULATOR)

namespace {

enum class Mistake { none, read_own, read_after_barrier, no_barrier, write, never_wait, unaligned };

template <Mistake M>
struct Careless {
  static constexpr int threads = 32;
  static INLAY_DEVICE void run(Global<const float> from) {
    const Shared<Chunk> chunks = shared_array<Chunk>(0, 32);
    const Shared<float> floats = shared_array<float>(0, 128);
    const int t = thread_index();
    copy_async(chunks, t, from, M == Mistake::unaligned ? 1 : 0, 4);
    commit_copies();
    if constexpr (M == Mistake::read_own) [[maybe_unused]]
      const float x = floats[4 * t];
    if constexpr (M == Mistake::write) floats[4 * t + 3] = 1;
    if constexpr (M == Mistake::read_after_barrier) {
      sync_threads();
      [[maybe_unused]] const float x = floats[4 * (31 - t)];
    }
    if constexpr (M != Mistake::never_wait) wait_copies<0>();
    if constexpr (M != Mistake::no_barrier) sync_threads();
    [[maybe_unused]] const float y = M == Mistake::never_wait ? 0.0f : float{floats[4 * (31 - t)]};
  }
};

template <Mistake M>
std::string report_on() {
  const Stream stream;
  const DeviceBuffer<float> from(8);
  try {
    launch<Careless<M>>({}, 32, 512, stream, from.view());
  } catch (const EmulatorError& error) {
    const std::string text = error.what();
    return text.substr(text.find(": ") + 2);
  }
  return "";
}

}  // namespace

TEST_CASE("the emulator reports accesses to what an asynchronous copy is still to write") {
  const std::string missing =
      ", which an asynchronous copy is still to write: wait_copies or wait_boxes, and then a barrier, are missing";
  CHECK(report_on<Mistake::none>() == "");
  CHECK(report_on<Mistake::read_own>() == "reads byte 0 of shared memory" + missing);
  CHECK(report_on<Mistake::none>() == "");
  CHECK(report_on<Mistake::write>() == "writes byte 12 of shared memory" + missing);
  CHECK(report_on<Mistake::read_after_barrier>() == "reads byte 496 of shared memory" + missing);
  CHECK(report_on<Mistake::no_barrier>() ==
        "reads byte 496 of shared memory, which no thread of the block has written so far: it is uninitialised, or a "
        "barrier is missing");
  CHECK(report_on<Mistake::never_wait>() == "ends with asynchronous copies that it has not waited for");
  CHECK(report_on<Mistake::unaligned>() ==
        "a vector of 4 elements at element 1 in global memory is not aligned to its size: start it at a multiple of 4 "
        "elements");
  CHECK(report_on<Mistake::none>() == "");
}

#endif
