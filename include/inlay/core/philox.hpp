// Philox4x32-10, a counter-based random number generator: four random words are a pure function of a counter and a
// key, so any thread computes any of them, in any order, on host and device alike.
//
//   J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <cstdint>
#include <inlay/core/host_device.hpp>

namespace inlay {

struct PhiloxCounter {
  std::uint32_t word[4];

  constexpr bool operator==(const PhiloxCounter&) const = default;
};

struct PhiloxKey {
  std::uint32_t word[2];
};

/// Four independent words, uniform over all 32-bit values.
INLAY_HOST_DEVICE constexpr PhiloxCounter philox(PhiloxCounter counter, PhiloxKey key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter.word[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter.word[2];
    counter = {{static_cast<std::uint32_t>(b >> 32) ^ counter.word[1] ^ key.word[0], static_cast<std::uint32_t>(b),
                static_cast<std::uint32_t>(a >> 32) ^ counter.word[3] ^ key.word[1], static_cast<std::uint32_t>(a)}};
    key.word[0] += 0x9E3779B9;  // the golden ratio
    key.word[1] += 0xBB67AE85;  // the square root of 3, less 1
  }
  return counter;
}

/// The `index`-th four words of one of the 2^64 streams of a seed.
INLAY_HOST_DEVICE constexpr PhiloxCounter philox(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  return philox(PhiloxCounter{{static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
                               static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)}},
                PhiloxKey{{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}});
}

/// A random word as a number in [0, 1): a multiple of 2^-24, so exact in float.
INLAY_HOST_DEVICE constexpr float uniform(std::uint32_t word) {
  return static_cast<float>(word >> 8) * (1.0f / 16777216.0f);
}

}  // namespace inlay
