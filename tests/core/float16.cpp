// Float16 against what it says: every number of fp16 comes back from float, and the numbers between two of them go to
// the nearer one.
#include <inlay/core/float16.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using inlay::Float16;

namespace {

float number(unsigned bits) {
  Float16 x;
  x.bits = static_cast<std::uint16_t>(bits);
  return static_cast<float>(x);
}

/// By its definition: 5 bits of exponent, 10 of fraction.
double defined(unsigned bits) {
  const int exponent = static_cast<int>(bits >> 10 & 31), fraction = static_cast<int>(bits & 1023);
  return exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
}

constexpr unsigned infinity = 0x7c00, sign = 0x8000;

}  // namespace

TEST_CASE("every number of fp16 is a float, and comes back from it") {
  int wrong = 0;
  for (unsigned bits = 0; bits < infinity; ++bits) {
    wrong += double{number(bits)} != defined(bits) || double{number(sign | bits)} != -defined(bits);
    wrong += Float16(number(bits)).bits != bits || Float16(number(sign | bits)).bits != (sign | bits);
  }
  CHECK(wrong == 0);
  CHECK(std::signbit(number(sign)));
  CHECK(number(infinity) == HUGE_VALF);
  CHECK(number(sign | infinity) == -HUGE_VALF);
  CHECK(std::isnan(number(0x7e00)));
}

TEST_CASE("between two numbers of fp16 the nearer one is taken, in the middle the even one") {
  int wrong = 0;
  for (unsigned below = 0; below < infinity; ++below) {
    const unsigned above = below + 1, even = below % 2 == 0 ? below : above;
    const double end = above == infinity ? 65536 : defined(above);
    const auto middle = static_cast<float>((defined(below) + end) / 2);
    wrong += Float16(middle).bits != even || Float16(-middle).bits != (sign | even);
    wrong += Float16(std::nextafter(middle, 0.0f)).bits != below;
    wrong += Float16(std::nextafter(middle, HUGE_VALF)).bits != above;
  }
  CHECK(wrong == 0);
}

TEST_CASE("what is too large for fp16 becomes infinite, what is too small 0, and NaN stays") {
  CHECK(Float16(65519.99f).bits == infinity - 1);
  CHECK(Float16(65520.0f).bits == infinity);
  CHECK(Float16(-3e38f).bits == (sign | infinity));
  CHECK(Float16(HUGE_VALF).bits == infinity);
  CHECK(Float16(0x1p-25f).bits == 0);
  CHECK(Float16(-std::numeric_limits<float>::denorm_min()).bits == sign);
  CHECK(std::isnan(static_cast<float>(Float16(std::nanf("")))));
  CHECK(std::isnan(static_cast<float>(Float16(__builtin_bit_cast(float, 0x7f800001u)))));
}
