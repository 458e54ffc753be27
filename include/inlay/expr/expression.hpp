// Tensor expressions: `relu(matmul(a, w) + b)` on tensors of numbers is a value whose type is the whole formula. Its
// leaves point at tensors or hold run-time numbers; its nodes name operations of graph/symbol.hpp. Called with
// symbolic tensors, the type leaves a Graph behind, so what an operation means is written once for layers and
// expressions, and an assignment is a Program like a network is.
//
// An expression holds no elements: the tensors in it must live, unmoved, until it is assigned.
#pragma once

#include <inlay/graph/symbol.hpp>
#include <tuple>
#include <type_traits>
#include <utility>

namespace inlay {

namespace expr {

/// A tensor of shared (not batched) elements.
template <class T, int... Extents>
struct Leaf {
  using Result = Symbol<element_of<T>, false, Extents...>;
  static constexpr int leaf_count = 1;

  const T* data;

  static constexpr Result trace(Tracer& t) {
    return {&t, build::input(t.graph, shape_of(Extents...), element_of<T>, false)};
  }
  /// Calls f(leaf, its number) for every leaf, in the order in which `trace` makes inputs.
  template <class F>
  void visit(F& f, int& number) const {
    f(*this, number++);
  }
};

/// A number known at run time only.
struct Scalar {
  using Result = Symbol<Element::f32, false>;
  static constexpr int leaf_count = 1;

  float value;

  static constexpr Result trace(Tracer& t) { return {&t, build::input(t.graph, Shape{}, Element::f32, false)}; }
  template <class F>
  void visit(F& f, int& number) const {
    f(*this, number++);
  }
};

/// `Operation::call` of operands. `Result_` is the symbolic tensor that it gives.
template <class Operation, class Result_, class... Operands>
struct Expression {
  using Result = Result_;
  static constexpr int leaf_count = (0 + ... + Operands::leaf_count);

  std::tuple<Operands...> operands;

  static constexpr Result trace(Tracer& t) {
    const std::tuple<typename Operands::Result...> symbols{Operands::trace(t)...};  // braces: left to right
    return std::apply([](auto... symbol) { return Operation::call(symbol...); }, symbols);
  }
  template <class F>
  void visit(F& f, int& number) const {
    std::apply([&](const Operands&... operand) { (operand.visit(f, number), ...); }, operands);
  }
};

template <class T>
inline constexpr bool is_node = false;
template <class T, int... Extents>
inline constexpr bool is_node<Leaf<T, Extents...>> = true;
template <class Operation, class Result, class... Operands>
inline constexpr bool is_node<Expression<Operation, Result, Operands...>> = true;

/// A formula or a leaf.
template <class T>
concept Node = is_node<std::remove_cvref_t<T>>;

/// A tensor type: has leaf(), which points at its elements.
template <class T>
concept HasLeaf = requires(const std::remove_cvref_t<T>& t) {
  { t.leaf() } -> Node;
};

/// What operations take: formulas and tensors.
template <class T>
concept Operand = Node<T> || HasLeaf<T>;

/// Operands with at least one tensor or formula among them; the others are numbers.
template <class... Ts>
concept Operands = (false || ... || Operand<Ts>)&&(true && ... && (Operand<Ts> || Number<std::remove_cvref_t<Ts>>));

/// The node that stands for an operand.
template <class T>
constexpr auto node(T&& operand) {
  if constexpr (HasLeaf<T>) {
    static_assert(std::is_lvalue_reference_v<T> || std::remove_cvref_t<T>::is_view,
                  "an expression only points at its tensors: give this tensor a name");
    return operand.leaf();
  } else if constexpr (Node<T>) {
    return operand;
  } else {
    return Scalar{static_cast<float>(operand)};
  }
}

template <class T>
using node_t = decltype(node(std::declval<T>()));
/// The symbolic tensor (with the shape) of an operand.
template <class T>
using result_t = typename node_t<T>::Result;

/// The formula that applies `Operation` to operands.
template <class Operation, class... Ts>
constexpr auto apply(Ts&&... operands) {
  using Result = decltype(Operation::call(std::declval<result_t<Ts>>()...));
  return Expression<Operation, Result, node_t<Ts>...>{{node(std::forward<Ts>(operands))...}};
}

}  // namespace expr
}  // namespace inlay
