#include <doctest/doctest.h>

#include <inlay/cpu/transpose.hpp>

using inlay::cpu::lanes;

TEST_CASE("a square of a larger matrix is transposed into another and nothing beside it is touched") {
  constexpr int from_pitch = lanes + 3, to_pitch = lanes + 5;
  float from[lanes * from_pitch], to[lanes * to_pitch];
  for (int i = 0; i < lanes * from_pitch; ++i) from[i] = static_cast<float>(i);
  for (float& x : to) x = -1;
  inlay::cpu::transpose(from, from_pitch, to, to_pitch);
  for (int j = 0; j < lanes; ++j)
    for (int i = 0; i < to_pitch; ++i)
      CHECK(to[j * to_pitch + i] == (i < lanes ? static_cast<float>(i * from_pitch + j) : -1.0f));
}
