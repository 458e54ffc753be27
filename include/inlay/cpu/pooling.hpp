// Max pooling of rows, used by the convolution's epilogue and as a kernel of its own.
#pragma once

#include <inlay/cpu/runner.hpp>

namespace inlay::cpu {

/// Pools one row of windows: `rows` holds Pool::height rows of Columns pixels, Pitch floats a pixel; runs Post at
/// (0, p, first + q, 0..Channels-1), q < count, with the maximum and its index in the window. The first of equal
/// elements wins.
template <class Pool, class Post, int Columns, int Channels, int Pitch>
void pool_row(const Slot* slots, int sample, int p, const float* rows, int first = 0,
              int count = Columns / Pool::width) {
  for (int q = 0; q < count; ++q)
    run_row<Post, Channels>(
        slots, sample, 0, p, first + q, 0, Channels,
        [&](auto& context, int c) {
          using V = decltype(context.value);
          for (int w = 0; w < Pool::height * Pool::width; ++w) {
            const float* x = rows + (w / Pool::width * Columns + q * Pool::width + w % Pool::width) * Pitch + c;
            V v;
            std::memcpy(&v, x, sizeof v);
            if (w == 0) {
              context.value = v;
              continue;
            }
            const V larger = cpu::apply<MapOp::greater>(v, context.value);
            context.value = cpu::apply<MapOp::select>(larger, v, context.value);
            context.index = cpu::apply<MapOp::select>(larger, context.constant(static_cast<float>(w)), context.index);
          }
        },
        no_output);
}

template <class D, bool Batched, class Pool, class Prologue, class Post, class Side>
struct Runner<kernel::Pooling<D, Batched, Pool, Prologue, Post, Side>>
    : SidedRunner<Batched, D::d3, kernel::Body<>, Post, Side> {
  static constexpr std::int64_t scratch_bytes = std::int64_t{4} * Pool::height * D::d2 * D::d3;

  static void samples(const Slot* slots, int first, int count, Memory memory) {
    for (int n = first; n < first + count; ++n) rows(slots, n, 0, D::d1 / Pool::height, memory.scratch);
  }
  static void outputs(const Slot* slots, int, Memory memory, Share share) {
    const auto part = share.of(D::d1 / Pool::height);
    rows(slots, 0, part.first, part.end, memory.scratch);
  }

 private:
  static void rows(const Slot* slots, int sample, int first, int end, float* buffer) {
    for (int p = first; p < end; ++p) {
      for (int h = 0; h < Pool::height; ++h)
        for (int w = 0; w < D::d2; ++w) {
          float* pixel = buffer + (h * D::d2 + w) * D::d3;
          run_row<Prologue, D::d3>(slots, sample, 0, p * Pool::height + h, w, 0, D::d3, no_input,
                                   [&](int c, auto v) { write(pixel + c, v); });
        }
      pool_row<Pool, Post, D::d2, D::d3, D::d3>(slots, sample, p, buffer);
    }
  }
};

}  // namespace inlay::cpu
