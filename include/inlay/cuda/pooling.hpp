// Max pooling as a stage of its own: a thread a window.
#pragma once

#include <inlay/cuda/runner.hpp>

namespace inlay::cuda {

template <class K>
struct PoolingKernel;

template <class D, bool Batched, class Pool, class Prologue, class Post>
struct PoolingKernel<kernel::Pooling<D, Batched, Pool, Prologue, Post>> {
  static constexpr int threads = 128, shared_bytes = 0;
  static constexpr int rows = D::d1 / Pool::height, columns = D::d2 / Pool::width, count = rows * columns * D::d3;

  template <class Slots>
  INLAY_DEVICE static void run(const Slots& slots, int samples) {
    const int e = block_index().x * threads + thread_index();
    if (e >= samples * count) return;
    const int sample = e / count, row = e / (columns * D::d3) % rows, column = e / D::d3 % columns, channel = e % D::d3;
    float largest = 0;
    int where = 0;
    for (int place = 0; place < Pool::height * Pool::width; ++place) {
      Context<Slots> context{
          slots,  sample, 0, row * Pool::height + place / Pool::width, column * Pool::width + place % Pool::width,
          channel};
      const float value = context.run(Prologue{});
      if (place == 0 || value > largest) {
        largest = value;
        where = place;
      }
    }
    Context<Slots> context{slots, sample, 0, row, column, channel, largest, static_cast<float>(where)};
    context.run(Post{});
  }
};

template <class D, bool Batched, class Pool, class Prologue, class Post>
struct Runner<kernel::Pooling<D, Batched, Pool, Prologue, Post>> : RunnerDefaults {
  using Kernel = PoolingKernel<kernel::Pooling<D, Batched, Pool, Prologue, Post>>;

  template <class Slots>
  static void run(const Stream& stream, const Slots& slots, int samples, Global<float>) {
    const int work = work_items(samples, Kernel::count);
    enqueue<Kernel>(stream, {ceil_divide(work, Kernel::threads)}, slots, samples);
  }
};

}  // namespace inlay::cuda
