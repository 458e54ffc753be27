// Makes the copy of a parameter that contractions read as weights, where the parameter has been changed from outside of
// the program. An update of the program's own writes both.
#pragma once

#include <inlay/cuda/runner.hpp>

namespace inlay::cuda {

template <class T>
struct RoundParameter {
  static constexpr int threads = 256, shared_bytes = 0;

  INLAY_DEVICE static void run(Global<const float> parameter, Global<T> copy, int count) {
    const int i = block_index().x * threads + thread_index();
    if (i < count) copy[i] = round_to<T>(parameter[i]);
  }
};

template <class T>
void round_parameter(const Stream& stream, const float* parameter, T* copy, std::int64_t count) {
  const int elements = work_items(1, count);
  enqueue<RoundParameter<T>>(stream, {ceil_divide(elements, RoundParameter<T>::threads)},
                             Global<const float>(parameter, count), Global<T>(copy, count), elements);
}

}  // namespace inlay::cuda
