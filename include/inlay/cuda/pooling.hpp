// Max pooling as a stage of its own: a thread a window, or a column of windows where the results are summed by channel.
#pragma once

#include <inlay/cuda/elementwise.hpp>

namespace inlay::cuda {

template <class K>
struct PoolingKernel;

template <class D, bool Batched, class Pool, class Prologue, class Post, class Side>
struct PoolingKernel<kernel::Pooling<D, Batched, Pool, Prologue, Post, Side>> {
  static constexpr int threads = 128, sums = kernel::sum_count<Post>, shared_bytes = sums > 0 ? 12 * threads : 0;
  using Table = ChannelTable<D::d3, threads>;
  static constexpr int rows = Pool::tiles ? D::d1 / Pool::height : Pool::rows;
  static constexpr int columns = Pool::tiles ? D::d2 / Pool::width : Pool::columns, count = rows * columns * D::d3;

  static constexpr int parts(int samples) { return Table::parts(samples * rows * columns); }

  template <class Slots>
  INLAY_DEVICE static void run(const Slots& slots, int samples, [[maybe_unused]] Global<float> scratch) {
    Accumulators<sums> side_sums;
    if constexpr (sums > 0) {
      const auto shared = shared_array<float>(0, 3 * threads);
      const int channel = Table::channel();
      Table::walk(samples * rows * columns, [&](int row) { pool(slots, row * D::d3 + channel, side_sums.of); });
      SideSums<sums, D::d3>::template store<threads, Table::columns>(shared, side_sums, block_index().x, channel,
                                                                     scratch);
    } else {
      const int e = block_index().x * threads + thread_index();
      if (e < samples * count) pool(slots, e, side_sums.of);
    }
  }

 private:
  template <class Slots>
  INLAY_DEVICE static void pool(const Slots& slots, int e, Accumulator* side_sums) {
    const int sample = e / count, row = e / (columns * D::d3) % rows, column = e / D::d3 % columns, channel = e % D::d3;
    float largest = 0;
    int where = -1;
    for (int place = 0; place < Pool::height * Pool::width; ++place) {
      const int h = row * Pool::stride_h - Pool::pad_top + place / Pool::width;
      const int w = column * Pool::stride_w - Pool::pad_left + place % Pool::width;
      if (!Pool::tiles && (h < 0 || h >= D::d1 || w < 0 || w >= D::d2)) continue;
      Context<Slots> context{slots, sample, 0, h, w, channel};
      const float value = context.run(Prologue{});
      if (where < 0 || value > largest) {
        largest = value;
        where = place;
      }
    }
    Context<Slots> context{slots, sample, 0, row, column, channel, largest, static_cast<float>(where), side_sums};
    context.run(Post{});
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
    const int work = work_items(samples, Kernel::count);
    if constexpr (Kernel::sums > 0) enqueue_summing<Kernel, D::d3, Side>(stream, slots, samples, scratch);
    else enqueue<Kernel>(stream, {ceil_divide(work, Kernel::threads)}, slots, samples, scratch);
  }
};

}  // namespace inlay::cuda
