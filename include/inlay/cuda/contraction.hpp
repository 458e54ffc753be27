// Convolutions, dense layers and matrix products, and their gradients: the kernel that multiplies and, where the depth
// is split, the one that finishes.
#pragma once

#include <inlay/cuda/finish.hpp>
#include <inlay/cuda/multiply.hpp>
#include <inlay/cuda/runner.hpp>

namespace inlay::cuda {

template <Mode M, class G, bool Batched, class A, class B, class E, class Side>
struct Runner<kernel::Contraction<M, G, Batched, A, B, E, Side>> : RunnerDefaults {
  using C = kernel::Contraction<M, G, Batched, A, B, E, Side>;
  using P = Product<C>;

  static constexpr std::int64_t scratch_bytes(int samples) { return P::scratch_bytes(samples); }

  template <class Slots>
  static void run(const Stream& stream, const Slots& slots, int samples, Global<float> scratch) {
    work_items(samples, std::int64_t{1} * P::pixels * P::groups * P::columns);
    const Split split{P::splits(samples), P::depth_of_each(samples)};
    enqueue<Multiply<C>>(stream, {P::row_tiles(samples), P::column_tiles, P::groups * split.parts}, slots, samples,
                         split, scratch);
    if constexpr (P::split)
      enqueue<Finish<C>>(stream, {ceil_divide(Finish<C>::work(samples), Finish<C>::threads)}, slots, samples,
                         split.parts, scratch);
  }
};

}  // namespace inlay::cuda
