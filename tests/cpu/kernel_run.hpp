// Runs one kernel as the executor would, thread after thread, on memory that is exactly as large as its values (so
// that a sanitizer sees every step outside) and on scratch memory full of NaN (a kernel may not rely on what it finds
// there).
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <inlay/cpu/schedule.hpp>
#include <random>
#include <vector>

namespace inlay::test {

/// `count` elements a sample, or of the only copy of a shared value.
template <class T>
struct Argument {
  std::vector<T> values;
  std::int64_t sample_bytes;

  Argument(std::int64_t count, int samples = 0)
      : values(static_cast<std::size_t>(count * (samples > 0 ? samples : 1))),
        sample_bytes(samples > 0 ? count * static_cast<std::int64_t>(sizeof(T)) : 0) {}
  cpu::Slot slot() { return {reinterpret_cast<char*>(values.data()), sample_bytes}; }
  T& operator[](std::int64_t i) { return values[static_cast<std::size_t>(i)]; }
};

/// Uniform in [-1, 1).
inline Argument<float> random_argument(std::int64_t count, int samples = 0, std::uint32_t seed = 1) {
  Argument<float> a(count, samples);
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> real(-1, 1);
  for (float& x : a.values) x = real(engine);
  return a;
}
inline Argument<std::uint8_t> random_bytes(std::int64_t count, int samples, unsigned below, std::uint32_t seed = 1) {
  Argument<std::uint8_t> a(count, samples);
  std::mt19937 engine(seed);
  for (auto& x : a.values) x = static_cast<std::uint8_t>(engine() % below);
  return a;
}

template <class R>
void run_kernel(const std::vector<cpu::Slot>& slots, int samples, int threads) {
  const auto floats = [](std::int64_t bytes) { return static_cast<std::size_t>((bytes + 3) / 4); };
  std::vector<float> packed(floats(R::packed_bytes), NAN);
  const std::int64_t stride = (R::partial_bytes + 3) / 4;
  std::vector<float> partials(static_cast<std::size_t>(stride * threads), 0.0f);
  auto share_of = [&](int t) { return cpu::Share{t, threads}; };
  for (int t = 0; t < threads; ++t) R::prepare(slots.data(), {packed.data(), nullptr, nullptr}, share_of(t));
  for (int t = 0; t < threads; ++t) {
    std::vector<float> scratch(floats(R::scratch_bytes), NAN);
    const cpu::Memory memory{packed.data(), scratch.data(), partials.data() + t * stride};
    const auto own = share_of(t).of(samples);
    if (R::partition == cpu::Partition::outputs) R::outputs(slots.data(), samples, memory, share_of(t));
    else if (own.end > own.first) R::samples(slots.data(), own.first, own.end - own.first, memory);
  }
  if (R::partition == cpu::Partition::reduced)
    for (int t = 0; t < threads; ++t) R::finish(slots.data(), {partials.data(), stride, threads}, share_of(t));
}

/// |error| of n roundings in a sum whose terms' magnitudes add up to `magnitude`.
inline double rounding_bound(double n, double magnitude) {
  const double u = 1.0 / 16777216;
  return n * u / (1 - n * u) * magnitude + 1e-30;
}

template <int H, int W, int C>
using Image = kernel::Strides<H * W * C, 0, W * C, C, 1>;

}  // namespace inlay::test
