// The lines that `fit` and `evaluate` print, in Keras' format:
//
//   Epoch 1/5
//   1875/1875 ━━━━━━━━━━━━━━━━━━━━ 4s 2ms/step - accuracy: 0.9123 - loss: 0.3011 - val_loss: 0.1302
//
// On a terminal the line is redrawn in place, at most 20 times a second, with the time to go instead of the time taken.
// Elsewhere it is written once, at the end of the epoch, without control characters. The time of a step leaves
// validation out (Keras counts it in).
#pragma once

#include <inlay/train/clock.hpp>
#include <inlay/train/logs.hpp>

#include <unistd.h>
#include <cmath>
#include <cstdio>
#include <string>

namespace inlay {

/// Where and how Progress writes.
struct ProgressOptions {
  int verbose = 1;  ///< 0 nothing, 1 a bar, 2 a line an epoch
  std::FILE* out = stdout;
  bool terminal = isatty(fileno(out)) == 1;  ///< may be redrawn
  Clock clock = steady_seconds;
};

namespace progress {

inline constexpr int bar_cells = 20;
inline constexpr double seconds_between_redraws = 0.05;

/// printf for one number.
template <class Number>
std::string print(const char* format, Number number) {
  char text[64];
  std::snprintf(text, sizeof text, format, number);
  return text;
}

/// "12s", "1:05" or "1:00:05"
inline std::string time_to_go(double seconds) {
  const long s = static_cast<long>(seconds);
  if (s > 3600) return std::to_string(s / 3600) + print(":%02ld", s % 3600 / 60) + print(":%02ld", s % 60);
  if (s > 60) return std::to_string(s / 60) + print(":%02ld", s % 60);
  return std::to_string(s) + "s";
}

/// "3s/step", "2ms/step" or "150us/step"
inline std::string time_per_step(double seconds) {
  if (seconds >= 1 || seconds == 0) return print("%.0fs/step", seconds);
  if (seconds >= 1e-3) return print("%.0fms/step", seconds * 1e3);
  return print("%.0fus/step", seconds * 1e6);
}

/// " - accuracy: 0.9123 - loss: 3.0110e-04"
inline std::string metrics(const Logs& logs) {
  std::string text;
  logs.for_each([&](const char* name, double value) {
    text.append(" - ").append(name).append(print(std::fabs(value) > 1e-3 ? ": %.4f" : ": %.4e", value));
  });
  return text;
}

/// " 500/1875": as wide as at the end.
inline std::string count(int step, int steps) {
  const std::string last = std::to_string(steps), now = std::to_string(step);
  return std::string(last.size() > now.size() ? last.size() - now.size() : 0, ' ') + now + "/" + last;
}

inline std::string cells(int n) {
  std::string text;
  while (n-- > 0) text += "━";
  return text;
}

/// The bar; in colour it is green as far as done.
inline std::string bar(int step, int steps, bool colour) {
  if (!colour) return cells(bar_cells);
  const int done = steps > 0 ? static_cast<int>(static_cast<long long>(bar_cells) * step / steps) : bar_cells;
  return (done > 0 ? "\33[32m" + cells(done) : std::string()) + "\33[37m" + cells(bar_cells - done) + "\33[0m";
}

}  // namespace progress

/// Shows the progress of `epochs` epochs of `steps` steps each. Call begin_epoch, then update after every step or after
/// steps_to_update() steps, then end_epoch. Epochs count from 0, steps from 1.
class Progress {
 public:
  Progress(int epoch_count, int step_count, ProgressOptions how = {})
      : epochs(epoch_count), steps(step_count), options(how) {}
  Progress(const Progress&) = delete;
  ~Progress() {
    if (last_drawn >= 0) write("\n");  // an exception left the line unfinished: its message goes below
  }

  void begin_epoch(int epoch) {
    start = last_step = options.clock();
    last_drawn = -1;
    step = 0;
    if (options.verbose != 0 && epochs > 1)
      write(progress::print("Epoch %d", epoch + 1) + progress::print("/%d\n", epochs));
  }

  /// After how many steps `update` has something to draw: the first one, then as many as fill the time between two
  /// redraws if they take as long as those before, and all that are left where nothing is redrawn. So nobody needs
  /// to find out the Logs in between.
  int steps_to_update() const {
    const int left = steps - step;
    if (!redraws()) return left;
    if (step == 0) return 1;
    const double fill = std::ceil(progress::seconds_between_redraws / step_seconds());
    return fill < left ? static_cast<int>(fill) : left;
  }

  /// `step` steps of the epoch are done.
  void update(int finished_step, const Logs& logs) {
    step = finished_step;
    last_step = options.clock();
    if (!due(last_step)) return;
    last_drawn = last_step;
    // A line wider than the terminal is clipped while it is redrawn: a wrapped one could not be overwritten.
    write("\33[?7l\r\33[K" + bar_line(progress::time_to_go(step_seconds() * (steps - step)), logs) + "\33[?7h");
  }

  void end_epoch(const Logs& logs) {
    const std::string elapsed = progress::print("%.0fs", options.clock() - start);
    if (options.verbose == 2)
      write(progress::count(step, steps) + " - " + elapsed + " - " + progress::time_per_step(step_seconds()) +
            progress::metrics(logs) + "\n");
    else if (options.verbose != 0) write((options.terminal ? "\r\33[K" : "") + bar_line(elapsed, logs) + "\n");
    last_drawn = -1;
  }

 private:
  bool redraws() const { return options.verbose == 1 && options.terminal; }
  bool due(double time) const {
    return redraws() && (last_drawn < 0 || time - last_drawn >= progress::seconds_between_redraws);
  }
  double step_seconds() const { return step > 0 ? (last_step - start) / step : 0; }

  std::string bar_line(const std::string& time, const Logs& logs) const {
    const bool colour = options.terminal;
    auto bold = [&](const std::string& text) { return colour ? "\33[1m" + text + "\33[0m" : text; };
    return bold(progress::count(step, steps)) + " " + progress::bar(step, steps, colour) + " " + bold(time) + " " +
           progress::time_per_step(step_seconds()) + progress::metrics(logs);
  }

  void write(const std::string& text) const {
    std::fwrite(text.data(), 1, text.size(), options.out);
    std::fflush(options.out);
  }

  int epochs, steps;
  ProgressOptions options;
  int step = 0;
  double start = 0, last_step = 0;
  double last_drawn = -1;  // negative: the line is not begun
};

}  // namespace inlay
