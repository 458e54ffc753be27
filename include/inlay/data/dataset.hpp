// Labelled images in memory, as bytes.
#pragma once

#include <cstdint>
#include <vector>

namespace inlay::data {

struct Dataset {
  int height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> images = {};  ///< N x H x W x C
  std::vector<int> labels = {};           ///< N, each in [0, classes)
  int classes = 0;

  /// N, the number of samples.
  int size() const { return static_cast<int>(labels.size()); }
};

/// What loaders return: `auto [train, test] = load_fashion_mnist();`
struct TrainTest {
  Dataset train, test;
};

}  // namespace inlay::data
