// Keras' table of a network: a row for each layer with its output shape and number of parameters, and the totals.
#pragma once

#include <inlay/nn/sequential.hpp>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace inlay::nn {

struct LayerRow {
  std::string name, type;
  Shape output;
  std::int64_t parameters;
};

namespace detail {

/// "Conv2D" of "inlay::nn::Conv2D<32, 3, ...>".
template <class T>
std::string_view type_name() {
  std::string_view text = __PRETTY_FUNCTION__;
  const std::size_t begin = text.find("T = ") + 4;
  text = text.substr(begin, text.find_first_of(";]", begin) - begin);
  text = text.substr(0, text.find('<'));
  const std::size_t scope = text.rfind("::");
  return scope == text.npos ? text : text.substr(scope + 2);
}

/// "max_pooling2d" of "MaxPooling2D", as Keras names layers.
inline std::string snake_case(std::string_view type) {
  auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  std::string name;
  for (std::size_t i = 0; i < type.size(); ++i) {
    const bool digit_before = i > 0 && type[i - 1] >= '0' && type[i - 1] <= '9';
    if (i > 0 && upper(type[i]) && !upper(type[i - 1]) && !digit_before) name += '_';
    name += upper(type[i]) ? static_cast<char>(type[i] - 'A' + 'a') : type[i];
  }
  return name;
}

struct Rows {
  std::vector<LayerRow> rows;

  template <class Layer, class X>
  void layer(X x, int before) {
    const std::string_view type = type_name<Layer>();
    LayerRow row{std::to_string(rows.size()) + "." + snake_case(type), std::string(type), X::shape, 0};
    const List<Parameter>& parameters = x.tracer->graph.parameters;
    for (int i = before; i < parameters.size; ++i) row.parameters += parameters[i].shape.count();
    rows.push_back(row);
  }
};

inline std::string thousands(std::int64_t n) {
  std::string text = std::to_string(n);
  for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3) text.insert(static_cast<std::size_t>(at), ",");
  return text;
}

}  // namespace detail

/// A row for each layer of a Sequential.
template <class Net>
std::vector<LayerRow> layers() {
  Tracer tracer;
  detail::Rows visitor;
  Net::visit(Net::input(tracer), visitor);
  return visitor.rows;
}

/// Keras' `summary`, without the optimiser's line where there is no optimiser.
template <class Net>
std::string summary() {
  std::string text;
  char line[160];
  auto add = [&](const std::string& a, const std::string& b, const std::string& c) {
    std::snprintf(line, sizeof line, " %-32s %-24s %14s\n", a.c_str(), b.c_str(), c.c_str());
    text += line;
  };
  const std::string rule(74, '-');
  add("Layer (type)", "Output Shape", "Param #");
  text += rule + "\n";
  std::int64_t total = 0;
  for (const LayerRow& row : layers<Net>()) {
    std::string shape = "(None";
    for (int i = 0; i < row.output.rank; ++i) shape += ", " + std::to_string(row.output.extents[i]);
    add(row.name + " (" + row.type + ")", shape + ")", detail::thousands(row.parameters));
    total += row.parameters;
  }
  const double kib = static_cast<double>(total) * 4 / 1024;
  std::snprintf(line, sizeof line, kib < 1024 ? " Total params: %s (%.2f KB)\n" : " Total params: %s (%.2f MB)\n",
                detail::thousands(total).c_str(), kib < 1024 ? kib : kib / 1024);
  return text + rule + "\n" + line;
}

}  // namespace inlay::nn
