#include "random_networks_on_device.hpp"

#include <doctest/doctest.h>

TEST_CASE("random networks run and train on the device as in the reference: seeds 1 to 4") {
  inlay::test::check_on_device(std::integer_sequence<std::uint64_t, 1, 2, 3, 4>{});
}
