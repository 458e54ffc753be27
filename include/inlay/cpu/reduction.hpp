// Reductions over axes of each sample, and over the samples. Where the last axis is kept, rows are added as vectors;
// where it is reduced, elements one by one. A thread's partial is in the order of its samples, and `finish` adds the
// partials in the order of threads.
#pragma once

#include <inlay/cpu/runner.hpp>

namespace inlay::cpu {

template <ReduceOp Op, class D, int Axes, bool Batched, bool OverBatch, class Prologue, class Post>
struct Runner<kernel::Reduction<Op, D, Axes, Batched, OverBatch, Prologue, Post>> : RunnerDefaults {
  static_assert(!OverBatch || Op == ReduceOp::sum, "only sums run over the batch");

  static constexpr int kept(int axis, int extent) { return Axes >> axis & 1 ? 1 : extent; }
  static constexpr int k0 = kept(0, D::d0), k1 = kept(1, D::d1), k2 = kept(2, D::d2), k3 = kept(3, D::d3);
  static constexpr std::int64_t kept_count = std::int64_t{1} * k0 * k1 * k2 * k3;

  static constexpr Partition partition = OverBatch ? Partition::reduced
                                         : Batched ? Partition::samples
                                                   : Partition::outputs;
  static constexpr std::int64_t buffer_bytes = kept_count * static_cast<int>(sizeof(float));
  static constexpr std::int64_t scratch_bytes = OverBatch ? 0 : 2 * buffer_bytes;
  static constexpr std::int64_t partial_bytes = OverBatch ? buffer_bytes : 0;

  static void samples(const Slot* slots, int first, int count, Memory memory) {
    for (int n = first; n < first + count; ++n) {
      if constexpr (OverBatch) {
        accumulate(slots, n, memory.partial, nullptr);
      } else {
        reduce(slots, n, memory.scratch);
      }
    }
  }
  static void finish(const Slot* slots, Partials partials, Share share) {
    const auto part = share.of(k0 * k1 * k2);
    for (int row = part.first; row < part.end; ++row)
      post(slots, 0, row, [&](auto& context, int i3) {
        context.value = partials.sum<decltype(context.value)>(std::int64_t{row} * k3 + i3);
      });
  }
  static void outputs(const Slot* slots, int, Memory memory, Share share) {
    if (share.thread == 0) reduce(slots, 0, memory.scratch);
  }

 private:
  static void reduce(const Slot* slots, int sample, float* values) {
    for (std::int64_t i = 0; i < kept_count; ++i) values[i] = 0;
    float* extremes = values + kept_count;
    accumulate(slots, sample, values, extremes);
    for (int row = 0; row < k0 * k1 * k2; ++row) post(slots, sample, row, from(values + std::int64_t{row} * k3));
  }

  template <class Input>
  static void post(const Slot* slots, int sample, int row, Input input) {
    run_row<Post, k3>(slots, sample, row / (k1 * k2), row / k2 % k1, row % k2, 0, k3, input, no_output);
  }

  /// `values` receives sums, maxima or positions; `extremes` the maxima where positions are wanted.
  static void accumulate(const Slot* slots, int sample, float* values, float* extremes) {
    for (int i0 = 0; i0 < D::d0; ++i0)
      for (int i1 = 0; i1 < D::d1; ++i1)
        for (int i2 = 0; i2 < D::d2; ++i2) {
          const std::int64_t row = ((k0 > 1 ? i0 : 0) * std::int64_t{k1} + (k1 > 1 ? i1 : 0)) * k2 + (k2 > 1 ? i2 : 0);
          float* out = values + row * k3;
          const bool first_row = (k0 > 1 || i0 == 0) && (k1 > 1 || i1 == 0) && (k2 > 1 || i2 == 0);
          if constexpr (Op == ReduceOp::sum && k3 == D::d3) {
            run_row<Prologue, D::d3>(slots, sample, i0, i1, i2, 0, D::d3, no_input, [&](int i3, auto v) {
              if constexpr (std::is_same_v<decltype(v), float>) out[i3] += v;
              else store_vector(out + i3, load_vector(out + i3) + v);
            });
          } else {
            for (int i3 = 0; i3 < D::d3; ++i3) {
              Context<float> context{slots, sample, i0, i1, i2, i3};
              const float v = context.run(Prologue{});
              const int o = k3 > 1 ? i3 : 0;
              const bool first = first_row && (k3 > 1 || i3 == 0);
              if constexpr (Op == ReduceOp::sum) {
                out[o] += v;
              } else if constexpr (Op == ReduceOp::max) {
                if (first || v > out[o]) out[o] = v;
              } else {
                float& best = extremes[row * k3 + o];
                if (first || v > best) {
                  best = v;
                  out[o] = static_cast<float>(position(i0, i1, i2, i3));
                }
              }
            }
          }
        }
  }

  /// Row-major over the reduced axes.
  static int position(int i0, int i1, int i2, int i3) {
    int p = 0;
    if (Axes & 1) p = i0;
    if (Axes & 2) p = p * D::d1 + i1;
    if (Axes & 4) p = p * D::d2 + i2;
    if (Axes & 8) p = p * D::d3 + i3;
    return p;
  }
};

}  // namespace inlay::cpu
