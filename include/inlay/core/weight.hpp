// A named array of parameters on its way into or out of a model: to the user, to a file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace inlay {

/// Values are row-major; layouts are Keras': convolutions H x W x in x out, dense layers in x out.
struct Weight {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values;

  bool operator==(const Weight&) const = default;
};

}  // namespace inlay
