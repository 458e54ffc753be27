// Kernel types: what `lower` makes of each fused stage and what the executors implement. Template arguments
// are integers, enumerations and Bodies only, so equal layers give equal types and one compiled kernel.
//
// An executor binds each kernel's arguments by slot number. A slot that is stored per sample points at the
// first sample of the call; a shared one at its only copy. `samples` is 1 where nothing is batched.
#pragma once

#include <inlay/kernel/body.hpp>

#include <cstdint>

namespace inlay::kernel {

/// The four extents of a domain (padded in front with ones).
template <int D0, int D1, int D2, int D3>
struct Extents {
  static constexpr int d0 = D0, d1 = D1, d2 = D2, d3 = D3;
  static constexpr std::int64_t count = std::int64_t{1} * D0 * D1 * D2 * D3;
};

/// Sizes of a window contraction: x is H x W x C, w is R x S x C/Groups x K, y is P x Q x K.
/// A dense layer has H = W = P = Q = R = S = 1; a matrix product of M rows has H = 1, W = M.
template <int H_, int W_, int C_, int P_, int Q_, int K_, int R_, int S_, int StrideH, int StrideW, int PadTop,
          int PadLeft, int DilationH, int DilationW, int Groups>
struct Geometry {
  static constexpr int H = H_, W = W_, C = C_, P = P_, Q = Q_, K = K_, R = R_, S = S_;
  static constexpr int stride_h = StrideH, stride_w = StrideW, pad_top = PadTop, pad_left = PadLeft;
  static constexpr int dilation_h = DilationH, dilation_w = DilationW, groups = Groups;
};

/// No pooling in the epilogue.
using NoPool = MaxPool<1, 1>;

/// What happens to the computed elements. `Main` runs at each output coordinate (Result<0> = the sum); its last
/// register is what `Pool`, which tiles the output, reduces; `Post` runs at each pooled coordinate (Result<0> =
/// maximum, Result<1> = index). Where two elements are equal the first in row-major order wins. `Post` is an empty Body
/// without pooling.
template <class Main, class Pool = NoPool, class Post = Body<>>
struct Epilogue {
  using main = Main;
  using pool = Pool;
  using post = Post;
};

/// conv2d, matmul and their gradients (see inlay::Mode for the three forms).
///   forward:          A(h,w,c) = x,   B(r,s,c,k) = w (always a plain load),  result(p,q,k)
///   data_gradient:    A(p,q,k) = dy,  B(r,s,c,k) = w (always a plain load),  result(h,w,c)
///   weight_gradient:  A(h,w,c) = x,   B(p,q,k) = dy,                          result(r,s,c,k), summed over samples
/// `A` and `B` are prologue Bodies on the operand's own coordinates (0, h, w, c); padding is zero and outside of A.
/// `Side` runs once for each channel, with coordinates (0,0,0,channel), after everything else: for weight_gradient with
/// Result<0> = the sum of B over samples and pixels (the bias gradient), otherwise with the Totals of what Main and
/// Post accumulated. It is empty where nothing is summed.
template <Mode M, class G, bool Batched, class A, class B, class E, class Side = Body<>>
struct Contraction {
  static constexpr Mode mode = M;
  static constexpr bool batched = Batched;
  using geometry = G;
  using a = A;
  using b = B;
  using epilogue = E;
  using side = Side;
};

/// Runs a Body at every coordinate of the domain, for every sample if batched, then Side (see Contraction).
template <class Domain, bool Batched, class B, class Side = Body<>>
struct Elementwise {
  static constexpr bool batched = Batched;
  using domain = Domain;
  using body = B;
  using side = Side;
};

/// Reduces `Prologue` over the axes whose bit is set (bit i: coordinate i) and, with OverBatch, over the samples;
/// then runs `Post` at the remaining coordinates (Result<0> = the reduced value; reduced coordinates are 0).
/// argmax gives the position in row-major order over the reduced axes; the first of equals wins.
template <ReduceOp Op, class Domain, int Axes, bool Batched, bool OverBatch, class Prologue, class Post>
struct Reduction {
  static constexpr ReduceOp op = Op;
  static constexpr int axes = Axes;
  static constexpr bool batched = Batched, over_batch = OverBatch;
  using domain = Domain;
  using prologue = Prologue;
  using post = Post;
};

/// Max pooling as a stage of its own: `Prologue` on the unpooled domain, `Post` on the pooled one, then Side (see
/// Contraction).
template <class Domain, bool Batched, class Pool_, class Prologue, class Post, class Side = Body<>>
struct Pooling {
  using side = Side;
  static constexpr bool batched = Batched;
  using domain = Domain;
  using pool = Pool_;
  using prologue = Prologue;
  using post = Post;
};

/// Small kernels that run one after another for each sample (Elementwise and per-sample Reduction only), reading
/// what the earlier ones of the same sample stored. They share one table of slots.
template <class... Kernels>
struct Group {};

}  // namespace inlay::kernel
