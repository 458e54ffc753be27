// What `group` decides and `emit` writes down: which stage evaluates each node, in which part of it, and what passes
// through memory. It is a constant between the two, because compilers bound the work of a single evaluation.
#pragma once

#include <inlay/graph/plan.hpp>

namespace inlay {

/// The part of a stage that evaluates a node: at the coordinates of its root, of what its pooling leaves, or for each
/// channel, from sums that the stage makes on the side.
enum class Level : std::uint8_t { main, post, side };

/// A node's place in the plan.
struct Role {
  int base = 0;    // the node without reshapes
  int stage = -1;  // root of the stage that evaluates it
  Level level = Level::main;
  bool inlined = false;              // evaluated wherever it is read
  bool stored = false;               // passes through memory
  int sum = -1;                      // reduction made on the side: which of the stage's sums
  Level summed_level = Level::side;  // of its operand; side: the sum of a weight gradient's dy
  int pool_source = -1;              // root: what its pooling reduces
  int pool_index = -1;               // root: the max_index node
  int update = -1;                   // parameter whose next value this is
};

struct Grouping {
  List<Node> copies;      // nodes behind the graph's: copies that outputs and late updates need
  List<Output> outputs;   // the graph's, renamed
  List<Role> roles;       // of each node
  List<Stage> stages;     // in order of execution, without Bodies
  List<Launch> launches;  // without bindings
  List<int> members;
};

}  // namespace inlay
