// What a user may ask of a GPU's contractions. Needs no CUDA, so that a program compiles without, too.
#pragma once

#include <inlay/core/precision.hpp>
#include <inlay/core/tile_size.hpp>

namespace inlay::cuda {

/// A Precision alone is a Policy.
struct Policy {
  Precision precision;
  TileSize tile;

  constexpr Policy(Precision p = Precision::fp32, TileSize t = {}) : precision(p), tile(t) {}
  constexpr operator Precision() const { return precision; }
};

}  // namespace inlay::cuda
