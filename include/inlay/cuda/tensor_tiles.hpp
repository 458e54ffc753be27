// What the walks on tensor cores share. A tile lies in shared memory line by line (a line is a row of A or a column of
// B), each line the 64 bytes of one step along the depth: 16 words of two rounded elements, or of one for tf32.
//
// A thread brings the words of one depth, every eighth line. Where memory is contiguous along the depth, 16
// neighbouring threads take the words of a line; otherwise 8 neighbours take a word of 8 lines. Chunks of 16 bytes are
// exchanged within their line (`chunk_at`), so that neither of these stores nor loading 8 lines' chunks meets a bank
// twice.
//
// The four warps lie below each other: warp w computes 16 rows of each band of 64, and all columns.
#pragma once

#include <inlay/cuda/box_copy.hpp>
#include <inlay/cuda/integers.hpp>
#include <inlay/cuda/operands.hpp>
#include <inlay/cuda/tensor_core.hpp>
#include <inlay/cuda/unroll.hpp>
#include <inlay/cuda/warpgroup.hpp>

namespace inlay::cuda {

template <class C>
struct TensorTiles {
  using P = Product<C>;
  using S = typename P::Shape;
  static constexpr Precision precision = P::precision;
  static constexpr int words = 16, each = S::depth / words;  // words a line, elements a word
  static constexpr int blocks = S::columns / 8;              // of 8 columns
  static_assert(S::threads == 128 && S::band == 64 && words * each == S::depth && S::columns % 16 == 0);

  using Sums = float[S::passes][blocks][4];
  struct Side {
    float of_line[blocks];  // the thread's share of the column sums of B, before rounding
  };
  static constexpr int side_parts = S::threads / 8;
  static constexpr int stage_pitch = S::columns + 8;  // 4 rows of fragments on different banks

  /// Band `pass` of the tile to shared memory.
  template <class Shared>
  INLAY_DEVICE static void stage_band(Shared shared, const Place& at, int pass, const Sums& sums) {
    const int g = at.thread % 32 / 4, t = at.thread % 4, first = at.thread / 32 * 16 + g;
    INLAY_UNROLL
    for (int j = 0; j < blocks; ++j) {
      shared.store2(first * stage_pitch + 8 * j + 2 * t, {sums[pass][j][0], sums[pass][j][1]});
      shared.store2((first + 8) * stage_pitch + 8 * j + 2 * t, {sums[pass][j][2], sums[pass][j][3]});
    }
  }

  template <class Shared>
  INLAY_DEVICE static void put_side(Shared shared, const Place& at, const Side& side) {
    INLAY_UNROLL
    for (int i = 0; i < blocks; ++i)
      shared[word_of<false>(at.thread) * S::columns + line_of<false>(at.thread) + 8 * i] = side.of_line[i];
  }

  /// Where chunk c of a line of `Chunks` lies, as warpgroup.hpp asks: eight neighbouring lines' on different banks.
  /// Lines of more than 128 bytes, those of the depths of a step, are in parts: the first 128 bytes of all lines, the
  /// next ones of all, and so on.
  template <int Chunks = 4>
  INLAY_HOST_DEVICE static constexpr int chunk_at(int line, int c) {
    constexpr int together = Chunks < 8 ? Chunks : 8;
    if constexpr (Chunks > 8) line += quotient(c, 8) * S::depth;
    return line * together + (modulo(c, together) ^ modulo(quotient(line, 8 / together), together));
  }

  /// `Lines` lines of `Chunks` chunks, of columns or, if `Transposed`, of depths, as boxes of up to 128 bytes of each.
  template <int Lines, int Chunks, bool Transposed>
  struct LineBoxes {
    static constexpr int together = Chunks < 8 ? Chunks : 8, boxes = Chunks / together;

    /// Of an array in rows, which lie in planes, each right behind the one before.
    static TensorMap map(const void* data, std::int64_t elements, std::int64_t columns, std::int64_t rows,
                         std::int64_t row_stride, std::int64_t planes = 1) {
      return tensor_map({.data = data,
                         .count = elements,
                         .extents = {columns, rows, planes},
                         .strides = {row_stride, rows * row_stride},
                         .row = 8 * together,
                         .rows = Lines});
    }
    /// Starts to copy those from a depth and a column (or row of A) of a plane on, to chunk `first` and further.
    template <class Barriers>
    INLAY_DEVICE static void copy(const Barriers& barriers, int barrier, const Shared<Chunk>& chunks, int first,
                                  const TensorMap& from, int depth, int column, int plane) {
      INLAY_UNROLL
      for (int box = 0; box < boxes; ++box)
        barriers.copy(barrier, chunks, first + box * Lines * together, from,
                      Transposed ? BoxPlace{column + 64 * box, depth, plane} : BoxPlace{depth, column, plane});
    }
  };

  /// A thread's word of every line that it brings, and the first of these.
  template <bool AlongDepth>
  INLAY_HOST_DEVICE static constexpr int word_of(int thread) {
    return AlongDepth ? thread % words : thread / 8;
  }
  template <bool AlongDepth>
  INLAY_HOST_DEVICE static constexpr int line_of(int thread) {
    return AlongDepth ? thread / words : thread % 8;
  }

  /// The elements value(0), value(1)... of a word, rounded.
  template <class F>
  INLAY_DEVICE static std::uint32_t word(F value) {
    if constexpr (precision == Precision::tf32) {
      return round_to_tf32(value(0));
    } else {
      const float low = value(0);
      return pack<precision>(low, value(1));
    }
  }

  /// Registers to shared memory, from line `first` on.
  template <bool AlongDepth, class Words, int Count>
  INLAY_DEVICE static void place(Words tiles, int first, int thread, const std::uint32_t (&of_line)[Count]) {
    const int at = word_of<AlongDepth>(thread);
    INLAY_UNROLL
    for (int i = 0; i < Count; ++i) {
      const int line = first + line_of<AlongDepth>(thread) + 8 * i;
      tiles[4 * chunk_at(line, at / 4) + at % 4] = of_line[i];
    }
  }

  /// Four neighbouring elements, rounded, to quad `quad` of a line whose chunk c lies at first + place_of(c).
  template <class Words, class PlaceOf>
  INLAY_DEVICE static void put_quad(Words tiles, int first, PlaceOf place_of, int quad, const float* v) {
    if constexpr (precision == Precision::tf32)
      tiles.store4(4 * (first + place_of(quad)),
                   {round_to_tf32(v[0]), round_to_tf32(v[1]), round_to_tf32(v[2]), round_to_tf32(v[3])});
    else
      tiles.store2(4 * (first + place_of(quad / 2)) + quad % 2 * 2,
                   {pack<precision>(v[0], v[1]), pack<precision>(v[2], v[3])});
  }

  /// A warp's rows of A in the two chunks of one product: rows 0 to 7, 8 to 15 of a chunk; the same of the next.
  using Fragments = std::uint32_t[S::passes][4];

  /// sums += A * B for one product, or the start of it (finish_products). B's columns, or if `Transposed` its depths,
  /// begin at chunk `first`, and those of the product are the first or second half of a step.
  template <bool Transposed, class Chunks>
  INLAY_DEVICE static void multiply_columns(const Fragments& a, Sums& sums, Chunks chunks, int first, int half) {
    constexpr int line_chunks = Transposed ? S::columns / 8 : 4, together = line_chunks < 8 ? line_chunks : 8;
    if (has_warpgroups()) {
      const int at = first + (Transposed ? chunk_at<line_chunks>(16 * half, 0) : chunk_at(0, 2 * half));
      constexpr int next_part = line_chunks > together ? 16 * chunk_at<line_chunks>(0, together) : 16;
      start_products<precision, Transposed>(sums, a, shared_matrix<16 * together>(chunks.address(at), next_part));
      return;
    }
    // Columns 8 j to 8 j + 15: a chunk of the depth of the first 8, the next chunk; the same of the others.
    auto load = [&, l = lane()](int j) {
      if constexpr (Transposed)
        return load_matrices<true>(chunks, first + chunk_at<line_chunks>(16 * half + l % 16, j + l / 16));
      else return load_matrices<false>(chunks, first + chunk_at(8 * j + l % 8 + l / 16 * 8, 2 * half + l / 8 % 2));
    };
    INLAY_UNROLL
    for (int j = 0; j < blocks; j += 2) {
      std::uint32_t b[4];
      copy_words(load(j), b);
      const std::uint32_t left[2] = {b[0], b[1]}, right[2] = {b[2], b[3]};
      INLAY_UNROLL
      for (int i = 0; i < S::passes; ++i) {
        multiply_fragments<precision>(sums[i][j], a[i], left);
        multiply_fragments<precision>(sums[i][j + 1], a[i], right);
      }
    }
  }
  /// Before what has been multiplied is written over, and before the sums are used.
  INLAY_DEVICE static void finish_products(Sums& sums) {
    if (has_warpgroups()) wait_products<0>(sums);
  }
};

}  // namespace inlay::cuda
