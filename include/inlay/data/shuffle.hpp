// A random order without a list: a keyed bijection of [0, n), so that position i of an epoch's order is computed
// where it is needed, on host or device, from a few words.
//
// A Feistel network permutes the smallest 4^k >= n (left, right = right, left ^ f(right) in each round, f keyed by
// Philox); results that are not below n are permuted again until one is ("cycle walking"; fewer than 4 times on
// average).
//
//   J. Black, P. Rogaway: "Ciphers with arbitrary finite domains", CT-RSA 2002.
#pragma once

#include <cstdint>
#include <inlay/core/host_device.hpp>
#include <inlay/core/philox.hpp>

namespace inlay::data {

class Shuffle {
 public:
  /// The order of `size` samples in one epoch.
  constexpr Shuffle(std::uint64_t seed, std::uint64_t epoch, std::uint32_t size) : size_(size) {
    while (std::uint64_t{1} << (2 * half_) < size) ++half_;
    for (std::uint32_t i = 0; i < rounds / 4; ++i) {
      const PhiloxCounter words = philox(seed, stream + epoch, i);
      for (int j = 0; j < 4; ++j) key_[4 * i + static_cast<std::uint32_t>(j)] = words.word[j];
    }
  }

  /// The order in which `size` samples lie.
  static constexpr Shuffle none(std::uint32_t size) {
    Shuffle order(0, 0, size);
    order.half_ = 0;  // one half has all bits: an even number of rounds exchanges it with the empty one
    return order;
  }

  /// The sample at a position of the order; both are in [0, size).
  INLAY_HOST_DEVICE constexpr std::uint32_t operator()(std::uint32_t position) const {
    do position = permute(position);
    while (position >= size_);
    return position;
  }

  INLAY_HOST_DEVICE constexpr std::uint32_t size() const { return size_; }

 private:
  static constexpr std::uint32_t rounds = 8;
  static constexpr std::uint64_t stream = std::uint64_t{0x73687566} << 32;  // apart from those of random layers

  INLAY_HOST_DEVICE constexpr std::uint32_t permute(std::uint32_t value) const {
    const std::uint32_t mask = (std::uint32_t{1} << half_) - 1;
    std::uint32_t left = value >> half_, right = value & mask;
    for (std::uint32_t round = 0; round < rounds; ++round) {
      const std::uint32_t next = left ^ (mix(right + key_[round]) & mask);
      left = right;
      right = next;
    }
    return left << half_ | right;
  }

  /// MurmurHash3's finaliser: each bit of the result depends on each bit of the argument.
  INLAY_HOST_DEVICE static constexpr std::uint32_t mix(std::uint32_t value) {
    value = (value ^ value >> 16) * 0x85EBCA6B;
    value = (value ^ value >> 13) * 0xC2B2AE35;
    return value ^ value >> 16;
  }

  std::uint32_t size_;
  std::uint32_t half_ = 1;  // bits in each half of the permuted number
  std::uint32_t key_[rounds] = {};
};

}  // namespace inlay::data
