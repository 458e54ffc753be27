// The numbers that random nodes of a graph draw: Philox keyed by the run's seed and step, counted by element, sample
// and node. They depend on nothing else, so that every executor draws the same, and backward what forward drew.
#pragma once

#include <inlay/core/philox.hpp>

namespace inlay {

/// The key of one step, as two numbers in [0, 1): random nodes take the bits of floats that are inputs of the graph.
struct RandomKey {
  float number[2];
};

constexpr RandomKey random_key(std::uint64_t seed, std::uint64_t step) {
  constexpr std::uint64_t stream = std::uint64_t{0x72616E64} << 32;  // apart from shuffling and starting values
  const PhiloxCounter words = philox(seed, stream, step);
  return {{uniform(words.word[0]), uniform(words.word[1])}};
}

/// The words of elements 4 * quad to 4 * quad + 3 of a random node.
INLAY_HOST_DEVICE constexpr PhiloxCounter random_words(float key0, float key1, int node, int sample,
                                                       std::uint32_t quad) {
  return philox(PhiloxCounter{{quad, static_cast<std::uint32_t>(sample), static_cast<std::uint32_t>(node), 0}},
                PhiloxKey{{__builtin_bit_cast(std::uint32_t, key0), __builtin_bit_cast(std::uint32_t, key1)}});
}

/// A word as a number in [0, 1), or as a whole number below `below` if that is not 0.
INLAY_HOST_DEVICE constexpr float random_number(std::uint32_t word, int below) {
  if (below == 0) return uniform(word);
  return static_cast<float>(static_cast<std::uint32_t>(std::uint64_t{word} * static_cast<std::uint32_t>(below) >> 32));
}

/// Element `element` of a random node.
INLAY_HOST_DEVICE constexpr float random_element(float key0, float key1, int node, int sample, std::uint32_t element,
                                                 int below) {
  const PhiloxCounter words = random_words(key0, key1, node, sample, element / 4);
  const std::uint32_t which = element % 4;  // no array index: registers have none
  return random_number(which < 2    ? which == 0 ? words.word[0] : words.word[1]
                          : which == 2 ? words.word[2]
                                    : words.word[3],
                       below);
}

}  // namespace inlay
