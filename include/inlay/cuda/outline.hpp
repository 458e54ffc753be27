// What of a contraction decides sizes, tiles and estimates: all but the programs that its elements go through. Layers
// that differ in those share one outline, and with it every constant that follows. And names stay short: a kernel's has
// thousands of letters, which compilers pay for with each of its members.
#pragma once

#include <inlay/cuda/tiled.hpp>

#include <type_traits>

namespace inlay::cuda {

namespace detail {

/// Does a Body load what lies there and nothing else? If not, how many sums does it accumulate?
template <class Body>
struct BodyOutline {
  static constexpr int sums = kernel::sum_count<Body>;
  using type =
      std::conditional_t<(sums > 0), kernel::Body<kernel::Accumulate<0, sums - 1, false, 1, 0>>, kernel::Body<>>;
};
template <int S, Element E, class I>
struct BodyOutline<kernel::Body<kernel::Load<S, E, I>>> {
  using type = kernel::Body<kernel::Load<0, E, I>>;
};
template <class Body>
using body_outline_t = typename BodyOutline<Body>::type;

}  // namespace detail

/// Of a kernel::Contraction; the outline of an outline is the same.
template <class C>
using contraction_outline_t =
    kernel::Contraction<C::mode, typename C::geometry, C::batched, detail::body_outline_t<typename C::a>,
                        detail::body_outline_t<typename C::b>,
                        kernel::Epilogue<detail::body_outline_t<typename C::epilogue::main>, typename C::epilogue::pool,
                                         detail::body_outline_t<typename C::epilogue::post>>,
                        std::conditional_t<(C::side::size > 0), kernel::Body<kernel::Constant<0>>, kernel::Body<>>>;

/// Of a Tiled one.
template <class C>
using outline_t = Tiled<C::precision, C::tile_rows, C::tile_columns, contraction_outline_t<C>>;

}  // namespace inlay::cuda
