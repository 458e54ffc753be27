// Products of a warpgroup against a plain loop, by the layouts of the PTX ISA: sections "Register Fragments" and
// "Shared Memory Matrix Layout" of wgmma. In the emulator, and on a GPU where it has them.
#include <inlay/cuda/tensor_core.hpp>
#include <inlay/cuda/warpgroup.hpp>

#include "on_device.hpp"
#include "warpgroup_device.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace inlay;
using namespace inlay::cuda;

namespace {

struct AskForWarpgroups {
  static constexpr int threads = 32;
  static INLAY_DEVICE void run(Global<int> answer) { answer[0] = has_warpgroups() ? 1 : 0; }
};
struct FirstByte {
  static INLAY_DEVICE void run(Global<int> address) {
    address[0] = static_cast<int>(shared_array<Chunk>(0, 1).address(0) % 1024);
  }
};

bool device_has_warpgroups() {
  const Stream stream;
  DeviceBuffer<int> answer(1);
  launch<AskForWarpgroups>({}, 32, 0, stream, answer.view());
  return test::on_host(answer, stream)[0] == 1;
}

/// c += a * b for a of 128 x depth and b of depth x Columns, in products of 32 bytes of the depth. b's lines of
/// LineBytes begin at byte 2048 and end with shared memory.
template <Precision P, bool Transposed, int LineBytes, int Columns>
struct MultiplyAll {
  static constexpr Precision precision = P;
  static constexpr int size = P == Precision::tf32 ? 4 : 2, each = 4 / size, blocks = Columns / 8, bands = 2;
  static constexpr int product_depth = 32 / size, products = 4, depth = product_depth * products, columns = Columns;
  static constexpr int first = 2048, line_elements = LineBytes / size;
  static constexpr int threads = 128, shared_bytes = first + depth * columns * size;
  // What of a column (or of a depth, if transposed) does not fit in one line is in further ones, behind all of those.
  static constexpr int lines = Transposed ? depth : columns;
  static_assert((Transposed ? columns : depth) % line_elements == 0);

  /// The element's byte, as the ISA's pictures have it.
  static INLAY_DEVICE int place(int k, int column) {
    const int along = Transposed ? column : k, across = Transposed ? k : column;
    const int byte = first + (along / line_elements * lines + across) * LineBytes + along % line_elements * size;
    const int chunks = LineBytes / 16, row_of_128 = byte / 128;
    return byte / LineBytes * LineBytes + (byte % LineBytes / 16 ^ row_of_128 % chunks) * 16 + byte % 16;
  }
  static INLAY_DEVICE std::uint32_t word(float low, float high) {
    if constexpr (P == Precision::tf32) return round_to_tf32(low);
    else return pack<P>(low, high);
  }

  static INLAY_DEVICE void run(Global<const float> a, Global<const float> b, Global<float> c) {
    const auto words = shared_array<std::uint32_t>(0, shared_bytes / 4);
    const auto chunks = shared_array<Chunk>(0, shared_bytes / 16);
    for (int i = thread_index(); i < depth * columns / each; i += threads) {
      // Neighbours in a word: two depths, or two columns.
      const int k = Transposed ? i / (columns / each) : i % (depth / each) * each;
      const int column = Transposed ? i % (columns / each) * each : i / (depth / each);
      const int next_k = Transposed ? k : k + each - 1, next_column = Transposed ? column + each - 1 : column;
      words[place(k, column) / 4] = word(b[k * columns + column], b[next_k * columns + next_column]);
    }
    fence_shared_writes();
    sync_threads();

    const int g = lane() / 4, t = lane() % 4;
    float sums[bands][blocks][4];
    auto each_sum = [&](auto f) {
      for (int i = 0; i < bands; ++i)
        for (int j = 0; j < blocks; ++j)
          for (int s = 0; s < 4; ++s)
            f(sums[i][j][s], (64 * i + 16 * warp() + g + s / 2 * 8) * columns + 8 * j + 2 * t + s % 2);
    };
    each_sum([&](float& sum, int at) { sum = c[at]; });
    for (int product = 0; product < products; ++product) {
      std::uint32_t fragments[bands][4];
      for (int i = 0; i < bands; ++i)
        for (int r = 0; r < 4; ++r) {
          const int row = 64 * i + 16 * warp() + g + r % 2 * 8;
          const int k = product * product_depth + each * t + r / 2 * (4 * each);
          fragments[i][r] = word(a[row * depth + k], a[row * depth + k + each - 1]);
        }
      // The product begins at a line, or within the first one.
      const int at = Transposed ? product * product_depth * LineBytes
                                : product * 32 / LineBytes * lines * LineBytes + product * 32 % LineBytes;
      start_products<P, Transposed>(sums, fragments,
                                    shared_matrix<LineBytes>(chunks.address((first + at) / 16), lines * LineBytes));
      wait_products<0>(sums);  // which read the fragments until then
    }
    each_sum([&](float& sum, int at) { c[at] = sum; });
  }
};

template <class Kernel>
void check_products() {
  CAPTURE(name_of(Kernel::precision));
  CAPTURE(Kernel::columns);
  CAPTURE(Kernel::line_elements);
  constexpr int rows = 64 * Kernel::bands, depth = Kernel::depth, columns = Kernel::columns;
  auto integers = [](int count, int seed) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) values[static_cast<std::size_t>(i)] = static_cast<float>((i * 37 + seed) % 13 - 6);
    return values;
  };
  const std::vector<float> a = integers(rows * depth, 3), b = integers(depth * columns, 5),
                           c = integers(rows * columns, 9);
  const Stream stream;
  const auto device_a = test::on_device(a, stream), device_b = test::on_device(b, stream);
  auto device_c = test::on_device(c, stream);
  launch<Kernel>({}, Kernel::threads, Kernel::shared_bytes, stream, device_a.view(), device_b.view(), device_c.view());
  const std::vector<float> got = test::on_host(device_c, stream);
  int wrong = 0;
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t column = 0; column < columns; ++column) {
      float sum = c[row * columns + column];
      for (std::size_t k = 0; k < depth; ++k) sum += a[row * depth + k] * b[k * columns + column];
      wrong += got[row * columns + column] != sum;
    }
  CHECK(wrong == 0);
}
template <Precision P, bool Transposed, int LineBytes>
void check_columns() {
  check_products<MultiplyAll<P, Transposed, LineBytes, 16>>();
  check_products<MultiplyAll<P, Transposed, LineBytes, 32>>();
  check_products<MultiplyAll<P, Transposed, LineBytes, 64>>();
  check_products<MultiplyAll<P, Transposed, LineBytes, 128>>();
}

}  // namespace

TEST_CASE("products of a warpgroup are those of matrices, in lines of any width") {
  test::on_each_device([] {
    if (!device_has_warpgroups()) return;
    check_columns<Precision::bf16, false, 32>();
    check_columns<Precision::bf16, false, 64>();
    check_columns<Precision::bf16, false, 128>();
    check_columns<Precision::fp16, false, 64>();
    check_columns<Precision::tf32, false, 64>();
  });
}
TEST_CASE("products of a warpgroup are those of matrices that lie transposed") {
  test::on_each_device([] {
    if (!device_has_warpgroups()) return;
    check_columns<Precision::bf16, true, 32>();
    check_products<MultiplyAll<Precision::bf16, true, 64, 32>>();
    check_products<MultiplyAll<Precision::bf16, true, 64, 128>>();
    check_products<MultiplyAll<Precision::bf16, true, 128, 64>>();
    check_products<MultiplyAll<Precision::bf16, true, 128, 128>>();
    check_products<MultiplyAll<Precision::fp16, true, 128, 128>>();
  });
}
TEST_CASE("shared memory begins at a multiple of 1024 bytes") {
  const Stream stream;
  DeviceBuffer<int> address(1);
  launch<FirstByte>({}, 32, 16, stream, address.view());
  CHECK(test::on_host(address, stream)[0] == 0);
}
TEST_CASE("a matrix in shared memory is described as the PTX ISA has it") {
  CHECK(shared_matrix<64>(0x400, 0) == (0x40 | std::uint64_t{32} << 32 | std::uint64_t{2} << 62));
  CHECK(shared_matrix<128>(0x12340, 4096) ==
        (0x1234 | std::uint64_t{256} << 16 | std::uint64_t{64} << 32 | std::uint64_t{1} << 62));
  CHECK(shared_matrix<32>(0, 512) == (std::uint64_t{32} << 16 | std::uint64_t{16} << 32 | std::uint64_t{3} << 62));
}

#if defined(INLAY_CUDA_EMULATOR)

namespace {

enum class Mistake {
  none,
  no_fence,
  fence_of_others,
  no_barrier,
  unwritten,
  outside,
  no_swizzle,
  other_matrices,
  read_sums,
  write_sums,
  other_sums,
  write_b,
  never_wait
};

/// B of 16 x 16, K-major.
template <Mistake M>
struct Careless {
  static constexpr int threads = 128;
  static void run(Global<float> c) {
    const auto words = shared_array<std::uint32_t>(0, 512);
    const auto chunks = shared_array<Chunk>(0, 128);
    for (int i = thread_index(); i < 512; i += threads)
      if (M != Mistake::unwritten || i != 240) words[i] = 0x3f803f80;
    if (M != Mistake::no_fence && (M != Mistake::fence_of_others || warp() > 0)) fence_shared_writes();
    if (M != Mistake::no_barrier) sync_threads();
    float sums[1][2][4] = {}, others[1][2][4] = {};
    const std::uint32_t a[1][4] = {{0x3f803f80, 0x3f803f80, 0x3f803f80, 0x3f803f80}};
    std::uint64_t b = shared_matrix<64>(chunks.address(M == Mistake::outside ? 127 : 2));
    if (M == Mistake::no_swizzle) b &= ~(std::uint64_t{3} << 62);
    if (M == Mistake::other_matrices && warp() == 2) b -= 2;
    start_products<Precision::bf16, false>(sums, a, b);
    if (M == Mistake::read_sums) others[0][0][0] = sums[0][1][3];
    if (M == Mistake::write_sums) sums[0][1][3] = 0;
    if (M == Mistake::other_sums) start_products<Precision::bf16, false>(others, a, b);
    if (M == Mistake::write_b) words[thread_index() + 128] = 0;
    if (M != Mistake::never_wait) wait_products<0>(sums);
    c[thread_index()] = sums[0][0][0] + others[0][0][0];
  }
};

template <Mistake M>
std::string report_on(std::vector<float>* results = nullptr) {
  const Stream stream;
  DeviceBuffer<float> c(128);
  try {
    launch<Careless<M>>({}, 128, 2048, stream, c.view());
  } catch (const EmulatorError& error) {
    const std::string text = error.what();
    return text.substr(text.find(": ") + 2);
  }
  if (results) *results = test::on_host(c, stream);
  return "";
}

}  // namespace

TEST_CASE("the emulator reports products of what is not there, and sums that are used too early") {
  test::on_each_device([] {
    if (!device_has_warpgroups()) {
      CHECK(report_on<Mistake::none>() == "start_products on a device that has no such instruction");
      return;
    }
    std::vector<float> results;
    CHECK(report_on<Mistake::none>(&results) == "");
    CHECK(results == std::vector<float>(128, 16));
    CHECK(report_on<Mistake::read_sums>(&results) == "");
    CHECK(results[0] != results[0]);
    const std::string unfenced = " wrote without fence_shared_writes between that and the barrier";
    CHECK(report_on<Mistake::no_fence>() == "multiplies by byte 32 of shared memory, which thread 8" + unfenced);
    CHECK(report_on<Mistake::fence_of_others>() == "multiplies by byte 32 of shared memory, which thread 8" + unfenced);
    CHECK(report_on<Mistake::no_barrier>() ==
          "reads byte 32 of shared memory, which thread 8 wrote with no barrier between: a data race");
    CHECK(report_on<Mistake::unwritten>() ==
          "reads byte 960 of shared memory, which no thread of the block has written so far: it is uninitialised, or a "
          "barrier is missing");
    CHECK(report_on<Mistake::outside>() == "multiplies by byte 2096 of 2048 in shared memory: out of bounds");
    CHECK(report_on<Mistake::no_swizzle>() ==
          "multiplies by a matrix without swizzle, of which the emulator knows nothing");
    CHECK(report_on<Mistake::other_matrices>() == "starts products with another matrix than the other warps");
    CHECK(report_on<Mistake::write_sums>() ==
          "has written sums to which products are still to be added: wait_products is missing");
    CHECK(report_on<Mistake::other_sums>() ==
          "starts products that are added to other sums than those under way: wait_products is missing");
    CHECK(report_on<Mistake::write_b>() ==
          "writes byte 544 of shared memory, which thread 4 read with no barrier between: a data race");
    CHECK(report_on<Mistake::never_wait>() == "ends with products that it has not waited for");
    CHECK(report_on<Mistake::none>() == "");
  });
}

#endif
