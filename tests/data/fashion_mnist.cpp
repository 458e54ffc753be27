// Fashion-MNIST as Debian's package installs it, and what is said where it is missing.
#include <doctest/doctest.h>

#include <cstdlib>
#include <inlay/data/fashion_mnist.hpp>
#include <numeric>

#include "../temporary_folder.hpp"

using namespace inlay;
using namespace inlay::testing;

TEST_CASE("Fashion-MNIST has 60,000 and 10,000 images of 28 x 28, each class equally often") {
  const auto [train, test] = data::load_fashion_mnist();
  CHECK(train.size() == 60000);
  CHECK(test.size() == 10000);
  for (const data::Dataset& part : {train, test}) {
    CHECK(part.height == 28);
    CHECK(part.width == 28);
    CHECK(part.images.size() == part.labels.size() * 28 * 28);
    std::vector<int> times(10);
    for (int label : part.labels) ++times[static_cast<std::size_t>(label)];
    CHECK(times == std::vector<int>(10, part.size() / 10));
  }
  // The mean that users of Fashion-MNIST normalise with.
  const double sum = std::accumulate(train.images.begin(), train.images.end(), 0.0);
  CHECK(sum / static_cast<double>(train.images.size()) / 255 == doctest::Approx(0.2860).epsilon(0.001));
  CHECK(train.labels[0] == 9);  // an ankle boot
}

TEST_CASE("where Fashion-MNIST is missing the error names the folder and the package to install") {
  TemporaryFolder folder;
  const std::string message = message_of<Error>([&] { data::load_fashion_mnist(folder / "nothing"); });
  INFO(message);
  CHECK(message.find(folder / "nothing") == 0);
  CHECK(message.find("dataset-fashion-mnist") != std::string::npos);
}

TEST_CASE("the argument comes before INLAY_DATA, and that before Debian's folder") {
  unsetenv("INLAY_DATA");
  CHECK(data::fashion_mnist_folder() == "/usr/share/datasets/fashion-mnist");
  setenv("INLAY_DATA", "/elsewhere", 1);
  CHECK(data::fashion_mnist_folder() == "/elsewhere");
  CHECK(data::fashion_mnist_folder("/here") == "/here");
  unsetenv("INLAY_DATA");
}
