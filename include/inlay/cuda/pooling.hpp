// Max pooling as a stage of its own: a thread a window, of four channels where those are a multiple of four, or a
// column of windows where the results are summed by channel.
#pragma once

#include <inlay/cuda/elementwise.hpp>

#include <type_traits>

namespace inlay::cuda {

template <class K>
struct PoolingKernel;

template <class D, bool Batched, class Pool, class Prologue, class Post, class Side>
struct PoolingKernel<kernel::Pooling<D, Batched, Pool, Prologue, Post, Side>> {
  static constexpr int threads = 128, sums = kernel::sum_count<Post>, shared_bytes = sums > 0 ? 12 * threads : 0;
  static constexpr int together = D::d3 % 4 == 0 && sums == 0 ? 4 : 1;  // channels of a thread
  using Table = ChannelTable<D::d3, threads>;
  static constexpr int rows = Pool::tiles ? D::d1 / Pool::height : Pool::rows;
  static constexpr int columns = Pool::tiles ? D::d2 / Pool::width : Pool::columns, windows = rows * columns;
  static constexpr int count = windows * D::d3 / together;

  static constexpr int parts(int samples) { return Table::parts(samples * windows); }

  template <class Slots>
  INLAY_DEVICE static void run(const Slots& slots, int samples, [[maybe_unused]] Global<float> scratch) {
    if constexpr (sums > 0) {
      Accumulators<sums> side_sums;
      const auto shared = shared_array<float>(0, 3 * threads);
      const int channel = Table::channel();
      Table::walk(samples * windows, [&](int window) { pool(slots, window, channel, side_sums.of); });
      SideSums<sums, D::d3>::template store<threads, Table::columns>(shared, side_sums, block_index().x, channel,
                                                                     scratch);
    } else {
      const int e = block_index().x * threads + thread_index(), each = D::d3 / together;
      if (e < samples * count) pool(slots, e / each, e % each * together, nullptr);
    }
  }

 private:
  template <class Slots>
  INLAY_DEVICE static void pool(const Slots& slots, int window, int channel, Accumulator* side_sums) {
    const int sample = window / windows, row = window / columns % rows, column = window % columns;
    std::conditional_t<together == 4, Vector<float, 4>, float> largest{}, where{};
    bool first = true;
    for (int place = 0; place < Pool::height * Pool::width; ++place) {
      const int h = row * Pool::stride_h - Pool::pad_top + place / Pool::width;
      const int w = column * Pool::stride_w - Pool::pad_left + place % Pool::width;
      if (!Pool::tiles && (h < 0 || h >= D::d1 || w < 0 || w >= D::d2)) continue;
      const Context<Slots> context{slots, sample, 0, h, w, channel};
      if constexpr (together == 4) take_larger(context.run4(Prologue{}), place, first, largest, where);
      else take_larger(context.run(Prologue{}), place, first, largest, where);
      first = false;
    }
    if constexpr (together == 4) {
      const Vector<float, 4> results[] = {largest, where};
      Context<Slots>{slots, sample, 0, row, column, channel}.run4(Post{}, results);
    } else {
      Context<Slots>{slots, sample, 0, row, column, channel, largest, where, side_sums}.run(Post{});
    }
  }
};

template <class D, bool Batched, class Pool, class Prologue, class Post, class Side>
struct Runner<kernel::Pooling<D, Batched, Pool, Prologue, Post, Side>> : RunnerDefaults {
  using Kernel = PoolingKernel<kernel::Pooling<D, Batched, Pool, Prologue, Post, Side>>;

  static constexpr std::int64_t scratch_bytes(int samples) {
    return SideSums<Kernel::sums, D::d3>::bytes(Kernel::parts(samples));
  }

  template <class Slots>
  static void run(const Stream& stream, const Slots& slots, int samples, Global<float> scratch) {
    const int work = work_items(samples, std::int64_t{Kernel::count} * Kernel::together) / Kernel::together;
    if constexpr (Kernel::sums > 0) enqueue_summing<Kernel, D::d3, Side>(stream, slots, samples, scratch);
    else enqueue<Kernel>(stream, {ceil_divide(work, Kernel::threads)}, slots, samples, scratch);
  }
};

}  // namespace inlay::cuda
