// How `fit` trains, by Keras' names; every field may be left out:
//   model.fit(train, {.epochs = 10, .batch_size = 64, .validation_data = &test});
#pragma once

#include <inlay/core/error.hpp>
#include <inlay/train/callback.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace inlay {

namespace data {
struct Dataset;
}

struct FitOptions {
  int epochs = 1;
  int batch_size = 32;                             ///< the last batch of an epoch may be smaller
  bool shuffle = true;                             ///< anew in each epoch
  std::uint64_t seed = 0;                          ///< of the shuffling; random layers have CompileOptions::seed
  const data::Dataset* validation_data = nullptr;  ///< evaluated after each epoch
  std::vector<Callback> callbacks = {};
  int verbose = 1;  ///< 0 silent; 1 a progress bar, or a line an epoch if the output is no terminal; 2 a line an epoch

  /// Throws Error naming each field that makes no sense.
  void check() const {
    std::string wrong;
    if (epochs < 0) wrong += " epochs is " + std::to_string(epochs) + ", expected at least 0.";
    if (batch_size < 1) wrong += " batch_size is " + std::to_string(batch_size) + ", expected at least 1.";
    if (verbose < 0 || verbose > 2) wrong += " verbose is " + std::to_string(verbose) + ", expected 0, 1 or 2.";
    if (!wrong.empty()) throw Error("fit:" + wrong);
  }
};

}  // namespace inlay
