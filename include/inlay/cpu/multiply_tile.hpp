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

/// c[row * ResultPitch + ...] = (Accumulate: c +) sum over d of a[row * RowStride + d * DepthStride] * b[d * pitch +
/// ...], Vectors * lanes of each row. b may hold pairs of bf16: of rows d and d + 1, one such row for every two.
/// RowStride 0: `row_stride` instead.
/// ReadAhead, WriteAhead: the bytes of each step; the pointers move on.
/// RowsAhead: fetches what is `rows_ahead` floats further on in each row of a, which is far from the others.
/// Apart: each row has a b of its own, `apart` behind the one before.
template <int Rows, int Vectors, int RowStride, int DepthStride, bool Accumulate, int ReadAhead = 0, int WriteAhead = 0,
          bool Apart = false, class Weight = float, int ResultPitch = Vectors* lanes, bool RowsAhead = false>
[[gnu::noinline]] Ahead multiply_tile(const float* a, const Weight* b, std::int64_t pitch, int depth, float* c,
                                      Ahead ahead = {}, [[maybe_unused]] std::int64_t apart = 0,
                                      [[maybe_unused]] std::int64_t row_stride = 0,
                                      [[maybe_unused]] std::int64_t rows_ahead = 0) {
  Vector sum[Rows][Vectors] = {};
  if constexpr (Accumulate)
    unroll<Rows>([&](int i) INLAY_LAMBDA {
      unroll<Vectors>([&](int v) INLAY_LAMBDA { sum[i][v] = load_vector(c + i * ResultPitch + v * lanes); });
    });
  constexpr int held = std::is_same_v<Weight, float> ? 1 : 2;  // rows in one of b
  [[maybe_unused]] std::int64_t fetched = 0;                   // row
  for (int d = 0; d < depth; d += held, a += held * DepthStride, b += pitch) {
    if constexpr (RowsAhead) {  // of one row each step: a line lasts more steps than there are rows
      __builtin_prefetch(a + rows_ahead + fetched * row_stride);
      fetched = fetched + 1 < Rows ? fetched + 1 : 0;
    }
    if constexpr (ReadAhead > 0) __builtin_prefetch(ahead.read);
    if constexpr (WriteAhead > 0) __builtin_prefetch(ahead.write, 1);
    ahead.read += ReadAhead;
    ahead.write += WriteAhead;
    auto step = [&]<int Which>() INLAY_LAMBDA {
      Vector row[Vectors];
      unroll<Rows>([&](int i) INLAY_LAMBDA {
        if (i == 0 || Apart)
          unroll<Vectors>([&](int v) INLAY_LAMBDA {
            const Weight* from = b + (Apart ? i * apart : 0) + v * lanes;
            if constexpr (held == 1) row[v] = load_vector(from);
            else row[v] = load_halves<Which>(from);
            if (!Apart && Rows <= 4) keep_in_register(row[v]);
          });
        const Vector value = splat(a[i * (RowStride == 0 ? row_stride : RowStride) + Which * DepthStride]);
        unroll<Vectors>([&](int v) INLAY_LAMBDA { sum[i][v] = multiply_add(value, row[v], sum[i][v]); });
      });
    };
    step.template operator()<0>();
    if constexpr (held == 2) step.template operator()<1>();
  }
  unroll<Rows>([&](int i) INLAY_LAMBDA {
    unroll<Vectors>([&](int v) INLAY_LAMBDA { store_vector(c + i * ResultPitch + v * lanes, sum[i][v]); });
  });
  return ahead;
}

}  // namespace inlay::cpu
