// Elementwise kernels: a thread a coordinate, or four along the last axis where its length is a multiple of four;
// neighbouring threads along that axis. Where the Body sums by channel, a thread a column of coordinates.
#pragma once

#include <inlay/cuda/runner.hpp>
#include <inlay/cuda/side_sums.hpp>

namespace inlay::cuda {

/// Coordinate `i` (row-major) of the domain.
template <class D, class Slots>
INLAY_DEVICE Context<Slots> coordinate(const Slots& slots, int sample, int i) {
  return {slots, sample, i / (D::d1 * D::d2 * D::d3), i / (D::d2 * D::d3) % D::d1, i / D::d3 % D::d2, i % D::d3};
}

template <class K>
struct ElementwiseKernel;

template <class D, bool Batched, class B, class Side>
struct ElementwiseKernel<kernel::Elementwise<D, Batched, B, Side>> {
  static constexpr int together = D::d3 % 4 == 0 ? 4 : 1;  // coordinates of a thread
  static constexpr int threads = 256, shared_bytes = 0, count = static_cast<int>(D::count) / together;

  template <class Slots>
  INLAY_DEVICE static void run(const Slots& slots, int samples) {
    const int e = block_index().x * threads + thread_index();
    if (e >= samples * count) return;
    const auto context = coordinate<D>(slots, e / count, e % count * together);
    if constexpr (together == 4) context.run4(B{});
    else context.run(B{});
  }
};

template <class K>
struct SummingElementwiseKernel;

template <class D, bool Batched, class B, class Side>
struct SummingElementwiseKernel<kernel::Elementwise<D, Batched, B, Side>> {
  static constexpr int threads = 256, shared_bytes = 12 * threads, sums = kernel::sum_count<B>;
  using Table = ChannelTable<D::d3, threads>;
  static constexpr int pixels = static_cast<int>(D::count / D::d3);
  static constexpr int parts(int samples) { return Table::parts(samples * pixels); }

  template <class Slots>
  INLAY_DEVICE static void run(const Slots& slots, int samples, Global<float> scratch) {
    const auto shared = shared_array<float>(0, 3 * threads);
    const int channel = Table::channel();
    Accumulators<sums> side_sums;
    Table::walk(samples * pixels, [&](int row) {
      auto context = coordinate<D>(slots, row / pixels, row % pixels * D::d3 + channel);
      context.sums = side_sums.of;
      context.run(B{});
    });
    SideSums<sums, D::d3>::template store<threads, Table::columns>(shared, side_sums, block_index().x, channel,
                                                                   scratch);
  }
};

/// Enqueues a kernel that sums by channel, and the one that combines its sums.
template <class Kernel, int Channels, class Side, class Slots>
void enqueue_summing(const Stream& stream, const Slots& slots, int samples, Global<float> scratch) {
  using Finish = FinishSums<Kernel::sums, Channels, Side>;
  const int parts = Kernel::parts(samples);
  enqueue<Kernel>(stream, {parts, Kernel::Table::tiles}, slots, samples, scratch);
  enqueue<Finish>(stream, {Finish::blocks}, slots, parts, scratch);
}

template <class D, bool Batched, class B, class Side>
struct Runner<kernel::Elementwise<D, Batched, B, Side>> : RunnerDefaults {
  using K = kernel::Elementwise<D, Batched, B, Side>;
  using Summing = SummingElementwiseKernel<K>;

  static constexpr std::int64_t scratch_bytes(int samples) {
    return SideSums<Summing::sums, D::d3>::bytes(Summing::parts(samples));
  }

  template <class Slots>
  static void run(const Stream& stream, const Slots& slots, int samples, [[maybe_unused]] Global<float> scratch) {
    using Kernel = ElementwiseKernel<K>;
    const int work = work_items(samples, D::count);
    if constexpr (Summing::sums > 0) enqueue_summing<Summing, D::d3, Side>(stream, slots, samples, scratch);
    else enqueue<Kernel>(stream, {ceil_divide(work / Kernel::together, Kernel::threads)}, slots, samples);
  }
};

}  // namespace inlay::cuda
