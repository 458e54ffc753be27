// The kernel that finishes a contraction whose depth was split: adds the partial sums of each element, whoever made
// them first, and runs the epilogue. Several threads share the parts of an element where there are many, so that none
// waits for a long row of loads: each adds its own in order, then the first adds up the threads' sums in order. An
// element is a weight, a pixel's channel or four of them, a pooled element, or a column of them where the epilogue sums
// by channel; behind the elements come the side sums of a weight gradient.
#pragma once

#include <inlay/cuda/epilogue.hpp>

#include <type_traits>

namespace inlay::cuda {

template <class C>
struct Finish {
  using P = Product<C>;
  static constexpr int channels = P::channels;
  static constexpr int together = P::columns % 4 == 0 && !P::weights && P::summed == 0 ? 4 : 1;  // channels of a thread
  static constexpr bool shares_parts = !P::pooled && P::summed == 0;
  static constexpr int threads = shares_parts ? 256 : 128;
  static constexpr int shared_bytes = P::summed > 0 ? 12 * threads : shares_parts ? 4 * together* threads : 0;
  using Table = ChannelTable<channels, threads>;
  using Total = std::conditional_t<together == 4, Vector<float, 4>, float>;

  /// What threads finish, side sums not counted.
  INLAY_HOST_DEVICE static constexpr int elements(int samples) {
    return P::rows(samples) / P::window * (channels / together);
  }
  /// Threads that add up an element: each has 8 to 16 parts, or more where there are more than 512.
  INLAY_HOST_DEVICE static constexpr int sharers(int parts) {
    int number = 1;
    while (shares_parts && number < 32 && 8 * number <= parts) number *= 2;
    return number;
  }
  static constexpr Dim3 grid(int samples) {
    if (P::summed > 0) return {sum_parts(samples), Table::tiles};
    return {ceil_divide(elements(samples) + (P::sided ? channels : 0), threads / sharers(P::splits(samples)))};
  }
  static constexpr int sum_parts(int samples) { return Table::parts(elements(samples) / channels); }

  template <class Slots>
  INLAY_DEVICE static void run(const Slots& slots, int samples, int parts, Global<float> scratch,
                               [[maybe_unused]] Global<float> sums_scratch) {
    if constexpr (shares_parts) {
      run_shared(slots, samples, parts, scratch);
    } else if constexpr (P::summed > 0) {
      Accumulators<P::summed> side_sums;
      const auto shared = shared_array<float>(0, 3 * threads);
      const int channel = Table::channel();
      Table::walk(elements(samples) / channels,
                  [&](int row) { finish_alone(slots, samples, parts, scratch, row, channel, side_sums.of); });
      SideSums<P::summed, channels>::template store<threads, Table::columns>(shared, side_sums, block_index().x,
                                                                             channel, sums_scratch);
    } else {
      const int e = block_index().x * threads + thread_index(), each = channels / together;
      if (e < elements(samples)) finish_alone(slots, samples, parts, scratch, e / each, e % each * together, nullptr);
    }
  }

 private:
  /// Threads 0, columns, 2 * columns, ... of the block share element 0 of its columns.
  template <class Slots>
  INLAY_DEVICE static void run_shared(const Slots& slots, int samples, int parts, Global<float> scratch) {
    const int number = sharers(parts), columns = quotient(threads, number), thread = thread_index();
    const int column = modulo(thread, columns), share = quotient(thread, columns);
    const int e = block_index().x * columns + column, each = channels / together;
    const int row = quotient(e, each), channel = modulo(e, each) * together, side = e - elements(samples);
    Total total{};
    if (side < 0)
      total =
          sum(scratch, P::partial(0, row, 0, channel, samples), P::partial(1, 0, 0, 0, samples), share, number, parts);
    else if (P::sided && side < channels)
      total = sum(scratch, P::side_partial(0, parts, 0, side, samples), channels, share, number, parts);
    if (number > 1) {
      const auto shared = shared_array<float>(0, together * threads);
      put(shared, thread, total);
      sync_threads();
      if (share > 0) return;
      for (int other = thread + columns; other < threads; other += columns) add(total, get(shared, other));
    }
    if (side < 0) {
      if constexpr (P::weights) finish_weight<C>(slots, row, channel, total);
      else finish_pixel<C>(slots, P::pixel(row, samples), channel, total, nullptr);
    } else if constexpr (P::sided) {
      if (side < channels) finish_side<C>(slots, side, total);
    }
  }

  template <class Slots>
  INLAY_DEVICE static void finish_alone(const Slots& slots, int samples, int parts, Global<float> scratch, int row,
                                        int channel, Accumulator* side_sums) {
    const auto total = [&](int of_row) {
      return sum(scratch, P::partial(0, of_row, 0, channel, samples), P::partial(1, 0, 0, 0, samples), 0, 1, parts);
    };
    if constexpr (P::pooled)
      finish_window<C>(
          slots, row, samples, channel, [&](int, Pixel pixel) { return total(P::index(pixel)); }, side_sums);
    else finish_pixel<C>(slots, P::pixel(row, samples), channel, total(row), side_sums);
  }

  /// The total of parts begin, begin + step, ... of an element, or of four neighbours.
  INLAY_DEVICE static Total sum(Global<float> scratch, std::int64_t first, std::int64_t stride, int begin, int step,
                                int parts) {
    Total total{};
    for (int part = begin; part < parts; part += step) {
      if constexpr (together == 4) add(total, scratch.load4(first + part * stride));
      else add(total, scratch[first + part * stride]);
    }
    return total;
  }

  INLAY_DEVICE static void add(float& total, float more) { total += more; }
  INLAY_DEVICE static void add(Vector<float, 4>& total, const Vector<float, 4>& more) {
    INLAY_UNROLL
    for (int e = 0; e < 4; ++e) total[e] += more[e];
  }

  template <class Shared>
  INLAY_DEVICE static void put(Shared shared, int thread, const Total& total) {
    if constexpr (together == 4) shared.store4(4 * thread, total);
    else shared[thread] = total;
  }
  template <class Shared>
  INLAY_DEVICE static Total get(Shared shared, int thread) {
    if constexpr (together == 4) return shared.load4(4 * thread);
    else return shared[thread];
  }
};

}  // namespace inlay::cuda
