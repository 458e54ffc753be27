// Executes a Plan (stages, Bodies, slots, the planned arena) at run time in double precision, one coordinate after
// another. Compared with `evaluate` of the same graph it proves the passes right before any executor exists, and
// it is strict where an executor may do anything:
//   - a byte of the arena belongs to the value that wrote it last; reading it as another value, or before anything
//     was written, is an Error, as is an index outside of its value;
//   - an element that a stage writes may be read in that stage only by the same evaluation of the same Body, before
//     the write: executors run coordinates in any order.
#pragma once

#include <array>
#include <inlay/graph/plan.hpp>
#include <inlay/reference/interpreter.hpp>
#include <string>

namespace inlay::reference {

/// `outputs` as the graph orders them (updates left out); `updated[p]` is parameter p after the run.
struct PlanResult {
  std::vector<Values> outputs;
  std::vector<Values> updated;
};

namespace detail {

/// P: Plan or FrozenPlan.
template <class P>
class PlanInterpreter {
 public:
  PlanInterpreter(const P& a_plan, int sample_count) : plan(a_plan), samples(sample_count) {}

  PlanResult run(const std::vector<Values>& inputs, const std::vector<Values>& parameters) {
    for (const Values& x : inputs) input_memory.emplace_back(x);
    for (const Values& x : parameters) parameter_memory.emplace_back(x);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      Values copy = parameters[i];
      for (double& x : copy) x = as_stored(plan.parameters.data[i].multiplied, x);
      rounded_memory.emplace_back(copy);
    }
    batch_memory = Memory(Values{static_cast<double>(samples)});
    const std::int64_t bytes = plan.arena_bytes_per_sample * samples + plan.arena_bytes_shared;
    for (const Value& v : plan.values)
      if (v.element == Element::u2) cell_bits = 2;
    arena = Memory(Values(static_cast<std::size_t>(8 / cell_bits * bytes), std::nan("")));
    for (int l = 0; l < plan.launches.size; ++l) run(plan.launches.data[l]);
    return result();
  }

 private:
  using At = std::array<int, max_rank>;

  struct Access {
    int stage = -1;
    std::int64_t evaluation = -1;  // several: -2
  };
  /// A cell is an element, or cell_bits of the arena (whose number is kept in its first cell).
  struct Memory {
    Values cells;
    std::vector<int> owner;
    std::vector<Access> read, written;

    Memory() = default;
    explicit Memory(Values values)
        : cells(std::move(values)), owner(cells.size(), -1), read(cells.size()), written(cells.size()) {}
  };
  struct Cell {
    Memory* memory;
    std::size_t first;
    int span;  // cells, in the arena
  };

  const P& plan;
  int samples;
  int cell_bits = 8;  // of the arena: 2 where values of u2 lie in it
  std::vector<Memory> input_memory, parameter_memory, rounded_memory;
  Memory batch_memory, arena;
  const Launch* launch = nullptr;
  int stage_run = 0;            // which run of a stage this is
  std::int64_t evaluation = 0;  // which evaluation of a Body
  Values registers;
  std::vector<std::vector<Values>> summed;  // of the stage that runs: by sum and channel, all that it was given

  [[noreturn]] void fail(const char* what, int value) const {
    throw Error("plan: " + std::string(what) + ": value " + std::to_string(value) + " (node " +
                std::to_string(plan.values.data[value].node) + ") in launch " +
                std::to_string(launch ? launch - &plan.launches.data[0] : -1));
  }

  int bound(int slot) const { return plan.bindings.data[launch->bindings.first + slot]; }

  Cell cell(int value, std::int64_t element) {
    const Value& v = plan.values.data[value];
    if (element < 0 || element >= v.count * (v.batched ? samples : 1)) fail("index out of range", value);
    const auto e = static_cast<std::size_t>(element);
    switch (v.storage) {
      case Storage::input: return {&input_memory.at(static_cast<std::size_t>(v.index)), e, 1};
      case Storage::parameter: return {&parameter_memory.at(static_cast<std::size_t>(v.index)), e, 1};
      case Storage::rounded: return {&rounded_memory.at(static_cast<std::size_t>(v.index)), e, 1};
      case Storage::batch_size: return {&batch_memory, e, 1};
      case Storage::sums: fail("sums have no place in memory", value);
      case Storage::arena: break;
    }
    const int size = bits_of(v.element) / cell_bits;
    const std::int64_t base = v.batched ? v.offset * samples : plan.arena_bytes_per_sample * samples + v.offset;
    return {&arena, static_cast<std::size_t>(8 / cell_bits * base + element * size), size};
  }

  double load(int value, std::int64_t element) {
    const Cell c = cell(value, element);
    if (c.memory == &arena)
      for (int i = 0; i < c.span; ++i)
        if (arena.owner.at(c.first + static_cast<std::size_t>(i)) != value) fail("read before it is written", value);
    const Access& written = c.memory->written[c.first];
    if (written.stage == stage_run && written.evaluation != evaluation) fail("read where its stage writes", value);
    Access& read = c.memory->read[c.first];
    if (read.stage != stage_run) read = {stage_run, evaluation};
    else if (read.evaluation != evaluation) read.evaluation = -2;
    return c.memory->cells[c.first];
  }

  /// Gives what lies there afterwards.
  double store(int value, std::int64_t element, double number) {
    const Cell c = cell(value, element);
    const Value& v = plan.values.data[value];
    if (v.storage == Storage::input || v.storage == Storage::batch_size) fail("an input is written", value);
    for (int i = 0; i < c.span; ++i) arena_owner(c, i, value);
    const Access& read = c.memory->read[c.first];
    if (read.stage == stage_run && read.evaluation != evaluation) fail("written where its stage reads", value);
    Access& written = c.memory->written[c.first];
    if (written.stage == stage_run) fail("written twice by its stage", value);
    written = {stage_run, evaluation};
    return c.memory->cells[c.first] = as_stored(v.element, number);
  }
  void arena_owner(const Cell& c, int i, int value) {
    if (c.memory == &arena) arena.owner.at(c.first + static_cast<std::size_t>(i)) = value;
  }

  // --- Bodies ------------------------------------------------------------------------------------------------

  static std::int64_t index(const int (&strides)[max_rank], const At& at) {
    std::int64_t i = 0;
    for (std::size_t axis = 0; axis < max_rank; ++axis) i += std::int64_t{strides[axis]} * at[axis];
    return i;
  }

  /// Runs a Body at one coordinate and gives its last register.
  double body(const Range& range, const At& at, int s, double value = 0, double position = 0) {
    ++evaluation;
    registers.assign(static_cast<std::size_t>(range.count) + 1, 0.0);
    for (int i = 0; i < range.count; ++i) {
      const Step& step = plan.steps.data[range.first + i];
      const int used = step.kind == StepKind::apply ? arity(step.map)
                       : step.kind == StepKind::lookup || step.kind == StepKind::random
                           ? 2
                           : step.kind == StepKind::store || step.kind == StepKind::accumulate;
      for (int k = 0; k < used; ++k)
        if (step.registers[k] < 0 || step.registers[k] >= i) throw Error("plan: a step reads a later register");
      registers[static_cast<std::size_t>(i)] = run(step, at, s, value, position);
    }
    return range.count > 0 ? registers[static_cast<std::size_t>(range.count - 1)] : 0;
  }

  double run(const Step& step, const At& at, int s, double value, double position) {
    auto in = [&](int k) { return registers[static_cast<std::size_t>(step.registers[k])]; };
    const std::int64_t sample = std::int64_t{s} * step.sample_stride;
    const Window& v = step.window;
    switch (step.kind) {
      case StepKind::load: return load(bound(step.slot), sample + index(step.strides, at));
      case StepKind::store: return store(bound(step.slot), sample + index(step.strides, at), in(0));
      case StepKind::constant: return step.value;
      case StepKind::iota: return at[static_cast<std::size_t>(step.which)];
      case StepKind::result: return step.which == 0 ? value : position;
      case StepKind::scatter: {
        double sum = 0;
        for (int r = 0; r < v.height; ++r)
          for (int t = 0; t < v.width; ++t) {  // the windows in which the pixel is at (r, t)
            const int row = at[1] + v.pad_top - r, column = at[2] + v.pad_left - t;
            const int p = row / v.stride_h, q = column / v.stride_w;
            if (row < 0 || column < 0 || row % v.stride_h != 0 || column % v.stride_w != 0) continue;
            if (step.rows > 0 && (p >= step.rows || q >= step.columns)) continue;
            const std::int64_t from = sample + index(step.strides, {at[0], p, q, at[3]});
            if (load(bound(step.index_slot), from) == r * v.width + t) sum += load(bound(step.slot), from);
          }
        return sum;
      }
      case StepKind::gather: {
        const std::int64_t which = std::int64_t{s} * step.pooled_sample_stride + index(step.pooled_strides, at);
        const int named = static_cast<int>(load(bound(step.index_slot), which));
        const At from{at[0], at[1] * v.stride_h - v.pad_top + named / v.width,
                      at[2] * v.stride_w - v.pad_left + named % v.width, at[3]};
        return load(bound(step.slot), sample + index(step.strides, from));
      }
      case StepKind::random:
        return random_element(static_cast<float>(in(0)), static_cast<float>(in(1)), step.which, s,
                              static_cast<std::uint32_t>(index(step.strides, at)), static_cast<int>(step.value));
      case StepKind::lookup: {
        const double row = in(0), column = in(1);
        if (!(row >= 0 && row < step.rows && column >= 0 && column < step.columns)) return 0;
        return load(bound(step.slot),
                    sample + index(step.strides, {at[0], static_cast<int>(row), static_cast<int>(column), at[3]}));
      }
      case StepKind::channels: {
        const int from = at[3] + step.which;
        if (from < 0 || from >= step.channels) return 0;
        return load(bound(step.slot), sample + index(step.strides, {at[0], at[1], at[2], from}));
      }
      case StepKind::apply: return apply(step.map, in(0), in(1), in(2));
      case StepKind::accumulate: {
        const auto which = static_cast<std::size_t>(step.which);
        if (summed.size() <= which) summed.resize(which + 1);
        summed[which].resize(static_cast<std::size_t>(step.channels));
        summed[which].at(static_cast<std::size_t>(at[3])).push_back(in(0));
        return in(0);
      }
      case StepKind::total:
        return total(summed.at(static_cast<std::size_t>(step.which)).at(static_cast<std::size_t>(at[3])), step.reduce);
    }
    return 0;
  }

  static double total(const Values& values, ReduceOp op) {
    double sum = 0, deviations = 0;
    for (const double x : values) sum += x;
    if (op == ReduceOp::sum) return sum;
    const double mean = sum / static_cast<double>(values.size());
    for (const double x : values) deviations += (x - mean) * (x - mean);
    return deviations;
  }

  /// Calls f(coordinates) in row-major order of a shape of four extents.
  template <class F>
  static void each(const Shape& shape, F f) {
    At at{};
    for (at[0] = 0; at[0] < shape.extents[0]; ++at[0])
      for (at[1] = 0; at[1] < shape.extents[1]; ++at[1])
        for (at[2] = 0; at[2] < shape.extents[2]; ++at[2])
          for (at[3] = 0; at[3] < shape.extents[3]; ++at[3]) f(at);
  }
  static std::size_t position(const Shape& shape, const At& at) {
    std::int64_t p = 0;
    for (std::size_t axis = 0; axis < max_rank; ++axis) p = p * shape.extents[axis] + at[axis];
    return static_cast<std::size_t>(p);
  }
  Values operand(const Range& range, const Shape& shape, int s) {
    Values values;
    each(shape, [&](const At& at) { values.push_back(body(range, at, s)); });
    return values;
  }

  // --- stages --------------------------------------------------------------------------------------------------

  void run(const Launch& of) {
    launch = &of;
    const Stage* stages = &plan.stages.data[of.stages.first];
    if (of.stages.count == 1) return run(stages[0], 0, stages[0].batched ? samples : 1);
    for (int s = 0; s < samples; ++s)  // a group: all of a sample, then the next one
      for (int i = 0; i < of.stages.count; ++i) run(stages[i], s, s + 1);
  }

  void run(const Stage& stage, int first, int last) {
    ++stage_run;
    summed.clear();
    switch (stage.kind) {
      case StageKind::contraction: contraction(stage, first, last); break;
      case StageKind::reduction: reduction(stage, first, last); break;
      case StageKind::elementwise:
        for (int s = first; s < last; ++s) each(stage.domain, [&](const At& at) { body(stage.main, at, s); });
        break;
      case StageKind::pooling:
        for (int s = first; s < last; ++s) pool(stage, s, operand(stage.a, stage.domain, s));
        break;
    }
    if (summed.empty() || stage.side.count == 0) return;
    ++stage_run;
    for (int c = 0; c < stage.domain.extents[max_rank - 1]; ++c) body(stage.side, At{0, 0, 0, c}, 0);
  }

  void pool(const Stage& stage, int s, const Values& x) {
    const Window& v = stage.pool;
    each(stage.pooled, [&](const At& at) {
      double best = 0;
      int which = -1;
      for (int w = 0; w < v.height * v.width; ++w) {
        const At from{at[0], at[1] * v.stride_h - v.pad_top + w / v.width,
                      at[2] * v.stride_w - v.pad_left + w % v.width, at[3]};
        if (from[1] < 0 || from[1] >= stage.domain.extents[1] || from[2] < 0 || from[2] >= stage.domain.extents[2])
          continue;
        const double here = x[position(stage.domain, from)];
        if (which < 0 || here > best) best = here, which = w;
      }
      body(stage.post, at, s, best, which);
    });
  }

  void contraction(const Stage& stage, int first, int last) {
    const Node& n = plan.nodes.data[stage.root];
    const auto count = static_cast<std::size_t>(stage.domain.count());
    Values sums(count, 0.0), side(static_cast<std::size_t>(stage.second.extents[3]), 0.0);
    for (int s = first; s < last; ++s) {
      const Values a = operand(stage.a, stage.input, s), b = operand(stage.b, stage.second, s);
      if (n.mode != Mode::weight_gradient) sums.assign(count, 0.0);
      accumulate(n, stage, a, b, sums);
      for (std::size_t i = 0; i < b.size(); ++i) side[i % side.size()] += b[i];
      if (n.mode == Mode::weight_gradient) continue;
      Values y;
      each(stage.domain, [&](const At& at) { y.push_back(body(stage.main, at, s, sums[position(stage.domain, at)])); });
      if (stage.post.count > 0) pool(stage, s, y);
    }
    if (n.mode != Mode::weight_gradient) return;
    each(stage.domain, [&](const At& at) { body(stage.main, at, 0, sums[position(stage.domain, at)]); });
    if (stage.side.count == 0) return;
    for (int k = 0; k < stage.second.extents[3]; ++k)
      body(stage.side, At{0, 0, 0, k}, 0, side[static_cast<std::size_t>(k)]);
  }

  static void accumulate(const Node& n, const Stage& stage, const Values& a, const Values& b, Values& sums) {
    const Window& v = n.window;
    const Shape& x = n.mode == Mode::data_gradient ? stage.domain : stage.input;
    const Shape& w = n.mode == Mode::weight_gradient ? stage.domain : stage.second;
    const Shape& y = n.mode == Mode::forward         ? stage.domain
                     : n.mode == Mode::data_gradient ? stage.input
                                                     : stage.second;
    const int out_group = w.extents[3] / v.groups;
    for (int p = 0; p < y.extents[1]; ++p)
      for (int q = 0; q < y.extents[2]; ++q)
        for (int r = 0; r < v.height; ++r)
          for (int t = 0; t < v.width; ++t) {
            const int row = p * v.stride_h + r * v.dilation_h - v.pad_top;
            const int column = q * v.stride_w + t * v.dilation_w - v.pad_left;
            if (row < 0 || row >= x.extents[1] || column < 0 || column >= x.extents[2]) continue;
            for (int c = 0; c < w.extents[2]; ++c)
              for (int k = 0; k < w.extents[3]; ++k) {
                const std::size_t xi = position(x, {0, row, column, k / out_group * w.extents[2] + c});
                const std::size_t wi = position(w, {r, t, c, k}), yi = position(y, {0, p, q, k});
                if (n.mode == Mode::forward) sums[yi] += a[xi] * b[wi];
                else if (n.mode == Mode::data_gradient) sums[xi] += a[yi] * b[wi];
                else sums[wi] += a[xi] * b[yi];
              }
          }
  }

  void reduction(const Stage& stage, int first, int last) {
    const Node& n = plan.nodes.data[stage.root];
    const auto count = static_cast<std::size_t>(stage.domain.count());
    Values best(count, 0.0), where(count, 0.0);
    std::vector<char> seen(count, 0);
    auto finish = [&](int s) {
      const Values& y = n.reduce == ReduceOp::argmax ? where : best;
      each(stage.domain, [&](const At& at) { body(stage.main, at, s, y[position(stage.domain, at)]); });
    };
    for (int s = first; s < last; ++s) {
      if (!n.over_batch) seen.assign(count, 0);
      each(stage.input, [&](const At& at) {
        At to = at;
        int among = 0;
        for (std::size_t axis = 0; axis < max_rank; ++axis)
          if (stage.axes >> axis & 1) {
            among = among * stage.input.extents[axis] + at[axis];
            to[axis] = 0;
          }
        const std::size_t j = position(stage.domain, to);
        const double x = body(stage.a, at, s);
        if (!seen[j]) best[j] = x, where[j] = among;
        else if (n.reduce == ReduceOp::sum) best[j] += x;
        else if (x > best[j]) best[j] = x, where[j] = among;
        seen[j] = 1;
      });
      if (!n.over_batch) finish(s);
    }
    if (n.over_batch) finish(0);
  }

  PlanResult result() {
    ++stage_run;
    launch = nullptr;
    PlanResult r;
    int count = 0;
    for (const PlanOutput& output : plan.outputs) count = output.output >= count ? output.output + 1 : count;
    std::vector<Values> by_number(static_cast<std::size_t>(count));
    std::vector<bool> there(by_number.size(), false);
    for (const PlanOutput& output : plan.outputs) {
      const Value& value = plan.values.data[output.value];
      const auto number = static_cast<std::size_t>(output.output);
      there[number] = true;
      for (std::int64_t i = 0; i < value.count * (value.batched ? samples : 1); ++i)
        by_number[number].push_back(load(output.value, i));
    }
    for (std::size_t i = 0; i < by_number.size(); ++i)
      if (there[i]) r.outputs.push_back(by_number[i]);
    for (const Memory& memory : parameter_memory) r.updated.push_back(memory.cells);
    return r;
  }
};

}  // namespace detail

/// Runs the plan (a Plan or FrozenPlan with offsets) on `samples` samples.
template <class P>
PlanResult execute(const P& plan, int samples, const std::vector<Values>& inputs,
                   const std::vector<Values>& parameters) {
  return detail::PlanInterpreter<P>(plan, samples).run(inputs, parameters);
}

}  // namespace inlay::reference
