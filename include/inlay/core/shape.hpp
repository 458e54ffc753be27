// The shape of one sample's value: up to four extents, outermost first (H x W x C for images, R x S x C x K
// for convolution weights). The batch is never part of it; a node says whether it has one.
#pragma once

#include <cstdint>

namespace inlay {

inline constexpr int max_rank = 4;

struct Shape {
  int rank = 0;
  int extents[max_rank] = {1, 1, 1, 1};  // ones behind the rank

  /// Number of elements.
  constexpr std::int64_t count() const { return std::int64_t{1} * extents[0] * extents[1] * extents[2] * extents[3]; }

  friend constexpr bool operator==(const Shape& a, const Shape& b) {
    if (a.rank != b.rank) return false;
    for (int i = 0; i < a.rank; ++i)
      if (a.extents[i] != b.extents[i]) return false;
    return true;
  }
};

template <class... Extents>
constexpr Shape shape_of(Extents... extents) {
  static_assert(sizeof...(Extents) <= max_rank, "a shape has at most four extents");
  Shape shape{sizeof...(Extents)};
  int i = 0;
  ((shape.extents[i++] = static_cast<int>(extents)), ...);
  return shape;
}

/// The shape with ones put in front until it has four extents: the coordinates in which kernels count.
constexpr Shape padded(const Shape& shape) {
  Shape result{max_rank, {1, 1, 1, 1}};
  for (int i = 0; i < shape.rank; ++i) result.extents[max_rank - shape.rank + i] = shape.extents[i];
  return result;
}

/// The shape two values broadcast to, aligned at the last extent as in NumPy. `fits` is false where they don't.
struct Broadcast {
  bool fits;
  Shape shape;
};

constexpr Broadcast broadcast(const Shape& a, const Shape& b) {
  Broadcast result{true, {a.rank > b.rank ? a.rank : b.rank, {1, 1, 1, 1}}};
  for (int i = 0; i < result.shape.rank; ++i) {
    int ea = i < a.rank ? a.extents[a.rank - 1 - i] : 1;
    int eb = i < b.rank ? b.extents[b.rank - 1 - i] : 1;
    if (ea != eb && ea != 1 && eb != 1) result.fits = false;
    result.shape.extents[result.shape.rank - 1 - i] = ea > eb ? ea : eb;
  }
  return result;
}

}  // namespace inlay
