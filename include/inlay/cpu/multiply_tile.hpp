// A tile of a matrix product in registers: the inner loop of dense layers and of Winograd convolutions.
#pragma once

#include <inlay/cpu/vector.hpp>

#include <type_traits>

namespace inlay::cpu {

/// Memory that will be read and written soon: a product fetches some bytes of it with each step along its depth, which
/// costs nothing there, so that nobody waits for it later.
struct Ahead {
  const char* read = nullptr;
  const char* write = nullptr;
};

/// c[row][Vectors * lanes] = (Accumulate: c +) sum over d of a[row * RowStride + d * DepthStride] * b[d * pitch + ...].
/// b may hold pairs of bf16: of rows d and d + 1, one such row for every two.
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
  constexpr int held = std::is_same_v<Weight, float> ? 1 : 2;  // rows in one of b
  for (int d = 0; d < depth; d += held, a += held * DepthStride, b += pitch) {
    if constexpr (ReadAhead > 0) __builtin_prefetch(ahead.read);
    if constexpr (WriteAhead > 0) __builtin_prefetch(ahead.write, 1);
    ahead.read += ReadAhead;
    ahead.write += WriteAhead;
    auto add = [&](const Vector(&row)[Vectors], int which) INLAY_LAMBDA {
      unroll<Rows>([&](int i) INLAY_LAMBDA {
        const Vector value = splat(a[i * RowStride + which * DepthStride]);
        unroll<Vectors>([&](int v) INLAY_LAMBDA { sum[i][v] += value * row[v]; });
      });
    };
    Vector row[Vectors];
    if constexpr (held == 1) {
      unroll<Vectors>([&](int v) INLAY_LAMBDA { row[v] = load_vector(b + v * lanes); });
      add(row, 0);
    } else {
      unroll<Vectors>([&](int v) INLAY_LAMBDA { row[v] = load_halves<0>(b + v * lanes); });
      add(row, 0);
      unroll<Vectors>([&](int v) INLAY_LAMBDA { row[v] = load_halves<1>(b + v * lanes); });
      add(row, 1);
    }
  }
  unroll<Rows>([&](int i) INLAY_LAMBDA {
    unroll<Vectors>([&](int v) INLAY_LAMBDA { store_vector(c + (i * Vectors + v) * lanes, sum[i][v]); });
  });
  return ahead;
}

}  // namespace inlay::cpu
