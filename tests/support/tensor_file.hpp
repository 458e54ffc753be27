// Reads the files of tests/fixtures: for each tensor a line `name rank extents...` and a line of its values, row-major.
#pragma once

#include <cstdint>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace inlay::test {

using Tensors = std::map<std::string, std::vector<double>>;

/// The values of each tensor of a file in tests/fixtures, by name.
inline Tensors read_fixture(const std::string& name) {
  std::ifstream file(std::string(INLAY_FIXTURES) + "/" + name);
  Tensors tensors;
  std::string tensor;
  for (int rank; file >> tensor >> rank;) {
    std::size_t count = 1;
    for (std::size_t extent; rank > 0 && file >> extent; --rank) count *= extent;
    std::vector<double>& values = tensors[tensor];
    values.resize(count);
    for (double& value : values) file >> value;
    if (!file) throw std::runtime_error(name + ": the tensor " + tensor + " ends early");
  }
  if (tensors.empty()) throw std::runtime_error(name + " cannot be read from " + INLAY_FIXTURES);
  return tensors;
}

}  // namespace inlay::test
