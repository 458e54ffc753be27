// The emulator's body of cuda/warpgroup.hpp. A product is computed when its thread waits for it: until then the sums
// are NaN, and B may not change. Where B's elements lie is read from the matrix's bits as the PTX ISA defines them,
// not from what made these; products are exact and are added one after another in fp32.
#pragma once

#include <inlay/core/precision.hpp>
#include <inlay/cuda/emulator/device.hpp>
#include <inlay/cuda/emulator/runtime_api.hpp>
#include <inlay/cuda/emulator/tensor_core.hpp>

namespace inlay::cuda {

/// The emulated device has them if its compute capability is 9.x.
inline bool has_warpgroups() { return emulator::device().major == 9; }

inline void fence_shared_writes() { emulator::Machine::mine().fence_writes(); }

namespace emulator {

/// Where byte `at` of shared memory lies if lines of 32, 64 or 128 bytes are swizzled.
inline std::size_t swizzled(std::size_t at, std::size_t line) { return at ^ (at / 128 % (line / 16) * 16); }

/// B, by its 64 bits (sections "Matrix Descriptor Format", "Strides" and "Canonical Layouts" of the PTX ISA): start,
/// leading offset and stride in units of 16 bytes from bits 0, 16 and 32 on, 14 bits each; a base offset, which is 0
/// where patterns begin at multiples of their size, in bits 49 to 51; the swizzle in bits 62 and 63.
template <Precision P, bool Transposed>
class SharedMatrix {
 public:
  explicit SharedMatrix(std::uint64_t bits)
      : start(field(bits, 0)), leading(field(bits, 16)), stride(field(bits, 32)), line(256 >> (bits >> 62)) {
    if (bits >> 62 == 0) report("multiplies by a matrix without swizzle, of which the emulator knows nothing");
    if (bits & ~std::uint64_t{0xc0003fff3fff3fff}) report("multiplies by a matrix with bits that should be 0");
  }

  /// The register's worth of elements that begins there, neighbours along the lines. `checked`: as an access of the
  /// running thread.
  std::uint32_t word(int depth, int column, bool checked) const {
    const std::size_t at = address(static_cast<std::size_t>(depth), static_cast<std::size_t>(column));
    if (at + 4 > running.shared_bytes)
      report("multiplies by byte " + std::to_string(at) + " of " + std::to_string(running.shared_bytes) +
             " in shared memory: out of bounds");
    if (checked) Machine::mine().access_matrix(at);
    std::uint32_t word;
    std::memcpy(&word, running.shared + at, sizeof word);
    return word;
  }

 private:
  static constexpr std::size_t size = P == Precision::tf32 ? 4 : 2;  // bytes of an element

  static std::size_t field(std::uint64_t bits, int from) { return (bits >> from & 0x3fff) << 4; }

  std::size_t address(std::size_t depth, std::size_t column) const {
    const std::size_t along = Transposed ? column : depth, across = Transposed ? depth : column;
    std::size_t at = start + across / 8 * stride + across % 8 * line;
    if (Transposed) at += along * size / line * leading + along * size % line;
    else at += along * size;
    return swizzled(at, line);
  }

  std::size_t start, leading, stride, line;
};

/// The thread's rows of A, band by band, and its columns of B.
template <Precision P, bool Transposed, int Bands, int Blocks>
class Products {
 public:
  static constexpr int each = P == Precision::tf32 ? 1 : 2, depth = 8 * each;  // elements a register

  Products(const std::uint32_t (&a)[Bands][4], std::uint64_t b, const char* file, int line) : matrix(b) {
    for (int i = 0; i < Bands; ++i) {
      struct Fragment {
        float registers[4][each];
      } own;
      for (int r = 0; r < 4; ++r) unpack<P>(a[i][r], own.registers[r]);
      const Exchange<Fragment> all(own, "start_products", file, line);
      for (int half = 0; half < 2; ++half)
        for (int k = 0; k < depth; ++k)
          rows[i][half][k] =
              all.in_lane(running.thread % 32 / 4 * 4 + k / each % 4).registers[half + k / (4 * each) * 2][k % each];
    }
    for (int j = 0; j < Blocks; ++j) read_block(j, [](int, int, std::uint32_t) {});  // nobody may write from now on
  }

  void operator()(float* sums) const {
    for (int j = 0; j < Blocks; ++j) {
      float b[depth][2];
      read_block(j, [&](int k, int column, std::uint32_t word) {
        float elements[each];
        unpack<P>(word, elements);
        for (int e = 0; e < each; ++e) b[Transposed ? k : k + e][Transposed ? column + e : column] = elements[e];
      });
      for (int i = 0; i < Bands; ++i)
        for (int s = 0; s < 4; ++s) {
          float& sum = sums[(i * Blocks + j) * 4 + s];
          for (int k = 0; k < depth; ++k) sum = std::fmaf(rows[i][s / 2][k], b[k][s % 2], sum);
        }
    }
  }

 private:
  /// f(depth, column of the thread's two, word) for each word of the thread's columns in block j. Of the eight lanes
  /// that have these columns, one does so as an access.
  template <class F>
  void read_block(int j, F f) const {
    const bool checked = j % 8 == running.thread % 32 / 4;
    for (int k = 0; k < depth; k += Transposed ? 1 : each)
      for (int column = 0; column < 2; column += Transposed ? each : 1)
        f(k, column, matrix.word(k, 8 * j + running.thread % 4 * 2 + column, checked));
  }

  SharedMatrix<P, Transposed> matrix;
  float rows[Bands][2][depth];
};

}  // namespace emulator

template <Precision P, bool Transposed, int Bands, int Blocks>
void start_products(float (&sums)[Bands][Blocks][4], const std::uint32_t (&a)[Bands][4], std::uint64_t b,
                    const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  static_assert(Blocks == 2 || Blocks == 4 || Blocks == 8 || Blocks == 16);
  static_assert(!(Transposed && P == Precision::tf32));
  if (!has_warpgroups()) emulator::report("start_products on a device that has no such instruction");
  const emulator::Products<P, Transposed, Bands, Blocks> products(a, b, file, line);
  emulator::Machine::mine().start_products(sums[0][0], Bands * Blocks * 4, b, products);
}

template <int Left, int Bands, int Blocks>
void wait_products(float (&sums)[Bands][Blocks][4], const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  emulator::Machine::mine().wait(emulator::Stop::warp_operation, "wait_products", file, line);
  emulator::Machine::mine().wait_products(Left, sums[0][0]);
}

}  // namespace inlay::cuda
