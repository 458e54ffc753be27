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

/// What a multiply_tile is compiled for.
struct TileProduct {
  int rows, vectors;      ///< of the result
  int a_row = 0;          ///< floats from a row of a to the next; 0: told at run time
  int a_step = 1;         ///< and from one to the next along its depth
  bool b_of_row = false;  ///< has each row a b of its own?
  bool adds = false;      ///< to what c holds
  int c_row = 0;          ///< floats from a row of c to the next; 0: it has no more than the tile
  int read_ahead = 0;     ///< bytes of Ahead that are fetched each step
  int write_ahead = 0;
  bool a_ahead = false;  ///< fetches what lies further on in each row of a: for rows far from each other
};

/// c[row][...] = (c[row][...] +) sum over d of a[row][d] * b[d][...], P.vectors * lanes of each row; rows of b are
/// `pitch` apart. b may hold pairs of bf16: of rows d and d + 1, one such row for every two.
/// apart: if each row has a b of its own, how far behind the one before.  a_row: if P leaves that open.
/// a_ahead: how many floats further on.  Returns what is to be fetched next.
template <TileProduct P, class Weight>
[[gnu::noinline]] Ahead multiply_tile(const float* a, const Weight* b, std::int64_t pitch, int depth, float* c,
                                      Ahead ahead = {}, [[maybe_unused]] std::int64_t apart = 0,
                                      [[maybe_unused]] std::int64_t a_row = 0,
                                      [[maybe_unused]] std::int64_t a_ahead = 0) {
  constexpr int c_row = P.c_row > 0 ? P.c_row : P.vectors * lanes;
  Vector sum[P.rows][P.vectors] = {};
  if constexpr (P.adds)
    unroll<P.rows>([&](int i) INLAY_LAMBDA {
      unroll<P.vectors>([&](int v) INLAY_LAMBDA { sum[i][v] = load_vector(c + i * c_row + v * lanes); });
    });
  constexpr int held = std::is_same_v<Weight, float> ? 1 : 2;  // rows in one of b
  [[maybe_unused]] std::int64_t fetched = 0;                   // row
  for (int d = 0; d < depth; d += held, a += held * P.a_step, b += pitch) {
    if constexpr (P.a_ahead) {  // of one row each step: a line lasts more steps than there are rows
      __builtin_prefetch(a + a_ahead + fetched * a_row);
      fetched = fetched + 1 < P.rows ? fetched + 1 : 0;
    }
    if constexpr (P.read_ahead > 0) __builtin_prefetch(ahead.read);
    if constexpr (P.write_ahead > 0) __builtin_prefetch(ahead.write, 1);
    ahead.read += P.read_ahead;
    ahead.write += P.write_ahead;
    auto step = [&]<int Which>() INLAY_LAMBDA {
      Vector row[P.vectors];
      unroll<P.rows>([&](int i) INLAY_LAMBDA {
        if (i == 0 || P.b_of_row)
          unroll<P.vectors>([&](int v) INLAY_LAMBDA {
            const Weight* from = b + (P.b_of_row ? i * apart : 0) + v * lanes;
            if constexpr (held == 1) row[v] = load_vector(from);
            else row[v] = load_halves<Which>(from);
            if (!P.b_of_row && P.rows <= 4) keep_in_register(row[v]);
          });
        const Vector value = splat(a[i * (P.a_row > 0 ? P.a_row : a_row) + Which * P.a_step]);
        unroll<P.vectors>([&](int v) INLAY_LAMBDA { sum[i][v] = multiply_add(value, row[v], sum[i][v]); });
      });
    };
    step.template operator()<0>();
    if constexpr (held == 2) step.template operator()<1>();
  }
  unroll<P.rows>([&](int i) INLAY_LAMBDA {
    unroll<P.vectors>([&](int v) INLAY_LAMBDA { store_vector(c + i * c_row + v * lanes, sum[i][v]); });
  });
  return ahead;
}

}  // namespace inlay::cpu
