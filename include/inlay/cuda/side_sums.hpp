// Sums by channel that a kernel makes on the side (kernel::Accumulate): each thread sums what it evaluates of one
// channel, the threads of a block are combined in their order, and blocks leave their parts in scratch memory for a
// second kernel, which combines those, again in a fixed order, and runs the Side body.
#pragma once

#include <inlay/cuda/context.hpp>
#include <inlay/cuda/integers.hpp>
#include <inlay/cuda/unroll.hpp>

namespace inlay::cuda {

/// Chan, Golub and LeVeque's formula (1979): no digits are lost to a mean far from zero.
INLAY_DEVICE Moments combine(const Moments& a, const Moments& b) {
  if (a.count == 0) return b;
  if (b.count == 0) return a;
  const float count = a.count + b.count, apart = b.sum / b.count - a.sum / a.count;
  return {count, a.sum + b.sum, a.deviations + b.deviations + apart * apart * (a.count * (b.count / count))};
}

/// A thread's sums. (One more than there are, since arrays can't be empty.)
template <int Sums>
struct Accumulators {
  Accumulator of[Sums + 1];
};

template <int Main, int Post>
inline constexpr int most_sums = Main > Post ? Main : Post;

/// `Sums` sums of `Channels` channels. In scratch memory: [part][sum][count, sum, deviations][channel].
template <int Sums, int Channels>
struct SideSums {
  static constexpr int part_floats = Sums * 3 * Channels;
  static constexpr std::int64_t bytes(int parts) { return std::int64_t{4} * parts * part_floats; }

  INLAY_DEVICE static std::int64_t place(int part, int sum, int moment, int channel) {
    return (std::int64_t{part} * Sums + sum) * (3 * Channels) + moment * Channels + channel;
  }

  /// Writes the part of a block of Threads, each of which sums `Together` neighbours of Columns channels: thread t
  /// those from Together * t on, the same as thread t + Columns / Together. `channel` is that of column t, or negative
  /// where there is none. `shared`: 3 * Threads * Together floats; all threads call it behind a barrier.
  template <int Threads, int Columns, int Together = 1, class Shared>
  INLAY_DEVICE static void store(Shared shared, const Accumulators<Sums * Together>& sums, int part, int channel,
                                 Global<float> scratch) {
    constexpr int all = Threads * Together;
    const int thread = thread_index();
    INLAY_UNROLL
    for (int sum = 0; sum < Sums; ++sum) {
      INLAY_UNROLL
      for (int e = 0; e < Together; ++e) put<all>(shared, thread * Together + e, sums.of[sum * Together + e].moments());
      sync_threads();
      if (thread < Columns && channel >= 0) {
        Moments total = get<all>(shared, thread);
        for (int t = thread + Columns; t < all; t += Columns) total = combine(total, get<all>(shared, t));
        scratch[place(part, sum, 0, channel)] = total.count;
        scratch[place(part, sum, 1, channel)] = total.sum;
        scratch[place(part, sum, 2, channel)] = total.deviations;
      }
      sync_threads();
    }
  }

  template <int Count, class Shared>
  INLAY_DEVICE static void put(Shared shared, int i, const Moments& m) {
    shared[i] = m.count;
    shared[Count + i] = m.sum;
    shared[2 * Count + i] = m.deviations;
  }
  template <int Count, class Shared>
  INLAY_DEVICE static Moments get(Shared shared, int i) {
    return {shared[i], shared[Count + i], shared[2 * Count + i]};
  }
};

/// A block of threads as a table, channels along its columns: how kernels that evaluate one coordinate after another
/// give each thread a channel of its own. Block (part, column tile) walks `rows_each` rows for each row of the table.
template <int Channels, int Threads>
struct ChannelTable {
  static constexpr int columns = power_of_two_above(Channels, Threads), rows = Threads / columns;
  static constexpr int tiles = ceil_divide(Channels, columns), rows_each = 64;

  /// Of all rows (samples times pixels).
  static constexpr int parts(int count) { return ceil_divide(count, rows * rows_each); }

  /// The thread's channel, negative if it has none.
  INLAY_DEVICE static int channel() {
    const int c = block_index().y * columns + thread_index() % columns;
    return c < Channels ? c : -1;
  }
  /// Calls f(row) for the thread's rows.
  template <class F>
  INLAY_DEVICE static void walk(int count, F f) {
    const int first = block_index().x * (rows * rows_each) + thread_index() / columns;
    for (int i = 0; i < rows_each; ++i) {
      const int row = first + i * rows;
      if (row < count && channel() >= 0) f(row);
    }
  }
};

/// Combines the parts of each channel and runs Side: a block for `columns` channels.
template <int Sums, int Channels, class Side>
struct FinishSums {
  using S = SideSums<Sums, Channels>;
  static constexpr int threads = 256, shared_bytes = 12 * threads;
  static constexpr int columns = power_of_two_above(Channels, 32), rows = threads / columns;
  static constexpr int blocks = ceil_divide(Channels, columns);

  template <class Slots>
  INLAY_DEVICE static void run(const Slots& slots, int parts, Global<float> scratch) {
    const auto shared = shared_array<float>(0, 3 * threads);
    const int thread = thread_index(), row = thread / columns, channel = block_index().x * columns + thread % columns;
    Moments totals[Sums];
    INLAY_UNROLL
    for (int sum = 0; sum < Sums; ++sum) {
      Moments total;
      if (channel < Channels)
        for (int part = row; part < parts; part += rows)
          total = combine(total, {scratch[S::place(part, sum, 0, channel)], scratch[S::place(part, sum, 1, channel)],
                                  scratch[S::place(part, sum, 2, channel)]});
      for (int half = rows / 2; half > 0; half /= 2) {
        S::template put<threads>(shared, thread, total);
        sync_threads();
        if (row < half) total = combine(total, S::template get<threads>(shared, thread + half * columns));
        sync_threads();
      }
      totals[sum] = total;
    }
    if (row > 0 || channel >= Channels) return;
    Context<Slots> context{slots, 0, 0, 0, 0, channel};
    context.totals = totals;
    context.run(Side{});
  }
};

}  // namespace inlay::cuda
