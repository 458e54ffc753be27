// What passes make, as constants. A constant that outlives constant evaluation can't own memory, so `freeze` keeps the
// lists of a Graph, Grouping or Plan in arrays of exactly their sizes, and `thaw` copies them back. Each pass is then a
// constant of its own, because compilers bound the work of a single evaluation.
//
// The sizes are known only when a pass has run. It runs once, into arrays of sizes guessed beforehand, and what is
// there is copied from them; only a guess that was too small makes it run again.
#pragma once

#include <inlay/graph/grouping.hpp>
#include <type_traits>

namespace inlay {

/// A fixed array that may be empty.
template <class T, int N>
struct Fixed {
  T data[N > 0 ? N : 1]{};
  static constexpr int size = N;
  constexpr const T& operator[](int i) const { return data[i]; }
  constexpr const T* begin() const { return data; }
  constexpr const T* end() const { return data + N; }
};

struct GraphSizes {
  int nodes = 0, inputs = 0, parameters = 0, outputs = 0;
};
/// A Graph in arrays of exactly its size.
template <GraphSizes S>
struct FrozenGraph {
  Fixed<Node, S.nodes> nodes;
  Fixed<Input, S.inputs> inputs;
  Fixed<Parameter, S.parameters> parameters;
  Fixed<Output, S.outputs> outputs;
};

struct GroupingSizes {
  int copies = 0, outputs = 0, roles = 0, stages = 0, launches = 0, members = 0;
};
/// A Grouping in arrays of exactly its size.
template <GroupingSizes S>
struct FrozenGrouping {
  Fixed<Node, S.copies> copies;
  Fixed<Output, S.outputs> outputs;
  Fixed<Role, S.roles> roles;
  Fixed<Stage, S.stages> stages;
  Fixed<Launch, S.launches> launches;
  Fixed<int, S.members> members;
};

struct PlanSizes {
  int nodes = 0, stages = 0, launches = 0, steps = 0, members = 0, bindings = 0, values = 0, outputs = 0, inputs = 0,
      parameters = 0;
};
/// A Plan in arrays of exactly its size; the fields are Plan's.
template <PlanSizes S>
struct FrozenPlan : PlannedBytes {
  Fixed<Node, S.nodes> nodes;
  Fixed<Stage, S.stages> stages;
  Fixed<Launch, S.launches> launches;
  Fixed<Step, S.steps> steps;
  Fixed<int, S.members> members;
  Fixed<int, S.bindings> bindings;
  Fixed<Value, S.values> values;
  Fixed<PlanOutput, S.outputs> outputs;
  Fixed<Input, S.inputs> inputs;
  Fixed<Parameter, S.parameters> parameters;
};

namespace detail {

/// How T is frozen. `visit` calls f for each list of a T, given any records with fields of these names: T itself,
/// frozen or not, and the sizes.
template <class T>
struct Lists;

template <>
struct Lists<Graph> {
  using Sizes = GraphSizes;
  template <Sizes S>
  using Frozen = FrozenGraph<S>;
  static constexpr void visit(auto f, auto&... of) {
    f(of.nodes...);
    f(of.inputs...);
    f(of.parameters...);
    f(of.outputs...);
  }
};

template <>
struct Lists<Grouping> {
  using Sizes = GroupingSizes;
  template <Sizes S>
  using Frozen = FrozenGrouping<S>;
  static constexpr void visit(auto f, auto&... of) {
    f(of.copies...);
    f(of.outputs...);
    f(of.roles...);
    f(of.stages...);
    f(of.launches...);
    f(of.members...);
  }
};

template <>
struct Lists<Plan> {
  using Sizes = PlanSizes;
  template <Sizes S>
  using Frozen = FrozenPlan<S>;
  static constexpr void visit(auto f, auto&... of) {
    f(of.nodes...);
    f(of.stages...);
    f(of.launches...);
    f(of.steps...);
    f(of.members...);
    f(of.bindings...);
    f(of.values...);
    f(of.outputs...);
    f(of.inputs...);
    f(of.parameters...);
  }
};

/// Copies what there is room for; true if that is all.
constexpr bool copy_list(const auto& from, auto& to) {
  for (int i = 0; i < from.size && i < to.size; ++i) to.data[i] = from.data[i];
  return from.size <= to.size;
}
template <class T>
constexpr bool copy_lists(const auto& from, auto& to) {
  bool complete = true;
  Lists<T>::visit([&complete](const auto& list, auto& copy) { complete = copy_list(list, copy) && complete; }, from,
                  to);
  if constexpr (std::is_same_v<T, Plan>) static_cast<PlannedBytes&>(to) = from;
  return complete;
}

template <class T, auto Sizes>
constexpr T thaw(const auto& frozen) {
  T thawed;
  Lists<T>::visit([]<class Item>(int size, List<Item>& list) { list = List<Item>(size); }, Sizes, thawed);
  copy_lists<T>(frozen, thawed);
  return thawed;
}

template <class Source>
using Made = decltype(Source::make());
template <class Source>
using SizesOf = typename Lists<Made<Source>>::Sizes;

template <class Source, SizesOf<Source> Guess>
struct Attempt {
  SizesOf<Source> sizes;
  typename Lists<Made<Source>>::template Frozen<Guess> frozen;
  bool complete;
};
template <class Source, SizesOf<Source> Guess>
consteval auto attempt() {
  const Made<Source> made = Source::make();
  Attempt<Source, Guess> result{};
  Lists<Made<Source>>::visit([](const auto& list, int& size) { size = list.size; }, made, result.sizes);
  result.complete = copy_lists<Made<Source>>(made, result.frozen);
  return result;
}
/// A constant of its own: a local one would be computed again within the evaluation that uses it.
template <class Source, SizesOf<Source> Guess>
struct AttemptOf {
  static constexpr Attempt<Source, Guess> value = attempt<Source, Guess>();
};

}  // namespace detail

/// What `Source::make()` makes (a Graph, a Grouping or a Plan), as a constant. `Guess`: sizes that are likely to be
/// enough.
template <class Source, detail::SizesOf<Source> Guess = detail::SizesOf<Source>{}>
consteval auto freeze() {
  using Made = detail::Made<Source>;
  using Attempt = detail::AttemptOf<Source, Guess>;
  typename detail::Lists<Made>::template Frozen<Attempt::value.sizes> frozen;
  if constexpr (Attempt::value.complete) detail::copy_lists<Made>(Attempt::value.frozen, frozen);
  else detail::copy_lists<Made>(Source::make(), frozen);
  return frozen;
}

template <GraphSizes S>
constexpr Graph thaw(const FrozenGraph<S>& frozen) {
  return detail::thaw<Graph, S>(frozen);
}
template <GroupingSizes S>
constexpr Grouping thaw(const FrozenGrouping<S>& frozen) {
  return detail::thaw<Grouping, S>(frozen);
}
template <PlanSizes S>
constexpr Plan thaw(const FrozenPlan<S>& frozen) {
  return detail::thaw<Plan, S>(frozen);
}

}  // namespace inlay
