// Sums of loss and metric over samples, as engines report them.
#pragma once

#include <cstdint>

namespace inlay {

struct Sums {
  double loss = 0, metric = 0;
  std::int64_t samples = 0;
};

}  // namespace inlay
