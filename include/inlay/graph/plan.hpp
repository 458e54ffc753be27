// The plan: what `fuse` makes of a graph and `memory` places. Stages (one root with the maps fused around it),
// launches (one kernel each: a stage, or several small ones run per sample), and the values that pass between
// them through memory. A plan holds integers and enumerations only; `lower` turns its stages into kernel types.
#pragma once

#include <inlay/graph/graph.hpp>

#include <cstdint>

namespace inlay {

enum class StepKind : std::uint8_t {
  load,
  store,
  constant,
  iota,
  result,
  scatter,
  gather,
  random,
  lookup,
  channels,
  apply,
  accumulate,
  total
};

/// One step of a Body (see kernel/body.hpp), as a value.
struct Step {
  StepKind kind = StepKind::result;
  MapOp map = MapOp::copy;
  Element element = Element::f32;
  int slot = 0;        // load, store, scatter, gather, lookup, channels, accumulate, total
  int index_slot = 0;  // scatter, gather
  Element index_element = Element::u8;
  int registers[3] = {0, 0, 0};     // apply; store, accumulate: the first; random: keys; lookup: row and column
  int which = 0;                    // iota: axis; result, random, accumulate, total: which; channels: first
  ReduceOp reduce = ReduceOp::sum;  // total: of what; accumulate: squared_deviations if that is wanted, too
  int channels = 0;                 // accumulate, total; channels: of the operand
  float value = 0;                  // constant; random: see Node
  int sample_stride = 0;            // elements from one sample to the next, 0 if shared
  bool gathered = false;            // of an input: an executor may take its samples from anywhere in a dataset
  int strides[max_rank] = {0, 0, 0, 0};
  int pooled_strides[max_rank] = {0, 0, 0, 0};  // gather
  int pooled_sample_stride = 0;
  Window window{};            // scatter, gather
  int rows = 0, columns = 0;  // lookup: of the image; scatter: of windows, 0 where they tile the image
};

/// Steps [first, first + count) of the plan.
struct Range {
  int first = 0, count = 0;
};

enum class StageKind : std::uint8_t { contraction, elementwise, reduction, pooling };

struct Stage {
  StageKind kind = StageKind::elementwise;
  int root = -1;  // node
  bool batched = false;
  Shape domain{};                  // of the root, before pooling; four extents
  int axes = 0;                    // reduction: a bit for each of the four coordinates of the input
  Shape input{};                   // reduction: of what is reduced; contraction: of operand a; four extents
  Shape second{};                  // contraction: of operand b; four extents
  Window pool{};                   // of max pooling
  Shape pooled{};                  // what it leaves; four extents, rank 0 without pooling
  Range a{}, b{}, main{}, post{};  // Bodies; reductions use a (prologue) and main, pooling a and post
  Range side{};                    // for each channel, after all samples; `total` or a weight gradient's `result`
  Range members{};                 // nodes fused here, in `Plan::members`
};

struct Launch {
  Range stages{};      // in execution order
  Range bindings{};    // value of each slot
  bool ahead = false;  // follows from parameters that nothing updates: may run once for many runs
};

/// `rounded`: the copy of a parameter that contractions read as weights, in fewer bits. Whatever updates the parameter
/// writes the copy, too; an executor makes it when the parameter has been changed from outside. `sums`: the sums over
/// samples and pixels that a stage makes on the side, one for each channel; executors keep them as they like.
enum class Storage : std::uint8_t { arena, input, parameter, rounded, batch_size, sums };

/// A value in memory.
struct Value {
  int node = -1;
  Storage storage = Storage::arena;
  int index = 0;  // input or parameter number
  Element element = Element::f32;
  bool batched = false;
  std::int64_t count = 0;    // elements, of one sample if batched
  int first = 0, last = 0;   // launches between which it lives
  std::int64_t offset = -1;  // arena: bytes; batched values at offset * samples within the batched part

  constexpr std::int64_t bytes() const { return bytes_of(element, count); }
};

struct PlanOutput {
  int value = -1;  // in `values`
  int output = 0;  // its number among the graph's outputs
};

struct PlannedBytes {
  std::int64_t arena_bytes_per_sample = 0;
  std::int64_t arena_bytes_shared = 0;
  std::int64_t unplanned_bytes_per_sample = 0;  // if every node had its own memory
};

struct Plan : PlannedBytes {
  List<Node> nodes;  // the graph's, plus copies that in-place updates needed
  List<Stage> stages;
  List<Launch> launches;
  List<Step> steps;
  List<int> members;
  List<int> bindings;
  List<Value> values;
  List<PlanOutput> outputs;
  List<Input> inputs;
  List<Parameter> parameters;
};

}  // namespace inlay
