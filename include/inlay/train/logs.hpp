// What one epoch, one batch or one evaluation measured. The metrics' names are Keras'.
#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <string_view>

namespace inlay {

/// Means over the samples seen so far. `accuracy` is NaN when the model was compiled without that metric;
/// the `val_` values exist at the end of an epoch that had validation data.
struct Logs {
  double loss = 0;
  double accuracy = NAN;
  std::optional<double> val_loss = {}, val_accuracy = {};

  /// Calls `visit(name, value)` for each metric that was measured, in Keras' order: by name, validation last.
  template <class Visit>
  void for_each(Visit visit) const {
    if (!std::isnan(accuracy)) visit("accuracy", accuracy);
    visit("loss", loss);
    if (val_accuracy && !std::isnan(*val_accuracy)) visit("val_accuracy", *val_accuracy);
    if (val_loss) visit("val_loss", *val_loss);
  }

  /// The metric of that name, or nothing if it was not measured.
  std::optional<double> find(std::string_view metric) const {
    std::optional<double> found;
    for_each([&](std::string_view name, double value) {
      if (name == metric) found = value;
    });
    return found;
  }

  /// "accuracy, loss, ...": what was measured, for messages.
  std::string names() const {
    std::string list;
    for_each([&](const char* name, double) { list.append(list.empty() ? "" : ", ").append(name); });
    return list;
  }
};

}  // namespace inlay
