// Reductions over the axes of each sample, and over the samples. A block of threads is a table: kept coordinates lie
// along its columns, and its rows share the elements to reduce, each in a fixed order; then the rows are combined,
// also in a fixed order. Over a large batch, blocks leave partial results in scratch memory and a second
// kernel combines those.
#pragma once

#include <inlay/cuda/block_reduce.hpp>
#include <inlay/cuda/runner.hpp>

namespace inlay::cuda {

/// The largest so far and where it was, or the sum so far.
struct Reduced {
  float value;
  int position;
};

template <ReduceOp Op>
INLAY_DEVICE Reduced nothing_reduced() {
  if constexpr (Op == ReduceOp::sum) return {0, 0};
  else return {-__builtin_huge_valf(), 0x7fffffff};
}

/// The first of equals wins, in whatever order they are combined.
template <ReduceOp Op>
INLAY_DEVICE Reduced combine(Reduced a, Reduced b) {
  if constexpr (Op == ReduceOp::sum) return {a.value + b.value, 0};
  else return b.value > a.value || (b.value == a.value && b.position < a.position) ? b : a;
}

template <ReduceOp Op>
struct Combine {
  INLAY_DEVICE Reduced operator()(const Reduced& a, const Reduced& b) const { return combine<Op>(a, b); }
};

template <class K>
struct Reducer;

template <ReduceOp Op, class D, int Axes, bool Batched, bool OverBatch, class Prologue, class Post>
struct Reducer<kernel::Reduction<Op, D, Axes, Batched, OverBatch, Prologue, Post>> {
  static constexpr ReduceOp op = Op;
  static constexpr bool reduces(int axis) { return (Axes >> axis & 1) != 0; }
  static constexpr int kept_extent(int axis, int extent) { return reduces(axis) ? 1 : extent; }
  static constexpr int k1 = kept_extent(1, D::d1), k2 = kept_extent(2, D::d2), k3 = kept_extent(3, D::d3);
  static constexpr int kept = kept_extent(0, D::d0) * k1 * k2 * k3;
  static constexpr int r1 = D::d1 / k1, r2 = D::d2 / k2, r3 = D::d3 / k3;
  static constexpr int reduced = static_cast<int>(D::count / kept);
  static_assert(!OverBatch || Op != ReduceOp::argmax, "a position in the batch is not defined");

  static constexpr int useful_threads(int most) { return power_of_two_above(D::count, most); }

  /// The prologue's element: `k` counts the kept coordinates, `r` the reduced ones, both row-major.
  template <class Slots>
  INLAY_DEVICE static float element(const Slots& slots, int sample, int k, int r) {
    Context<Slots> context{slots,
                           sample,
                           k / (k1 * k2 * k3) + r / (r1 * r2 * r3),
                           k / (k2 * k3) % k1 + r / (r2 * r3) % r1,
                           k / k3 % k2 + r / r3 % r2,
                           k % k3 + r % r3};
    return context.run(Prologue{});
  }

  template <class Slots>
  INLAY_DEVICE static void finish(const Slots& slots, int sample, int k, Reduced result) {
    const float value = Op == ReduceOp::argmax ? static_cast<float>(result.position) : result.value;
    Context<Slots> context{slots, sample, k / (k1 * k2 * k3), k / (k2 * k3) % k1, k / k3 % k2, k % k3, value};
    context.run(Post{});
  }

  /// What a thread makes of elements first, first + step, ... below end of the samples from `sample` on.
  template <class Slots>
  INLAY_DEVICE static Reduced walk(const Slots& slots, int sample, int k, int first, int end, int step) {
    Reduced result = nothing_reduced<Op>();
    for (int i = first; i < end; i += step) {
      const Reduced here{element(slots, sample + i / reduced, k, i % reduced), i % reduced};
      result = i == 0 && Op != ReduceOp::sum ? here : combine<Op>(result, here);  // a NaN in front stays
    }
    return result;
  }

  /// One block of Threads reduces elements [begin, end) for all kept coordinates from `first_kept` on that it has
  /// columns for, and calls `use(k, result)` in one thread for each.
  template <int Threads, class Slots, class SharedValues, class SharedPositions, class Use>
  INLAY_DEVICE static void reduce(const Slots& slots, int sample, int first_kept, int begin, int end,
                                  SharedValues values, SharedPositions positions, Use use) {
    constexpr int columns = power_of_two_above(kept, Threads), rows = Threads / columns;
    const int thread = thread_index(), row = thread / columns, k = first_kept + thread % columns;
    Reduced result = nothing_reduced<Op>();
    if (k < kept) result = walk(slots, sample, k, begin + row, end, rows);
    if constexpr (columns == 1) {
      result = block_reduce<Threads>(result, Combine<Op>{});
    } else if constexpr (rows > 1) {
      for (int half = rows / 2; half > 0; half /= 2) {
        values[thread] = result.value;
        if constexpr (Op != ReduceOp::sum) positions[thread] = result.position;
        sync_threads();
        if (row < half) {
          const int other = thread + half * columns;
          Reduced b{values[other], 0};
          if constexpr (Op != ReduceOp::sum) b.position = positions[other];
          result = combine<Op>(result, b);
        }
        sync_threads();
      }
    }
    if (row == 0 && k < kept) use(k, result);
  }
  template <int Threads>
  static constexpr int kept_tiles = (kept + power_of_two_above(kept, Threads) - 1) / power_of_two_above(kept, Threads);
};

/// Each sample by itself: block (sample, tile of kept coordinates), as one number.
template <class K>
struct ReduceSamples {
  using R = Reducer<K>;
  static constexpr int threads = R::useful_threads(256) < 32 ? 32 : R::useful_threads(256);
  static constexpr int shared_bytes = 8 * threads;
  static constexpr int tiles = R::template kept_tiles<threads>;
  static constexpr int columns = power_of_two_above(R::kept, threads);

  template <class Slots>
  INLAY_DEVICE static void run(const Slots& slots, int) {
    const auto values = shared_array<float>(0, threads);
    const auto positions = shared_array<int>(4 * threads, threads);
    const int sample = block_index().x / tiles;
    R::template reduce<threads>(slots, sample, block_index().x % tiles * columns, 0, R::reduced, values, positions,
                                [&](int k, Reduced result) { R::finish(slots, sample, k, result); });
  }
};

/// Over the batch: block (tile of kept coordinates, part of the elements).
template <class K>
struct ReduceBatch {
  using R = Reducer<K>;
  static constexpr int threads = 256, shared_bytes = 8 * threads;
  static constexpr int tiles = R::template kept_tiles<threads>;
  static constexpr int columns = power_of_two_above(R::kept, threads);

  static constexpr bool split = R::reduced >= 64;
  static constexpr int part_size = 4096;
  static constexpr int parts(int samples) { return split ? ceil_divide(samples * R::reduced, part_size) : 1; }

  template <class Slots>
  INLAY_DEVICE static void run(const Slots& slots, int samples, Global<float> scratch) {
    const auto values = shared_array<float>(0, threads);
    const auto positions = shared_array<int>(4 * threads, threads);
    const int total = samples * R::reduced, begin = split ? block_index().y * part_size : 0;
    const int end = split && begin + part_size < total ? begin + part_size : total;
    R::template reduce<threads>(slots, 0, block_index().x * columns, begin, end, values, positions,
                                [&](int k, Reduced result) {
                                  if constexpr (split)
                                    scratch[std::int64_t{block_index().y} * R::kept + k] = result.value;
                                  else R::finish(slots, 0, k, result);
                                });
  }
};

/// Combines the parts in their order.
template <class K>
struct CombineParts {
  using R = Reducer<K>;
  static constexpr int threads = 128, shared_bytes = 0;

  template <class Slots>
  INLAY_DEVICE static void run(const Slots& slots, int parts, Global<float> scratch) {
    const int k = block_index().x * threads + thread_index();
    if (k >= R::kept) return;
    Reduced result{scratch[k], 0};
    for (int part = 1; part < parts; ++part)
      result = combine<R::op>(result, {scratch[std::int64_t{part} * R::kept + k], 0});
    R::finish(slots, 0, k, result);
  }
};

template <ReduceOp Op, class D, int Axes, bool Batched, bool OverBatch, class Prologue, class Post>
struct Runner<kernel::Reduction<Op, D, Axes, Batched, OverBatch, Prologue, Post>> : RunnerDefaults {
  using K = kernel::Reduction<Op, D, Axes, Batched, OverBatch, Prologue, Post>;
  using R = Reducer<K>;

  static constexpr std::int64_t scratch_bytes(int samples) {
    if constexpr (OverBatch && ReduceBatch<K>::split)
      return std::int64_t{ReduceBatch<K>::parts(samples)} * R::kept * static_cast<int>(sizeof(float));
    else return 0;
  }

  template <class Slots>
  static void run(const Stream& stream, const Slots& slots, int samples, Global<float> scratch) {
    work_items(samples, D::count);
    if constexpr (OverBatch) {
      using Kernel = ReduceBatch<K>;
      const int parts = Kernel::parts(samples);
      enqueue<Kernel>(stream, {Kernel::tiles, parts}, slots, samples, scratch);
      if constexpr (Kernel::split)
        enqueue<CombineParts<K>>(stream, {ceil_divide(R::kept, CombineParts<K>::threads)}, slots, parts, scratch);
    } else {
      enqueue<ReduceSamples<K>>(stream, {samples * ReduceSamples<K>::tiles}, slots, samples);
    }
  }
};

}  // namespace inlay::cuda
