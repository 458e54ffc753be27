// Elementwise kernels: a Body at every coordinate, rows vectorised along the last axis.
#pragma once

#include <inlay/cpu/runner.hpp>

namespace inlay::cpu {

template <class D, bool Batched, class B, class Side>
struct Runner<kernel::Elementwise<D, Batched, B, Side>> : SidedRunner<Batched, D::d3, B, kernel::Body<>, Side> {
  static void samples(const Slot* slots, int first, int count, Memory) {
    for (int n = first; n < first + count; ++n) rows(slots, n, 0, D::d0 * D::d1 * D::d2);
  }
  static void outputs(const Slot* slots, int, Memory, Share share) {
    if constexpr (D::d0 * D::d1 * D::d2 > 1) {
      const auto part = share.of(D::d0 * D::d1 * D::d2);
      rows(slots, 0, part.first, part.end);
    } else {  // one row: split it
      const auto part = share.of(D::d3, lanes);
      run_row<B, D::d3>(slots, 0, 0, 0, 0, part.first, part.end, no_input, no_output);
    }
  }

 private:
  static void rows(const Slot* slots, int sample, int first, int end) {
    for (int row = first; row < end; ++row)
      run_row<B, D::d3>(slots, sample, row / (D::d1 * D::d2), row / D::d2 % D::d1, row % D::d2, 0, D::d3, no_input,
                        no_output);
  }
};

}  // namespace inlay::cpu
