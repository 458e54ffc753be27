// The command line that the examples of larger networks share: data, device, seed, threads, epochs and batches.
#pragma once

#include "command_line.hpp"

#include <inlay/inlay.hpp>

namespace examples {

struct Arguments {
  inlay::FitOptions fit;
  inlay::CompileOptions compile;
  std::string folder;
  int samples = 0;

  explicit Arguments(int epochs) {
    fit.epochs = epochs;
    fit.batch_size = 128;
  }

  void add_to(CommandLine& line) {
    using inlay::Device;
    line.add("epochs", fit.epochs, "passes over the training set");
    line.add("batch-size", fit.batch_size, "samples a step");
    line.add("data", folder, "folder of IDX files; Debian's dataset-fashion-mnist if left out");
    line.add("samples", samples, "use only so many of each set, if not 0");
    line.add("device", compile.device, "auto, cpu or cuda",
             {{"auto", Device::automatic}, {"cpu", Device::cpu}, {"cuda", Device::cuda}});
    line.add("threads", compile.threads, "of the CPU; one a core if 0");
    line.add("seed", compile.seed, "of weights, shuffling and augmentation");
  }

  inlay::data::TrainTest load() const {
    auto sets = folder.empty() ? inlay::data::load_fashion_mnist() : inlay::data::load_idx(folder);
    shorten(sets.train);
    shorten(sets.test);
    return sets;
  }

  /// The steps of a training run on `set`.
  std::int64_t steps(const inlay::data::Dataset& set) const {
    return std::int64_t{fit.epochs} * ((set.size() - 1) / fit.batch_size + 1);
  }

 private:
  void shorten(inlay::data::Dataset& set) const {
    if (samples < 1 || samples >= set.size()) return;
    set.images.resize(set.images.size() / set.labels.size() * static_cast<std::size_t>(samples));
    set.labels.resize(static_cast<std::size_t>(samples));
  }
};

}  // namespace examples
