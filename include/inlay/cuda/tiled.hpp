// A contraction kernel with what this folder adds to it: the precision in which it multiplies and the tile of its
// result that a block of threads computes (product.hpp). `Tiled<P, Rows, Columns, Contraction>` is that Contraction and
// these; everything that is written for a contraction takes it as one.
#pragma once

#include <inlay/core/precision.hpp>
#include <inlay/kernel/kernels.hpp>

namespace inlay::cuda {

template <Precision P, int Rows, int Columns, class Contraction>
struct Tiled : Contraction {
  static constexpr Precision precision = P;
  static constexpr int tile_rows = Rows, tile_columns = Columns;
};

/// The oldest GPUs whose tensor cores take a precision, by ten times their compute capability.
constexpr int least_capability(Precision p) { return p == Precision::fp32 ? 0 : p == Precision::fp16 ? 75 : 80; }

}  // namespace inlay::cuda
