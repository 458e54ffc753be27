#include "random_networks_on_cpu.hpp"

#include <doctest/doctest.h>

TEST_CASE("random networks run and train on the CPU as in the reference: seeds 17 to 24") {
  inlay::test::check_on_cpu(std::integer_sequence<std::uint64_t, 17, 18, 19, 20, 21, 22, 23, 24>{});
}
