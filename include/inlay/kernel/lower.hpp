// Turns each launch of a Program's plan into a kernel type. This is where values become types, once, at the end:
// the result's template arguments are integers, enumerations and Bodies, with slots and registers numbered from
// zero in each launch, so equal layers give equal types.
#pragma once

#include <inlay/graph/program.hpp>
#include <inlay/kernel/kernels.hpp>

#include <utility>

namespace inlay::kernel {

namespace detail {

template <class P, int First, int Count, int I>
consteval auto lower_step() {
  constexpr Step s = P::template steps<First, Count>.data[I];
  using Index = Strides<s.sample_stride, s.strides[0], s.strides[1], s.strides[2], s.strides[3], s.gathered>;
  using Pooled = Strides<s.pooled_sample_stride, s.pooled_strides[0], s.pooled_strides[1], s.pooled_strides[2],
                         s.pooled_strides[3]>;
  using Pool = MaxPool<s.window.height, s.window.width, s.window.stride_h, s.window.stride_w, s.window.pad_top,
                       s.window.pad_left, s.rows, s.columns>;
  if constexpr (s.kind == StepKind::load) return Load<s.slot, s.element, Index>{};
  else if constexpr (s.kind == StepKind::store) return Store<s.slot, s.element, Index, s.registers[0]>{};
  else if constexpr (s.kind == StepKind::constant) return Constant<__builtin_bit_cast(std::uint32_t, s.value)>{};
  else if constexpr (s.kind == StepKind::iota) return Iota<s.which>{};
  else if constexpr (s.kind == StepKind::result) return Result<s.which>{};
  else if constexpr (s.kind == StepKind::scatter)
    return Scatter<s.slot, s.element, s.index_slot, s.index_element, Pool, Index>{};
  else if constexpr (s.kind == StepKind::gather)
    return Gather<s.slot, s.element, s.index_slot, s.index_element, Pool, Index, Pooled>{};
  else if constexpr (s.kind == StepKind::random)
    return Random<s.which, static_cast<int>(s.value), Index, s.registers[0], s.registers[1]>{};
  else if constexpr (s.kind == StepKind::lookup)
    return Lookup<s.slot, s.element, s.rows, s.columns, Index, s.registers[0], s.registers[1]>{};
  else if constexpr (s.kind == StepKind::channels) return Channels<s.slot, s.element, s.which, s.channels, Index>{};
  else if constexpr (s.kind == StepKind::accumulate)
    return Accumulate<s.slot, s.which, s.reduce != ReduceOp::sum, s.channels, s.registers[0]>{};
  else if constexpr (s.kind == StepKind::total) return Total<s.slot, s.which, s.reduce, s.channels>{};
  else if constexpr (arity(s.map) == 1) return Apply<s.map, s.registers[0]>{};
  else if constexpr (arity(s.map) == 2) return Apply<s.map, s.registers[0], s.registers[1]>{};
  else return Apply<s.map, s.registers[0], s.registers[1], s.registers[2]>{};
}

template <class P, int First, class I>
struct LowerBody;
template <class P, int First, int... I>
struct LowerBody<P, First, std::integer_sequence<int, I...>> {
  using type = Body<decltype(lower_step<P, First, sizeof...(I), I>())...>;
};
template <class P, int First, int Count>
using body_t = typename LowerBody<P, First, std::make_integer_sequence<int, Count>>::type;

template <class P, int S>
consteval auto lower_stage() {
  constexpr Stage s = P::stages.data[S];
  constexpr Node n = P::roots.data[S];
  using A = body_t<P, s.a.first, s.a.count>;
  using B = body_t<P, s.b.first, s.b.count>;
  using Main = body_t<P, s.main.first, s.main.count>;
  using Post = body_t<P, s.post.first, s.post.count>;
  using Side = body_t<P, s.side.first, s.side.count>;
  using Domain = Extents<s.domain.extents[0], s.domain.extents[1], s.domain.extents[2], s.domain.extents[3]>;
  constexpr bool tiles = s.pool.tiles(s.domain.extents[1], s.domain.extents[2]);
  using Pool = MaxPool<s.pool.height, s.pool.width, s.pool.stride_h, s.pool.stride_w, s.pool.pad_top, s.pool.pad_left,
                       tiles ? 0 : s.pooled.extents[1], tiles ? 0 : s.pooled.extents[2]>;
  if constexpr (s.kind == StageKind::contraction) {
    constexpr Shape x = n.mode == Mode::data_gradient ? s.domain : s.input;
    constexpr Shape y = n.mode == Mode::forward ? s.domain : n.mode == Mode::data_gradient ? s.input : s.second;
    constexpr Window w = n.window;
    using G = Geometry<x.extents[1], x.extents[2], x.extents[3], y.extents[1], y.extents[2], y.extents[3], w.height,
                       w.width, w.stride_h, w.stride_w, w.pad_top, w.pad_left, w.dilation_h, w.dilation_w, w.groups>;
    if constexpr (s.pooled.rank > 0) return Contraction<n.mode, G, s.batched, A, B, Epilogue<Main, Pool, Post>, Side>{};
    else return Contraction<n.mode, G, s.batched, A, B, Epilogue<Main>, Side>{};
  } else if constexpr (s.kind == StageKind::elementwise) {
    return Elementwise<Domain, s.batched, Main, Side>{};
  } else if constexpr (s.kind == StageKind::reduction) {
    using In = Extents<s.input.extents[0], s.input.extents[1], s.input.extents[2], s.input.extents[3]>;
    return Reduction<n.reduce, In, s.axes, s.batched, n.over_batch, A, Main>{};
  } else {
    return Pooling<Domain, s.batched, Pool, A, Post, Side>{};
  }
}

template <class P, int First, class I>
struct LowerGroup;
template <class P, int First, int... I>
struct LowerGroup<P, First, std::integer_sequence<int, I...>> {
  using type = Group<decltype(lower_stage<P, First + I>())...>;
};

template <class P, int L>
struct LowerLaunch {
  static constexpr Range stages = P::launches.data[L].stages;
  using type = typename LowerGroup<P, stages.first, std::make_integer_sequence<int, stages.count>>::type;
};
template <class P, int L>
requires(P::launches.data[L].stages.count == 1) struct LowerLaunch<P, L> {
  using type = decltype(lower_stage<P, P::launches.data[L].stages.first>());
};

}  // namespace detail

/// The kernel type of launch L of a Program.
template <class P, int L>
using lowered_t = typename detail::LowerLaunch<P, L>::type;

}  // namespace inlay::kernel
