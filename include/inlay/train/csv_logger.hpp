// Writes the metrics of every epoch to a CSV file, in Keras' format: a header line, then a line an epoch.
//   model.fit(train, {.epochs = 10, .callbacks = {CSVLogger{"log.csv"}}});
// The file is complete after every epoch, so a plot can follow it.
#pragma once

#include <inlay/core/error.hpp>
#include <inlay/train/callback.hpp>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

namespace inlay {

struct CSVLogger {
  std::string filename;
  std::string separator = ",";
  bool append = false;  ///< go on with an existing file, without a second header
  bool headed = false;  ///< its own note: the header is written

  /// Throws Error if the file cannot be written.
  void on_train_begin() {
    write("", append ? "a" : "w");
    std::FILE* file = std::fopen(filename.c_str(), "r");
    headed = file && std::fgetc(file) != EOF;
    if (file) std::fclose(file);
  }

  void on_epoch_end(int epoch, const Logs& logs) {
    std::string header = "epoch", line = std::to_string(epoch);
    logs.for_each([&](const char* name, double value) {
      char number[32];
      std::snprintf(number, sizeof number, "%.9g", value);
      header += separator + name;
      line += separator + number;
    });
    write((headed ? "" : header + "\n") + line + "\n", "a");
    headed = true;
  }

 private:
  void write(const std::string& text, const char* mode) const {
    std::FILE* file = std::fopen(filename.c_str(), mode);
    const bool written = file && std::fwrite(text.data(), 1, text.size(), file) == text.size();
    const bool closed = file && std::fclose(file) == 0;
    if (!written || !closed)
      throw Error("CSVLogger cannot write " + filename + ": " + std::strerror(errno) +
                  ". Give it a file in a folder that exists, may be written and has room.");
  }
};

}  // namespace inlay
