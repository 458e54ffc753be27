// Elementwise kernels: a thread a coordinate, neighbouring threads along the last axis.
#pragma once

#include <inlay/cuda/runner.hpp>

namespace inlay::cuda {

/// The Body at coordinate `i` (row-major) of the domain.
template <class D, class B, class Slots>
INLAY_DEVICE void evaluate_at(const Slots& slots, int sample, int i) {
  Context<Slots> context{slots,    sample, i / (D::d1 * D::d2 * D::d3), i / (D::d2 * D::d3) % D::d1, i / D::d3 % D::d2,
                         i % D::d3};
  context.run(B{});
}

template <class K>
struct ElementwiseKernel;

template <class D, bool Batched, class B>
struct ElementwiseKernel<kernel::Elementwise<D, Batched, B>> {
  static constexpr int threads = 256, shared_bytes = 0, count = static_cast<int>(D::count);

  template <class Slots>
  INLAY_DEVICE static void run(const Slots& slots, int samples) {
    const int e = block_index().x * threads + thread_index();
    if (e < samples * count) evaluate_at<D, B>(slots, e / count, e % count);
  }
};

template <class D, bool Batched, class B>
struct Runner<kernel::Elementwise<D, Batched, B>> : RunnerDefaults {
  using Kernel = ElementwiseKernel<kernel::Elementwise<D, Batched, B>>;

  template <class Slots>
  static void run(const Stream& stream, const Slots& slots, int samples, Global<float>) {
    const int work = work_items(samples, D::count);
    enqueue<Kernel>(stream, {ceil_divide(work, Kernel::threads)}, slots, samples);
  }
};

}  // namespace inlay::cuda
