// Stops training when a metric no longer improves, by Keras' rules. A callback for FitOptions:
//   model.fit(train, {.epochs = 100, .validation_data = &test, .callbacks = {EarlyStopping{.patience = 3}}});
#pragma once

#include <inlay/train/callback.hpp>
#include <inlay/train/monitor.hpp>

#include <cmath>
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
    callback::check_mode("EarlyStopping", mode);
    best_epoch = stopped_epoch = -1;
    waited = 0;
  }

  Next on_epoch_end(int epoch, const Logs& logs) {
    const double value = callback::monitored("EarlyStopping", monitor, logs);
    if (epoch < start_from_epoch) return Next::proceed;
    const bool first = best_epoch < 0 && !std::isnan(value);
    if (first || (best_epoch >= 0 && callback::improves(value, best, min_delta, monitor, mode))) {
      best = value;
      best_epoch = epoch;
      waited = 0;
      return Next::proceed;
    }
    if (++waited < patience) return Next::proceed;
    stopped_epoch = epoch;
    return Next::stop;
  }
};

}  // namespace inlay
