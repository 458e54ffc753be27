// The kernel that finishes a contraction whose depth was split: adds the partial sums of each element in the order of
// the parts, whoever made them first, and runs the epilogue. A thread an element, or a pooled element, or four channels
// of one, or a column of them where the epilogue sums by channel; further threads finish a weight gradient's side sums.
#pragma once

#include <inlay/cuda/epilogue.hpp>

#include <type_traits>

namespace inlay::cuda {

template <class C>
struct Finish {
  using P = Product<C>;
  static constexpr int threads = 128, shared_bytes = P::summed > 0 ? 12 * threads : 0;
  static constexpr int channels = P::channels;
  static constexpr int together = P::columns % 4 == 0 && !P::weights && P::summed == 0 ? 4 : 1;  // channels of a thread
  using Table = ChannelTable<channels, threads>;

  /// What threads finish, side sums not counted.
  INLAY_HOST_DEVICE static constexpr int elements(int samples) {
    return P::rows(samples) / P::window * (channels / together);
  }
  static constexpr Dim3 grid(int samples) {
    if (P::summed > 0) return {sum_parts(samples), Table::tiles};
    return {ceil_divide(elements(samples) + (P::sided ? channels : 0), threads)};
  }
  static constexpr int sum_parts(int samples) { return Table::parts(elements(samples) / channels); }

  template <class Slots>
  INLAY_DEVICE static void run(const Slots& slots, int samples, int parts, Global<float> scratch,
                               [[maybe_unused]] Global<float> sums_scratch) {
    Accumulators<P::summed> side_sums;
    if constexpr (P::summed > 0) {
      const auto shared = shared_array<float>(0, 3 * threads);
      const int channel = Table::channel();
      Table::walk(elements(samples) / channels,
                  [&](int row) { finish(slots, samples, parts, scratch, row, channel, side_sums.of); });
      SideSums<P::summed, channels>::template store<threads, Table::columns>(shared, side_sums, block_index().x,
                                                                             channel, sums_scratch);
      return;
    }
    const int e = block_index().x * threads + thread_index(), each = channels / together;
    if (e < elements(samples)) {
      finish(slots, samples, parts, scratch, e / each, e % each * together, side_sums.of);
    } else if constexpr (P::sided) {
      const int k = e - elements(samples);
      if (k < channels)
        finish_side<C>(slots, k, sum<1>(scratch, P::side_partial(0, parts, 0, k, samples), channels, parts));
    }
  }

 private:
  template <class Slots>
  INLAY_DEVICE static void finish(const Slots& slots, int samples, int parts, Global<float> scratch, int row,
                                  int channel, [[maybe_unused]] Accumulator* side_sums) {
    const std::int64_t part_size = P::partial(1, 0, 0, 0, samples);
    if constexpr (P::weights) {
      finish_weight<C>(slots, row, channel, sum<1>(scratch, P::partial(0, row, 0, channel, samples), part_size, parts));
    } else if constexpr (P::pooled) {
      finish_window<C>(
          slots, row, samples, channel,
          [&](int, Pixel pixel) {
            return sum<together>(scratch, P::partial(0, P::index(pixel), 0, channel, samples), part_size, parts);
          },
          side_sums);
    } else {
      finish_pixel<C>(slots, P::pixel(row, samples), channel,
                      sum<together>(scratch, P::partial(0, row, 0, channel, samples), part_size, parts), side_sums);
    }
  }

  /// The total of an element's parts, or of four neighbours'.
  template <int Together>
  INLAY_DEVICE static auto sum(Global<float> scratch, std::int64_t first, std::int64_t stride, int parts) {
    std::conditional_t<Together == 4, Vector<float, 4>, float> total{};
    for (int part = 0; part < parts; ++part) {
      if constexpr (Together == 4) {
        const Vector<float, 4> more = scratch.load4(first + part * stride);
        INLAY_UNROLL
        for (int e = 0; e < 4; ++e) total[e] += more[e];
      } else {
        total += scratch[first + part * stride];
      }
    }
    return total;
  }
};

}  // namespace inlay::cuda
