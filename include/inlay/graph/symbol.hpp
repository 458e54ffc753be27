// Symbolic tensors: what a layer's `call` receives. The type carries the shape, so that a wrong shape is a compile
// error at the user's line; the value names a node of the graph being traced. Every function here adds nodes, and
// whatever is written with them is differentiated, fused and compiled like the built-in layers.
//
//   static constexpr auto call(auto x) { return x * sigmoid(x); }   // swish, as a layer of one's own
#pragma once

#include <inlay/graph/build.hpp>

#include <type_traits>
#include <utility>

namespace inlay {

/// The graph under construction, and the path that prefixes the names of new parameters.
struct Tracer {
  Graph graph;
  Name scope;
  bool training = false;          // layers that differ between training and inference ask
  List<Output> updates;           // next values of parameters that layers keep themselves, in training
  List<int> penalties;            // numbers that the loss gains
  int random_keys[2] = {-1, -1};  // inputs, if there are random numbers
  int random_count = 0;           // of random nodes
};

/// A symbolic tensor of one sample (Batched) or one shared by all, with its extents outermost first.
template <Element E, bool Batched, int... Extents>
struct Symbol {
  Tracer* tracer;
  int node;

  static constexpr Element element = E;
  static constexpr bool batched = Batched;
  static constexpr int rank = sizeof...(Extents);
  static constexpr Shape shape = shape_of(Extents...);

  static constexpr int size() { return static_cast<int>(shape.count()); }
  static constexpr int height() { return shape.extents[0]; }
  static constexpr int width() { return shape.extents[1]; }
  /// The last extent.
  static constexpr int channels() { return shape.extents[rank - 1]; }
};

template <class T>
inline constexpr bool is_symbol = false;
template <Element E, bool Batched, int... Extents>
inline constexpr bool is_symbol<Symbol<E, Batched, Extents...>> = true;

template <class T>
concept SymbolicTensor = is_symbol<std::remove_cvref_t<T>>;

/// What elementwise functions take beside symbolic tensors.
template <class T>
concept Number = std::is_arithmetic_v<T>;

/// Compile errors that need the shapes in their first line are the use of an undefined type named after them.
namespace error {
template <int... Extents>
struct got;
template <class A, class B>
struct shapes_do_not_broadcast;
template <class A, class B>
struct matmul_needs_inner_extents_that_agree;
template <class From, class To>
struct reshape_must_keep_the_number_of_elements;
template <class Image, class Weights>
struct conv2d_needs_an_image_and_weights_with_as_many_input_channels;
template <class Image, class Weights>
struct window_does_not_fit_into_the_image;

template <class S>
struct GotOf;
template <Element E, bool Batched, int... Extents>
struct GotOf<Symbol<E, Batched, Extents...>> {
  using type = got<Extents...>;
};
/// The extents of a symbolic tensor, for messages.
template <class S>
using got_t = typename GotOf<S>::type;

/// Fails to compile, naming `Message`, unless the condition holds.
template <bool Holds, class Message>
consteval void require() {
  if constexpr (!Holds) static_cast<void>(sizeof(Message));
}
}  // namespace error

namespace detail {

template <Element E, bool Batched, class S, class I>
struct SymbolOf;
template <Element E, bool Batched, class S, int... I>
struct SymbolOf<E, Batched, S, std::integer_sequence<int, I...>> {
  using type = Symbol<E, Batched, S::value.extents[I]...>;
};

}  // namespace detail

/// The symbolic tensor type whose shape is `S::value`.
template <Element E, bool Batched, class S>
using symbol_t = typename detail::SymbolOf<E, Batched, S, std::make_integer_sequence<int, S::value.rank>>::type;

namespace detail {

template <class A, class B>
struct BroadcastShape {
  static constexpr Broadcast both = broadcast(A::shape, B::shape);
  static constexpr Shape value = both.shape;
};

template <class A>
constexpr auto apply(MapOp op, A a) {
  return symbol_t<Element::f32, A::batched, BroadcastShape<A, A>>{a.tracer, build::map(a.tracer->graph, op, a.node)};
}
template <class A, class B>
constexpr auto apply(MapOp op, A a, B b) {
  using S = BroadcastShape<A, B>;
  error::require<S::both.fits, error::shapes_do_not_broadcast<error::got_t<A>, error::got_t<B>>>();
  return symbol_t < Element::f32, A::batched || B::batched,
         S > {a.tracer, build::map(a.tracer->graph, op, a.node, b.node)};
}

/// A number as a symbolic tensor of no axes.
template <SymbolicTensor Like, class T>
constexpr auto symbol(Like like, T value) {
  if constexpr (SymbolicTensor<T>) return value;
  else return Symbol<Element::f32, false>{like.tracer, build::constant(like.tracer->graph, static_cast<float>(value))};
}

template <class A, class B>
constexpr auto binary(MapOp op, A a, B b) {
  if constexpr (SymbolicTensor<A>) return apply(op, a, symbol(a, b));
  else return apply(op, symbol(b, a), b);
}

}  // namespace detail

template <class A, class B>
concept SymbolicPair = (SymbolicTensor<A> && (SymbolicTensor<B> || Number<B>)) || (Number<A> && SymbolicTensor<B>);

// Arithmetic; operands broadcast by shape, aligned at the last axis.
constexpr auto operator-(SymbolicTensor auto a) { return detail::apply(MapOp::negate, a); }
template <class A, class B>
requires SymbolicPair<A, B>
constexpr auto operator+(A a, B b) { return detail::binary(MapOp::add, a, b); }
template <class A, class B>
requires SymbolicPair<A, B>
constexpr auto operator-(A a, B b) { return detail::binary(MapOp::subtract, a, b); }
template <class A, class B>
requires SymbolicPair<A, B>
constexpr auto operator*(A a, B b) { return detail::binary(MapOp::multiply, a, b); }
template <class A, class B>
requires SymbolicPair<A, B>
constexpr auto operator/(A a, B b) { return detail::binary(MapOp::divide, a, b); }
template <class A, class B>
requires SymbolicPair<A, B>
constexpr auto maximum(A a, B b) { return detail::binary(MapOp::maximum, a, b); }
template <class A, class B>
requires SymbolicPair<A, B>
constexpr auto minimum(A a, B b) { return detail::binary(MapOp::minimum, a, b); }
/// 1 where a equals b, else 0.
template <class A, class B>
requires SymbolicPair<A, B>
constexpr auto equal(A a, B b) { return detail::binary(MapOp::equal, a, b); }
/// 1 where a > b, else 0.
template <class A, class B>
requires SymbolicPair<A, B>
constexpr auto greater(A a, B b) { return detail::binary(MapOp::greater, a, b); }
/// a where `condition` is not 0, else b.
template <SymbolicTensor C, class A, class B>
constexpr auto select(C condition, A a, B b) {
  auto x = detail::symbol(condition, a);
  auto y = detail::symbol(condition, b);
  using S = detail::BroadcastShape<decltype(x), decltype(y)>;
  using X = symbol_t<Element::f32, false, S>;
  using T = detail::BroadcastShape<C, X>;
  error::require<S::both.fits && T::both.fits,
                 error::shapes_do_not_broadcast<error::got_t<decltype(x)>, error::got_t<decltype(y)>>>();
  return symbol_t < Element::f32, C::batched || decltype(x)::batched || decltype(y)::batched,
         T > {condition.tracer, build::map(condition.tracer->graph, MapOp::select, condition.node, x.node, y.node)};
}

constexpr auto exp(SymbolicTensor auto x) { return detail::apply(MapOp::exp, x); }
constexpr auto log(SymbolicTensor auto x) { return detail::apply(MapOp::log, x); }
constexpr auto sqrt(SymbolicTensor auto x) { return detail::apply(MapOp::sqrt, x); }
constexpr auto tanh(SymbolicTensor auto x) { return detail::apply(MapOp::tanh, x); }
constexpr auto erf(SymbolicTensor auto x) { return detail::apply(MapOp::erf, x); }
constexpr auto abs(SymbolicTensor auto x) { return detail::apply(MapOp::absolute, x); }
/// x, as a constant to differentiation.
constexpr auto stop_gradient(SymbolicTensor auto x) { return detail::apply(MapOp::stop_gradient, x); }
constexpr auto square(SymbolicTensor auto x) { return x * x; }
constexpr auto relu(SymbolicTensor auto x) { return maximum(x, 0.0f); }
/// 1 / (1 + exp(-x)), by tanh so that nothing overflows.
constexpr auto sigmoid(SymbolicTensor auto x) { return tanh(x * 0.5f) * 0.5f + 0.5f; }

/// The same elements in another shape.
template <int... Extents, SymbolicTensor X>
constexpr auto reshape(X x) {
  constexpr Shape shape = shape_of(Extents...);
  error::require<shape.count() == X::shape.count(),
                 error::reshape_must_keep_the_number_of_elements<error::got_t<X>, error::got<Extents...>>>();
  return Symbol<X::element, X::batched, Extents...>{x.tracer, build::reshape(x.tracer->graph, x.node, shape)};
}
template <SymbolicTensor X>
constexpr auto flatten(X x) {
  return reshape<X::size()>(x);
}

/// The matrix with rows and columns exchanged.
template <Element E, bool Batched, int Rows, int Columns>
constexpr auto transpose(Symbol<E, Batched, Rows, Columns> x) {
  return Symbol<E, Batched, Columns, Rows>{x.tracer, build::transpose(x.tracer->graph, x.node, {1, 0, 2, 3})};
}

namespace detail {

template <class X, int Axes>
struct ReducedShape {
  static constexpr Shape value = [] {
    Shape shape = X::shape;
    for (int i = 0; i < shape.rank; ++i)
      if (Axes >> i & 1) shape.extents[i] = 1;
    return shape;
  }();
};
template <class X, int... Axes>
struct AxisBits {
  static_assert(((Axes >= -X::rank && Axes < X::rank) && ...),
                "the value has no such axis: axes are numbered from 0, or from -1 for the last");
  static constexpr int value =
      sizeof...(Axes) == 0 ? (1 << X::rank) - 1 : (0 | ... | (1 << (Axes < 0 ? X::rank + Axes : Axes)));
};
template <class X, int... Axes>
inline constexpr int axis_bits = AxisBits<X, Axes...>::value;

template <class X, int Axes>
inline constexpr int reduced_count = static_cast<int>(X::shape.count() / ReducedShape<X, Axes>::value.count());

template <int Axes, class X>
constexpr auto reduce(ReduceOp op, X x) {
  return symbol_t<Element::f32, X::batched, ReducedShape<X, Axes>>{x.tracer,
                                                                   build::reduce(x.tracer->graph, op, x.node, Axes)};
}

}  // namespace detail

/// Over the named axes of each sample (all if none is named; negative ones count from the last). They keep extent 1.
template <int... Axes, SymbolicTensor X>
constexpr auto sum(X x) {
  return detail::reduce<detail::axis_bits<X, Axes...>>(ReduceOp::sum, x);
}
template <int... Axes, SymbolicTensor X>
constexpr auto max(X x) {
  return detail::reduce<detail::axis_bits<X, Axes...>>(ReduceOp::max, x);
}
/// The position of the first maximum, counted in row-major order over the named axes.
template <int... Axes, SymbolicTensor X>
constexpr auto argmax(X x) {
  return detail::reduce<detail::axis_bits<X, Axes...>>(ReduceOp::argmax, x);
}
template <int... Axes, SymbolicTensor X>
constexpr auto mean(X x) {
  constexpr int axes = detail::axis_bits<X, Axes...>;
  return detail::reduce<axes>(ReduceOp::sum, x) * (1.0f / detail::reduced_count<X, axes>);
}
/// H x W x C to C.
template <Element E, bool Batched, int H, int W, int C>
constexpr auto mean_over_pixels(Symbol<E, Batched, H, W, C> x) {
  return reshape<C>(mean<0, 1>(x));
}

/// The mean of each channel over the batch and all axes but the last: C numbers shared by all samples.
template <SymbolicTensor X>
constexpr auto mean_of_channels(X x) {
  static_assert(X::batched, "mean_of_channels needs a value that differs by sample");
  Graph& g = x.tracer->graph;
  return Symbol<Element::f32, false, X::channels()>{
      x.tracer, build::reshape(g, build::mean_of_channels(g, x.node), shape_of(X::channels()))};
}
/// The variance likewise, divided by the number of elements and not by one less.
template <SymbolicTensor X>
constexpr auto variance_of_channels(X x) {
  static_assert(X::batched, "variance_of_channels needs a value that differs by sample");
  Graph& g = x.tracer->graph;
  return Symbol<Element::f32, false, X::channels()>{
      x.tracer, build::reshape(g, build::variance_of_channels(g, x.node), shape_of(X::channels()))};
}

/// Over the samples of the batch: the result is shared by all.
template <SymbolicTensor X>
constexpr auto sum_over_batch(X x) {
  static_assert(X::batched, "sum_over_batch needs a value that differs by sample");
  using S = detail::ReducedShape<X, 0>;
  return symbol_t<Element::f32, false, S>{x.tracer, build::reduce(x.tracer->graph, ReduceOp::sum, x.node, 0, true)};
}
/// The number of samples of the run, as a number.
constexpr auto batch_size(SymbolicTensor auto like) {
  return Symbol<Element::f32, false>{like.tracer, build::batch_size(like.tracer->graph)};
}
template <SymbolicTensor X>
constexpr auto mean_over_batch(X x) {
  return sum_over_batch(x) / batch_size(x);
}

/// A number that is given with each run: a further input of the program.
constexpr auto run_time_number(SymbolicTensor auto like) {
  return Symbol<Element::f32, false>{like.tracer, build::input(like.tracer->graph, Shape{}, Element::f32, false)};
}

/// Coordinates 0, 1, ... of a vector of N elements.
template <int N>
constexpr auto iota(SymbolicTensor auto like) {
  return Symbol<Element::f32, false, N>{like.tracer, build::iota(like.tracer->graph, shape_of(N), 0)};
}

namespace detail {

template <int Below, int... Extents>
constexpr auto random(Tracer& tracer) {
  for (int& key : tracer.random_keys)
    if (key < 0) key = build::input(tracer.graph, Shape{}, Element::f32, false);
  return Symbol<Element::f32, true, Extents...>{
      &tracer, build::random(tracer.graph, shape_of(Extents...), tracer.random_count++, Below, tracer.random_keys[0],
                             tracer.random_keys[1])};
}

}  // namespace detail

/// Numbers in [0, 1), new ones for each sample, step and call: a function of the run's seed. The graph's two key
/// inputs (core/random.hpp) are added with its first random numbers; a training step feeds them.
template <int... Extents>
constexpr auto random_uniform(SymbolicTensor auto like) {
  return detail::random<0, Extents...>(*like.tracer);
}
/// Whole numbers from 0 to Below - 1.
template <int Below, int... Extents>
constexpr auto random_integer(SymbolicTensor auto like) {
  static_assert(Below > 0);
  return detail::random<Below, Extents...>(*like.tracer);
}

/// The same number everywhere.
template <int... Extents>
constexpr auto filled(SymbolicTensor auto like, float value) {
  Graph& g = like.tracer->graph;
  return Symbol<Element::f32, false, Extents...>{
      like.tracer, build::broadcast_to(g, build::constant(g, value), shape_of(Extents...), false)};
}

/// The row, or column, of each pixel of an image: H x 1 x 1 and 1 x W x 1.
template <SymbolicTensor X>
constexpr auto rows_of(X x) {
  return Symbol<Element::f32, false, X::height(), 1, 1>{x.tracer,
                                                        build::iota(x.tracer->graph, shape_of(X::height(), 1, 1), 0)};
}
template <SymbolicTensor X>
constexpr auto columns_of(X x) {
  return Symbol<Element::f32, false, 1, X::width(), 1>{x.tracer,
                                                       build::iota(x.tracer->graph, shape_of(1, X::width(), 1), 1)};
}

namespace detail {

template <class X, int Count>
struct ShapeOfChannels {
  static constexpr Shape value = [] {
    Shape shape = X::shape;
    shape.extents[X::rank - 1] = Count;
    return shape;
  }();
};

}  // namespace detail

/// Channels First, First + 1, ... of x along its last axis, Count of them; 0 for those that x does not have. So
/// channels<-2, 5> puts two zeros before the first three.
template <int First, int Count, SymbolicTensor X>
constexpr auto channels(X x) {
  static_assert(X::rank > 0 && Count > 0, "channels needs an axis, and takes at least one channel of it");
  return symbol_t<Element::f32, X::batched, detail::ShapeOfChannels<X, Count>>{
      x.tracer, build::channels(x.tracer->graph, x.node, First, Count)};
}

namespace detail {

template <int First, int Count, SymbolicTensor X, SymbolicTensor... More>
constexpr auto side_by_side(X x, More... more) {
  auto placed = channels<-First, Count>(x);
  if constexpr (sizeof...(More) == 0) return placed;
  else return placed + side_by_side<First + X::channels(), Count>(more...);
}

}  // namespace detail

/// Values that are alike but for their last extent, one after another along that axis: H x W x C1, H x W x C2, ... to
/// H x W x (C1 + C2 + ...). A sum of values padded with zeros, which readers take in.
template <SymbolicTensor... X>
constexpr auto concatenate(X... x) {
  constexpr int count = (X::channels() + ...);
  return detail::side_by_side<0, count>(x...);
}

/// x (H x W x C) at other pixels: y[h, w, c] = x[row, column, c], 0 outside of x. `row` and `column` hold whole numbers
/// and broadcast to P x Q x 1. Passes no gradient to x.
template <SymbolicTensor X, SymbolicTensor Row, SymbolicTensor Column>
constexpr auto lookup(X x, Row row, Column column) {
  using S = detail::BroadcastShape<Row, Column>;
  static_assert(X::rank == 3 && Row::rank == 3 && Column::rank == 3 && S::value.extents[2] == 1,
                "lookup needs an image H x W x C, and rows and columns P x Q x 1");
  return Symbol < Element::f32, X::batched || Row::batched || Column::batched, S::value.extents[0], S::value.extents[1],
         X::channels() > {x.tracer, build::lookup(x.tracer->graph, x.node, row.node, column.node)};
}

/// (K) or (M x K) times (K x N).
template <SymbolicTensor A, SymbolicTensor B>
constexpr auto matmul(A a, B b) {
  error::require<B::rank == 2 && (A::rank == 1 || A::rank == 2) && A::channels() == B::shape.extents[0],
                 error::matmul_needs_inner_extents_that_agree<error::got_t<A>, error::got_t<B>>>();
  const int node = build::matmul(a.tracer->graph, a.node, b.node);
  if constexpr (A::rank == 1) return Symbol<Element::f32, A::batched, B::channels()>{a.tracer, node};
  else return Symbol<Element::f32, A::batched, A::shape.extents[0], B::channels()>{a.tracer, node};
}

/// x (H x W x C) convolved with w (R x S x C/groups x K).
template <int PadTop = 0, int PadLeft = 0, int PadBottom = PadTop, int PadRight = PadLeft, int StrideH = 1,
          int StrideW = StrideH, int Groups = 1, SymbolicTensor X, SymbolicTensor W>
constexpr auto conv2d(X x, W w) {
  constexpr Window window{.height = W::shape.extents[0],
                          .width = W::shape.extents[1],
                          .stride_h = StrideH,
                          .stride_w = StrideW,
                          .pad_top = PadTop,
                          .pad_left = PadLeft,
                          .pad_bottom = PadBottom,
                          .pad_right = PadRight,
                          .groups = Groups};
  error::require<
      X::rank == 3 && W::rank == 4 && W::shape.extents[2] * Groups == X::channels() && W::channels() % Groups == 0,
      error::conv2d_needs_an_image_and_weights_with_as_many_input_channels<error::got_t<X>, error::got_t<W>>>();
  error::require<X::height() + PadTop + PadBottom >= window.height && X::width() + PadLeft + PadRight >= window.width,
                 error::window_does_not_fit_into_the_image<error::got_t<X>, error::got_t<W>>>();
  constexpr int p = window_output(X::height(), window.height, StrideH, PadTop, PadBottom);
  constexpr int q = window_output(X::width(), window.width, StrideW, PadLeft, PadRight);
  return Symbol<Element::f32, X::batched, p, q, W::channels()>{
      x.tracer,
      build::contraction(x.tracer->graph, Mode::forward, x.node, w.node, window, shape_of(p, q, W::channels()))};
}

/// Maxima over windows of x (H x W x C) that begin at every stride. Padding never is the maximum; windows that would
/// reach beyond it are left out.
template <int Height, int Width = Height, int StrideH = Height, int StrideW = Width, int PadTop = 0, int PadLeft = 0,
          int PadBottom = PadTop, int PadRight = PadLeft, SymbolicTensor X>
constexpr auto max_pool(X x) {
  constexpr int p = window_output(X::height(), Height, StrideH, PadTop, PadBottom);
  constexpr int q = window_output(X::width(), Width, StrideW, PadLeft, PadRight);
  error::require<X::rank == 3 && p >= 1 && q >= 1,
                 error::window_does_not_fit_into_the_image<error::got_t<X>, error::got<Height, Width>>>();
  Graph& graph = x.tracer->graph;
  const int index = build::max_index(graph, x.node,
                                     Window{.height = Height,
                                            .width = Width,
                                            .stride_h = StrideH,
                                            .stride_w = StrideW,
                                            .pad_top = PadTop,
                                            .pad_left = PadLeft,
                                            .pad_bottom = PadBottom,
                                            .pad_right = PadRight});
  return Symbol<Element::f32, X::batched, p, q, X::channels()>{x.tracer, build::gather(graph, x.node, index)};
}

/// A new parameter of the network, named `name` under the current path.
template <int... Extents>
constexpr auto parameter(SymbolicTensor auto like, const char* name, Initializer initializer, int fan_in = 1,
                         int fan_out = 1, bool trainable = true) {
  Tracer& tracer = *like.tracer;
  Parameter p{.name = tracer.scope,
              .shape = shape_of(Extents...),
              .initializer = initializer,
              .fan_in = fan_in,
              .fan_out = fan_out,
              .trainable = trainable};
  p.name.append(name);
  return Symbol<Element::f32, false, Extents...>{&tracer, build::parameter(tracer.graph, p)};
}

/// In training: the parameter's next value, where that is finite. Steps of fewer than `least_samples` are refused.
constexpr void assign_in_training(SymbolicTensor auto parameter, SymbolicTensor auto next, int least_samples = 1) {
  Tracer& tracer = *parameter.tracer;
  const int index = tracer.graph.nodes.data[parameter.node].index;
  tracer.graph.parameters.data[index].least_samples = least_samples;
  tracer.updates.push(Output{next.node, index});
}

/// Adds a number shared by all samples, such as a penalty on a parameter, to the mean loss.
template <SymbolicTensor X>
constexpr void add_to_loss(X penalty) {
  static_assert(!X::batched && X::size() == 1, "add_to_loss takes one number that all samples share");
  penalty.tracer->penalties.push(build::reshape(penalty.tracer->graph, penalty.node, Shape{}));
}

/// Prefixes the names of parameters made during its life: "dense.", or "dense_1." where that is taken.
class Scope {
 public:
  constexpr Scope(Tracer& t, const char* name) : tracer(t), length(t.scope.size) {
    for (int copy = 0;; ++copy) {
      tracer.scope.truncate(length);
      tracer.scope.append(name);
      if (copy > 0) {
        tracer.scope.append("_");
        tracer.scope.append(copy);
      }
      tracer.scope.append(".");
      if (!taken()) return;
    }
  }
  constexpr Scope(Tracer& t, int number) : tracer(t), length(t.scope.size) {
    tracer.scope.append(number);
    tracer.scope.append(".");
  }
  constexpr ~Scope() { tracer.scope.truncate(length); }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Tracer& tracer;
  int length;

  /// Only parameters made inside the enclosing scope can clash; they are the last ones.
  constexpr bool taken() const {
    const List<Parameter>& parameters = tracer.graph.parameters;
    for (int i = parameters.size - 1; i >= 0; --i) {
      const Name& name = parameters.data[i].name;
      for (int k = 0; k < tracer.scope.size; ++k) {
        if (name.text[k] == tracer.scope.text[k]) continue;
        if (k < length) return false;
        break;
      }
      bool same = true;
      for (int k = 0; k < tracer.scope.size; ++k) same = same && name.text[k] == tracer.scope.text[k];
      if (same) return true;
    }
    return false;
  }
};

}  // namespace inlay
