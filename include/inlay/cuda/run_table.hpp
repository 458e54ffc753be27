// The numbers of many runs, uploaded at once: a table on the device with a row for each run, in which
//
//   row = batch size, place in the epoch and number of the next row (integers' bits), then input i if it is a number
//
// Kernels read the first row. At the end of a run the next row takes its place, so that recorded runs follow one
// another without the host.
#pragma once

#include <inlay/cuda/device_buffer.hpp>
#include <inlay/cuda/runner.hpp>

#include <bit>
#include <utility>
#include <vector>

namespace inlay::cuda {

/// Ends a run: its outputs are added to the sums, and the table moves on (in one kernel: its launch is all it costs).
struct EndRun {
  static constexpr int threads = 32, shared_bytes = 0;

  INLAY_DEVICE static void run(Global<const float> loss, Global<const float> metric, Global<double> sums,
                               Global<float> table, int next_row, int width) {
    const int t = thread_index();
    if (t == 0) sums[0] = sums[0] + static_cast<double>(loss[0]);
    if (t == 1) sums[1] = sums[1] + static_cast<double>(metric[0]);
    const int next = __builtin_bit_cast(int, table[next_row]);
    sync_warp();
    for (int i = t; i < width; i += threads) table[i] = table[next * width + i];
  }
};

class RunTable {
 public:
  explicit RunTable(int inputs) : width(inputs + first_number), row(static_cast<std::size_t>(width), 0.0f) {
    memory = DeviceBuffer<float>(static_cast<std::size_t>(capacity() * width), "the numbers of runs");
  }

  /// Of the rows that are added from now on.
  void set_number(int input, float value) { row[static_cast<std::size_t>(first_number + input)] = value; }
  void set_cursor(int first) { row[cursor] = std::bit_cast<float>(first); }

  /// How many rows there can be: 64 KiB, which CUDA copies without waiting for the stream, from any memory.
  int capacity() const { return 64 * 1024 / 4 / width; }
  int size() const { return static_cast<int>(samples.size()); }

  void add(int batch) {
    samples.push_back(batch);
    row[batch_size] = static_cast<float>(batch);
    row[next] = std::bit_cast<float>(size());
    rows.insert(rows.end(), row.begin(), row.end());
  }

  /// Copies the rows that were added to the device and forgets them. Returns their batch sizes.
  std::vector<int> upload(const Stream& stream) {
    if (size() > 0) rows[rows.size() - row.size() + next] = std::bit_cast<float>(size() - 1);  // it follows itself
    memory.upload(rows, stream);
    rows.clear();
    return std::exchange(samples, {});
  }

  /// On the device, of the current run.
  float* device_batch_size() const { return memory.data() + batch_size; }
  float* device_number(int input) const { return memory.data() + first_number + input; }
  const int* device_cursor() const { return reinterpret_cast<const int*>(memory.data() + cursor); }

  void end_run(const Stream& stream, Global<const float> loss, Global<const float> metric, Global<double> sums) {
    enqueue<EndRun>(stream, {}, loss, metric, sums, memory.view(), static_cast<int>(next), width);
  }

 private:
  static constexpr std::size_t batch_size = 0, cursor = 1, next = 2;
  static constexpr int first_number = 3;

  int width;                     // of a row
  std::vector<float> row, rows;  // the next to be added, and those that are
  std::vector<int> samples;      // of the added rows
  DeviceBuffer<float> memory;
};

}  // namespace inlay::cuda
