// The operations of tensor expressions: for each function of symbolic tensors, the function of the same name that
// builds a formula. `operation::` says which is which; the meaning is the Symbol function's.
#pragma once

#include <inlay/expr/expression.hpp>

namespace inlay {

namespace expr::operation {

// clang-format off
struct Negate { static constexpr auto call(auto x) { return -x; } };
struct Add { static constexpr auto call(auto a, auto b) { return a + b; } };
struct Subtract { static constexpr auto call(auto a, auto b) { return a - b; } };
struct Multiply { static constexpr auto call(auto a, auto b) { return a * b; } };
struct Divide { static constexpr auto call(auto a, auto b) { return a / b; } };
struct Maximum { static constexpr auto call(auto a, auto b) { return maximum(a, b); } };
struct Minimum { static constexpr auto call(auto a, auto b) { return minimum(a, b); } };
struct Equal { static constexpr auto call(auto a, auto b) { return equal(a, b); } };
struct Greater { static constexpr auto call(auto a, auto b) { return greater(a, b); } };
struct Select { static constexpr auto call(auto c, auto a, auto b) { return select(c, a, b); } };
struct Exp { static constexpr auto call(auto x) { return exp(x); } };
struct Log { static constexpr auto call(auto x) { return log(x); } };
struct Sqrt { static constexpr auto call(auto x) { return sqrt(x); } };
struct Tanh { static constexpr auto call(auto x) { return tanh(x); } };
struct Erf { static constexpr auto call(auto x) { return erf(x); } };
struct Abs { static constexpr auto call(auto x) { return abs(x); } };
struct StopGradient { static constexpr auto call(auto x) { return stop_gradient(x); } };
struct Square { static constexpr auto call(auto x) { return square(x); } };
struct Relu { static constexpr auto call(auto x) { return relu(x); } };
struct Sigmoid { static constexpr auto call(auto x) { return sigmoid(x); } };
struct Flatten { static constexpr auto call(auto x) { return flatten(x); } };
struct Transpose { static constexpr auto call(auto x) { return transpose(x); } };
struct Matmul { static constexpr auto call(auto a, auto b) { return matmul(a, b); } };
template <int... Extents> struct Reshape { static constexpr auto call(auto x) { return reshape<Extents...>(x); } };
template <int... Axes> struct Sum { static constexpr auto call(auto x) { return sum<Axes...>(x); } };
template <int... Axes> struct Mean { static constexpr auto call(auto x) { return mean<Axes...>(x); } };
template <int... Axes> struct Max { static constexpr auto call(auto x) { return max<Axes...>(x); } };
template <int... Axes> struct Argmax { static constexpr auto call(auto x) { return argmax<Axes...>(x); } };
template <int Height, int Width> struct MaxPool {
  static constexpr auto call(auto x) { return max_pool<Height, Width>(x); }
};
template <int PadTop, int PadLeft, int PadBottom, int PadRight, int StrideH, int StrideW, int Groups> struct Conv2D {
  static constexpr auto call(auto x, auto w) {
    return conv2d<PadTop, PadLeft, PadBottom, PadRight, StrideH, StrideW, Groups>(x, w);
  }
};
// clang-format on

}  // namespace expr::operation

// Arithmetic; operands broadcast by shape, aligned at the last axis. Numbers are read when the formula is assigned.
template <expr::Operand X>
constexpr auto operator-(X&& x) {
  return expr::apply<expr::operation::Negate>(std::forward<X>(x));
}
template <class A, class B>
requires expr::Operands<A, B>
constexpr auto operator+(A&& a, B&& b) {
  return expr::apply<expr::operation::Add>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
requires expr::Operands<A, B>
constexpr auto operator-(A&& a, B&& b) {
  return expr::apply<expr::operation::Subtract>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
requires expr::Operands<A, B>
constexpr auto operator*(A&& a, B&& b) {
  return expr::apply<expr::operation::Multiply>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
requires expr::Operands<A, B>
constexpr auto operator/(A&& a, B&& b) {
  return expr::apply<expr::operation::Divide>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
requires expr::Operands<A, B>
constexpr auto maximum(A&& a, B&& b) {
  return expr::apply<expr::operation::Maximum>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
requires expr::Operands<A, B>
constexpr auto minimum(A&& a, B&& b) {
  return expr::apply<expr::operation::Minimum>(std::forward<A>(a), std::forward<B>(b));
}
/// 1 where a equals b, else 0.
template <class A, class B>
requires expr::Operands<A, B>
constexpr auto equal(A&& a, B&& b) {
  return expr::apply<expr::operation::Equal>(std::forward<A>(a), std::forward<B>(b));
}
/// 1 where a > b, else 0.
template <class A, class B>
requires expr::Operands<A, B>
constexpr auto greater(A&& a, B&& b) {
  return expr::apply<expr::operation::Greater>(std::forward<A>(a), std::forward<B>(b));
}
/// a where `condition` is not 0, else b.
template <class C, class A, class B>
requires expr::Operands<C, A, B>
constexpr auto select(C&& condition, A&& a, B&& b) {
  return expr::apply<expr::operation::Select>(std::forward<C>(condition), std::forward<A>(a), std::forward<B>(b));
}

// Elementwise functions.
template <expr::Operand X>
constexpr auto exp(X&& x) {
  return expr::apply<expr::operation::Exp>(std::forward<X>(x));
}
template <expr::Operand X>
constexpr auto log(X&& x) {
  return expr::apply<expr::operation::Log>(std::forward<X>(x));
}
template <expr::Operand X>
constexpr auto sqrt(X&& x) {
  return expr::apply<expr::operation::Sqrt>(std::forward<X>(x));
}
template <expr::Operand X>
constexpr auto tanh(X&& x) {
  return expr::apply<expr::operation::Tanh>(std::forward<X>(x));
}
template <expr::Operand X>
constexpr auto erf(X&& x) {
  return expr::apply<expr::operation::Erf>(std::forward<X>(x));
}
template <expr::Operand X>
constexpr auto abs(X&& x) {
  return expr::apply<expr::operation::Abs>(std::forward<X>(x));
}
/// x, as a constant to differentiation.
template <expr::Operand X>
constexpr auto stop_gradient(X&& x) {
  return expr::apply<expr::operation::StopGradient>(std::forward<X>(x));
}
template <expr::Operand X>
constexpr auto square(X&& x) {
  return expr::apply<expr::operation::Square>(std::forward<X>(x));
}
template <expr::Operand X>
constexpr auto relu(X&& x) {
  return expr::apply<expr::operation::Relu>(std::forward<X>(x));
}
template <expr::Operand X>
constexpr auto sigmoid(X&& x) {
  return expr::apply<expr::operation::Sigmoid>(std::forward<X>(x));
}

// Views.
template <int... Extents, expr::Operand X>
constexpr auto reshape(X&& x) {
  return expr::apply<expr::operation::Reshape<Extents...>>(std::forward<X>(x));
}
template <expr::Operand X>
constexpr auto flatten(X&& x) {
  return expr::apply<expr::operation::Flatten>(std::forward<X>(x));
}
/// The matrix with rows and columns exchanged.
template <expr::Operand X>
constexpr auto transpose(X&& x) {
  return expr::apply<expr::operation::Transpose>(std::forward<X>(x));
}

// Reductions over the named axes (all if none is named; negative ones count from the last). They keep extent 1.
template <int... Axes, expr::Operand X>
constexpr auto sum(X&& x) {
  return expr::apply<expr::operation::Sum<Axes...>>(std::forward<X>(x));
}
template <int... Axes, expr::Operand X>
constexpr auto mean(X&& x) {
  return expr::apply<expr::operation::Mean<Axes...>>(std::forward<X>(x));
}
template <int... Axes, expr::Operand X>
constexpr auto max(X&& x) {
  return expr::apply<expr::operation::Max<Axes...>>(std::forward<X>(x));
}
template <int... Axes, expr::Operand X>
constexpr auto argmax(X&& x) {
  return expr::apply<expr::operation::Argmax<Axes...>>(std::forward<X>(x));
}

// Contractions and pooling.
/// (K) or (M x K) times (K x N).
template <expr::Operand A, expr::Operand B>
constexpr auto matmul(A&& a, B&& b) {
  return expr::apply<expr::operation::Matmul>(std::forward<A>(a), std::forward<B>(b));
}
/// x (H x W x C) convolved with w (R x S x C/groups x K).
template <int PadTop = 0, int PadLeft = 0, int PadBottom = PadTop, int PadRight = PadLeft, int StrideH = 1,
          int StrideW = StrideH, int Groups = 1, expr::Operand X, expr::Operand W>
constexpr auto conv2d(X&& x, W&& w) {
  return expr::apply<expr::operation::Conv2D<PadTop, PadLeft, PadBottom, PadRight, StrideH, StrideW, Groups>>(
      std::forward<X>(x), std::forward<W>(w));
}
/// Maxima over windows that tile x (H x W x C).
template <int Height, int Width = Height, expr::Operand X>
constexpr auto max_pool(X&& x) {
  return expr::apply<expr::operation::MaxPool<Height, Width>>(std::forward<X>(x));
}

}  // namespace inlay
