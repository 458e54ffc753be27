// Groups the nodes of a graph into stages. A stage has one root (a contraction, reduction, pooling, or a first
// map); around it
//   - a map joins the latest stage that it reads, as part of that stage's epilogue, when it ranges over the same
//     domain: whatever else it reads has been computed before, so this is always legal and saves a load;
//   - max pooling by windows that tile the image joins the contraction that produces its operand, and maps of the
//   pooled
//     values follow it;
//   - a cheap map that no producer can take is inlined into the loads of its readers (prologue), recomputed in each
//     if that costs less than storing and reloading it;
//   - the sum of a gradient over samples and pixels (a bias gradient) joins the weight gradient that reads the same
//     values, and any other sum of that kind (a batch normalisation's, forward or backward) the stage that makes the
//     values; maps of such sums follow them, once for each channel;
//   - parameter updates are maps of gradients and therefore join whatever makes the gradient, in place.
// Small per-sample stages share a launch. Stages run in the order of their roots, so every rule above needs only
// comparisons of node numbers; the pass is linear in nodes plus uses.
#pragma once

#include <inlay/graph/axes.hpp>
#include <inlay/graph/build.hpp>
#include <inlay/graph/emit.hpp>
#include <inlay/graph/grouping.hpp>

namespace inlay {

namespace detail {

inline constexpr Level levels[] = {Level::main, Level::post, Level::side};

/// Largest per-sample domain that a shared launch takes.
inline constexpr std::int64_t small_domain = 2048;

/// Cost of evaluating an elementwise primitive once, in multiply-adds.
constexpr int cost_of(const Node& n) {
  switch (n.op) {
    case Op::transpose: return 1;
    case Op::scatter:
    case Op::gather:
    case Op::lookup:
    case Op::channels: return 2;
    case Op::random: return 5;
    default: break;
  }
  switch (n.map) {
    case MapOp::copy: return 0;
    case MapOp::divide: return 4;
    case MapOp::exp:
    case MapOp::log:
    case MapOp::sqrt:
    case MapOp::tanh:
    case MapOp::erf: return 10;
    default: return 1;
  }
}

/// Recomputing in several readers may cost this much in all; a single reader may take any expression up to 64.
inline constexpr int recompute_limit = 16;
inline constexpr int inline_limit = 64;

class Grouper {
 public:
  constexpr explicit Grouper(const Graph& graph)
      : nodes(graph.nodes),
        outputs(graph.outputs),
        original_nodes(graph.nodes.size),
        parameter_count(graph.parameters.size) {}

  constexpr Grouping run() {
    prepare();
    find_contracted();
    for (int i = 0; i < nodes.size; ++i) assign(i);
    trace_reads();
    copy_outputs();
    copy_late_updates();
    number_stages();
    group_stages();
    return result();
  }

 private:
  struct Info {
    int base = 0;    // the node without reshapes
    int stage = -1;  // root of the stage that evaluates it
    int ready = -1;  // root of the latest stage that it needs
    Level level = Level::main;
    bool inlined = false;
    int cost = 0;             // of evaluating it where it is inlined
    bool flat = true;         // reading it depends on the linear index only: survives a reshape
    bool pixelwise = false;   // reading it needs the coordinates of its own shape: an inlined scatter or gather
    bool contracted = false;  // a contraction reads it
    bool output = false;
    bool stored = false;  // passes through memory
    int first_user = 0, users = 0;
    int sum = -1;                      // reduction made on the side: which of its stage's sums
    Level summed_level = Level::side;  // of its operand; side: a weight gradient's dy
    int first_sum = -1;                // root: in `sums`
    int pool_source = -1;              // root: what its pooling reduces
    int pool_index = -1;               // root: the max_index node
    int update = -1;                   // parameter whose next value this is
    int number = -1;                   // root: position in `stages`
  };

  struct Read {
    int stage, node;
    int next;
  };
  struct Sum {
    int operand, next;
  };

  List<Node> nodes;
  List<Output> outputs;
  int original_nodes, parameter_count;
  List<Stage> stages;
  List<Launch> launches;
  List<int> members;
  List<Info> info;
  List<int> user_list;
  List<Read> reads;  // linked lists by stage root
  List<int> first_read;
  List<Sum> sums;         // linked lists by stage root
  int open_sums = -1;     // root of the latest stage that does nothing but sum
  List<int> last_reader;  // by parameter: root of the last stage that reads it

  // --- facts about nodes -------------------------------------------------------------------------------------

  constexpr bool elementwise(const Node& n) const { return is_elementwise(n.op); }

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
    last_reader = List<int>(parameter_count, -1);
  }

  /// Every operand is read at the linear index or is one number.
  constexpr bool linear(const Node& n) const {
    if (n.op != Op::map && n.op != Op::random) return false;
    for (int k = 0; k < n.operand_count; ++k) {
      const Node& o = nodes.data[n.operands[k]];
      if (o.op == Op::iota || (o.shape.count() != n.shape.count() && o.shape.count() != 1)) return false;
    }
    return true;
  }

  constexpr void find_contracted() {
    for (const Node& n : nodes)
      for (int k = 0; n.op == Op::contraction && k < 2; ++k) info.data[info.data[n.operands[k]].base].contracted = true;
  }

  /// May the map be recomputed in its readers, if no producer takes it? `cost`: of that, with what is inlined in it.
  constexpr bool is_inline_candidate(int i, int cost) const {
    if (info.data[i].output || cost > inline_limit) return false;
    int readers = 0;
    bool fits = true;
    count_readers(i, i, readers, fits);
    return fits && (readers <= 1 || readers * cost <= recompute_limit);
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
        case Op::reduction:
        case Op::max_index: break;
        case Op::gather:  // the maximum, where its index is found
          if (reader.operands[0] != i || nodes.data[reader.operands[1]].op != Op::max_index ||
              nodes.data[reader.operands[1]].operands[0] != i)
            fits = false;
          --readers;
          break;
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
    if (level == Level::side) return shape_of(n.shape.rank > 0 ? n.shape.extents[n.shape.rank - 1] : 1);
    if (level == Level::post) return nodes.data[f.pool_index].shape;
    return n.shape;
  }

  constexpr void root_stage(int i) { info.data[i].stage = info.data[i].ready = i; }
  constexpr void join(int i, int stage, Level level) {
    info.data[i].stage = info.data[i].ready = stage;
    info.data[i].level = level;
  }

  constexpr void assign(int i) {
    const Node& n = nodes.data[i];
    switch (n.op) {
      case Op::contraction: return root_stage(i);
      case Op::reduction: return assign_reduction(i);
      case Op::max_index: return assign_pooling(i);
      case Op::gather: {
        const Info& index = info.data[info.data[n.operands[1]].base];
        if (index.stage >= 0 && info.data[index.stage].pool_index == n.operands[1] &&
            info.data[index.stage].pool_source == n.operands[0])
          return join(i, index.stage, Level::post);
        return assign_map(i);
      }
      case Op::map:
      case Op::scatter:
      case Op::random:
      case Op::lookup:
      case Op::channels:
      case Op::transpose: return assign_map(i);
      case Op::iota: return assign_iota(i);
      default: return;  // other leaves and reshapes
    }
  }

  /// Coordinates are computed where they are read, and stored only for readers that count otherwise.
  constexpr void assign_iota(int i) {
    const Info& f = info.data[i];
    for (int u = f.first_user; u < f.first_user + f.users; ++u) {
      const Node& user = nodes.data[user_list.data[u]];
      const Op reader = user.op;
      if (reader == Op::reshape || reader == Op::transpose || reader == Op::gather || reader == Op::scatter ||
          reader == Op::channels || (reader == Op::lookup && user.operands[0] == i))
        return root_stage(i);
    }
  }

  constexpr void assign_reduction(int i) {
    const Node& n = nodes.data[i];
    if (const int gradient = weight_gradient_of(i); gradient >= 0) {
      info.data[i].sum = 0;
      return join(i, gradient, Level::side);
    }
    const Shape& summed = nodes.data[n.operands[0]].shape;
    const bool by_channel = (n.reduce == ReduceOp::sum || n.reduce == ReduceOp::squared_deviations) && n.over_batch &&
                            summed.rank > 0 && summed.count() > 1 && n.index == build::all_but_the_last(summed);
    if (!by_channel) return root_stage(i);
    const int o = info.data[n.operands[0]].base;
    const Info& operand = info.data[o];
    const int channels = summed.extents[summed.rank - 1];
    const bool placed = operand.stage >= 0 && !operand.inlined;
    constexpr Level summed_levels[2] = {Level::main, Level::post};
    for (const Level level : summed_levels)
      if (operand.ready >= 0 && sums_here(operand.ready, level, channels) &&
          (placed ? operand.level == level
                  : covers(operand.ready, level, o) && operands_within(nodes.data[o], operand.ready, level)))
        return sum_beside(i, operand.ready, level);
    const bool open =
        open_sums >= 0 && operand.ready < open_sums && nodes.data[nodes.data[open_sums].operands[0]].shape == summed;
    if (!open) {
      root_stage(i);
      open_sums = i;
    }
    sum_beside(i, open_sums, Level::main);
  }

  /// Can the stage sum, on the side, values of this many channels that it evaluates at this level?
  constexpr bool sums_here(int root, Level level, int channels) const {
    const Node& r = nodes.data[root];
    const bool kind = r.op == Op::contraction ? r.mode != Mode::weight_gradient : r.op != Op::reduction;
    if (!kind || !r.batched || (level == Level::post && info.data[root].pool_index < 0)) return false;
    const Shape domain = padded(domain_of(root, level));
    return domain.extents[max_rank - 1] == channels && domain_of(root, Level::side).count() == channels;
  }
  constexpr void sum_beside(int i, int root, Level level) {
    const int operand = info.data[nodes.data[i].operands[0]].base;
    int which = 0, last = -1;
    for (int s = info.data[root].first_sum; s >= 0 && sums.data[s].operand != operand; s = sums.data[s].next) {
      last = s;
      ++which;
    }
    if (last < 0 ? info.data[root].first_sum < 0 : sums.data[last].next < 0)
      (last < 0 ? info.data[root].first_sum : sums.data[last].next) = sums.push({operand, -1});
    join(i, root, Level::side);
    info.data[i].sum = which;
    info.data[i].summed_level = level;
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
    const bool joins =
        source.stage >= 0 && source.level == Level::main && !source.inlined &&
        nodes.data[source.stage].op == Op::contraction && nodes.data[source.stage].mode != Mode::weight_gradient &&
        info.data[source.stage].pool_index < 0 && nodes.data[source.stage].shape == nodes.data[x].shape &&
        n.window.tiles(nodes.data[x].shape.extents[0], nodes.data[x].shape.extents[1]);
    const int stage = joins ? source.stage : i;
    root_stage(i);
    join(i, stage, Level::post);
    info.data[stage].pool_source = x;
    info.data[stage].pool_index = i;
  }

  constexpr void assign_map(int i) {
    const Node& n = nodes.data[i];
    Info& f = info.data[i];
    f.flat = linear(n);
    f.pixelwise = n.op == Op::scatter || n.op == Op::gather || n.op == Op::lookup || n.op == Op::channels;
    f.cost = cost_of(n);
    bool operands_stored = true;
    for (int k = 0; k < n.operand_count; ++k) {
      const Info& o = info.data[info.data[n.operands[k]].base];
      if (o.ready > f.ready) f.ready = o.ready;
      if (o.inlined) f.cost += o.cost;
      if (o.inlined && !o.flat) f.flat = false;
      if (o.inlined && o.pixelwise) f.pixelwise = true;
      if (o.inlined || (o.stage >= 0 && !is_kept(n.operands[k]))) operands_stored = false;
    }
    const bool candidate = is_inline_candidate(i, f.cost);
    if (candidate && operands_stored) {  // a mask of an activation that is kept anyway: read that instead
      f.inlined = true;
      return;
    }
    if (f.ready >= 0 && n.op == Op::map)
      for (const Level level : levels)
        if (covers(f.ready, level, i) && operands_within(n, f.ready, level)) return join(i, f.ready, level);
    if (candidate) f.inlined = true;
    else root_stage(i);
  }

  /// Will a node that a stage evaluates be in memory afterwards, or as good as that: does a later stage read it?
  constexpr bool is_kept(int i) const {
    const Info& f = info.data[info.data[i].base];
    if (f.contracted || !nodes.data[i].batched) return true;
    for (int u = f.first_user; u < f.first_user + f.users; ++u) {
      const Node& user = nodes.data[user_list.data[u]];
      for (int k = 0; k < user.operand_count; ++k)
        if (user.op == Op::map && user.operands[k] > f.stage && nodes.data[user.operands[k]].op == Op::contraction)
          return true;
    }
    return false;
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
      if (o.inlined ? !operands_within(nodes.data[b], stage, level) : o.stage != stage || o.level != level)
        return false;
    }
    return true;
  }

  /// Does the stage's domain at this level have exactly the node's coordinates?
  constexpr bool covers(int root, Level level, int i) const {
    const Node& n = nodes.data[i];
    const Node& r = nodes.data[root];
    if (level == Level::post && info.data[root].pool_index < 0) return false;
    const bool sums_on_the_side =
        (r.op == Op::contraction && r.mode == Mode::weight_gradient) || info.data[root].first_sum >= 0;
    if (level == Level::side && !sums_on_the_side) return false;
    if (level == Level::main && r.op == Op::reduction && info.data[root].first_sum >= 0) return false;
    const bool batched = level == Level::side ? false : r.batched;
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
        const bool here = !reads_elsewhere(n.op, k);
        trace(stage, n.operands[k], exact && here, in_registers && here, level);
        if (!here) store_operand(n.operands[k]);
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
      if (f.stage < 0 || f.inlined || n.op == Op::reshape) continue;
      if (f.sum >= 0) {
        if (f.summed_level != Level::side) trace(f.stage, n.operands[0], true, true, f.summed_level);
        continue;
      }
      if (n.op == Op::max_index) {
        if (f.stage == i) trace(f.stage, n.operands[0], false, false, Level::main);
        continue;
      }
      if (n.op == Op::gather && f.stage != i && f.level == Level::post &&
          info.data[f.stage].pool_source == n.operands[0])
        continue;
      for (int k = 0; k < n.operand_count; ++k) {
        const bool here = is_elementwise(n.op) && !reads_elsewhere(n.op, k);
        trace(f.stage, n.operands[k], here, here, f.level);
        if (is_elementwise(n.op) && !here) store_operand(n.operands[k]);
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
    const int i = nodes.push(Node{.op = Op::map,
                                  .batched = n.batched,
                                  .map = MapOp::copy,
                                  .shape = n.shape,
                                  .operand_count = 1,
                                  .operands = {o, -1, -1}});
    info.push({});
    info.data[i].base = i;
    root_stage(i);
    if (info.data[b].stage >= 0) info.data[b].stored = true;
    if (info.data[b].stage >= 0 || is_stored_leaf(nodes.data[b].op)) add_read(i, b);
    return i;
  }

  /// A constant handed out needs memory, and a parameter that this run also updates a copy from before.
  constexpr void copy_outputs() {
    List<bool> updated(parameter_count, false);
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
          if (f.first_sum >= 0) {
            stage.batched = true;
            stage.domain = padded(nodes.data[n.operands[0]].shape);
            break;
          }
          stage.kind = StageKind::reduction;
          stage.axes = n.index << (max_rank - nodes.data[n.operands[0]].shape.rank);
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
        stage.pool = nodes.data[f.pool_index].window;
        stage.pooled = padded(nodes.data[f.pool_index].shape);
      }
      stage.members = {total, 0};
      total += counts.data[i];
      f.number = stages.push(stage);
    }
    members = List<int>(total, 0);
    for (int i = 0; i < nodes.size; ++i) {
      const Info& f = info.data[i];
      if (f.stage < 0 || f.inlined || nodes.data[i].op == Op::reshape) continue;
      Range& range = stages.data[info.data[f.stage].number].members;
      members.data[range.first + range.count++] = i;
    }
  }

  constexpr bool shares_launch(const Stage& stage) const {
    if (!stage.batched || (stage.kind != StageKind::elementwise && stage.kind != StageKind::reduction)) return false;
    const Node& root = nodes.data[stage.root];
    if (root.over_batch || info.data[stage.root].first_sum >= 0 || stage.domain.count() > small_domain) return false;
    return stage.kind == StageKind::elementwise || stage.input.count() <= small_domain;
  }

  /// Launches in order. A small stage joins the last shared launch if nothing that it reads came since.
  constexpr void group_stages() {
    List<int> launch_of(stages.size, -1);
    List<int> next(stages.size, -1);  // the next stage of the same launch
    List<int> heads, tails, firsts;
    int open = -1;
    for (int s = 0; s < stages.size; ++s) {
      const Stage& stage = stages.data[s];
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
        info.data[stages.data[s].root].number = ordered.push(stages.data[s]);
        ++launch.stages.count;
      }
      launches.push(launch);
    }
    stages = static_cast<List<Stage>&&>(ordered);
  }

  constexpr Grouping result() {
    Grouping grouping;
    for (int i = original_nodes; i < nodes.size; ++i) grouping.copies.push(nodes.data[i]);
    grouping.roles = List<Role>(nodes.size);
    for (int i = 0; i < nodes.size; ++i) {
      const Info& f = info.data[i];
      grouping.roles.data[i] = {f.base, f.stage,        f.level,       f.inlined,    f.stored,
                                f.sum,  f.summed_level, f.pool_source, f.pool_index, f.update};
    }
    grouping.outputs = static_cast<List<Output>&&>(outputs);
    grouping.stages = static_cast<List<Stage>&&>(stages);
    grouping.launches = static_cast<List<Launch>&&>(launches);
    grouping.members = static_cast<List<int>&&>(members);
    return grouping;
  }
};

}  // namespace detail

/// Which stage evaluates each node, and which stages share a launch.
constexpr Grouping group(const Graph& graph) { return detail::Grouper(graph).run(); }

constexpr Plan fuse(const Graph& graph) { return emit(graph, group(graph)); }

}  // namespace inlay
