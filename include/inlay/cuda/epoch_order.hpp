// The order of an epoch on the device: which sample of a dataset comes first, second, ..., as a list, so that kernels
// which read an input find a sample's place by one load. A kernel makes the list from the few words of data::Shuffle.
#pragma once

#include <inlay/cuda/device_buffer.hpp>
#include <inlay/cuda/runner.hpp>
#include <inlay/data/shuffle.hpp>

#include <cstdint>

namespace inlay::cuda {

struct FillOrder {
  static constexpr int threads = 256, shared_bytes = 0;

  INLAY_DEVICE static void run(const data::Shuffle& order, Global<int> rows) {
    const int i = block_index().x * threads + thread_index();
    if (i < static_cast<int>(order.size())) rows[i] = static_cast<int>(order(static_cast<std::uint32_t>(i)));
  }
};

/// Fills the first order.size() elements of `rows`, which has as many or more.
inline void fill_order(const Stream& stream, const data::Shuffle& order, DeviceBuffer<int>& rows) {
  const int count = work_items(1, order.size());
  if (count > 0) enqueue<FillOrder>(stream, {ceil_divide(count, FillOrder::threads)}, order, rows.view());
}

}  // namespace inlay::cuda
