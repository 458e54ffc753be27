// How fast a model trains, for benchmarks: whole `fit` epochs on a part of a data set, compilation and the first epoch
// left out.
#pragma once

#include <inlay/train/model.hpp>

namespace inlay {

/// Images a second over about `steps` training steps of `batch_size`, shuffled samples of `set`, after a warm-up of 4
/// steps: whole epochs over as much of the set as that takes, so that it is no more than `fit` itself holds.
template <class ModelType>
double training_rate(ModelType& model, const data::Dataset& set, int batch_size, int steps) {
  auto part = [&](int wanted) {
    data::Dataset some{.height = set.height, .width = set.width, .channels = set.channels};
    const int pixels = set.height * set.width * set.channels;
    for (int n = 0; n < wanted; ++n) {
      const int from = n % set.size();
      some.images.insert(some.images.end(), set.images.begin() + std::int64_t{from} * pixels,
                         set.images.begin() + std::int64_t{from + 1} * pixels);
      some.labels.push_back(set.labels[static_cast<std::size_t>(from)]);
    }
    return some;
  };
  model.fit(part(4 * batch_size), {.batch_size = batch_size, .verbose = 0});
  const int whole = set.size() / batch_size;  // steps of one pass over the set
  const int epoch = whole < 1 || steps < whole ? steps : whole;
  const int epochs = (steps + epoch - 1) / epoch;
  const data::Dataset measured = part(epoch * batch_size);
  const double start = steady_seconds();
  model.fit(measured, {.epochs = epochs, .batch_size = batch_size, .verbose = 0});
  return static_cast<double>(epochs) * epoch * batch_size / (steady_seconds() - start);
}

}  // namespace inlay
