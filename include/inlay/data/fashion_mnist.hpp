// Fashion-MNIST: 60,000 + 10,000 grey images of clothing, 28 x 28, in 10 classes.
//
//   H. Xiao, K. Rasul, R. Vollgraf: "Fashion-MNIST: a novel image dataset for benchmarking machine learning
//   algorithms", 2017. Debian has it as the package dataset-fashion-mnist.
#pragma once

#include <sys/stat.h>

#include <cstdlib>
#include <inlay/core/error.hpp>
#include <inlay/data/dataset.hpp>
#include <inlay/data/idx.hpp>
#include <string>

namespace inlay::data {

/// Where the data are looked for: the argument, else the environment's INLAY_DATA, else Debian's package.
inline std::string fashion_mnist_folder(const std::string& folder = {}) {
  if (!folder.empty()) return folder;
  const char* chosen = std::getenv("INLAY_DATA");
  return chosen != nullptr && *chosen != '\0' ? chosen : "/usr/share/datasets/fashion-mnist";
}

/// Throws Error when there is no such folder or a file in it is damaged.
inline TrainTest load_fashion_mnist(const std::string& folder = {}) {
  const std::string chosen = fashion_mnist_folder(folder);
  struct stat status;
  if (stat(chosen.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
    throw Error(chosen +
                ": there is no such folder, expected the four files of Fashion-MNIST in it. Install Debian's " +
                "package dataset-fashion-mnist (apt-get install dataset-fashion-mnist), or name a folder that has " +
                "them, as an argument or in the environment variable INLAY_DATA.");
  }
  return load_idx(chosen);
}

}  // namespace inlay::data
