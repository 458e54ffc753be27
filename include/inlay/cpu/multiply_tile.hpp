// A tile of a matrix product in registers: the inner loop of dense layers and of Winograd convolutions.
#pragma once

#include <inlay/cpu/vector.hpp>

namespace inlay::cpu {

/// c[row][Vectors * lanes] = (Accumulate: c +) sum over d of a[row * RowStride + d * DepthStride] * b[d * pitch + ...].
template <int Rows, int Vectors, int RowStride, int DepthStride, bool Accumulate>
[[gnu::noinline]] void multiply_tile(const float* a, const float* b, std::int64_t pitch, int depth, float* c) {
  Vector sum[Rows][Vectors] = {};
  if constexpr (Accumulate)
    unroll<Rows>([&](int i) INLAY_LAMBDA {
      unroll<Vectors>([&](int v) INLAY_LAMBDA { sum[i][v] = load_vector(c + (i * Vectors + v) * lanes); });
    });
  for (int d = 0; d < depth; ++d, a += DepthStride, b += pitch) {
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
}

}  // namespace inlay::cpu
