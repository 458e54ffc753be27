// Groups the nodes of a graph into stages. A stage has one root (a contraction, reduction, pooling, or a first
// map); around it
//   - a map joins the latest stage that it reads, as part of that stage's epilogue, when it ranges over the same
//     domain: whatever else it reads has been computed before, so this is always legal and saves a load;
//   - max pooling joins the contraction that produces its operand, and maps of the pooled values follow it;
//   - a cheap map that no producer can take is inlined into the loads of its readers (prologue), recomputed in each
//     if that costs less than storing and reloading it;
//   - the sum of a gradient over samples and pixels (a bias gradient) joins the weight gradient that reads the same
//     values; parameter updates are maps of gradients and therefore join whatever makes the gradient, in place.
// Small per-sample stages share a launch. Stages run in the order of their roots, so every rule above needs only
// comparisons of node numbers; the pass is linear in nodes plus uses.
#pragma once

#include <inlay/graph/build.hpp>
#include <inlay/graph/plan.hpp>

namespace inlay {

namespace detail {

/// Largest per-sample domain that a shared launch takes.
inline constexpr std::int64_t small_domain = 2048;

/// Cost of evaluating an elementwise primitive once, in multiply-adds.
constexpr int cost_of(const Node& n) {
  switch (n.op) {
    case Op::transpose: return 1;
    case Op::scatter:
    case Op::gather: return 2;
    default: break;
  }
  switch (n.map) {
    case MapOp::copy: return 0;
    case MapOp::divide: return 4;
    case MapOp::exp:
    case MapOp::log:
    case MapOp::sqrt:
    case MapOp::tanh:
    case MapOp::erf: return 8;
    default: return 1;
  }
}

/// Recomputing in several readers may cost this much in all; a single reader may take any expression up to 64.
inline constexpr int recompute_limit = 12;
inline constexpr int inline_limit = 64;

/// Matches the axes of two shapes that differ by ones only, from the last. -1: no partner (extent 1).
struct AxisMatch {
  bool fits = true;
  int partner[max_rank] = {-1, -1, -1, -1};  // axis of `domain` (four extents) for each axis of `shape`
};

constexpr AxisMatch match_axes(const Shape& shape, const Shape& domain) {
  AxisMatch match;
  int j = max_rank - 1;
  for (int i = shape.rank - 1; i >= 0; --i) {
    if (shape.extents[i] == 1) continue;
    while (j >= 0 && domain.extents[j] == 1) --j;
    if (j < 0 || domain.extents[j] != shape.extents[i]) {
      match.fits = false;
      return match;
    }
    match.partner[i] = j--;
  }
  while (j >= 0 && domain.extents[j] == 1) --j;
  match.fits = j < 0;
  return match;
}

constexpr void contiguous_strides(const Shape& shape, int (&strides)[max_rank]) {
  int stride = 1;
  for (int i = shape.rank - 1; i >= 0; --i) {
    strides[i] = stride;
    stride *= shape.extents[i];
  }
}

class Fuser {
 public:
  constexpr explicit Fuser(const Graph& graph)
      : nodes(graph.nodes), outputs(graph.outputs) {
    plan.inputs = graph.inputs;
    plan.parameters = graph.parameters;
  }

  constexpr Plan run() {
    prepare();
    find_inline_candidates();
    for (int i = 0; i < nodes.size; ++i) assign(i);
    trace_reads();
    copy_outputs();
    copy_late_updates();
    number_stages();
    group_stages();
    emit_stages();
    name_outputs();
    plan.nodes = nodes;
    return static_cast<Plan&&>(plan);
  }

 private:
  enum Level : std::uint8_t { main_level, post_level, side_level };

  struct Info {
    int base = 0;            // the node without reshapes
    bool through_reshape = false;
    int stage = -1;          // root of the stage that evaluates it
    int ready = -1;          // root of the latest stage that it needs
    Level level = main_level;
    bool candidate = false;  // may be inlined
    bool inlined = false;
    bool flat = true;        // reading it depends on the linear index only: survives a reshape
    bool pixelwise = false;  // reading it needs the row and column of its own shape: an inlined scatter or gather
    bool contracted = false; // a contraction reads it
    bool output = false;
    bool stored = false;     // passes through memory
    int first_user = 0, users = 0;
    int side_of = -1;        // reduction: the weight gradient that computes it on the side
    int pool_source = -1;    // root: what its pooling reduces
    int pool_index = -1;     // root: the max_index node
    int update = -1;         // parameter whose next value this is
    int number = -1;         // root: position in plan.stages
    int value = -1;          // position in plan.values
  };

  struct Read {
    int stage, node;
    int next;
  };

  List<Node> nodes;
  List<Output> outputs;
  Plan plan;
  List<Info> info;
  List<int> user_list;
  List<Read> reads;            // linked lists by stage root
  List<int> first_read;
  List<int> last_reader;       // by parameter: root of the last stage that reads it
  List<int> register_of;       // while a Body is emitted
  List<int> touched;
  List<int> slot_of;           // by value, while a launch is emitted
  List<int> parameter_values;  // by parameter: its position in plan.values

  // --- facts about nodes -------------------------------------------------------------------------------------

  constexpr bool elementwise(const Node& n) const {
    return n.op == Op::map || n.op == Op::scatter || n.op == Op::gather || n.op == Op::transpose;
  }

  constexpr void prepare() {
    info = List<Info>(nodes.size);
    List<int> counts(nodes.size + 1, 0);
    for (int i = 0; i < nodes.size; ++i) {
      const Node& n = nodes.data[i];
      Info& f = info.data[i];
      f.base = i;
      if (n.op == Op::reshape) f.base = info.data[n.operands[0]].base;
      for (int k = 0; k < n.operand_count; ++k) ++counts.data[n.operands[k]];
    }
    int total = 0;
    for (int i = 0; i < nodes.size; ++i) {
      info.data[i].first_user = total;
      total += counts.data[i];
    }
    user_list = List<int>(total, 0);
    for (int i = 0; i < nodes.size; ++i) {
      const Node& n = nodes.data[i];
      for (int k = 0; k < n.operand_count; ++k) {
        Info& f = info.data[n.operands[k]];
        user_list.data[f.first_user + f.users++] = i;
      }
    }
    for (const Output& o : outputs) {
      info.data[o.node].output = true;
      info.data[info.data[o.node].base].output = true;
    }
    last_reader = List<int>(plan.parameters.size, -1);
    parameter_values = List<int>(plan.parameters.size, -1);
  }

  /// Every operand is read at the linear index or is one number.
  constexpr bool linear(const Node& n) const {
    if (n.op != Op::map) return false;
    for (int k = 0; k < n.operand_count; ++k) {
      const Node& o = nodes.data[n.operands[k]];
      if (o.op == Op::iota || (o.shape.count() != n.shape.count() && o.shape.count() != 1)) return false;
    }
    return true;
  }

  /// May a node that no producer takes be recomputed in its readers? Decided from the last node backwards.
  constexpr void find_inline_candidates() {
    List<int> cost(nodes.size, 0);
    for (int i = 0; i < nodes.size; ++i) {
      const Node& n = nodes.data[i];
      Info& f = info.data[i];
      for (int k = 0; n.op == Op::contraction && k < 2; ++k) info.data[info.data[n.operands[k]].base].contracted = true;
      if (!elementwise(n)) continue;
      f.flat = linear(n);
      cost.data[i] = cost_of(n);
      for (int k = 0; n.op == Op::map && k < n.operand_count; ++k) {
        const int o = info.data[n.operands[k]].base;
        if (elementwise(nodes.data[o])) {
          cost.data[i] += cost.data[o];
          f.flat = f.flat && info.data[o].flat;
        }
      }
    }
    for (int i = nodes.size - 1; i >= 0; --i) {
      const Node& n = nodes.data[i];
      Info& f = info.data[i];
      if (!elementwise(n) || f.output) continue;
      int readers = 0;
      bool fits = true;
      count_readers(i, i, readers, fits);
      bool reads_parameter = false;
      for (int k = 0; k < n.operand_count; ++k)
        if (nodes.data[info.data[n.operands[k]].base].op == Op::parameter) reads_parameter = true;
      f.candidate = fits && !reads_parameter && cost.data[i] <= inline_limit &&
                    (readers <= 1 || readers * cost.data[i] <= recompute_limit);
    }
  }

  constexpr void count_readers(int i, int origin, int& readers, bool& fits) const {
    const Node& n = nodes.data[origin];
    const bool one_number = n.op == Op::map && n.map == MapOp::copy && nodes.data[n.operands[0]].shape.count() == 1;
    for (int u = info.data[i].first_user; u < info.data[i].first_user + info.data[i].users; ++u) {
      const int user = user_list.data[u];
      const Node& reader = nodes.data[user];
      ++readers;
      switch (reader.op) {
        case Op::reshape:
          --readers;
          if (!info.data[origin].flat) fits = false;
          count_readers(user, origin, readers, fits);
          break;
        case Op::contraction:  // the weights are read from memory as they lie
          if (reader.operands[1] == i && reader.mode != Mode::weight_gradient) fits = false;
          break;
        case Op::reduction: break;
        case Op::map:
          if (reader.shape.count() != n.shape.count() && !one_number) fits = false;
          break;
        default: fits = false;
      }
    }
  }

  // --- assignment of nodes to stages ---------------------------------------------------------------------------

  constexpr Shape domain_of(int root, Level level) const {
    const Node& n = nodes.data[root];
    const Info& f = info.data[root];
    if (level == side_level) return shape_of(n.shape.extents[3]);
    if (level == post_level) return nodes.data[f.pool_index].shape;
    return n.shape;
  }

  constexpr void root_stage(int i) {
    info.data[i].stage = info.data[i].ready = i;
  }
  constexpr void join(int i, int stage, Level level) {
    info.data[i].stage = info.data[i].ready = stage;
    info.data[i].level = level;
  }

  constexpr void assign(int i) {
    const Node& n = nodes.data[i];
    switch (n.op) {
      case Op::contraction: return root_stage(i);
      case Op::reduction:
        if (int gradient = weight_gradient_of(i); gradient >= 0) {
          info.data[i].side_of = gradient;
          return join(i, gradient, side_level);
        }
        return root_stage(i);
      case Op::max_index: return assign_pooling(i);
      case Op::gather: {
        const Info& index = info.data[info.data[n.operands[1]].base];
        if (index.stage >= 0 && info.data[index.stage].pool_index == n.operands[1] &&
            info.data[index.stage].pool_source == n.operands[0])
          return join(i, index.stage, post_level);
        return assign_map(i);
      }
      case Op::map:
      case Op::scatter:
      case Op::transpose: return assign_map(i);
      case Op::iota: return assign_iota(i);
      default: return;  // other leaves and reshapes
    }
  }

  /// Coordinates are computed where they are read, and stored only for readers that count otherwise.
  constexpr void assign_iota(int i) {
    const Info& f = info.data[i];
    for (int u = f.first_user; u < f.first_user + f.users; ++u) {
      const Op reader = nodes.data[user_list.data[u]].op;
      if (reader == Op::reshape || reader == Op::transpose || reader == Op::gather || reader == Op::scatter)
        return root_stage(i);
    }
  }

  /// The weight gradient whose operand dy this node sums over samples and pixels, if the sum can wait for it.
  constexpr int weight_gradient_of(int i) const {
    const Node& n = nodes.data[i];
    const int d = n.operands[0];
    const Shape& s = nodes.data[d].shape;
    if (n.reduce != ReduceOp::sum || s.rank < 1 || (n.index >> (s.rank - 1) & 1)) return -1;
    for (int axis = 0; axis + 1 < s.rank; ++axis)
      if (s.extents[axis] != 1 && !(n.index >> axis & 1)) return -1;
    const Shape& whole = nodes.data[info.data[d].base].shape;
    if (whole.extents[whole.rank - 1] != s.extents[s.rank - 1]) return -1;
    const int found = find_weight_gradient(info.data[d].base, n.over_batch);
    if (found < i) return -1;
    return earliest_user(i) > found ? found : -1;
  }
  /// Among the readers of `d`, also through reshapes that keep the channels.
  constexpr int find_weight_gradient(int d, bool over_batch) const {
    const Info& f = info.data[d];
    for (int u = f.first_user; u < f.first_user + f.users; ++u) {
      const int user = user_list.data[u];
      const Node& reader = nodes.data[user];
      if (reader.op == Op::contraction && reader.mode == Mode::weight_gradient && reader.operands[1] == d &&
          reader.over_batch == over_batch)
        return user;
      if (reader.op == Op::reshape && reader.shape.rank == 3 &&
          reader.shape.extents[2] == nodes.data[d].shape.extents[nodes.data[d].shape.rank - 1])
        if (int found = find_weight_gradient(user, over_batch); found >= 0) return found;
    }
    return -1;
  }
  constexpr int earliest_user(int i) const {
    int earliest = nodes.size;
    const Info& f = info.data[i];
    for (int u = f.first_user; u < f.first_user + f.users; ++u) {
      int user = user_list.data[u];
      if (nodes.data[user].op == Op::reshape) user = earliest_user(user);
      if (user < earliest) earliest = user;
    }
    return earliest;
  }

  constexpr void assign_pooling(int i) {
    const Node& n = nodes.data[i];
    const int x = n.operands[0];
    const Info& source = info.data[x];
    const bool joins = source.stage >= 0 && source.level == main_level && !source.inlined &&
                       nodes.data[source.stage].op == Op::contraction &&
                       nodes.data[source.stage].mode != Mode::weight_gradient &&
                       info.data[source.stage].pool_index < 0 && nodes.data[source.stage].shape == nodes.data[x].shape;
    const int stage = joins ? source.stage : i;
    root_stage(i);
    join(i, stage, post_level);
    info.data[stage].pool_source = x;
    info.data[stage].pool_index = i;
  }

  constexpr void assign_map(int i) {
    const Node& n = nodes.data[i];
    Info& f = info.data[i];
    f.flat = linear(n);
    f.pixelwise = n.op == Op::scatter || n.op == Op::gather;
    bool operands_stored = true;
    for (int k = 0; k < n.operand_count; ++k) {
      const Info& o = info.data[info.data[n.operands[k]].base];
      if (o.ready > f.ready) f.ready = o.ready;
      if (o.inlined && !o.flat) f.flat = false;
      if (o.inlined && o.pixelwise) f.pixelwise = true;
      if (o.inlined || (o.stage >= 0 && !o.contracted)) operands_stored = false;
    }
    if (f.candidate && operands_stored) {  // a mask of an activation that is kept anyway: read that instead
      f.inlined = true;
      return;
    }
    if (f.ready >= 0 && n.op == Op::map)
      for (int l = main_level; l <= side_level; ++l)
        if (const Level level = static_cast<Level>(l); covers(f.ready, level, i) && operands_within(n, f.ready, level)) return join(i, f.ready, level);
    if (f.candidate) f.inlined = true;
    else root_stage(i);
  }

  /// Is every operand either older than the stage or computed in it at this level (or inlined from such)?
  constexpr bool operands_within(const Node& n, int stage, Level level) const {
    if (n.op != Op::map) {
      for (int k = 0; k < n.operand_count; ++k)
        if (info.data[info.data[n.operands[k]].base].ready >= stage) return false;
      return true;
    }
    for (int k = 0; k < n.operand_count; ++k) {
      const int b = info.data[n.operands[k]].base;
      const Info& o = info.data[b];
      if (o.ready < stage) continue;
      if (o.inlined ? !operands_within(nodes.data[b], stage, level) : o.stage != stage || o.level != level) return false;
    }
    return true;
  }

  /// Does the stage's domain at this level have exactly the node's coordinates?
  constexpr bool covers(int root, Level level, int i) const {
    const Node& n = nodes.data[i];
    const Node& r = nodes.data[root];
    if (level == post_level && info.data[root].pool_index < 0) return false;
    if (level == side_level && (r.op != Op::contraction || r.mode != Mode::weight_gradient)) return false;
    const bool batched = level == side_level ? false : r.batched;
    if (n.batched != batched) return false;
    const Shape domain = padded(domain_of(root, level));
    if (domain.count() != n.shape.count()) return false;
    if (info.data[i].pixelwise) return padded(n.shape) == domain;
    return match_axes(n.shape, domain).fits || info.data[i].flat;
  }

  // --- what passes through memory --------------------------------------------------------------------------------

  constexpr void add_read(int stage, int node) {
    reads.push({stage, node, first_read.data[stage]});
    first_read.data[stage] = reads.size - 1;
  }

  /// Notes everything that evaluating operand `o` in `stage` takes from memory. `exact` is false where elements
  /// other than the coordinate's own are read.
  constexpr void trace(int stage, int o, bool exact, bool in_registers, Level level) {
    const int b = info.data[o].base;
    const Node& n = nodes.data[b];
    Info& f = info.data[b];
    if (n.op == Op::parameter) {
      const int reader = exact ? stage : stage + 1;
      if (reader > last_reader.data[n.index]) last_reader.data[n.index] = reader;
    }
    if (is_leaf(n.op) && f.stage < 0) {
      if (is_stored_leaf(n.op)) add_read(stage, b);
      return;
    }
    if (f.inlined) {
      for (int k = 0; k < n.operand_count; ++k) {
        trace(stage, n.operands[k], exact && n.op == Op::map, in_registers && n.op == Op::map, level);
        if (n.op != Op::map) store_operand(n.operands[k]);
      }
      return;
    }
    if (in_registers && f.stage == stage && f.level == level) return;
    f.stored = true;
    add_read(stage, b);
  }
  /// Scatter, gather and transpose index memory: what they read can't be inlined.
  constexpr void store_operand(int o) {
    Info& f = info.data[info.data[o].base];
    if (f.inlined) throw Error("fuse: the operand of an indexed read was inlined");
    if (f.stage >= 0) f.stored = true;
  }

  constexpr void trace_reads() {
    first_read = List<int>(nodes.size + 2 * outputs.size + 1, -1);  // an output may need two copies
    for (int i = 0; i < nodes.size; ++i) {
      const Node n = nodes.data[i];
      const Info f = info.data[i];
      if (f.stage < 0 || f.inlined || n.op == Op::reshape || f.side_of >= 0) continue;
      if (n.op == Op::max_index) {
        if (f.stage == i) trace(f.stage, n.operands[0], false, false, main_level);
        continue;
      }
      if (n.op == Op::gather && f.stage != i && f.level == post_level && info.data[f.stage].pool_source == n.operands[0])
        continue;
      const bool exact = n.op == Op::map;
      for (int k = 0; k < n.operand_count; ++k) {
        trace(f.stage, n.operands[k], exact, exact, f.level);
        if (n.op == Op::scatter || n.op == Op::gather || n.op == Op::transpose) store_operand(n.operands[k]);
      }
    }
    for (const Output& o : outputs) {
      Info& f = info.data[info.data[o.node].base];
      if (!o.is_update() && f.stage >= 0) f.stored = true;
    }
  }

  /// The root of an elementwise stage of its own, after all others, that copies node `o`.
  constexpr int copy_last(int o) {
    const Node& n = nodes.data[o];
    const int b = info.data[o].base;
    const int i = nodes.push(Node{.op = Op::map, .batched = n.batched, .map = MapOp::copy, .shape = n.shape,
                                  .operand_count = 1, .operands = {o, -1, -1}});
    info.push({});
    info.data[i].base = i;
    root_stage(i);
    if (info.data[b].stage >= 0) info.data[b].stored = true;
    if (info.data[b].stage >= 0 || is_stored_leaf(nodes.data[b].op)) add_read(i, b);
    return i;
  }

  /// A constant handed out needs memory, and a parameter that this run also updates a copy from before.
  constexpr void copy_outputs() {
    List<bool> updated(plan.parameters.size, false);
    for (const Output& o : outputs)
      if (o.is_update()) updated.data[o.parameter] = true;
    for (Output& o : outputs) {
      const Node& n = nodes.data[info.data[o.node].base];
      const bool before_update = n.op == Op::parameter && updated.data[n.index];
      const bool computed_nowhere = !o.is_update() && (n.op == Op::constant || n.op == Op::iota);
      if (!computed_nowhere && (!before_update || n.index == o.parameter)) continue;
      const int parameter = before_update ? n.index : -1;
      o.node = copy_last(o.node);
      info.data[o.node].stored = true;
      if (parameter >= 0) last_reader.data[parameter] = o.node;
    }
  }

  /// A parameter's next value is written where it is computed, unless an older reader still comes, or it isn't
  /// computed by a stage at all; then a last stage copies it.
  constexpr void copy_late_updates() {
    const int count = outputs.size;
    for (int k = 0; k < count; ++k) {
      const Output o = outputs.data[k];
      if (!o.is_update()) continue;
      const int b = info.data[o.node].base;
      const Info f = info.data[b];
      const bool in_place = f.stage >= 0 && !f.inlined && f.update < 0 && nodes.data[b].op == Op::map &&
                            last_reader.data[o.parameter] <= f.stage;
      if (in_place) {
        info.data[b].update = o.parameter;
        continue;
      }
      if (f.inlined) throw Error("fuse: an output was inlined");
      const int copy = copy_last(o.node);
      info.data[copy].update = o.parameter;
    }
  }

  // --- stages, launches ------------------------------------------------------------------------------------------

  constexpr void number_stages() {
    List<int> counts(nodes.size, 0);
    for (int i = 0; i < nodes.size; ++i) {
      const Info& f = info.data[i];
      if (f.stage >= 0 && !f.inlined && nodes.data[i].op != Op::reshape) ++counts.data[f.stage];
    }
    int total = 0;
    for (int i = 0; i < nodes.size; ++i) {
      Info& f = info.data[i];
      if (f.stage != i) continue;
      const Node& n = nodes.data[i];
      Stage stage{.root = i, .batched = n.batched, .domain = padded(n.shape)};
      switch (n.op) {
        case Op::contraction:
          stage.kind = StageKind::contraction;
          stage.batched = n.batched || n.over_batch;
          stage.input = padded(nodes.data[n.operands[0]].shape);
          stage.second = padded(nodes.data[n.operands[1]].shape);
          break;
        case Op::reduction:
          stage.kind = StageKind::reduction;
          stage.batched = n.batched || n.over_batch;
          stage.input = padded(nodes.data[n.operands[0]].shape);
          break;
        case Op::max_index:
          stage.kind = StageKind::pooling;
          stage.domain = padded(nodes.data[n.operands[0]].shape);
          break;
        default: stage.kind = StageKind::elementwise;
      }
      if (f.pool_index >= 0) {
        stage.pool_height = nodes.data[f.pool_index].window.height;
        stage.pool_width = nodes.data[f.pool_index].window.width;
      }
      stage.members = {total, 0};
      total += counts.data[i];
      f.number = plan.stages.push(stage);
    }
    plan.members = List<int>(total, 0);
    for (int i = 0; i < nodes.size; ++i) {
      const Info& f = info.data[i];
      if (f.stage < 0 || f.inlined || nodes.data[i].op == Op::reshape) continue;
      Range& members = plan.stages.data[info.data[f.stage].number].members;
      plan.members.data[members.first + members.count++] = i;
    }
  }

  constexpr bool shares_launch(const Stage& stage) const {
    if (!stage.batched || (stage.kind != StageKind::elementwise && stage.kind != StageKind::reduction)) return false;
    const Node& root = nodes.data[stage.root];
    if (root.over_batch || stage.domain.count() > small_domain) return false;
    return stage.kind == StageKind::elementwise || stage.input.count() <= small_domain;
  }

  /// Launches in order. A small stage joins the last shared launch if nothing that it reads came since.
  constexpr void group_stages() {
    List<int> launch_of(plan.stages.size, -1);
    List<int> next(plan.stages.size, -1);    // the next stage of the same launch
    List<int> heads, tails, firsts;
    int open = -1;
    for (int s = 0; s < plan.stages.size; ++s) {
      const Stage& stage = plan.stages.data[s];
      int launch = -1;
      if (shares_launch(stage)) {
        bool joins = open >= 0;
        for (int r = first_read.data[stage.root]; joins && r >= 0; r = reads.data[r].next) {
          const int producer = info.data[reads.data[r].node].stage;
          if (producer < 0) continue;
          const int p = info.data[producer].number;
          if (launch_of.data[p] != open && p > firsts.data[open]) joins = false;
        }
        if (joins) launch = open;
      }
      if (launch < 0) {
        launch = heads.push(s);
        tails.push(s);
        firsts.push(s);
        if (shares_launch(stage)) open = launch;
      } else {
        next.data[tails.data[launch]] = s;
        tails.data[launch] = s;
      }
      launch_of.data[s] = launch;
    }
    List<Stage> ordered;
    for (int l = 0; l < heads.size; ++l) {
      Launch launch{.stages = {ordered.size, 0}};
      for (int s = heads.data[l]; s >= 0; s = next.data[s]) {
        info.data[plan.stages.data[s].root].number = ordered.push(plan.stages.data[s]);
        ++launch.stages.count;
      }
      plan.launches.push(launch);
    }
    plan.stages = static_cast<List<Stage>&&>(ordered);
  }

  // --- Bodies ----------------------------------------------------------------------------------------------------

  struct Place {
    int launch;
    int stage;      // root
    Level level;
    Shape domain;   // four extents
    int first_step;
  };

  constexpr void emit_stages() {
    register_of = List<int>(nodes.size, -1);
    slot_of = List<int>(nodes.size + plan.parameters.size, -1);  // at most this many values
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
    const Info f = info.data[stage.root];
    auto operand = [&](int k, const Shape& domain) {
      Place place{launch, stage.root, main_level, domain, plan.steps.size};
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
      stage.main = emit_level({launch, stage.root, main_level, stage.domain, 0}, stage, f.pool_source);
    if (f.pool_index >= 0)
      stage.post = emit_level({launch, stage.root, post_level, padded(nodes.data[f.pool_index].shape), 0}, stage, -1);
    if (stage.kind == StageKind::contraction && root.mode == Mode::weight_gradient)
      stage.side = emit_level({launch, stage.root, side_level, padded(shape_of(root.shape.extents[3])), 0}, stage, -1);
  }

  /// The Body of one level: every member, then the stores, then (for pooling) the value that goes on.
  constexpr Range emit_level(Place place, const Stage& stage, int last) {
    place.first_step = plan.steps.size;
    for (int m = stage.members.first; m < stage.members.first + stage.members.count; ++m) {
      const int i = plan.members.data[m];
      if (info.data[i].level == place.level) member(place, i);
    }
    for (int m = stage.members.first; m < stage.members.first + stage.members.count; ++m) {
      const int i = plan.members.data[m];
      const Info& f = info.data[i];
      if (f.level != place.level) continue;
      if (f.stored) store(place, i, value_of(i));
      if (f.update >= 0) store(place, i, parameter_value(f.update));
    }
    if (last >= 0) {
      Step step{.kind = StepKind::apply, .map = MapOp::copy, .registers = {register_of.data[last], 0, 0}};
      plan.steps.push(step);
    }
    return finish(place);
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
    const bool computed = (i == place.stage && n.op != Op::map && n.op != Op::scatter && n.op != Op::gather &&
                           n.op != Op::transpose) || n.op == Op::max_index || info.data[i].side_of >= 0 ||
                          (place.level == post_level && n.op == Op::gather &&
                           n.operands[0] == info.data[place.stage].pool_source);
    if (computed) return remember(place, i, Step{.kind = StepKind::result, .which = n.op == Op::max_index ? 1 : 0});
    return compute(place, i, n.shape);
  }

  /// The register that holds operand `o`, as it is read by a node of shape `reader`.
  constexpr int evaluate(const Place& place, int o, const Shape& reader) {
    const int b = info.data[o].base;
    const Node& n = nodes.data[b];
    const Info& f = info.data[b];
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
      step.element = n.element;
      step.slot = slot(place, value_of(info.data[n.operands[0]].base));
      step.sample_stride = sample_stride(operand);
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
      step.slot = slot(place, value_of(info.data[n.operands[0]].base));
      step.index_slot = slot(place, value_of(info.data[n.operands[1]].base));
      step.window_height = n.window.height;
      step.window_width = n.window.width;
      step.sample_stride = sample_stride(operand);
      contiguous_strides(padded(operand.shape), step.strides);
      contiguous_strides(padded(index.shape), step.pooled_strides);
      step.pooled_sample_stride = sample_stride(index);
      return remember(place, i, step);
    }
    for (int k = 0; k < n.operand_count; ++k)
      step.registers[k] = evaluate(place, n.operands[k], reader.count() == n.shape.count() ? n.shape : reader);
    return remember(place, i, step);
  }

  constexpr int sample_stride(const Node& n) const { return n.batched ? static_cast<int>(n.shape.count()) : 0; }

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
    Step step{.kind = StepKind::load, .element = n.element, .slot = slot(place, value_of(b)), .sample_stride = sample_stride(n)};
    set_strides(step, place.domain, shape, reader);
    if (whole) return remember(place, b, step);
    plan.steps.push(step);
    return plan.steps.size - 1 - place.first_step;
  }

  constexpr void store(const Place& place, int i, int value) {
    const Node& n = nodes.data[i];
    Step step{.kind = StepKind::store, .element = n.element, .slot = slot(place, value),
              .registers = {register_of.data[i], 0, 0}, .sample_stride = sample_stride(n)};
    contiguous_strides(place.domain, step.strides);
    plan.steps.push(step);
  }

  // --- values ----------------------------------------------------------------------------------------------------

  constexpr int value_of(int b) {
    const Node& n = nodes.data[b];
    if (n.op == Op::parameter) return parameter_value(n.index);
    Info& f = info.data[b];
    if (f.value >= 0) return f.value;
    Value value{.node = b, .index = n.index, .element = n.element, .batched = n.batched, .count = n.shape.count()};
    value.storage = n.op == Op::input        ? Storage::input
                    : n.op == Op::batch_size ? Storage::batch_size
                                             : Storage::arena;
    return f.value = plan.values.push(value);
  }

  constexpr int parameter_value(int parameter) {
    int& value = parameter_values.data[parameter];
    if (value < 0)
      value = plan.values.push(Value{.storage = Storage::parameter, .index = parameter,
                                     .count = plan.parameters.data[parameter].shape.count()});
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
      plan.outputs.push({value_of(info.data[o.node].base), k});
    }
  }
};

}  // namespace detail

constexpr Plan fuse(const Graph& graph) { return detail::Fuser(graph).run(); }

}  // namespace inlay
