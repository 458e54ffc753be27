// Stops training when a metric no longer improves, by Keras' rules. A callback for FitOptions:
//   model.fit(train, {.epochs = 100, .validation_data = &test, .callbacks = {EarlyStopping{.patience = 3}}});
#pragma once

#include <inlay/core/error.hpp>
#include <inlay/train/callback.hpp>

#include <cmath>
#include <optional>
#include <string>

namespace inlay {

struct EarlyStopping {
  std::string monitor = "val_loss";
  double min_delta = 0;       ///< a smaller change is no improvement
  int patience = 0;           ///< epochs without improvement that are borne
  std::string mode = "auto";  ///< "min", "max", or "auto": max for an accuracy, else min
  int start_from_epoch = 0;

  // What it found; read them through a pointer: `.callbacks = {&stopping}`.
  int best_epoch = -1;
  double best = 0;
  int stopped_epoch = -1;  ///< -1: training was not stopped
  int waited = 0;

  void on_train_begin() {
    if (mode != "auto" && mode != "min" && mode != "max")
      throw Error("EarlyStopping has mode \"" + mode + "\": expected \"auto\", \"min\" or \"max\".");
    best_epoch = stopped_epoch = -1;
    waited = 0;
  }

  Next on_epoch_end(int epoch, const Logs& logs) {
    const std::optional<double> value = logs.find(monitor);
    if (!value)
      throw Error("EarlyStopping monitors " + monitor + ", but this fit measures " + logs.names() +
                  ": give fit a validation_data, or monitor one of these.");
    if (epoch < start_from_epoch) return Next::proceed;
    const bool first = best_epoch < 0 && !std::isnan(*value);
    if (first || improves(*value)) {
      best = *value;
      best_epoch = epoch;
      waited = 0;
      return Next::proceed;
    }
    if (++waited < patience) return Next::proceed;
    stopped_epoch = epoch;
    return Next::stop;
  }

 private:
  bool maximises() const { return mode == "max" || (mode == "auto" && monitor.ends_with("accuracy")); }
  bool improves(double value) const {
    return best_epoch >= 0 && (maximises() ? value - min_delta > best : value + min_delta < best);
  }
};

}  // namespace inlay
