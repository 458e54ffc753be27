// Philox against the known answers of Random123 1.14 (tests/kat_vectors).
#include <doctest/doctest.h>

#include <inlay/core/philox.hpp>

using namespace inlay;

static_assert(philox({{0, 0, 0, 0}}, {{0, 0}}) == PhiloxCounter{{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}});
static_assert(philox({{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}}, {{0xffffffff, 0xffffffff}}) ==
              PhiloxCounter{{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}});
static_assert(philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, {{0xa4093822, 0x299f31d0}}) ==
              PhiloxCounter{{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}});

TEST_CASE("philox gives Random123's known answers at run time too") {
  volatile std::uint32_t pi = 0x243f6a88;
  CHECK(philox({{pi, 0x85a308d3, 0x13198a2e, 0x03707344}}, {{0xa4093822, 0x299f31d0}}) ==
        PhiloxCounter{{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}});
}

TEST_CASE("seed, stream and index each lead to other words, in their high halves too") {
  const PhiloxCounter first = philox(1, 2, 3);
  const std::uint64_t high = std::uint64_t{1} << 32;
  CHECK_FALSE(philox(2, 2, 3) == first);
  CHECK_FALSE(philox(1, 3, 3) == first);
  CHECK_FALSE(philox(1, 2, 4) == first);
  CHECK_FALSE(philox(1 + high, 2, 3) == first);
  CHECK_FALSE(philox(1, 2 + high, 3) == first);
  CHECK_FALSE(philox(1, 2, 3 + high) == first);
}

TEST_CASE("uniform is in [0, 1) at its ends and has the mean and variance of a uniform number") {
  CHECK(uniform(0) == 0.0f);
  CHECK(uniform(0xffffffff) < 1.0f);
  double sum = 0, squares = 0;
  const int draws = 100000;
  for (int i = 0; i < draws; ++i) {
    const double value = uniform(philox(42, 0, static_cast<std::uint64_t>(i)).word[0]);
    sum += value;
    squares += value * value;
  }
  CHECK(sum / draws == doctest::Approx(1.0 / 2).epsilon(0.01));
  CHECK(squares / draws == doctest::Approx(1.0 / 3).epsilon(0.01));
}
