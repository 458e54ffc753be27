// A square of lanes x lanes floats transposed in registers.
#pragma once

#include <inlay/cpu/vector.hpp>

namespace inlay::cpu {

namespace detail {

// The lanes of `a` and `b` in turn, a0 b0 a1 b1 ...: the first half of them and the second. (The numbers are written
// out because nvcc passes a pack of them on to the host compiler wrongly.)
#if defined(__AVX512F__)
INLAY_INLINE Vector interleave_low(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
INLAY_INLINE Vector interleave_high(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
#elif defined(__AVX__)
INLAY_INLINE Vector interleave_low(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}
INLAY_INLINE Vector interleave_high(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}
#else
INLAY_INLINE Vector interleave_low(Vector a, Vector b) { return __builtin_shufflevector(a, b, 0, 4, 1, 5); }
INLAY_INLINE Vector interleave_high(Vector a, Vector b) { return __builtin_shufflevector(a, b, 2, 6, 3, 7); }
#endif

}  // namespace detail

/// to[j * to_pitch + i] = from[i * from_pitch + j]. Interleaving rows i and i + lanes / 2 moves the highest bit of
/// the row number to the lowest of the column's: after log2(lanes) rounds rows and columns have changed places.
INLAY_INLINE void transpose(const float* from, std::int64_t from_pitch, float* to, std::int64_t to_pitch) {
  Vector rows[lanes];
  unroll<lanes>([&](int i) INLAY_LAMBDA { rows[i] = load_vector(from + i * from_pitch); });
  unroll<(lanes > 8   ? 4
          : lanes > 4 ? 3
                      : 2)>([&](int) INLAY_LAMBDA {
    Vector next[lanes];
    unroll<lanes / 2>([&](int i) INLAY_LAMBDA {
      next[2 * i] = detail::interleave_low(rows[i], rows[i + lanes / 2]);
      next[2 * i + 1] = detail::interleave_high(rows[i], rows[i + lanes / 2]);
    });
    unroll<lanes>([&](int i) INLAY_LAMBDA { rows[i] = next[i]; });
  });
  unroll<lanes>([&](int i) INLAY_LAMBDA { store_vector(to + i * to_pitch, rows[i]); });
}

}  // namespace inlay::cpu
