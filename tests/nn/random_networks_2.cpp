#include "random_networks_on_cpu.hpp"

#include <doctest/doctest.h>

TEST_CASE("random networks run and train on the CPU as in the reference: seeds 9 to 16") {
  inlay::test::check_on_cpu(std::integer_sequence<std::uint64_t, 9, 10, 11, 12, 13, 14, 15, 16>{});
}
