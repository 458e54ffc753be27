// Picks the samples of a batch from datasets on the device, of all inputs that come from one in a single kernel: row n
// of the batch is row order(cursor + n) of the data. Each thread computes its row from the few words of the order,
// which lie in device memory like the cursor, so that a captured step serves every batch of every epoch.
#pragma once

#include <inlay/cuda/runner.hpp>
#include <inlay/data/shuffle.hpp>

#include <type_traits>

namespace inlay::cuda {

/// A dataset on the device and the order in which its rows are taken.
struct GatherSource {
  const void* rows = nullptr;
  std::int64_t row_count = 0;
  const data::Shuffle* order = nullptr;

  bool operator==(const GatherSource&) const = default;
};

/// The largest words of which rows of so many bytes consist.
template <std::int64_t RowBytes>
using gather_word_t =
    std::conditional_t<RowBytes % 16 == 0, Chunk, std::conditional_t<RowBytes % 4 == 0, std::uint32_t, std::uint8_t>>;

/// What an input takes; nothing unless made from a source.
template <class Word>
struct GatherPart {
  Global<const Word> rows{nullptr, 0};
  Global<const data::Shuffle> order{nullptr, 0};
  Global<Word> batch{nullptr, 0};
  int row_words = 1, count = 0;  // words of a row, and of the batch

  GatherPart() = default;
  GatherPart(const GatherSource& source, void* to, std::int64_t row_bytes, int samples)
      : order(source.order, 1), row_words(work_items(1, row_bytes / static_cast<int>(sizeof(Word)))) {
    count = work_items(samples, row_words);
    rows = {static_cast<const Word*>(source.rows), source.row_count * row_words};
    batch = {static_cast<Word*>(to), count};
  }
};

template <class... Words>
struct GatherRows {
  static constexpr int threads = 256, shared_bytes = 0;
  static int blocks(const GatherPart<Words>&... parts) { return (ceil_divide(parts.count, threads) + ...); }

  /// Blocks go to the first part, then to the next.
  INLAY_DEVICE static void run(Global<const int> cursor, const GatherPart<Words>&... parts) {
    int block = block_index().x;
    (gather(cursor, parts, block), ...);
  }

 private:
  template <class Word>
  INLAY_DEVICE static void gather(Global<const int> cursor, const GatherPart<Word>& part, int& block) {
    const int e = block * threads + thread_index();
    if (block >= 0 && e < part.count) {
      const std::int64_t row = part.order[0](static_cast<std::uint32_t>(cursor[0] + e / part.row_words));
      part.batch[e] = part.rows[row * part.row_words + e % part.row_words];
    }
    block -= ceil_divide(part.count, threads);
  }
};

}  // namespace inlay::cuda
