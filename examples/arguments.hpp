// The command line that the examples of larger networks share: data, device, seed, threads, epochs and batches.
#pragma once

#include <inlay/inlay.hpp>

#include <CLI/CLI.hpp>

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

  void add_to(CLI::App& app) {
    using inlay::Device;
    app.add_option("--epochs", fit.epochs, "passes over the training set")->capture_default_str();
    app.add_option("--batch-size", fit.batch_size, "samples a step")->capture_default_str();
    app.add_option("--data", folder, "folder of IDX files; Debian's dataset-fashion-mnist if left out");
    app.add_option("--samples", samples, "use only so many of each set");
    app.add_option("--device", compile.device, "auto, cpu or cuda")
        ->transform(CLI::CheckedTransformer(
            std::map<std::string, Device>{{"auto", Device::automatic}, {"cpu", Device::cpu}, {"cuda", Device::cuda}}));
    app.add_option("--threads", compile.threads, "of the CPU; one a core if left out");
    app.add_option("--seed", compile.seed, "of weights, shuffling and augmentation")->capture_default_str();
  }

  inlay::data::TrainTest load() const {
    auto sets = folder.empty() ? inlay::data::load_fashion_mnist() : inlay::data::load_idx(folder);
    shorten(sets.train);
    shorten(sets.test);
    return sets;
  }

  /// The steps of a training run on `set`.
  std::int64_t steps(const inlay::data::Dataset& set) const {
    return std::int64_t{fit.epochs} * ((set.size() + fit.batch_size - 1) / fit.batch_size);
  }

 private:
  void shorten(inlay::data::Dataset& set) const {
    if (samples < 1 || samples >= set.size()) return;
    set.images.resize(set.images.size() / set.labels.size() * static_cast<std::size_t>(samples));
    set.labels.resize(static_cast<std::size_t>(samples));
  }
};

}  // namespace examples
