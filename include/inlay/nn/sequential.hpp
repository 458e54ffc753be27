// Sequential: layers one after another. The first is an Input where the network begins; a Sequential without one
// is a layer like any other. Parameters are named by their layer's place: "2.conv2d.kernel".
#pragma once

#include <inlay/nn/layer.hpp>

#include <utility>

namespace inlay::nn {

namespace detail {

/// A layer and its index, so that a fold over layers can apply them in turn (no recursion over the pack).
template <class Layer, int Index>
struct Placed {};

template <class X, class Visitor>
struct Flow {
  X x;
  Visitor& visitor;
};

template <class Layer>
concept InputLayer = requires(Tracer& tracer) {
  Layer::input(tracer);
};

template <class X, class Visitor, class Layer, int Index>
constexpr auto operator|(Flow<X, Visitor> flow, Placed<Layer, Index>) {
  if constexpr (InputLayer<Layer>) {
    flow.visitor.template layer<Layer>(flow.x, 0);
    return flow;
  } else {
    using Position = typename error::PositionOf<Index>::type;
    if constexpr (requires { Layer::template check<X, Position>(); }) Layer::template check<X, Position>();
    const int before = flow.x.tracer->graph.parameters.size;
    Scope scope(*flow.x.tracer, Index);
    auto y = Layer::call(flow.x);
    flow.visitor.template layer<Layer>(y, before);
    return Flow<decltype(y), Visitor>{y, flow.visitor};
  }
}

struct NoVisitor {
  template <class Layer, class X>
  constexpr void layer(X, int) {}
};

template <class First, class...>
struct FirstOf {
  using type = First;
};

}  // namespace detail

template <class... Layers>
struct Sequential {
  static constexpr const char* name = "sequential";
  static constexpr int size = sizeof...(Layers);

  static constexpr auto input(Tracer& tracer) requires detail::InputLayer<typename detail::FirstOf<Layers...>::type> {
    return detail::FirstOf<Layers...>::type::input(tracer);
  }

  static constexpr auto call(SymbolicTensor auto x) {
    detail::NoVisitor none;
    return visit(x, none);
  }

  /// Calls visitor.layer<Layer>(output symbol, number of parameters before it) for each layer in turn.
  template <SymbolicTensor X, class Visitor>
  static constexpr auto visit(X x, Visitor& visitor) {
    return apply(x, visitor, std::make_integer_sequence<int, sizeof...(Layers)>{});
  }

 private:
  template <class X, class Visitor, int... I>
  static constexpr auto apply(X x, Visitor& visitor, std::integer_sequence<int, I...>) {
    return (detail::Flow<X, Visitor>{x, visitor} | ... | detail::Placed<Layers, I>{}).x;
  }
};

}  // namespace inlay::nn
