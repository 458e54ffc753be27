// A tile of a matrix product in registers: the inner loop of dense layers and of Winograd convolutions.
#pragma once

#include <inlay/cpu/vector.hpp>

namespace inlay::cpu {

/// Memory that will be read and written soon: a product fetches some bytes of it with each step along its depth, which
/// costs nothing there, so that nobody waits for it later.
struct Ahead {
  const char* read = nullptr;
  const char* write = nullptr;
};

/// c[row][Vectors * lanes] = (Accumulate: c +) sum over d of a[row * RowStride + d * DepthStride] * b[d * pitch + ...].
/// ReadAhead, WriteAhead: the bytes of each step; the pointers move on.
template <int Rows, int Vectors, int RowStride, int DepthStride, bool Accumulate, int ReadAhead = 0, int WriteAhead = 0,
          class Weight = float>
[[gnu::noinline]] Ahead multiply_tile(const float* a, const Weight* b, std::int64_t pitch, int depth, float* c,
                                      Ahead ahead = {}) {
  Vector sum[Rows][Vectors] = {};
  if constexpr (Accumulate)
    unroll<Rows>([&](int i) INLAY_LAMBDA {
      unroll<Vectors>([&](int v) INLAY_LAMBDA { sum[i][v] = load_vector(c + (i * Vectors + v) * lanes); });
    });
  for (int d = 0; d < depth; ++d, a += DepthStride, b += pitch) {
    if constexpr (ReadAhead > 0) __builtin_prefetch(ahead.read);
    if constexpr (WriteAhead > 0) __builtin_prefetch(ahead.write, 1);
    ahead.read += ReadAhead;
    ahead.write += WriteAhead;
    Vector row[Vectors];
    unroll<Vectors>([&](int v) INLAY_LAMBDA { row[v] = load_vector(b + v * lanes); });
    unroll<Rows>([&](int i) INLAY_LAMBDA {
      const Vector value = splat(a[i * RowStride]);
      unroll<Vectors>([&](int v) INLAY_LAMBDA { sum[i][v] += value * row[v]; });
    });
  }
  unroll<Rows>([&](int i) INLAY_LAMBDA {
    unroll<Vectors>([&](int v) INLAY_LAMBDA { store_vector(c + (i * Vectors + v) * lanes, sum[i][v]); });
  });
  return ahead;
}

}  // namespace inlay::cpu
