// The kernel that finishes a contraction whose depth was split: adds the partial sums of each element in the order of
// the parts, whoever made them first, and runs the epilogue. A thread an element, or a pooled element; further
// threads finish the side sums.
#pragma once

#include <inlay/cuda/epilogue.hpp>

namespace inlay::cuda {

template <class C>
struct Finish {
  using P = Product<C>;
  static constexpr int threads = 128, shared_bytes = 0;
  static constexpr int channels = P::groups * P::columns;

  /// Elements to finish, side sums not counted.
  INLAY_HOST_DEVICE static constexpr int elements(int samples) { return P::rows(samples) / P::window * channels; }
  static constexpr int work(int samples) { return elements(samples) + (P::sided ? channels : 0); }

  template <class Slots>
  INLAY_DEVICE static void run(const Slots& slots, int samples, int parts, Global<float> scratch) {
    const int e = block_index().x * threads + thread_index(), row = e / channels, channel = e % channels;
    const std::int64_t part_size = P::partial(1, 0, 0, 0, samples);
    if (e < elements(samples)) {
      if constexpr (P::weights) {
        finish_weight<C>(slots, row, channel, sum(scratch, P::partial(0, row, 0, channel, samples), part_size, parts));
      } else if constexpr (P::pooled) {
        finish_window<C>(slots, row, samples, channel, [&](int, Pixel pixel) {
          return sum(scratch, P::partial(0, P::index(pixel), 0, channel, samples), part_size, parts);
        });
      } else {
        finish_pixel<C>(slots, P::pixel(row, samples), channel,
                        sum(scratch, P::partial(0, row, 0, channel, samples), part_size, parts));
      }
    } else if constexpr (P::sided) {
      const int k = e - elements(samples);
      if (k < channels)
        finish_side<C>(slots, k, sum(scratch, P::side_partial(0, parts, 0, k, samples), channels, parts));
    }
  }

 private:
  INLAY_DEVICE static float sum(Global<float> scratch, std::int64_t first, std::int64_t stride, int parts) {
    float total = 0;
    for (int part = 0; part < parts; ++part) total += scratch[first + part * stride];
    return total;
  }
};

}  // namespace inlay::cuda
