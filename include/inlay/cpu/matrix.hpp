// Contractions of one-pixel windows: matrix products whose rows are pixels of samples. Rows of the first operand are
// gathered through their prologue into a block in scratch memory; tiles of rows x vectors accumulate over blocks of
// the inner dimension, so that the weights are streamed once for a block of rows.
#pragma once

#include <inlay/cpu/convolution.hpp>
#include <inlay/cpu/multiply_tile.hpp>
#include <inlay/cpu/transpose.hpp>

namespace inlay::cpu {

/// Blocking of a product with Columns columns.
template <int Columns>
struct MatrixTile {
  static constexpr int vectors = tile_shape(Columns, 1 << 20).vectors;
  static constexpr int most_rows = (vector_registers == 32 ? 28 : 12) / vectors;
  static constexpr int rows = most_rows > 14 ? 14 : most_rows;
  static constexpr int width = vectors * lanes;  // columns of a panel
  static constexpr int panels = (Columns + width - 1) / width;
  static constexpr int together = 64 / width < panels ? 64 / width : panels;  // that share what is gathered
  static constexpr int row_block = round_up(96, rows* lanes);                 // rows that share a pass over the weights
  static constexpr int depth_block = 256;
};

/// The rows of an operand, H x W a sample, that lie in memory as they are multiplied: those of samples as far apart as
/// samples are, those of an image one after another.
template <class Prologue, int H, int W>
struct PlainRows {
  static constexpr bool are_given = false;
};
template <int S, class I, int H, int W>
struct PlainRows<kernel::Body<kernel::Load<S, Element::f32, I>>, H, W> {
  static constexpr std::int64_t pixel = W > 1 ? I::s2 : I::s1;
  static constexpr bool are_given = I::s3 == 1 && (H == 1 || W == 1 || I::s1 == W * pixel);
  static const float* of(const Slot* slots, int row) {
    const Context<float> context{slots, row / (H * W), 0, 0, 0, 0};
    return context.template at<Element::f32>(S, I::sample, row % (H * W) * pixel);
  }
  static std::int64_t stride(const Slot* slots) { return H * W > 1 ? pixel : slots[S].sample_bytes / 4; }
  /// Does the first row of a sample follow the last of the one before?
  static bool follow(const Slot* slots) { return H * W == 1 || slots[S].sample_bytes == H * W * pixel * 4; }
};

/// Forward (out = x w) and data gradient (dx = dy w^T): Depth columns in, Columns out, Pixels rows a sample. Weight:
/// float, or Bf16Pair if they are packed in that.
template <class Weight, class G, int Depth, int Columns, bool Transposed, bool Batched, class Prologue, class B,
          class E, class Side>
struct MatrixRunner : SidedRunner<Batched, Columns, typename E::main, typename E::post, Side> {
  using Sided = SidedRunner<Batched, Columns, typename E::main, typename E::post, Side>;
  using T = MatrixTile<Columns>;
  static constexpr Blocking blocking{T::rows, T::vectors, T::row_block};
  static constexpr bool chunked = false;
  static constexpr int pixels = G::H * G::W;
  /// Weights that are transposed for few rows cost as much as the product: where there are columns enough, each thread
  /// takes some.
  static constexpr bool divides_columns =
      Transposed && pixels == 1 && Sided::sums == 0 && T::panels / T::together >= 16;
  static constexpr Partition partition = divides_columns ? Partition::outputs : Sided::partition;
  static constexpr bool compressed = std::is_same_v<Weight, Bf16Pair>;
  static constexpr bool in_place =
      !compressed && !Transposed && Columns % T::width == 0;  // weights stay where they lie
  static constexpr int weight_pitch = in_place ? Columns : T::width;
  static constexpr int pairs = (Depth + 1) / 2;  // of rows of weights
  /// Single rows go through several panels abreast, lest each addition wait for the last.
  static constexpr bool side_by_side = (in_place || compressed) && T::together > 1;
  static constexpr int panels_apart = compressed ? pairs * T::width : T::width;
  static constexpr int whole_depth = compressed ? 2 * pairs : Depth;
  static constexpr int depth = whole_depth < T::depth_block ? whole_depth : T::depth_block;
  using Plain = PlainRows<Prologue, G::H, G::W>;
  static constexpr bool plain = Plain::are_given && Batched && whole_depth == Depth;
  /// What is multiplied once is read where it lies, and so are pixels, which are near each other; other rows, from
  /// scratch memory.
  static constexpr bool in_memory = plain && (T::panels == 1 || pixels > 1);
  // What a block of pixels fetches while it is multiplied: where it is stored, and what the next one reads.
  using Loaded = typename FirstRows<Prologue>::loaded;
  using Stored = typename FirstRows<typename E::main>::stored;
  static constexpr int steps = T::row_block / T::rows * T::panels * Depth;
  static constexpr int fetched(int pixel_bytes) {
    return pixels > 1 ? (T::row_block * pixel_bytes + steps - 1) / steps : 0;
  }
  static constexpr int read_ahead = fetched(Loaded::pixel_bytes), write_ahead = fetched(Stored::pixel_bytes);
  template <class Rows>
  static const char* at_row(const Slot* slots, int row) {
    const int pixel = row % pixels;
    return Rows::at(slots, row / pixels, pixel / G::W) + pixel % G::W * Rows::pixel_bytes;
  }
  /// Where the second of two sums begins, of which each output is the total: threads that share a single row take one
  /// each. All other rows have two, too: a sample's result does not depend on its company.
  static constexpr int half = (Depth + depth - 1) / depth / 2 * depth;
  static constexpr bool two_sums = half > 0;  // else all of the depth is one block
  static constexpr std::int64_t a_floats = std::int64_t{in_memory && pixels == 1 ? 0 : T::row_block} * depth;
  static constexpr std::int64_t b_floats = in_place || compressed ? 0 : std::int64_t{depth} * T::width;
  static constexpr std::int64_t panel_floats = std::int64_t{T::row_block} * T::width;
  static constexpr std::int64_t c_floats = T::together * panel_floats;
  static constexpr std::int64_t scratch_bytes = 4 * (a_floats + b_floats + (two_sums ? 2 : 1) * c_floats);

  /// Single rows whose weights are read as they lie. Threads share the sums of each, which are joined then.
  static constexpr bool joins = pixels == 1 && (in_place || compressed);
  static constexpr int row_floats = T::panels * T::width;  // of each sum
  static constexpr int sum_count = two_sums ? 2 : 1;
  static constexpr std::int64_t partial_bytes = Sided::partial_bytes + (joins ? 4 * sum_count * row_floats : 0);

  static constexpr std::int64_t packed_bytes = compressed ? 4 * std::int64_t{T::panels} * pairs * T::width : 0;

  /// Panels of T::width columns, zeros behind the last.
  static void prepare([[maybe_unused]] const Slot* slots, [[maybe_unused]] Memory memory,
                      [[maybe_unused]] Share share) {
    if constexpr (compressed) {
      const float* w = weights<slot_of<B>, G>(slots);
      auto* packed = reinterpret_cast<Bf16Pair*>(memory.packed);
      const auto own = share.of(T::panels * pairs);
      for (int row = own.first; row < own.end; ++row)
        for (int k = 0; k < T::width; ++k) {
          auto weight = [&](int d) {
            const int column = row / pairs * T::width + k;
            return d < Depth && column < Columns ? w[std::int64_t{d} * Columns + column] : 0.0f;
          };
          packed[std::int64_t{row} * T::width + k] = Bf16Pair::of(weight(row % pairs * 2), weight(row % pairs * 2 + 1));
        }
    }
  }
  static void samples(const Slot* slots, int first, int count, Memory memory) {
    if constexpr (joins)
      if (count == 1) return single_row(slots, first, memory, {0, row_floats});
    rows(slots, first * pixels, (first + count) * pixels, memory);
  }
  static void outputs(const Slot* slots, int samples, Memory memory, Share share) {
    if constexpr (Batched) {
      const auto own = share.of(T::panels, T::together);
      rows(slots, 0, samples * pixels, memory, own.first, own.end);
    } else if constexpr (joins) {
      single_row(slots, 0, memory, share.of(row_floats, row_grain));
    } else {
      part(slots, 0, memory, share);
    }
  }
  static void part(const Slot* slots, int sample, Memory memory, Share share) {
    if constexpr (joins) return share_row(slots, sample, memory, share);
    const auto own = share.of(pixels, T::rows);
    rows(slots, sample * pixels + own.first, sample * pixels + own.end, memory);
  }
  static void join(const Slot* slots, int sample, Partials partials, Share share) {
    finish_row(slots, sample, partials, share.of(Columns, lanes));
  }

 private:
  /// The weights of input d, from output `column` on, where they lie.
  static const Weight* weights_at(const Slot* slots, Memory memory, int d, int column) {
    if constexpr (compressed)
      return reinterpret_cast<const Bf16Pair*>(memory.packed) +
             (std::int64_t{column / T::width} * pairs + d / 2) * T::width + column % T::width;
    else return weights<slot_of<B>, G>(slots) + std::int64_t{d} * Columns + column;
  }

  static constexpr int row_vectors = T::vectors % 2 == 0 ? 2 : 1, row_grain = row_vectors * lanes;

  /// Where the two sums of a single row are in a thread's partial.
  static constexpr int sum_at(int which) { return Sided::partial_bytes / 4 + which * row_floats; }

  static void single_row(const Slot* slots, int sample, Memory memory, Share::Part columns) {
    for (int which = 0; which < sum_count; ++which) make_row_sum(slots, sample, memory, which, columns);
    finish_row(slots, sample, {memory.partial, 0, 1}, {columns.first, columns.end < Columns ? columns.end : Columns});
  }
  /// The thread's share of both sums, one after the other: where there are two threads, each reads weights that lie
  /// together, which takes less time than columns of them, apart.
  static void share_row(const Slot* slots, int sample, Memory memory, Share share) {
    const auto own = share.of(sum_count * row_floats, row_grain);
    for (int which = 0, begin = 0; which < sum_count; ++which, begin += row_floats) {
      const int first = own.first > begin ? own.first - begin : 0, end = own.end - begin;
      make_row_sum(slots, sample, memory, which, {first, end < row_floats ? end : row_floats});
    }
  }
  /// Makes one of the two sums of some columns; that of the others is 0.
  static void make_row_sum(const Slot* slots, int sample, Memory memory, int which, Share::Part columns) {
    // All panels that are together, or a few columns, by some rows of weights that lie near each other.
    constexpr int group = T::together * T::width;
    constexpr TileProduct abreast{
        .rows = T::together, .vectors = T::vectors, .b_of_row = true, .adds = true, .c_row = T::width};
    constexpr TileProduct few{.rows = 1, .vectors = row_vectors, .adds = true};
    constexpr int step = T::panels > T::together && depth > 32 ? 32 : depth;
    float* sums = memory.partial + sum_at(which);
    for (int k = 0; k < row_floats; ++k) sums[k] = 0;
    if (columns.first >= columns.end) return;
    const int last = which == 0 && two_sums ? half : Depth;
    for (int d = which * half; d < last; d += step) {
      const int deep = d + step < last ? step : last - d;
      const float* x = memory.scratch;
      if constexpr (plain) x = Plain::of(slots, sample) + d;
      else gather(memory.scratch, slots, sample, 1, 1, d, d + deep);
      for (int k = columns.first, next = 0; k < columns.end; k = next) {
        const bool whole = k % group == 0 && k + group <= columns.end;
        next = k + (whole ? group : row_grain);
        const Weight* w = weights_at(slots, memory, d, k);
        if (whole) multiply_tile<abreast>(x, w, weight_pitch, deep, sums + k, {}, panels_apart);
        else multiply_tile<few>(x, w, weight_pitch, deep, sums + k);
      }
    }
  }
  static void finish_row(const Slot* slots, int sample, Partials partials, Share::Part columns) {
    const auto sum = [&](auto& context, int k) {
      using V = decltype(context.value);
      context.value = partials.sum<V>(sum_at(0) + k);
      if constexpr (two_sums) context.value += partials.sum<V>(sum_at(1) + k);
    };
    run_row<typename E::main, Columns>(slots, sample, 0, 0, 0, columns.first, columns.end, sum, no_output);
  }
  /// Rows first, ..., end - 1 of some panels.
  static void rows(const Slot* slots, int first, int end, Memory memory, int first_panel = 0,
                   int behind_panels = T::panels) {
    // Rows of a panel together, one alone, and one of all panels that are together.
    constexpr TileProduct tile{.rows = T::rows,
                               .vectors = T::vectors,
                               .a_row = in_memory ? 0 : depth,
                               .adds = two_sums,
                               .read_ahead = read_ahead,
                               .write_ahead = write_ahead,
                               .a_ahead = in_memory && pixels == 1};
    constexpr TileProduct single{.rows = 1, .vectors = T::vectors, .adds = two_sums};
    constexpr TileProduct of_panels{
        .rows = T::together, .vectors = T::vectors, .b_of_row = true, .adds = two_sums, .c_row = panel_floats};
    float* a = memory.scratch;
    float* b = a + a_floats;
    float* c = b + b_floats;
    for (int row = first; row < end; row += T::row_block) {
      const int count = row + T::row_block < end ? T::row_block : end - row;
      const int computed = round_up(count, T::rows);
      bool gathers = true;
      if constexpr (in_memory) gathers = !Plain::follow(slots);
      Ahead ahead{at_row<Loaded>(slots, row + count), at_row<Stored>(slots, row)};
      const bool one_by_one = !gathers || 2 * (count % T::rows) < T::rows;  // the rest
      const int tiled = one_by_one ? count / T::rows * T::rows : computed;
      for (int group = first_panel; group < behind_panels; group += T::together) {
        const int end_panel = group + T::together < behind_panels ? group + T::together : behind_panels;
        const bool abreast = side_by_side && end_panel - group == T::together;
        if constexpr (two_sums)
          for (int part = 0; part < 2 * T::together; ++part)
            for (int i = 0; i < computed * T::width; ++i) c[part * panel_floats + i] = 0;
        for (int d = 0; d < Depth; d += depth) {
          const int deep = d + depth < Depth ? depth : Depth - d;
          const float* x = a;
          std::int64_t stride = depth;
          if constexpr (in_memory)
            if (!gathers) {
              x = Plain::of(slots, row) + d;
              stride = Plain::stride(slots);
            }
          if (gathers && (group == first_panel || Depth > depth))
            gather(a, slots, row, count, computed, d, d + deep);  // else it is still there
          float* group_sums = c + (d < half || !two_sums ? 0 : c_floats);
          for (int panel = group; panel < end_panel; ++panel) {
            const int column = panel * T::width;
            float* sums = group_sums + (panel - group) * panel_floats;
            const Weight* panel_weights = nullptr;
            if constexpr (in_place || compressed) {
              panel_weights = weights_at(slots, memory, d, column);
            } else {
              pack(b, weights<slot_of<B>, G>(slots), d, deep, column, last_of(column));
              panel_weights = b;
            }
            for (int i = 0; i < tiled; i += T::rows)
              ahead = multiply_tile<tile>(x + i * stride, panel_weights, weight_pitch, deep, sums + i * T::width, ahead,
                                          0, stride, d + 2 * depth <= Depth ? depth : 0);
            for (int i = tiled; i < count && !abreast; ++i)
              multiply_tile<single>(x + i * stride, panel_weights, weight_pitch, deep, sums + i * T::width);
          }
          if constexpr (side_by_side)
            for (int i = tiled; i < count && abreast; ++i)
              multiply_tile<of_panels>(x + i * stride, weights_at(slots, memory, d, group * T::width), weight_pitch,
                                       deep, group_sums + i * T::width, {}, panels_apart);
        }
        for (int i = 0; i < count; ++i) {
          const int pixel = (row + i) % pixels;
          for (int panel = group; panel < end_panel; ++panel) {
            const int column = panel * T::width;
            float* sums = c + (panel - group) * panel_floats + i * T::width;
            if constexpr (two_sums)
              for (int k = 0; k < T::width; ++k) sums[k] += sums[c_floats + k];
            run_row<typename E::main, Columns>(slots, (row + i) / pixels, 0, pixel / G::W, pixel % G::W, column,
                                               last_of(column), from(sums - column), no_output);
          }
        }
      }
    }
  }
  /// Behind the last column of the panel that begins at `column`.
  static int last_of(int column) { return column + T::width < Columns ? column + T::width : Columns; }

  static void gather(float* a, const Slot* slots, int row, int count, int computed, int first, int end) {
    for (int i = 0; i < computed; ++i, a += depth) {
      if (i >= count) {
        for (int d = 0; d < depth; ++d) a[d] = 0;
        continue;
      }
      const int pixel = (row + i) % pixels;
      run_row<Prologue, Depth>(slots, (row + i) / pixels, 0, pixel / G::W, pixel % G::W, first, end, no_input,
                               [&](int d, auto v) { write(a + d - first, v); });
      if constexpr (whole_depth > Depth)
        if (end == Depth) a[end - first] = 0;
    }
  }

  /// b[d][T::width] = weights of inputs first, ..., first + deep - 1 and outputs column, ..., last - 1; zeros behind.
  static void pack(float* b, const float* w, int first, int deep, int column, int last) {
    if constexpr (Transposed) {
      for (int k = column; k < column + T::width; k += lanes) {
        const int squares = k + lanes <= last ? deep / lanes * lanes : 0;
        const float* from = w + std::int64_t{k} * Depth + first;
        float* to = b + k - column;
        for (int d = 0; d < squares; d += lanes) transpose(from + d, Depth, to + d * T::width, T::width);
        for (int d = squares; d < deep; ++d)
          for (int lane = 0; lane < lanes; ++lane)
            to[d * T::width + lane] = k + lane < last ? from[std::int64_t{lane} * Depth + d] : 0.0f;
      }
    } else {
      for (int d = 0; d < deep; ++d)
        for (int k = column; k < column + T::width; ++k)
          b[d * T::width + k - column] = k < last ? w[std::int64_t{first + d} * Columns + k] : 0.0f;
    }
  }
};

template <class G, bool Batched, class A, class B, class E, class Side>
struct ContractionRunner<kernel::Contraction<Mode::forward, G, Batched, A, B, E, Side>, Algorithm::matrix>
    : MatrixRunner<float, G, G::C, G::K, false, Batched, A, B, E, Side> {};

template <class G, bool Batched, class A, class B, class E, class Side>
struct ContractionRunner<kernel::Contraction<Mode::forward, G, Batched, A, B, E, Side>, Algorithm::compressed>
    : MatrixRunner<Bf16Pair, G, G::C, G::K, false, Batched, A, B, E, Side> {};

template <class G, bool Batched, class A, class B, class E, class Side>
struct ContractionRunner<kernel::Contraction<Mode::data_gradient, G, Batched, A, B, E, Side>, Algorithm::matrix>
    : MatrixRunner<float, G, G::K, G::C, true, Batched, A, B, E, Side> {};

/// dw = x^T dy over all rows of all samples; each thread makes its own rows of dw, so there are no partials.
template <class G, bool Batched, class A, class B, class E, class Side>
struct ContractionRunner<kernel::Contraction<Mode::weight_gradient, G, Batched, A, B, E, Side>, Algorithm::matrix>
    : RunnerDefaults {
  using T = MatrixTile<G::K>;
  static constexpr Partition partition = Partition::outputs;
  static constexpr int pixels = G::H * G::W;
  static constexpr int depth = 128;  // rows of samples in a block
  static constexpr Blocking blocking{T::rows, T::vectors, depth};
  static constexpr int pitch = T::row_block;
  static constexpr int group_width = T::together * T::width;
  static constexpr std::int64_t x_floats = std::int64_t{depth} * pitch, dy_floats = std::int64_t{depth} * group_width;
  static constexpr std::int64_t c_floats = std::int64_t{T::row_block} * group_width;
  static constexpr std::int64_t scratch_bytes = 4 * (x_floats + dy_floats + c_floats + group_width);

  static void outputs(const Slot* slots, int samples, Memory memory, Share share) {
    constexpr TileProduct tile{.rows = T::rows, .vectors = T::vectors, .a_row = 1, .a_step = pitch, .adds = true};
    float* x = memory.scratch;
    float* dy = x + x_floats;
    float* c = dy + dy_floats;
    float* sums = c + c_floats;
    const int total = samples * pixels;
    const auto part = share.of(G::C, lanes);
    for (int column = 0; column < G::K; column += group_width) {
      const int last = column + group_width < G::K ? column + group_width : G::K;
      for (int row = part.first; row < part.end; row += T::row_block) {
        const int end = row + T::row_block < part.end ? row + T::row_block : part.end;
        const bool side = Side::size > 0 && row == 0;
        for (int i = 0; i < c_floats; ++i) c[i] = 0;
        for (int i = 0; i < group_width; ++i) sums[i] = 0;
        for (int r = 0; r < total; r += depth) {
          const int deep = r + depth < total ? depth : total - r;
          gather<A, G::C>(x, pitch, slots, r, deep, row, end);
          if (row == part.first || total > depth) gather<B, G::K>(dy, group_width, slots, r, deep, column, last);
          for (int k = 0; k < last - column; k += T::width)
            for (int i = 0; i < end - row; i += T::rows)
              multiply_tile<tile>(x + i, dy + k, group_width, deep, c + k * T::row_block + i * T::width);
          if (side)
            for (int d = 0; d < deep; ++d)
              for (int k = 0; k < group_width; ++k) sums[k] += dy[d * group_width + k];
        }
        for (int k = column; k < last; k += T::width)
          for (int i = row; i < end; ++i)
            run_row<typename E::main, G::K>(slots, 0, 0, 0, i, k, k + T::width < last ? k + T::width : last,
                                            from(c + (k - column) * T::row_block + (i - row) * T::width - k),
                                            no_output);
        if (side) run_row<Side, G::K>(slots, 0, 0, 0, 0, column, last, from(sums - column), no_output);
      }
    }
  }

 private:
  /// Columns [first, end) of `count` rows of samples, zeros up to the pitch.
  template <class Prologue, int Extent>
  static void gather(float* to, int width, const Slot* slots, int row, int count, int first, int end) {
    for (int i = 0; i < count; ++i, to += width) {
      const int pixel = (row + i) % pixels;
      run_row<Prologue, Extent>(slots, (row + i) / pixels, 0, pixel / G::W, pixel % G::W, first, end, no_input,
                                [&](int k, auto v) { write(to + k - first, v); });
      for (int k = end - first; k < width; ++k) to[k] = 0;
    }
  }
};

}  // namespace inlay::cpu
