// The graph: nodes in topological order (operands come before their users), the parameters they name, and
// what is to be computed. Passes take a Graph and return a Graph; all of it also runs at run time.
#pragma once

#include <inlay/graph/list.hpp>
#include <inlay/graph/node.hpp>

#include <cstdint>

namespace inlay {

inline constexpr int max_name = 64;

/// A short text that can live in a constant.
struct Name {
  char text[max_name] = {};
  int size = 0;

  constexpr void append(const char* other) {
    while (*other != 0 && size + 1 < max_name) text[size++] = *other++;
    text[size] = 0;
  }
  constexpr void append(int number) {
    char digits[12] = {};
    int n = 0;
    do digits[n++] = static_cast<char>('0' + number % 10);
    while ((number /= 10) > 0);
    while (n > 0 && size + 1 < max_name) text[size++] = digits[--n];
    text[size] = 0;
  }
  constexpr void truncate(int length) {
    size = length;
    text[size] = 0;
  }
};

/// How a parameter starts.
enum class Initializer : std::uint8_t { zeros, ones, glorot_uniform, he_normal };

struct Parameter {
  Name name{};  // path: "2.conv2d.kernel"
  Shape shape{};
  Initializer initializer = Initializer::zeros;
  int fan_in = 1, fan_out = 1;
  bool trainable = true;              // false: the optimiser's state, moving averages
  int least_samples = 1;              // of a training step, for its next value to exist
  Element multiplied = Element::f32;  // how contractions read it as weights; if not f32, in a copy beside it
};

struct Input {
  Shape shape{};
  Element element = Element::f32;
  bool batched = true;
};

/// Something to compute: a value handed to the caller, or (parameter >= 0) that parameter's next value.
struct Output {
  int node = -1;
  int parameter = -1;

  constexpr bool is_update() const { return parameter >= 0; }
};

struct Graph {
  List<Node> nodes;
  List<Input> inputs;
  List<Parameter> parameters;
  List<Output> outputs;

  constexpr int add(const Node& node) { return nodes.push(node); }
};

namespace detail {

/// FNV-1a.
struct Hash {
  std::uint64_t value = 14695981039346656037ull;
  constexpr void mix(std::uint64_t x) { value = (value ^ x) * 1099511628211ull; }
  constexpr void mix(int x) { mix(static_cast<std::uint64_t>(static_cast<std::int64_t>(x))); }
  constexpr void mix(const Shape& shape) {
    mix(shape.rank);
    for (int i = 0; i < shape.rank; ++i) mix(shape.extents[i]);
  }
};

}  // namespace detail

/// A hash of everything that gives a graph its meaning; names of parameters included. It does not depend on the order
/// in which independent nodes were added: compilers may evaluate a function's arguments in any.
constexpr std::uint64_t fingerprint(const Graph& graph) {
  List<std::uint64_t> hashes(graph.nodes.size);
  for (int n = 0; n < graph.nodes.size; ++n) {
    const Node& node = graph.nodes.data[n];
    detail::Hash hash;
    hash.mix(static_cast<int>(node.op));
    hash.mix(static_cast<int>(node.element) + 4 * node.batched + 8 * node.over_batch);
    hash.mix(static_cast<int>(node.map) + 64 * static_cast<int>(node.mode) + 256 * static_cast<int>(node.reduce));
    hash.mix(node.index);
    hash.mix(__builtin_bit_cast(std::int32_t, node.value));
    hash.mix(node.shape);
    for (int i = 0; i < node.operand_count; ++i) hash.mix(hashes.data[node.operands[i]]);
    const Window& w = node.window;
    const int fields[] = {w.height,     w.width,     w.stride_h,   w.stride_w,   w.pad_top, w.pad_left,
                          w.pad_bottom, w.pad_right, w.dilation_h, w.dilation_w, w.groups};
    for (int field : fields) hash.mix(field);
    hashes.data[n] = hash.value;
  }
  detail::Hash hash;
  for (const Parameter& parameter : graph.parameters) {
    for (int i = 0; i < parameter.name.size; ++i) hash.mix(parameter.name.text[i]);
    hash.mix(parameter.shape);
  }
  for (const Output& output : graph.outputs) {
    hash.mix(hashes.data[output.node]);
    hash.mix(output.parameter);
  }
  return hash.value;
}

}  // namespace inlay
