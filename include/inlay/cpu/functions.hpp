// exp, log, tanh, erf and sqrt of vectors. Largest error over the floats that tests/cpu/functions.cpp tries (every
// 97th), with and without FMA: exp 1 ulp, log 1 ulp, tanh 2 ulp, erf 2 ulp; sqrt is the processor's, correctly
// rounded. Infinities, NaN, zeros and subnormal numbers are treated as in <cmath>, except the sign of a NaN. The
// polynomials are Chebyshev fits made for these intervals.
#pragma once

#include <inlay/cpu/vector.hpp>

namespace inlay::cpu {

namespace detail {

/// coefficients[0] + x (coefficients[1] + x (...)).
template <int N>
INLAY_INLINE Vector polynomial(Vector x, const float (&coefficients)[N]) {
  Vector sum = splat(coefficients[N - 1]);
  unroll<N - 1>([&](int i) INLAY_LAMBDA { sum = sum * x + coefficients[N - 2 - i]; });
  return sum;
}

INLAY_INLINE Vector power_of_two(Mask n) { return __builtin_bit_cast(Vector, (n + 127) << 23); }
INLAY_INLINE Vector magnitude(Vector x) { return __builtin_bit_cast(Vector, __builtin_bit_cast(Mask, x) & 0x7fffffff); }
INLAY_INLINE Vector with_sign_of(Vector x, Vector sign) {
  return __builtin_bit_cast(Vector, __builtin_bit_cast(Mask, x) | (__builtin_bit_cast(Mask, sign) & (-0x7fffffff - 1)));
}

// ln 2 in two parts, the first with zeros behind, so that n * ln2_high is exact.
inline constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;

}  // namespace detail

/// exp(x) = 2^n exp(x - n ln 2), n the nearest whole number.
INLAY_INLINE Vector vector_exp(Vector x) {
  using namespace detail;
  const Vector bounded = blend(x > 89.0f, splat(89.0f), blend(x < -104.0f, splat(-104.0f), x));
  // Added to 1.5 * 2^23 a number is rounded to a whole one, which the last bits hold. (A conversion of NaN is
  // undefined.)
  const Mask n = __builtin_bit_cast(Mask, bounded * 1.442695041f + 12582912.0f) - 0x4b400000;
  const Vector whole = __builtin_convertvector(n, Vector);
  const Vector r = (bounded - whole * ln2_high) - whole * ln2_low;
  const Vector p =
      polynomial(r, {0.5000000014f, 0.1666666668f, 0.04166645681f, 0.008333310024f, 0.001393454193f, 0.0001989198131f});
  const Mask half = n >> 1;  // in two steps: 2^n alone may overflow or be subnormal
  return (r * r * p + r + 1.0f) * power_of_two(half) * power_of_two(n - half);
}

/// log(x) = e ln 2 + log(m), m in [1/sqrt 2, sqrt 2).
INLAY_INLINE Vector vector_log(Vector x) {
  using namespace detail;
  const Vector infinity = splat(__builtin_inff());
  const Mask ordinary = (x > 0) & (x < infinity), subnormal = ordinary & (x < 1.17549435e-38f);
  const Mask bits = __builtin_bit_cast(Mask, blend(ordinary, blend(subnormal, x * 8388608.0f, x), splat(1)));
  const Mask e = ((bits - 0x3f3504f3) >> 23) - (subnormal & 23);
  const Vector m = __builtin_bit_cast(Vector, ((bits - 0x3f3504f3) & 0x7fffff) + 0x3f3504f3) - 1.0f;
  const Vector p = polynomial(m, {0.3333333118f, -0.2499999696f, 0.2000071575f, -0.1666780232f, 0.1424905765f,
                                  -0.1242568733f, 0.1168541992f, -0.1147973385f, 0.06971611471f});
  const Vector square = m * m, whole = __builtin_convertvector(e, Vector);
  const Vector result = (m + (square * m * p + whole * ln2_low - 0.5f * square)) + whole * ln2_high;
  const Vector special = blend(x == 0, -infinity, blend(x == infinity, infinity, splat(__builtin_nanf(""))));
  return blend(ordinary, result, special);
}

/// Odd polynomial near zero, 1 - 2 / (exp(2x) + 1) elsewhere.
INLAY_INLINE Vector vector_tanh(Vector x) {
  using namespace detail;
  const Vector a = magnitude(x), square = x * x;
  const Vector p =
      polynomial(square, {-0.3333332843f, 0.1333271885f, -0.05384326318f, 0.02096132911f, -0.006045165097f});
  const Vector far = 1.0f - 2.0f / (vector_exp(2.0f * a) + 1.0f);
  return with_sign_of(blend(a < 0.625f, a + a * square * p, far), x);
}

/// Odd polynomial up to 1, 1 - exp(-q(x)) beyond, with q a fit of -log(erfc(x)) on [1, 4].
INLAY_INLINE Vector vector_erf(Vector x) {
  using namespace detail;
  const Vector a = magnitude(x), square = x * x;
  const Vector p = polynomial(square, {0.128379166f, -0.3761262667f, 0.1128359472f, -0.02685421201f, 0.005189087423f,
                                       -0.0008016864287f, 7.875875063e-5f});
  const Vector bounded = blend(a > 4.0f, splat(4.0f), a);  // a NaN stays
  const Vector q = polynomial(bounded, {-0.000320914383f, 1.130236723f, 0.6318202468f, 0.1100856803f, -0.02642437093f,
                                        0.004760747711f, -0.0005970529461f, 4.608744729e-5f, -1.638637325e-6f});
  return with_sign_of(blend(a < 1.0f, a + a * p, 1.0f - vector_exp(-q)), x);
}

INLAY_INLINE Vector vector_sqrt(Vector x) {
#if defined(__AVX__)
  Vector root;
  asm("vsqrtps %1, %0" : "=x"(root) : "x"(x));
  return root;
#elif defined(__SSE__)
  asm("sqrtps %0, %0" : "+x"(x));
  return x;
#else
  for (int i = 0; i < lanes; ++i) x[i] = std::sqrt(x[i]);
  return x;
#endif
}

}  // namespace inlay::cpu
