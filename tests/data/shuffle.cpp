// Shuffle is a bijection that looks random.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <inlay/data/shuffle.hpp>
#include <numeric>
#include <vector>

using namespace inlay;
using data::Shuffle;

namespace {

std::vector<std::uint32_t> order(const Shuffle& shuffle) {
  std::vector<std::uint32_t> result(shuffle.size());
  for (std::uint32_t i = 0; i < shuffle.size(); ++i) result[i] = shuffle(i);
  return result;
}

}  // namespace

TEST_CASE("shuffle visits every sample once, whatever their number") {
  for (std::uint32_t size : {1u, 2u, 3u, 4u, 5u, 15u, 16u, 17u, 64u, 100u, 1000u, 4096u, 4097u, 60000u}) {
    CAPTURE(size);
    std::vector<std::uint32_t> visited = order(Shuffle(7, 0, size));
    std::sort(visited.begin(), visited.end());
    std::vector<std::uint32_t> all(size);
    std::iota(all.begin(), all.end(), 0u);
    CHECK(visited == all);
  }
}

TEST_CASE("shuffle is a function of seed and epoch, and evaluates in a constant") {
  static_assert(Shuffle(1, 2, 1000)(3) < 1000);
  const auto first = order(Shuffle(1, 0, 1000));
  CHECK(order(Shuffle(1, 0, 1000)) == first);
  CHECK(order(Shuffle(2, 0, 1000)) != first);
  CHECK(order(Shuffle(1, 1, 1000)) != first);
}

TEST_CASE("no shuffle is the order in which samples lie") {
  for (std::uint32_t size : {1u, 2u, 5u, 60000u}) {
    std::vector<std::uint32_t> all(size);
    std::iota(all.begin(), all.end(), 0u);
    CHECK(order(Shuffle::none(size)) == all);
  }
}

TEST_CASE("shuffle reaches all 24 orders of 4 samples about equally often") {
  std::vector<int> times(256);
  const int epochs = 24000;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const Shuffle shuffle(3, static_cast<std::uint64_t>(epoch), 4);
    ++times[shuffle(0) << 6 | shuffle(1) << 4 | shuffle(2) << 2 | shuffle(3)];
  }
  double chi_squared = 0;
  for (int count : times) {
    if (count > 0) chi_squared += (count - 1000.0) * (count - 1000.0) / 1000.0;
  }
  CHECK(std::count_if(times.begin(), times.end(), [](int count) { return count > 0; }) == 24);
  CHECK(chi_squared < 60);  // 23 degrees of freedom: exceeded once in 30,000
}

TEST_CASE("neighbours in shuffled order are as far apart as random pairs, and positions don't correlate") {
  const std::uint32_t size = 60000;
  const auto visited = order(Shuffle(5, 0, size));
  double distance = 0, covariance = 0;
  const double middle = (size - 1) / 2.0;
  for (std::uint32_t i = 0; i < size; ++i) {
    if (i > 0) distance += std::abs(static_cast<double>(visited[i]) - static_cast<double>(visited[i - 1]));
    covariance += (visited[i] - middle) * (i - middle);
  }
  CHECK(distance / (size - 1) == doctest::Approx(size / 3.0).epsilon(0.02));
  CHECK(std::abs(covariance / size / (static_cast<double>(size) * size / 12)) < 0.02);  // 5 standard deviations
}
