// Comparing weights with the parameters of a network, so that a wrong set is refused whole, with every difference
// in one message.
#pragma once

#include <inlay/core/error.hpp>
#include <inlay/core/weight.hpp>
#include <inlay/graph/graph.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace inlay {

inline std::vector<std::int64_t> dimensions(const Shape& shape) { return {shape.extents, shape.extents + shape.rank}; }

/// "2.conv2d.kernel"
inline std::string name_of(const Parameter& p) { return {p.name.text, static_cast<std::size_t>(p.name.size)}; }

inline std::string to_text(const std::vector<std::int64_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}

namespace detail {

/// Collects lines of a message: each call adds one.
struct Lines {
  std::string text;
  template <class... Parts>
  void operator()(const Parts&... parts) {
    text.append("\n  ");
    (text.append(parts), ...);
  }
};

inline void compare(const Parameter& p, const Weight& w, Lines& line) {
  const std::string name = name_of(p);
  const auto size = static_cast<std::int64_t>(w.values.size());
  if (w.name != name) line("expected ", name, ", found ", w.name);
  if (w.shape != dimensions(p.shape))
    line(name, " has shape ", to_text(dimensions(p.shape)), ", found ", to_text(w.shape));
  else if (size != p.shape.count())
    line(name, " should have ", std::to_string(p.shape.count()), " values, found ", std::to_string(size));
}

}  // namespace detail

/// One line for each way in which `weights` are not those of parameters [0, count), in their order.
inline std::string differences(const Parameter* parameters, int count, const std::vector<Weight>& weights) {
  detail::Lines line;
  const int given = static_cast<int>(weights.size());
  if (given != count) line("expected are ", std::to_string(count), " weights, given are ", std::to_string(given));
  for (int i = 0; i < count || i < given; ++i) {
    if (i >= count) line(weights[static_cast<std::size_t>(i)].name, " is not in the network");
    else if (i >= given) line(name_of(parameters[i]), " is missing");
    else detail::compare(parameters[i], weights[static_cast<std::size_t>(i)], line);
  }
  return line.text;
}

/// Puts weights that come in any order, as in files, into that of parameters [0, count), by their names; or returns one
/// line for each that is missing, unknown or different.
inline std::string sort_by_name(const Parameter* parameters, int count, std::vector<Weight>& weights) {
  detail::Lines line;
  std::vector<Weight> sorted;
  for (int i = 0; i < count; ++i) {
    const std::string name = name_of(parameters[i]);
    const auto found = std::find_if(weights.begin(), weights.end(), [&](const Weight& w) { return w.name == name; });
    if (found == weights.end()) {
      line(name, " is missing");
      continue;
    }
    detail::compare(parameters[i], *found, line);
    sorted.push_back(std::move(*found));
    weights.erase(found);
  }
  for (const Weight& w : weights) line(w.name, " is not in the network");
  weights = std::move(sorted);
  return line.text;
}

}  // namespace inlay
