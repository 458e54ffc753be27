#include <doctest/doctest.h>

#include <cfloat>
#include <cmath>
#include <inlay/cpu/apply.hpp>
#include <limits>

using namespace inlay;
using cpu::lanes;
using cpu::Vector;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

template <MapOp Op>
float at(float x) {
  Vector v = cpu::splat(1.0f);
  v[lanes - 1] = x;
  return cpu::apply<Op>(v)[lanes - 1];
}

/// Largest error in units of the exact result's last place, over every 97th float of [first, last] of both signs.
template <MapOp Op>
double worst_ulp(double (*exact)(double), float first, float last, bool negative) {
  double worst = 0;
  const std::uint32_t end = __builtin_bit_cast(std::uint32_t, last);
  for (std::uint32_t bits = __builtin_bit_cast(std::uint32_t, first); bits + 97 * lanes <= end; bits += 97 * lanes) {
    Vector x;
    for (int i = 0; i < lanes; ++i) {
      x[i] = __builtin_bit_cast(float, bits + 97 * static_cast<std::uint32_t>(i));
      if (negative) x[i] = -x[i];
    }
    const Vector y = cpu::apply<Op>(x);
    for (int i = 0; i < lanes; ++i) {
      const double expected = exact(x[i]);
      const float rounded = static_cast<float>(expected);
      if (!std::isfinite(rounded)) continue;
      const double ulp =
          std::fmax(std::ldexp(1.0, std::ilogb(std::fmax(std::fabs(expected), FLT_MIN)) - 23), FLT_TRUE_MIN);
      worst = std::fmax(worst, std::fabs(y[i] - expected) / ulp);
    }
  }
  return worst;
}

}  // namespace

TEST_CASE("exp of a vector is exact to an ulp, down to subnormal results") {
  CHECK(worst_ulp<MapOp::exp>(std::exp, 1e-9f, 88.72283f, false) <= 1.0);
  CHECK(worst_ulp<MapOp::exp>(std::exp, 1e-9f, 104.0f, true) <= 1.0);
  CHECK(at<MapOp::exp>(0.0f) == 1.0f);
  CHECK(at<MapOp::exp>(89.0f) == infinity);
  CHECK(at<MapOp::exp>(infinity) == infinity);
  CHECK(at<MapOp::exp>(-infinity) == 0.0f);
  CHECK(at<MapOp::exp>(-105.0f) == 0.0f);
  CHECK(std::isnan(at<MapOp::exp>(not_a_number)));
}
TEST_CASE("log of a vector is exact to an ulp, from subnormal numbers on") {
  CHECK(worst_ulp<MapOp::log>(std::log, FLT_TRUE_MIN, FLT_MAX, false) <= 1.0);
  CHECK(at<MapOp::log>(1.0f) == 0.0f);
  CHECK(at<MapOp::log>(0.0f) == -infinity);
  CHECK(at<MapOp::log>(infinity) == infinity);
  CHECK(std::isnan(at<MapOp::log>(-1.0f)));
  CHECK(std::isnan(at<MapOp::log>(-infinity)));
  CHECK(std::isnan(at<MapOp::log>(not_a_number)));
}
TEST_CASE("tanh of a vector is exact to two ulp") {
  CHECK(worst_ulp<MapOp::tanh>(std::tanh, FLT_MIN, 20.0f, false) <= 2.0);
  CHECK(worst_ulp<MapOp::tanh>(std::tanh, FLT_MIN, 20.0f, true) <= 2.0);
  CHECK(at<MapOp::tanh>(infinity) == 1.0f);
  CHECK(at<MapOp::tanh>(-infinity) == -1.0f);
  CHECK(std::signbit(at<MapOp::tanh>(-0.0f)));
  CHECK(std::isnan(at<MapOp::tanh>(not_a_number)));
}
TEST_CASE("erf of a vector is exact to two ulp") {
  CHECK(worst_ulp<MapOp::erf>(std::erf, FLT_MIN, 20.0f, false) <= 2.0);
  CHECK(worst_ulp<MapOp::erf>(std::erf, FLT_MIN, 20.0f, true) <= 2.0);
  CHECK(at<MapOp::erf>(infinity) == 1.0f);
  CHECK(at<MapOp::erf>(-infinity) == -1.0f);
  CHECK(std::isnan(at<MapOp::erf>(not_a_number)));
}
TEST_CASE("sqrt of a vector is correctly rounded") {
  CHECK(worst_ulp<MapOp::sqrt>(std::sqrt, FLT_TRUE_MIN, FLT_MAX, false) <= 0.5);
  CHECK(at<MapOp::sqrt>(infinity) == infinity);
  CHECK(std::isnan(at<MapOp::sqrt>(-1.0f)));
}
TEST_CASE("comparisons and selections treat a NaN in a vector as they do in a number") {
  const float special[] = {-infinity, -1.5f, -0.0f, 0.0f, 2.0f, infinity, not_a_number};
  for (const float a : special)
    for (const float b : special) {
      CAPTURE(a);
      CAPTURE(b);
      auto same = [](Vector v, float s) { return v[0] == s || (std::isnan(v[0]) && std::isnan(s)); };
      CHECK(same(cpu::apply<MapOp::maximum>(cpu::splat(a), cpu::splat(b)), cpu::apply<MapOp::maximum>(a, b)));
      CHECK(same(cpu::apply<MapOp::minimum>(cpu::splat(a), cpu::splat(b)), cpu::apply<MapOp::minimum>(a, b)));
      CHECK(same(cpu::apply<MapOp::equal>(cpu::splat(a), cpu::splat(b)), cpu::apply<MapOp::equal>(a, b)));
      CHECK(same(cpu::apply<MapOp::greater>(cpu::splat(a), cpu::splat(b)), cpu::apply<MapOp::greater>(a, b)));
      CHECK(same(cpu::apply<MapOp::select>(cpu::splat(a), cpu::splat(b), cpu::splat(1)),
                 cpu::apply<MapOp::select>(a, b, 1)));
      CHECK(same(cpu::apply<MapOp::is_finite>(cpu::splat(a)), cpu::apply<MapOp::is_finite>(a)));
      CHECK(same(cpu::apply<MapOp::absolute>(cpu::splat(a)), cpu::apply<MapOp::absolute>(a)));
    }
}
