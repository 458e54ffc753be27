// The metric that a callback watches, by Keras' rules: what "better" means, and what is wrong with a metric that is not
// there.
#pragma once

#include <inlay/core/error.hpp>
#include <inlay/train/logs.hpp>

#include <optional>
#include <string>

namespace inlay::callback {

/// Throws Error unless `mode` is one of Keras'. `who` is the callback.
inline void check_mode(const std::string& who, const std::string& mode) {
  if (mode != "auto" && mode != "min" && mode != "max")
    throw Error(who + " has mode \"" + mode + "\": expected \"auto\", \"min\" or \"max\".");
}

/// The metric's value. Throws Error, naming those that are measured, if it is not.
inline double monitored(const std::string& who, const std::string& monitor, const Logs& logs) {
  const std::optional<double> value = logs.find(monitor);
  if (!value)
    throw Error(who + " monitors " + monitor + ", but this fit measures " + logs.names() +
                ": give fit a validation_data, or monitor one of these.");
  return *value;
}

/// By more than `min_delta`; NaN is no improvement. Mode "auto" maximises an accuracy and minimises all else.
inline bool improves(double value, double best, double min_delta, const std::string& monitor, const std::string& mode) {
  const bool maximise = mode == "max" || (mode == "auto" && monitor.ends_with("accuracy"));
  return maximise ? value - min_delta > best : value + min_delta < best;
}

}  // namespace inlay::callback
