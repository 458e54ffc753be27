// Keras' table of a network: a row for each layer with its output shape and number of parameters, and the totals.
#pragma once

#include <inlay/nn/sequential.hpp>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace inlay::nn {

struct LayerRow {
  std::string name, type;
  Shape output;
  std::int64_t parameters, trainable;
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

/// What the compiler knows of a layer. A constant, so that no program contains the functions that trace a network.
struct LayerFacts {
  std::string_view (*type)() = nullptr;
  Shape output;
  std::int64_t parameters = 0, trainable = 0;
};

template <int Size>
struct FactsOfLayers {
  LayerFacts data[Size]{};
  int size = 0;

  template <class Layer, class X>
  constexpr void layer(X x, int before) {
    LayerFacts facts{type_name<Layer>, X::shape};
    const List<Parameter>& parameters = x.tracer->graph.parameters;
    for (int i = before; i < parameters.size; ++i) {
      facts.parameters += parameters[i].shape.count();
      if (parameters[i].trainable) facts.trainable += parameters[i].shape.count();
    }
    data[size++] = facts;
  }
};

template <class Net>
struct FactsOf {
  static constexpr auto layers = [] {
    Tracer tracer;
    FactsOfLayers<Net::size> visitor;
    Net::visit(Net::input(tracer), visitor);
    return visitor;
  }();
};

/// "421,642"
inline std::string thousands(std::int64_t n) {
  const std::string digits = std::to_string(n);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

/// "421,642 (1.61 MB)": so many floats.
inline std::string count_and_size(std::int64_t n) {
  const char* const units[] = {"B", "KB", "MB", "GB"};
  double size = 4 * static_cast<double>(n);
  int unit = 0;
  for (; size >= 1024 && unit < 3; ++unit) size /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, " (%.2f %s)", size, units[unit]);
  return thousands(n).append(text);
}

}  // namespace detail

/// A row for each layer of a Sequential.
template <class Net>
std::vector<LayerRow> layers() {
  std::vector<LayerRow> rows;
  for (const detail::LayerFacts& facts : detail::FactsOf<Net>::layers.data) {
    const std::string_view type = facts.type();
    rows.push_back({std::to_string(rows.size()) + "." + detail::snake_case(type), std::string(type), facts.output,
                    facts.parameters, facts.trainable});
  }
  return rows;
}

/// Keras' `summary`, without the optimiser's line where there is no optimiser.
template <class Net>
std::string summary() {
  const std::vector<LayerRow> rows = layers<Net>();
  const auto title = [](const LayerRow& row) { return row.name + " (" + row.type + ")"; };
  std::size_t width = 32;
  for (const LayerRow& row : rows) width = std::max(width, title(row).size());
  std::string text;
  auto add = [&](const std::string& a, const std::string& b, const std::string& c) {
    char columns[80];
    std::snprintf(columns, sizeof columns, " %-24s %14s\n", b.c_str(), c.c_str());
    text += " " + a + std::string(width - a.size(), ' ') + columns;
  };
  const std::string rule(width + 42, '-');
  add("Layer (type)", "Output Shape", "Param #");
  text += rule + "\n";
  std::int64_t total = 0, trainable = 0;
  for (const LayerRow& row : rows) {
    std::string shape = "(None";
    for (int i = 0; i < row.output.rank; ++i) shape.append(", ").append(std::to_string(row.output.extents[i]));
    add(title(row), shape + ")", detail::thousands(row.parameters));
    total += row.parameters;
    trainable += row.trainable;
  }
  text += rule + "\n";
  text.append(" Total params: ").append(detail::count_and_size(total)).append("\n");
  text.append(" Trainable params: ").append(detail::count_and_size(trainable)).append("\n");
  text.append(" Non-trainable params: ").append(detail::count_and_size(total - trainable)).append("\n");
  return text;
}

}  // namespace inlay::nn
