// Saves the model at the end of each epoch that is the best so far: Keras' ModelCheckpoint with save_best_only.
//   model.fit(train, {.epochs = 100, .validation_data = &test, .callbacks = {BestCheckpoint{"best.safetensors"}}});
//   model.load("best.safetensors");
// A save that fails or is interrupted leaves the previous best file whole.
#pragma once

#include <inlay/train/callback.hpp>
#include <inlay/train/monitor.hpp>

#include <cmath>
#include <optional>
#include <string>

namespace inlay {

struct BestCheckpoint {
  std::string filename;
  std::string monitor = "auto";  ///< a metric; "auto": val_loss, or loss where fit has no validation_data
  std::string mode = "auto";     ///< "min", "max", or "auto": max for an accuracy, else min

  // What it found, also over several fits (Keras' rule); read them through a pointer: `.callbacks = {&checkpoint}`.
  int best_epoch = -1;  ///< -1: nothing was saved
  std::optional<double> best = {};

  const ModelInTraining* model = nullptr;  ///< its own note

  void set_model(const ModelInTraining& training) { model = &training; }
  void on_train_begin() { callback::check_mode("BestCheckpoint", mode); }

  /// Throws Error if the metric is not measured or the file cannot be written.
  void on_epoch_end(int epoch, const Logs& logs) {
    const std::string metric = monitor != "auto" ? monitor : logs.val_loss ? "val_loss" : "loss";
    const double value = callback::monitored("BestCheckpoint", metric, logs);
    if (std::isnan(value) || (best && !callback::improves(value, *best, 0, metric, mode))) return;
    model->save(filename);
    best = value;
    best_epoch = epoch;
  }
};

}  // namespace inlay
