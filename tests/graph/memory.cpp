// The arena: no two values that live at the same time share a byte, whatever the plan.
#include <doctest/doctest.h>

#include <inlay/graph/fuse.hpp>
#include <inlay/graph/memory.hpp>
#include <inlay/graph/simplify.hpp>

#include "nets.hpp"
#include "random_graph.hpp"

using namespace inlay;

namespace {

/// Pairs of values that overlap in the arena while both live, lifetimes taken anew from the launches' bindings.
int overlaps(const Plan& plan) {
  std::vector<int> first(static_cast<std::size_t>(plan.values.size), plan.launches.size), last(first.size(), -1);
  for (int l = 0; l < plan.launches.size; ++l) {
    const Range b = plan.launches[l].bindings;
    for (int i = b.first; i < b.first + b.count; ++i) {
      const auto v = static_cast<std::size_t>(plan.bindings[i]);
      first[v] = std::min(first[v], l);
      last[v] = l;
    }
  }
  for (const PlanOutput& output : plan.outputs) last[static_cast<std::size_t>(output.value)] = plan.launches.size;
  int found = 0;
  for (int i = 0; i < plan.values.size; ++i)
    for (int j = 0; j < i; ++j) {
      const Value &a = plan.values[i], &b = plan.values[j];
      if (a.storage != Storage::arena || b.storage != Storage::arena || a.batched != b.batched) continue;
      const auto x = static_cast<std::size_t>(i), y = static_cast<std::size_t>(j);
      const bool together = first[x] <= last[y] && first[y] <= last[x];
      if (together && a.offset < b.offset + b.bytes() && b.offset < a.offset + a.bytes()) ++found;
    }
  return found;
}

bool inside(const Plan& plan) {
  for (const Value& v : plan.values) {
    if (v.storage != Storage::arena) continue;
    const std::int64_t size = v.batched ? plan.arena_bytes_per_sample : plan.arena_bytes_shared;
    if (v.offset < 0 || v.offset % 64 != 0 || v.offset + v.bytes() > size) return false;
  }
  return true;
}

template <class Source>
Plan planned() {
  return memory(fuse(simplify(Source::make())));
}

}  // namespace

TEST_CASE_TEMPLATE("no two values alive at the same launch overlap", Source, test::Training<test::Seed>,
                   test::Training<test::Seed, SGD>, test::Training<test::ResidualNet>,
                   test::Training<test::SqueezeExciteNet>, test::Training<test::DenseNet>,
                   test::Training<test::StridedNet>, Inference<test::Seed>, Inference<test::ResidualNet>) {
  const Plan plan = planned<Source>();
  CHECK(overlaps(plan) == 0);
  CHECK(inside(plan));
}

TEST_CASE("no two values alive at the same launch overlap in random graphs") {
  for (unsigned seed = 0; seed < 300; ++seed) {
    const Plan plan = memory(fuse(simplify(test::RandomGraph(seed).make(40))));
    INFO("seed ", seed);
    CHECK(overlaps(plan) == 0);
    CHECK(inside(plan));
  }
}

TEST_CASE("the arena is smaller than the sum of all values") {
  const Plan plan = planned<test::Training<test::Seed>>();
  std::int64_t all = 0;
  for (const Value& v : plan.values)
    if (v.storage == Storage::arena && v.batched) all += v.bytes();
  CHECK(plan.arena_bytes_per_sample < all);
  CHECK(all < plan.unplanned_bytes_per_sample);
}

TEST_CASE("a chain needs two values at a time, however long") {
  constexpr auto arena = [](int length) {
    Graph g;
    int x = build::input(g, shape_of(16, 16, 4));
    const int w = build::parameter(g, Parameter{.shape = shape_of(1, 1, 4, 4)});
    for (int i = 0; i < length; ++i) x = build::contraction(g, Mode::forward, x, w, Window{}, shape_of(16, 16, 4));
    g.outputs.push({x});
    return memory(fuse(g)).arena_bytes_per_sample;
  };
  static_assert(arena(2) == 2 * 16 * 16 * 4 * 4);
  static_assert(arena(20) == arena(2));
}

TEST_CASE("an output keeps its place to the end") {
  Graph g;
  int x = build::input(g, shape_of(16, 16, 4));
  const int w = build::parameter(g, Parameter{.shape = shape_of(1, 1, 4, 4)});
  for (int i = 0; i < 6; ++i) {
    x = build::contraction(g, Mode::forward, x, w, Window{}, shape_of(16, 16, 4));
    if (i == 0) g.outputs.push({x});
  }
  g.outputs.push({x});
  CHECK(memory(fuse(g)).arena_bytes_per_sample == 3 * 16 * 16 * 4 * 4);
}

TEST_CASE("freed neighbours merge") {
  detail::Arena arena;
  const std::int64_t a = arena.take(100), b = arena.take(100), c = arena.take(10);
  CHECK(a == 0);
  CHECK(b == 128);
  CHECK(c == 256);
  arena.give(a, 100);
  arena.give(b, 100);
  CHECK(arena.take(256) == 0);
  CHECK(arena.size == 320);
}
