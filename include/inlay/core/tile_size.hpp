// The tile that a block of a GPU's threads computes of a convolution's or a matrix product's result, as an argument of
// `compile`.
#pragma once

#include <inlay/core/numerics.hpp>

namespace inlay {

/// Rows and columns of the result, seen as the matrix that cuda/product.hpp describes: 64, 128 or 256 rows and 16, 32,
/// 64 or 128 columns, at most 128 x 128 elements. 0: what is estimated to be fastest (cuda/tile_choice.hpp). Weight
/// gradients in fp32 have 128 rows at most; those that sum all taps of a window at once have tiles of their own.
struct TileSize {
  int rows = 0, columns = 0;

  constexpr bool is_possible() const {
    const bool rows_fit = rows == 0 || rows == 64 || rows == 128 || rows == 256;
    const bool columns_fit = columns == 0 || columns == 16 || columns == 32 || columns == 64 || columns == 128;
    return rows_fit && columns_fit && rows * columns <= 128 * 128;
  }
};

namespace detail {

template <>
inline constexpr bool is_compile_policy<TileSize> = true;

}  // namespace detail
}  // namespace inlay
