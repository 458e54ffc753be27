// What `fit` returns: the metrics of every epoch. As in Keras, epochs count from 0 and each metric is a vector; one
// that was not measured is empty.
#pragma once

#include <inlay/core/error.hpp>
#include <inlay/train/logs.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace inlay {

struct History {
  std::vector<int> epoch;
  std::vector<double> loss, accuracy, val_loss, val_accuracy;
  std::vector<double> seconds;  ///< each epoch's duration, validation included

  void append(int finished_epoch, const Logs& logs, double duration) {
    epoch.push_back(finished_epoch);
    seconds.push_back(duration);
    logs.for_each([this](std::string_view name, double value) { column(name)->push_back(value); });
  }

  /// The metric by Keras' name, as in `history["val_accuracy"]`. Throws Error for a name that is none, and for a
  /// metric that no epoch measured.
  const std::vector<double>& operator[](std::string_view metric) const {
    const std::vector<double>* values = const_cast<History*>(this)->column(metric);
    if (!values)
      throw Error("History has no metric \"" + std::string(metric) +
                  "\": expected loss, accuracy, val_loss, val_accuracy or seconds.");
    if (values->empty() && !epoch.empty())
      throw Error("History has no " + std::string(metric) + ", because no epoch measured it: " +
                  (metric.substr(0, 4) == "val_" ? "give fit a validation_data." : "give compile that metric."));
    return *values;
  }

 private:
  std::vector<double>* column(std::string_view name) {
    if (name == "loss") return &loss;
    if (name == "accuracy") return &accuracy;
    if (name == "val_loss") return &val_loss;
    if (name == "val_accuracy") return &val_accuracy;
    if (name == "seconds") return &seconds;
    return nullptr;
  }
};

}  // namespace inlay
