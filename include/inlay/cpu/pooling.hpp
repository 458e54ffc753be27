// Max pooling of rows, used by the convolution's epilogue and as a kernel of its own.
#pragma once

#include <inlay/cpu/runner.hpp>

namespace inlay::cpu {

/// Runs Post at (0, p, q, 0..Channels-1) with the maximum of a window and its index. `pixel(r, t)` is where the
/// channels of the window's element lie; null outside of the image. The first of equal elements wins.
template <class Pool, class Post, int Channels, class Pixel>
INLAY_INLINE void pool_window(const Slot* slots, int sample, int p, int q, Pixel pixel) {
  run_row<Post, Channels>(
      slots, sample, 0, p, q, 0, Channels,
      [&](auto& context, int c) {
        using V = decltype(context.value);
        bool first = true;
        for (int w = 0; w < Pool::height * Pool::width; ++w) {
          const float* x = pixel(w / Pool::width, w % Pool::width);
          if constexpr (!Pool::tiles)
            if (x == nullptr) continue;
          V v;
          std::memcpy(&v, x + c, sizeof v);
          if (first) {
            context.value = v;
            context.index = context.constant(static_cast<float>(w));
            first = false;
            continue;
          }
          const V larger = cpu::apply<MapOp::greater>(v, context.value);
          context.value = cpu::apply<MapOp::select>(larger, v, context.value);
          context.index = cpu::apply<MapOp::select>(larger, context.constant(static_cast<float>(w)), context.index);
        }
      },
      no_output);
}

/// Pools one row of windows that tile: `rows` holds Pool::height rows of Columns pixels, Pitch floats a pixel; windows
/// first, ..., first + count - 1 of row p.
template <class Pool, class Post, int Columns, int Channels, int Pitch>
void pool_row(const Slot* slots, int sample, int p, const float* rows, int first = 0,
              int count = Columns / Pool::width) {
  for (int q = 0; q < count; ++q)
    pool_window<Pool, Post, Channels>(slots, sample, p, first + q, [&](int r, int t) INLAY_LAMBDA {
      return rows + (r * Columns + q * Pool::width + t) * Pitch;
    });
}

template <class D, bool Batched, class Pool, class Prologue, class Post, class Side>
struct Runner<kernel::Pooling<D, Batched, Pool, Prologue, Post, Side>>
    : SidedRunner<Batched, D::d3, kernel::Body<>, Post, Side> {
  static constexpr std::int64_t scratch_bytes = std::int64_t{4} * Pool::height * D::d2 * D::d3;

  static void samples(const Slot* slots, int first, int count, Memory memory) {
    for (int n = first; n < first + count; ++n) rows(slots, n, 0, window_rows, memory.scratch);
  }
  static void outputs(const Slot* slots, int, Memory memory, Share share) {
    const auto part = share.of(window_rows);
    rows(slots, 0, part.first, part.end, memory.scratch);
  }

 private:
  static constexpr int window_rows = Pool::tiles ? D::d1 / Pool::height : Pool::rows;
  static constexpr int window_columns = Pool::tiles ? D::d2 / Pool::width : Pool::columns;

  static void rows(const Slot* slots, int sample, int first, int end, float* buffer) {
    for (int p = first; p < end; ++p) {
      const int top = p * Pool::stride_h - Pool::pad_top;
      for (int h = 0; h < Pool::height; ++h) {
        if (top + h < 0 || top + h >= D::d1) continue;
        for (int w = 0; w < D::d2; ++w) {
          float* pixel = buffer + (h * D::d2 + w) * D::d3;
          run_row<Prologue, D::d3>(slots, sample, 0, top + h, w, 0, D::d3, no_input,
                                   [&](int c, auto v) { write(pixel + c, v); });
        }
      }
      for (int q = 0; q < window_columns; ++q)
        pool_window<Pool, Post, D::d3>(slots, sample, p, q, [&](int r, int t) INLAY_LAMBDA -> const float* {
          const int column = q * Pool::stride_w - Pool::pad_left + t;
          const bool inside = top + r >= 0 && top + r < D::d1 && column >= 0 && column < D::d2;
          return inside ? buffer + (r * D::d2 + column) * D::d3 : nullptr;
        });
    }
  }
};

}  // namespace inlay::cpu
