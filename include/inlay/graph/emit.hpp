// Writes the Bodies of a grouped graph: for each stage the steps that load its operands, compute its members and
// store what passes through memory, with slots numbered in each launch. Strides are found by matching the axes of a
// value with those of the stage's domain; a value of the domain's own size is read at the linear index, whatever its
// shape.
#pragma once

#include <inlay/core/error.hpp>
#include <inlay/graph/axes.hpp>
#include <inlay/graph/build.hpp>
#include <inlay/graph/grouping.hpp>

namespace inlay {

namespace detail {

class Emitter {
 public:
  constexpr Emitter(const Graph& graph, const Grouping& grouping)
      : nodes(graph.nodes), roles(grouping.roles), outputs(grouping.outputs) {
    for (const Node& copy : grouping.copies) nodes.push(copy);
    plan.stages = grouping.stages;
    plan.launches = grouping.launches;
    plan.members = grouping.members;
    plan.inputs = graph.inputs;
    plan.parameters = graph.parameters;
    register_of = List<int>(nodes.size, -1);
    values = List<int>(nodes.size, -1);
    parameter_values = List<int>(plan.parameters.size, -1);
    rounded_values = List<int>(plan.parameters.size, -1);
    slot_of = List<int>(nodes.size + 2 * plan.parameters.size + plan.stages.size, -1);  // at most this many values
  }

  constexpr Plan run() {
    emit_stages();
    name_outputs();
    plan.nodes = static_cast<List<Node>&&>(nodes);
    return static_cast<Plan&&>(plan);
  }

 private:
  List<Node> nodes;
  const List<Role>& roles;
  const List<Output>& outputs;
  Plan plan;
  List<int> register_of;       // while a Body is emitted
  List<int> touched;           // the nodes that have one
  List<int> slot_of;           // by value, while a launch is emitted
  List<int> values;            // by node: its position in plan.values
  List<int> parameter_values;  // by parameter
  List<int> rounded_values;    // of its copy

  // --- Bodies ----------------------------------------------------------------------------------------------------

  struct Place {
    int launch;
    int stage;  // root
    Level level;
    Shape domain;  // four extents
    int first_step;
    int sums;              // value: the stage's sums, or -1
    bool weights = false;  // the operand of a contraction that may be a parameter's copy
  };

  constexpr void emit_stages() {
    for (int l = 0; l < plan.launches.size; ++l) {
      plan.launches.data[l].bindings = {plan.bindings.size, 0};
      const Range stages = plan.launches.data[l].stages;
      for (int s = stages.first; s < stages.first + stages.count; ++s) emit_stage(l, s);
      Range& bindings = plan.launches.data[l].bindings;
      bindings.count = plan.bindings.size - bindings.first;
      for (int b = bindings.first; b < plan.bindings.size; ++b) slot_of.data[plan.bindings.data[b]] = -1;
    }
  }

  constexpr void emit_stage(int launch, int s) {
    Stage& stage = plan.stages.data[s];
    const Node root = nodes.data[stage.root];
    const Role f = roles.data[stage.root];
    const int sums = sums_of(stage);
    auto operand = [&](int k, const Shape& domain) {
      Place place{launch, stage.root, Level::main, domain, plan.steps.size, -1};
      place.weights = k == 1 && root.mode != Mode::weight_gradient;
      evaluate(place, root.operands[k], nodes.data[root.operands[k]].shape);
      return finish(place);
    };
    if (stage.kind == StageKind::contraction) {
      stage.a = operand(0, stage.input);
      stage.b = operand(1, stage.second);
    } else if (stage.kind == StageKind::reduction) {
      stage.a = operand(0, stage.input);
    } else if (stage.kind == StageKind::pooling) {
      stage.a = operand(0, stage.domain);
    }
    if (stage.kind != StageKind::pooling)
      stage.main = emit_level({launch, stage.root, Level::main, stage.domain, 0, sums}, stage, f.pool_source);
    if (f.pool_index >= 0) {
      stage.post = emit_level({launch, stage.root, Level::post, stage.pooled, 0, sums}, stage, -1);
    }
    const Shape channels = padded(shape_of(stage.domain.extents[max_rank - 1]));
    stage.side = emit_level({launch, stage.root, Level::side, channels, 0, sums}, stage, -1);
  }

  /// The value that stands for the sums that a stage makes of what it computes, or -1.
  constexpr int sums_of(const Stage& stage) {
    int count = 0;
    for (int m = stage.members.first; m < stage.members.first + stage.members.count; ++m) {
      const Role& f = roles.data[plan.members.data[m]];
      if (f.summed_level != Level::side && f.sum >= count) count = f.sum + 1;
    }
    if (count == 0) return -1;
    return plan.values.push(Value{.storage = Storage::sums, .count = 2 * count * stage.domain.extents[max_rank - 1]});
  }

  /// The Body of one level: every member, then the stores, then (for pooling) the value that goes on. What is rounded
  /// when it is stored is stored as soon as it is there, and goes on as it is stored: the same for all its readers, in
  /// this stage (sums, masks, pooling) and in later ones.
  constexpr Range emit_level(Place place, const Stage& stage, int last) {
    place.first_step = plan.steps.size;
    for (int m = stage.members.first; m < stage.members.first + stage.members.count; ++m) {
      const int i = plan.members.data[m];
      if (roles.data[i].level != place.level) continue;
      member(place, i);
      if (rounds(i)) register_of.data[i] = store(place, i, value_of(i));
    }
    for (int m = stage.members.first; m < stage.members.first + stage.members.count; ++m) {
      const int i = plan.members.data[m];
      const Role& f = roles.data[i];
      if (f.level != place.level) continue;
      if (f.stored && !rounds(i)) store(place, i, value_of(i));
      if (f.update >= 0) store(place, i, parameter_value(f.update));
      if (f.update >= 0 && has_copy(f.update)) store(place, i, rounded_value(f.update));
    }
    if (place.level != Level::side) accumulate(place, stage);
    if (last >= 0) {
      Step step{.kind = StepKind::apply, .map = MapOp::copy, .registers = {register_of.data[last], 0, 0}};
      plan.steps.push(step);
    }
    return finish(place);
  }

  /// Steps that add what the level computes to the stage's sums, one for each sum.
  constexpr void accumulate(const Place& place, const Stage& stage) {
    const int* members = plan.members.data + stage.members.first;
    for (int m = 0; m < stage.members.count; ++m) {
      const Role& f = roles.data[members[m]];
      if (f.sum < 0 || f.summed_level != place.level) continue;
      bool first = true;
      ReduceOp wanted = ReduceOp::sum;
      for (int other = 0; other < stage.members.count; ++other) {
        if (roles.data[members[other]].sum != f.sum) continue;
        if (other < m) first = false;
        if (nodes.data[members[other]].reduce != ReduceOp::sum) wanted = ReduceOp::squared_deviations;
      }
      if (!first) continue;
      const int operand = nodes.data[members[m]].operands[0];
      const int value = evaluate(place, operand, nodes.data[operand].shape);
      plan.steps.push(Step{.kind = StepKind::accumulate,
                           .slot = slot(place, place.sums),
                           .registers = {value, 0, 0},
                           .which = f.sum,
                           .reduce = wanted,
                           .channels = place.domain.extents[max_rank - 1]});
    }
  }

  /// Forgets the registers of the Body and gives its range.
  constexpr Range finish(const Place& place) {
    for (int node : touched) register_of.data[node] = -1;
    touched.size = 0;
    return {place.first_step, plan.steps.size - place.first_step};
  }

  constexpr int remember(const Place& place, int node, const Step& step) {
    plan.steps.push(step);
    register_of.data[node] = plan.steps.size - 1 - place.first_step;
    touched.push(node);
    return register_of.data[node];
  }

  constexpr int member(const Place& place, int i) {
    const Node& n = nodes.data[i];
    if (register_of.data[i] >= 0) return register_of.data[i];
    if (n.op == Op::iota) {
      const int coordinate = emit_iota(place, i, n.shape);
      touched.push(i);
      return register_of.data[i] = coordinate;
    }
    if (roles.data[i].sum >= 0 && roles.data[i].summed_level != Level::side)
      return remember(place, i,
                      Step{.kind = StepKind::total,
                           .slot = slot(place, place.sums),
                           .which = roles.data[i].sum,
                           .reduce = n.reduce,
                           .channels = place.domain.extents[max_rank - 1]});
    const bool computed =
        (i == place.stage && !is_elementwise(n.op)) || n.op == Op::max_index || roles.data[i].sum >= 0 ||
        (place.level == Level::post && n.op == Op::gather && n.operands[0] == roles.data[place.stage].pool_source);
    if (computed) return remember(place, i, Step{.kind = StepKind::result, .which = n.op == Op::max_index ? 1 : 0});
    return compute(place, i, n.shape);
  }

  /// The register that holds operand `o`, as it is read by a node of shape `reader`.
  constexpr int evaluate(const Place& place, int o, const Shape& reader) {
    const int b = roles.data[o].base;
    const Node& n = nodes.data[b];
    const Role& f = roles.data[b];
    if (f.stage == place.stage && f.level == place.level && !f.inlined && register_of.data[b] >= 0)
      return register_of.data[b];
    if (n.op == Op::constant) {
      if (register_of.data[b] >= 0) return register_of.data[b];
      return remember(place, b, Step{.kind = StepKind::constant, .value = n.value});
    }
    if (n.op == Op::iota && f.stage < 0) return emit_iota(place, b, reader);
    if (f.inlined) return compute(place, b, reader);
    return load(place, b, nodes.data[o].shape, reader);
  }

  /// Steps for an elementwise node, its operands first.
  constexpr int compute(const Place& place, int i, const Shape& reader) {
    const Node n = nodes.data[i];
    if (register_of.data[i] >= 0) return register_of.data[i];
    Step step{.kind = StepKind::apply, .map = n.map};
    if (n.op == Op::transpose) {
      const Node& operand = nodes.data[n.operands[0]];
      int strides[max_rank] = {};
      contiguous_strides(operand.shape, strides);
      step.kind = StepKind::load;
      step.element = stored_element(n.operands[0]);
      step.slot = slot(place, value_of(roles.data[n.operands[0]].base));
      set_samples(step, n.operands[0]);
      const AxisMatch match = match_axes(n.shape, place.domain);
      if (!match.fits) throw Error("fuse: a transposed value is read in another shape");
      for (int axis = 0; axis < n.shape.rank; ++axis)
        if (match.partner[axis] >= 0) step.strides[match.partner[axis]] = strides[build::transposed_axis(n, axis)];
      return remember(place, i, step);
    }
    if (n.op == Op::scatter || n.op == Op::gather) {
      const Node& operand = nodes.data[n.operands[0]];
      const Node& index = nodes.data[n.operands[1]];
      step.kind = n.op == Op::scatter ? StepKind::scatter : StepKind::gather;
      step.element = stored_element(n.operands[0]);
      step.slot = slot(place, value_of(roles.data[n.operands[0]].base));
      step.index_slot = slot(place, value_of(roles.data[n.operands[1]].base));
      step.index_element = stored_element(n.operands[1]);
      step.window = n.window;
      const Shape& image = n.op == Op::scatter ? n.shape : operand.shape;
      if (!n.window.tiles(image.extents[0], image.extents[1])) {
        step.rows = index.shape.extents[0];
        step.columns = index.shape.extents[1];
      }
      set_samples(step, n.operands[0]);
      contiguous_strides(padded(operand.shape), step.strides);
      contiguous_strides(padded(index.shape), step.pooled_strides);
      step.pooled_sample_stride = sample_stride(index);
      return remember(place, i, step);
    }
    if (n.op == Op::random) {
      step.kind = StepKind::random;
      for (int k = 0; k < 2; ++k) step.registers[k] = evaluate(place, n.operands[k], reader);
      step.which = n.index;
      step.value = n.value;
      set_strides(step, place.domain, n.shape, reader);
      return remember(place, i, step);
    }
    if (n.op == Op::channels) {
      const Node& operand = nodes.data[n.operands[0]];
      step.kind = StepKind::channels;
      step.element = stored_element(n.operands[0]);
      step.slot = slot(place, value_of(roles.data[n.operands[0]].base));
      step.which = n.index;
      step.channels = operand.shape.extents[operand.shape.rank - 1];
      set_samples(step, n.operands[0]);
      contiguous_strides(padded(operand.shape), step.strides);
      return remember(place, i, step);
    }
    if (n.op == Op::lookup) {
      const Node& image = nodes.data[n.operands[0]];
      step.kind = StepKind::lookup;
      step.element = stored_element(n.operands[0]);
      step.slot = slot(place, value_of(roles.data[n.operands[0]].base));
      step.rows = image.shape.extents[0];
      step.columns = image.shape.extents[1];
      set_samples(step, n.operands[0]);
      contiguous_strides(padded(image.shape), step.strides);
      for (int k = 0; k < 2; ++k) step.registers[k] = evaluate(place, n.operands[k + 1], n.shape);
      return remember(place, i, step);
    }
    for (int k = 0; k < n.operand_count; ++k)
      step.registers[k] = evaluate(place, n.operands[k], reader.count() == n.shape.count() ? n.shape : reader);
    return remember(place, i, step);
  }

  constexpr Element stored_element(int operand) const { return nodes.data[roles.data[operand].base].element; }
  constexpr int sample_stride(const Node& n) const { return n.batched ? static_cast<int>(n.shape.count()) : 0; }
  /// Where the samples of what a step reads lie.
  constexpr void set_samples(Step& step, int operand) const {
    step.sample_stride = sample_stride(nodes.data[operand]);
    step.gathered = nodes.data[operand].batched && nodes.data[roles.data[operand].base].op == Op::input;
  }

  constexpr int emit_iota(const Place& place, int b, const Shape& reader) {
    const Node& n = nodes.data[b];
    const AxisMatch match = match_axes(reader, place.domain);
    const int axis = match.partner[reader.rank - n.shape.rank + n.index];
    Step step{.kind = StepKind::iota, .which = axis};
    if (axis < 0 || n.shape.extents[n.index] == 1) step = Step{.kind = StepKind::constant, .value = 0};
    plan.steps.push(step);
    return plan.steps.size - 1 - place.first_step;
  }

  /// Strides of a value of shape `shape` in the coordinates of the domain, read by a node of shape `reader`.
  constexpr void set_strides(Step& step, const Shape& domain, const Shape& shape, const Shape& reader) const {
    if (shape.count() == domain.count()) return contiguous_strides(domain, step.strides);
    if (shape.count() == 1) return;
    const AxisMatch match = match_axes(reader, domain);
    if (!match.fits) throw Error("fuse: a value is read in a shape that its stage doesn't have");
    int strides[max_rank] = {};
    contiguous_strides(shape, strides);
    for (int axis = 0; axis < shape.rank; ++axis) {
      const int partner = match.partner[reader.rank - shape.rank + axis];
      if (shape.extents[axis] != 1 && partner >= 0) step.strides[partner] = strides[axis];
    }
  }

  constexpr int load(const Place& place, int b, const Shape& shape, const Shape& reader) {
    const Node& n = nodes.data[b];
    const bool whole = shape.count() == place.domain.count() || shape.count() == 1;
    if (whole && register_of.data[b] >= 0) return register_of.data[b];
    const bool copy = place.weights && n.op == Op::parameter && has_copy(n.index);
    const int value = copy ? rounded_value(n.index) : value_of(b);
    Step step{.kind = StepKind::load, .element = plan.values.data[value].element, .slot = slot(place, value)};
    set_samples(step, b);
    set_strides(step, place.domain, shape, reader);
    if (whole) return remember(place, b, step);
    plan.steps.push(step);
    return plan.steps.size - 1 - place.first_step;
  }

  constexpr bool rounds(int i) const { return roles.data[i].stored && is_narrow(nodes.data[i].element); }

  /// Gives the register that holds what was stored.
  constexpr int store(const Place& place, int i, int value) {
    const Node& n = nodes.data[i];
    Step step{.kind = StepKind::store,
              .element = plan.values.data[value].element,
              .slot = slot(place, value),
              .registers = {register_of.data[i], 0, 0},
              .sample_stride = sample_stride(n)};
    contiguous_strides(place.domain, step.strides);
    plan.steps.push(step);
    return plan.steps.size - 1 - place.first_step;
  }

  // --- values ----------------------------------------------------------------------------------------------------

  constexpr int value_of(int b) {
    const Node& n = nodes.data[b];
    if (n.op == Op::parameter) return parameter_value(n.index);
    if (values.data[b] >= 0) return values.data[b];
    Value value{.node = b, .index = n.index, .element = n.element, .batched = n.batched, .count = n.shape.count()};
    value.storage = n.op == Op::input ? Storage::input : n.op == Op::batch_size ? Storage::batch_size : Storage::arena;
    return values.data[b] = plan.values.push(value);
  }

  constexpr int parameter_value(int parameter) {
    int& value = parameter_values.data[parameter];
    if (value < 0)
      value = plan.values.push(Value{
          .storage = Storage::parameter, .index = parameter, .count = plan.parameters.data[parameter].shape.count()});
    return value;
  }

  constexpr bool has_copy(int parameter) const { return plan.parameters.data[parameter].multiplied != Element::f32; }
  constexpr int rounded_value(int parameter) {
    int& value = rounded_values.data[parameter];
    const Parameter& of = plan.parameters.data[parameter];
    if (value < 0)
      value = plan.values.push(
          Value{.storage = Storage::rounded, .index = parameter, .element = of.multiplied, .count = of.shape.count()});
    return value;
  }

  /// The slot of a value in the launch being emitted.
  constexpr int slot(const Place& place, int value) {
    int& number = slot_of.data[value];
    if (number < 0) {
      number = plan.bindings.push(value) - plan.launches.data[place.launch].bindings.first;
    }
    return number;
  }

  constexpr void name_outputs() {
    for (int k = 0; k < outputs.size; ++k) {
      const Output& o = outputs.data[k];
      if (o.is_update()) continue;
      plan.outputs.push({value_of(roles.data[o.node].base), k});
    }
  }
};

}  // namespace detail

constexpr Plan emit(const Graph& graph, const Grouping& grouping) { return detail::Emitter(graph, grouping).run(); }

}  // namespace inlay
