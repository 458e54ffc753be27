// Which axes of two shapes belong together when the shapes differ by axes of extent one only: how a value of one
// shape is addressed by the coordinates of another.
#pragma once

#include <inlay/core/shape.hpp>

namespace inlay::detail {

/// Matches the axes of two shapes that differ by ones only, from the last. -1: no partner (extent 1).
struct AxisMatch {
  bool fits = true;
  int partner[max_rank] = {-1, -1, -1, -1};  // axis of `domain` (four extents) for each axis of `shape`
};

constexpr AxisMatch match_axes(const Shape& shape, const Shape& domain) {
  AxisMatch match;
  int j = max_rank - 1;
  for (int i = shape.rank - 1; i >= 0; --i) {
    if (shape.extents[i] == 1) continue;
    while (j >= 0 && domain.extents[j] == 1) --j;
    if (j < 0 || domain.extents[j] != shape.extents[i]) {
      match.fits = false;
      return match;
    }
    match.partner[i] = j--;
  }
  while (j >= 0 && domain.extents[j] == 1) --j;
  match.fits = j < 0;
  return match;
}

constexpr void contiguous_strides(const Shape& shape, int (&strides)[max_rank]) {
  int stride = 1;
  for (int i = shape.rank - 1; i >= 0; --i) {
    strides[i] = stride;
    stride *= shape.extents[i];
  }
}

}  // namespace inlay::detail
