// Comparing weights with the parameters of a network, so that a wrong set is refused whole, with every difference
// in one message.
#pragma once

#include <inlay/core/error.hpp>
#include <inlay/core/weight.hpp>
#include <inlay/graph/graph.hpp>

#include <string>
#include <vector>

namespace inlay {

inline std::vector<std::int64_t> dimensions(const Shape& shape) {
  return {shape.extents, shape.extents + shape.rank};
}

inline std::string to_text(const std::vector<std::int64_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}

/// One line for each way in which `weights` are not those of parameters [0, count).
inline std::string differences(const Parameter* parameters, int count, const std::vector<Weight>& weights) {
  std::string text;
  if (static_cast<int>(weights.size()) != count)
    text += "\n  the network has " + std::to_string(count) + " weights, given are " + std::to_string(weights.size());
  for (int i = 0; i < count || i < static_cast<int>(weights.size()); ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (i >= count) {
      text += "\n  " + weights[at].name + " is not in the network";
      continue;
    }
    const Parameter& p = parameters[i];
    if (at >= weights.size()) {
      text += std::string("\n  ") + p.name.text + " is missing";
      continue;
    }
    const Weight& w = weights[at];
    if (w.name != p.name.text) text += "\n  expected " + std::string(p.name.text) + ", found " + w.name;
    if (w.shape != dimensions(p.shape))
      text += "\n  " + std::string(p.name.text) + " has shape " + to_text(dimensions(p.shape)) + ", found " + to_text(w.shape);
    else if (static_cast<std::int64_t>(w.values.size()) != p.shape.count())
      text += "\n  " + w.name + " should have " + std::to_string(p.shape.count()) + " values, found " +
              std::to_string(w.values.size());
  }
  return text;
}

}  // namespace inlay
