// graphviz<Net>(): the plan as Graphviz text (`dot -Tsvg`). A cluster is a launch; dashed nodes are evaluated where
// they are read; boxes are what lies in memory before the run.
#pragma once

#include <inlay/graph/program.hpp>
#include <inlay/graph/trace.hpp>
#include <inlay/graph/words.hpp>
#include <string>

namespace inlay {

namespace detail {

inline std::string node_label(const Plan& p, const Node& n) {
  constexpr const char* reductions[] = {"sum", "max", "argmax"};
  constexpr const char* modes[] = {"contraction", "data gradient", "weight gradient"};
  switch (n.op) {
    case Op::input: return std::string("input ").append(std::to_string(n.index));
    case Op::parameter: return p.parameters.data[n.index].name.text;
    case Op::constant: return std::to_string(n.value);
    case Op::iota: return "iota";
    case Op::batch_size: return "batch size";
    case Op::map: return name_of(n.map);
    case Op::contraction: return modes[static_cast<int>(n.mode)];
    case Op::max_index: return "max_index";
    case Op::gather: return "gather";
    case Op::scatter: return "scatter";
    case Op::reduction: return reductions[static_cast<int>(n.reduce)];
    case Op::reshape: return "reshape";
    case Op::transpose: return "transpose";
    case Op::random: return std::string("random ").append(std::to_string(n.index));
    case Op::lookup: return "lookup";
    case Op::channels: return "channels";
  }
  return "";
}

inline std::string graphviz_plan(const Plan& p) {
  std::string text = "digraph plan {\n  node [fontname=\"sans\", shape=ellipse];\n";
  List<int> placed(p.nodes.size, 0);
  auto node = [&](int i, const char* style) {
    const Node& n = p.nodes.data[i];
    text.append("  n").append(std::to_string(i)).append(" [label=\"").append(node_label(p, n)).append("\\n");
    text.append(to_words(n.shape)).append("\"").append(style).append("];\n");
    placed.data[i] = 1;
  };
  for (int l = 0; l < p.launches.size; ++l) {
    const std::string number = std::to_string(l);
    text.append("  subgraph cluster_").append(number).append(" {\n  label=\"");
    text.append(number).append(": ").append(describe(p, l)).append("\";\n");
    const Range stages = p.launches.data[l].stages;
    for (int s = stages.first; s < stages.first + stages.count; ++s) {
      const Range members = p.stages.data[s].members;
      for (int m = members.first; m < members.first + members.count; ++m) node(p.members.data[m], "");
    }
    text += "  }\n";
  }
  for (int i = 0; i < p.nodes.size; ++i)
    if (placed.data[i] == 0) node(i, is_leaf(p.nodes.data[i].op) ? ", shape=box" : ", style=dashed");
  for (int i = 0; i < p.nodes.size; ++i)
    for (int k = 0; k < p.nodes.data[i].operand_count; ++k)
      text.append("  n")
          .append(std::to_string(p.nodes.data[i].operands[k]))
          .append(" -> n")
          .append(std::to_string(i))
          .append(";\n");
  return text + "}\n";
}

}  // namespace detail

template <class Source, Element Stored>
std::string graphviz(Program<Source, Stored>) {
  return detail::graphviz_plan(thaw(Program<Source, Stored>::plan));
}
/// Of a network's inference.
template <class Net>
std::string graphviz() {
  return graphviz(Program<Inference<Net>>{});
}

}  // namespace inlay
