// Gradients of a formula: forward and backward in one program.
//
//   auto loss = mean(square(relu(matmul(a, w) + b) - target));
//   auto [dw, db] = gradients(loss, wrt(w, b));
//
// A formula's type knows the shapes of its leaves, not which tensor each one is: that is an address, known when the
// program runs. So the program computes the gradient of every leaf whose type equals one of wrt's, and the run sums
// those whose address is the tensor's. Leaves of the same type that nobody asked for cost time, nothing else.
#pragma once

#include <inlay/expr/tensor.hpp>
#include <inlay/graph/gradient.hpp>
#include <tuple>
#include <vector>

namespace inlay {

namespace expr {

/// The tensors to differentiate by.
template <class... Leaves>
struct Wrt {
  std::tuple<Leaves...> leaves;
};

namespace detail {

template <class E, class... Leaves>
struct GradientSource {
  static constexpr Graph make() {
    Tracer tracer;
    Graph& g = tracer.graph;
    const int loss = E::trace(tracer).node;
    List<int> nodes;
    for (int i = 0; i < g.nodes.size; ++i)
      if (g.nodes.data[i].op == Op::input && wanted(g.nodes.data[i])) nodes.push(i);
    const List<int> gradients = gradient(g, loss, nodes);
    for (int node : gradients) add_output(g, node);
    return g;
  }
  /// Is this input of the type of one of wrt's tensors?
  static constexpr bool wanted(const inlay::Node& n) {
    return n.element == Element::f32 && (false || ... || (n.shape == Leaves::Result::shape));
  }
};

}  // namespace detail
}  // namespace expr

/// Names the tensors for `gradients`.
template <class... Tensors>
auto wrt(const Tensors&... tensors) {
  return expr::Wrt<decltype(tensors.leaf())...>{{tensors.leaf()...}};
}

namespace expr::detail {

/// The tensor in which the gradient of a leaf is handed back.
template <class L>
struct GradientOf;
template <int... Extents>
struct GradientOf<Leaf<float, Extents...>> {
  using type = Tensor<float, Extents...>;
};

/// Adds up what belongs to one tensor.
template <class L>
typename GradientOf<L>::type collect(const L& of, const void* const* leaves, float* const* gradients, int count) {
  typename GradientOf<L>::type result;
  for (int i = 0; i < count; ++i)
    if (leaves[i] == of.data)
      for (int k = 0; k < result.size(); ++k) result.data()[k] += gradients[i][k];
  return result;
}

}  // namespace expr::detail

/// d(loss)/d(tensor) for each tensor of `wrt`, as a tuple of Tensors of the same shapes. `loss` has one element. A
/// tensor that isn't in the formula has gradient zero.
template <expr::Node E, class... Leaves>
auto gradients(const E& loss, const expr::Wrt<Leaves...>& wrt) {
  static_assert(E::Result::size() == 1, "gradients() takes a formula of one element: sum or average it");
  using Source = expr::detail::GradientSource<E, Leaves...>;
  using P = Program<Source>;
  const expr::detail::Leaves<E> leaves = expr::detail::leaves_of(loss);
  std::vector<std::vector<float>> memory;
  memory.reserve(P::graph.outputs.size);
  const void* owners[P::graph.outputs.size + 1];
  float* results[P::graph.outputs.size + 1];
  int count = 0;
  for (const inlay::Node& n : P::graph.nodes) {
    if (n.op != Op::input || !Source::wanted(n)) continue;
    memory.emplace_back(static_cast<std::size_t>(n.shape.count()));
    owners[count] = leaves.data[n.index];
    results[count++] = memory.back().data();
  }
  expr::run<P>(leaves.data, results);
  return std::apply(
      [&](const Leaves&... leaf) {
        return std::tuple<typename expr::detail::GradientOf<Leaves>::type...>{
            expr::detail::collect(leaf, owners, results, count)...};
      },
      wrt.leaves);
}

}  // namespace inlay
