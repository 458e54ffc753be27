#include "random_networks_on_cpu.hpp"

#include <doctest/doctest.h>

TEST_CASE("random networks run and train on the CPU as in the reference: seeds 1 to 8") {
  inlay::test::check_on_cpu(std::integer_sequence<std::uint64_t, 1, 2, 3, 4, 5, 6, 7, 8>{});
}
