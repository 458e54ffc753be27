// One layer of a model, by its name or its place, for reading and replacing its weights:
//
//   model.layer<"2.conv2d">().get_weights()      // the name in summary, or any path of which weights' names begin
//   model.layer<2>().set_weights(weights)
#pragma once

#include <inlay/core/error.hpp>
#include <inlay/graph/graph.hpp>
#include <inlay/nn/summary.hpp>
#include <inlay/train/weights.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace inlay {

namespace error {
template <int Index, class Network>
struct the_network_has_no_layer_of_index;
}

/// A string literal as a template argument.
template <std::size_t Size>
struct Literal {
  char text[Size];
  consteval Literal(const char (&literal)[Size]) {
    for (std::size_t i = 0; i < Size; ++i) text[i] = literal[i];
  }
};

/// The weights [first, first + count) of a model, which must outlive this.
template <class ModelType>
class ModelLayer {
 public:
  ModelLayer(ModelType& of, std::string layer_name, int first_weight, int weight_count)
      : name(std::move(layer_name)), model(&of), first(first_weight), count(weight_count) {}

  std::string name;

  /// In Keras' order and layouts; none if the layer has none.
  std::vector<Weight> get_weights() const { return model->weights(first, first + count); }
  /// Throws Error listing every difference, and changes nothing, if they are not this layer's.
  void set_weights(const std::vector<Weight>& weights) const { model->set_weights(name, first, count, weights); }

 private:
  ModelType* model;
  int first, count;
};

namespace detail {

struct WeightRange {
  int first = 0, count = 0;
};

/// The parameters among [0, count) whose names begin with `path` and a dot.
inline WeightRange weights_below(const Parameter* parameters, int count, const std::string& path) {
  WeightRange range;
  for (int i = 0; i < count; ++i)
    if (name_of(parameters[i]).starts_with(path + ".")) {
      if (range.count == 0) range.first = i;
      ++range.count;
    }
  return range;
}

/// Those of the layer that `path` names. Throws Error listing the layers if it names none.
template <class Net>
WeightRange weights_of_layer(const Parameter* parameters, int count, const std::string& path) {
  const WeightRange range = weights_below(parameters, count, path);
  if (range.count > 0) return range;
  std::string names;
  for (const nn::LayerRow& row : nn::layers<Net>()) {
    if (row.name == path) return weights_below(parameters, count, row.name.substr(0, row.name.find('.')));
    names.append(names.empty() ? "" : ", ").append(row.name);
  }
  throw Error("layer: the network has no layer \"" + path + "\"; its layers are " + names +
              ". A layer inside one of these is named by the path before its weights' names.");
}

}  // namespace detail
}  // namespace inlay
