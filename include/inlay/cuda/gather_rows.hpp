// Picks the samples of a batch from a dataset on the device: row n of the batch is row order(cursor + n) of the data.
// Each thread computes its row from the few words of the order, which lie in device memory like the cursor, so that a
// captured step serves every batch of every epoch.
#pragma once

#include <inlay/cuda/runner.hpp>
#include <inlay/data/shuffle.hpp>

namespace inlay::cuda {

/// A dataset on the device and the order in which its rows are taken.
struct GatherSource {
  const void* rows = nullptr;
  std::int64_t row_count = 0;
  const data::Shuffle* order = nullptr;

  bool operator==(const GatherSource&) const = default;
};

template <class Word>
struct GatherRows {
  static constexpr int threads = 256, shared_bytes = 0;

  INLAY_DEVICE static void run(Global<const Word> rows, Global<const data::Shuffle> order, Global<const int> cursor,
                               Global<Word> batch, int row_words, int count) {
    const int e = block_index().x * threads + thread_index();
    if (e >= count) return;
    const std::int64_t row = order[0](static_cast<std::uint32_t>(cursor[0] + e / row_words));
    batch[e] = rows[row * row_words + e % row_words];
  }
};

/// Enqueues the copy of `samples` rows of `row_bytes` each, in the largest words of which they consist.
inline void gather_rows(const Stream& stream, const GatherSource& source, Global<const int> cursor, void* batch,
                        std::int64_t row_bytes, int samples) {
  auto copy = [&]<class Word>(Word) {
    const int row_words = work_items(1, row_bytes / static_cast<int>(sizeof(Word)));
    const int count = work_items(samples, row_words);
    enqueue<GatherRows<Word>>(stream, {ceil_divide(count, GatherRows<Word>::threads)},
                              Global<const Word>(static_cast<const Word*>(source.rows), source.row_count * row_words),
                              Global<const data::Shuffle>(source.order, 1), cursor,
                              Global<Word>(static_cast<Word*>(batch), count), row_words, count);
  };
  if (row_bytes % 16 == 0) copy(Chunk{});
  else if (row_bytes % 4 == 0) copy(std::uint32_t{});
  else copy(std::uint8_t{});
}

}  // namespace inlay::cuda
