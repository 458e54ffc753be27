#include "random_networks_on_device.hpp"

#include <doctest/doctest.h>

TEST_CASE("random networks run and train on the device as in the reference: seeds 13 to 16") {
  inlay::test::check_on_device(std::integer_sequence<std::uint64_t, 13, 14, 15, 16>{});
}
