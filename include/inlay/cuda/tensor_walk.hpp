// How a block multiplies on tensor cores, for any geometry: tiles of A and B go through shared memory step by step
// along the depth. An operand that lies in memory as it is multiplied (a dense layer's features and weights, those of a
// strided or 1 x 1 convolution) is copied there in the background, 16 bytes at a time. The prologue of any other is
// computed in fp32 and rounded on its way into registers, where the next step's tile waits while the last one's is
// multiplied.
//
// What memory holds along the depth lies line by line as in tensor_tiles.hpp, a line being a row of A or a column of B.
// What it holds along rows or columns is copied depth by depth, and transposed as it is loaded; through registers it
// goes word by word to where it would lie otherwise.
#pragma once

#include <inlay/cuda/gradient_scale.hpp>
#include <inlay/cuda/tensor_tiles.hpp>

namespace inlay::cuda {

template <class C>
struct TensorWalk : TensorTiles<C> {
  using Tiles = TensorTiles<C>;
  using Tiles::words, Tiles::each, Tiles::blocks, Tiles::word;
  using typename Tiles::P, typename Tiles::S, typename Tiles::Sums, typename Tiles::Side;

  /// An operand's tile of `Extent` rows or columns. `AlongDepth`: is memory contiguous along the depth?
  template <int Extent, bool AlongDepth, bool Copied>
  struct Lines {
    static constexpr bool along_depth = AlongDepth, copied = Copied, transposed = Copied && !AlongDepth;
    static constexpr int count = transposed ? S::depth : Extent, chunks = transposed ? Extent / 8 : 4;  // of a line

    INLAY_HOST_DEVICE static constexpr int chunk_at(int line, int c) {
      return Tiles::template chunk_at<chunks>(line, c);
    }
    // A thread copies the same chunk of `each` lines.
    static constexpr int apart = S::threads / chunks, each = ceil_divide(count, apart);
    INLAY_HOST_DEVICE static constexpr int own_chunk(int thread) { return thread % chunks; }
    INLAY_HOST_DEVICE static constexpr int own_line(int thread, int i) { return thread / chunks + i * apart; }
    INLAY_HOST_DEVICE static constexpr bool has(int line) { return count % apart == 0 || line < count; }

    using Boxes = typename Tiles::template LineBoxes<count, chunks, transposed>;
  };
  using A = Lines<S::rows, !P::weights, P::a_copied>;
  using B = Lines<S::columns, P::mode == Mode::data_gradient, P::b_copied>;
  static constexpr bool copies = A::copied || B::copied;

  // Which of them are copied as boxes where the device copies such: matrices. Pixels follow one another; of weights
  // those of a tap, or of all.
  using G = typename C::geometry;
  static constexpr bool one_group = G::groups == 1;
  static constexpr std::int64_t a_stride = pixel_stride<P::pixel_rows, P::pixel_columns, C::batched, typename C::a>;
  static constexpr std::int64_t dy_stride =
      P::weights ? pixel_stride<P::pixel_rows, P::pixel_columns, C::batched, typename C::b> : 0;
  static constexpr bool a_boxed = A::copied && one_group && !P::pooled && a_stride > 0 && G::R* G::S == 1 &&
                                  G::stride_h == 1 && G::stride_w == 1 && G::pad_top == 0 && G::pad_left == 0 &&
                                  G::H == G::P&& G::W == G::Q;
  static constexpr bool b_boxed =
      B::copied && one_group &&
      (P::weights ? dy_stride > 0 : P::mode == Mode::forward || P::taps == 1 || P::tap_channels % S::depth == 0);
  static constexpr bool boxed = a_boxed || b_boxed;
  static constexpr int box_bytes = (a_boxed ? 64 * S::rows : 0) + (b_boxed ? 64 * S::columns : 0);  // of a step
  using Maps = std::conditional_t<boxed, TensorMaps, NoMaps>;

  // What waits in registers is one step ahead; copies may be two.
  static constexpr int buffers = A::copied && B::copied ? 3 : 2;
  static constexpr int a_chunks = S::rows * 4, buffer_chunks = a_chunks + S::columns * 4;  // A's lines, then B's
  static constexpr int table_first = buffers * buffer_chunks * 16;                         // byte
  static constexpr int barriers_first = table_first + 12 * S::rows;
  using Barriers = BoxBarriers<buffers, boxed>;
  static constexpr int floats = (barriers_first + Barriers::bytes) / 4;  // of shared memory

  template <class Slots>
  static Maps maps(const Slots& slots, int samples) {
    const std::int64_t pixels = std::int64_t{samples} * P::pixels;
    Maps maps{};
    if constexpr (a_boxed) {
      constexpr int slot = PlainLoad<typename C::a>::slot;
      maps.a = A::Boxes::map(slots.data[slot], slots.count[slot], P::tap_channels, pixels, a_stride);
    }
    if constexpr (b_boxed) {
      constexpr int slot = PlainLoad<typename C::b>::slot;
      const void* data = slots.data[slot];
      const std::int64_t count = slots.count[slot];
      if constexpr (P::weights) maps.b = B::Boxes::map(data, count, G::K, pixels, dy_stride);
      else if constexpr (P::mode == Mode::forward) maps.b = B::Boxes::map(data, count, G::K, P::tapped, G::K);
      else maps.b = B::Boxes::map(data, count, G::K, G::C, G::K, P::taps);
    }
    return maps;
  }

  /// Multiplies along the depth.
  template <class Slots>
  INLAY_DEVICE static Side walk(const Slots& slots, const Maps& maps, const Place& at, int begin, int steps,
                                int samples, Sums& sums) {
    const auto table = shared_array<int>(table_first, 3 * S::rows);
    Side side = {};
    Registers registers;
    const Barriers barriers(barriers_first);
    auto fetch = [&](int step) {
      if (step < steps) {
        const int depth = begin + step * S::depth, first = first_chunk(step);
        if constexpr (boxed)
          if (has_box_copies() && at.thread == 0) copy_boxes(maps, at, depth, first, barriers, modulo(step, buffers));
        fetch_a(slots, table, at, depth, samples, first, registers.a);
        fetch_b(slots, at, depth, samples, first + a_chunks, registers.b, side);
      }
      if constexpr (copies) commit_copies();
    };
    fill_table(slots, table, at, samples);
    barriers.begin(at.thread);
    sync_threads();
    INLAY_UNROLL
    for (int step = 0; step < buffers - 1; ++step) fetch(step);
    place(at, 0, registers);
    for (int step = 0; step < steps; ++step) {
      if constexpr (copies) wait_copies<buffers - 2>();
      barriers.wait(modulo(step, buffers), quotient(step, buffers));
      fence_shared_writes();
      sync_threads();
      fetch(step + buffers - 1);
      if constexpr (P::sided && B::copied)
        if (at.row_tile == 0) add_to_side(first_chunk(step) + a_chunks, at.thread, side);
      multiply_tiles(first_chunk(step), sums);
      if (step + 1 < steps) place(at, step + 1, registers);
      Tiles::finish_products(sums);
    }
    barriers.end(at.thread);
    sync_threads();
    GradientScale<C>(slots).undo(sums);
    return side;
  }

 private:
  struct Registers {
    std::uint32_t a[S::rows / 8], b[blocks];
  };

  /// Where the tiles of a step begin.
  INLAY_DEVICE static int first_chunk(int step) { return modulo(step, buffers) * buffer_chunks; }
  INLAY_DEVICE static auto all_chunks() { return shared_array<Chunk>(0, buffers * buffer_chunks); }
  INLAY_DEVICE static auto all_words() { return shared_array<std::uint32_t>(0, 4 * buffers * buffer_chunks); }

  /// Starts to copy what of a step comes as boxes.
  INLAY_DEVICE static void copy_boxes(const Maps& maps, const Place& at, int depth, int first, const Barriers& barriers,
                                      int barrier) {
    barriers.expect(barrier, box_bytes);
    const auto chunks = all_chunks();
    if constexpr (a_boxed) A::Boxes::copy(barriers, barrier, chunks, first, maps.a, depth, at.row_tile * S::rows, 0);
    if constexpr (b_boxed) {
      const int tap = P::mode == Mode::data_gradient ? quotient(depth, P::tap_channels) : 0;
      B::Boxes::copy(barriers, barrier, chunks, first + a_chunks, maps.b, depth - tap * P::tap_channels,
                     at.column_tile * S::columns, tap);
    }
  }

  /// Is the place of a gathered sample looked up once for a pixel, not for each element?
  static constexpr bool placed = only_gathers<typename C::a>;
  template <class Slots>
  INLAY_DEVICE static Pixel place_of(const Slots& slots, Pixel pixel) {
    if (placed && pixel.row >= 0) pixel.sample = slots.gathered.of(pixel.sample);
    return pixel;
  }

  /// The pixels of A's lines; for a weight gradient their taps.
  template <class Slots, class Table>
  INLAY_DEVICE static void fill_table([[maybe_unused]] const Slots& slots, Table table, const Place& at, int samples) {
    for (int line = at.thread; line < S::rows; line += S::threads) {
      if constexpr (P::weights) {
        const Tap tap = tap_at(at.row_tile * S::rows + line);
        put(table, line, tap.row, tap.column, tap.channel);
      } else {
        const Pixel pixel = place_of(slots, P::tile_pixel(at.row_tile, line, samples));
        put(table, line, pixel.sample, pixel.row, pixel.column);
      }
    }
  }
  template <class Table>
  INLAY_DEVICE static void put(Table table, int line, int x, int y, int z) {
    table[line] = x;
    table[S::rows + line] = y;
    table[2 * S::rows + line] = z;
  }
  /// The Pixel or Tap of a line of A.
  template <class Entry, class Table>
  INLAY_DEVICE static Entry entry(Table table, int line) {
    return {table[line], table[S::rows + line], table[2 * S::rows + line]};
  }
  INLAY_DEVICE static Tap tap_at(int index) { return index < P::tapped ? P::tap(index) : Tap{no_tap, 0, 0}; }

  /// The tile of A of the step that begins at `depth`: global memory to the thread's words, or to shared memory from
  /// chunk `first` on when the thread has waited for that.
  template <class Slots, class Table>
  INLAY_DEVICE static void fetch_a(const Slots& slots, Table table, const Place& at, int depth, int samples,
                                   [[maybe_unused]] int first, [[maybe_unused]] std::uint32_t (&a)[S::rows / 8]) {
    if (a_boxed && has_box_copies()) return;
    if constexpr (A::copied) {
      static_assert(A::count % A::apart == 0);
      const int c = A::own_chunk(at.thread);
      const Tap tap = P::weights ? entry<Tap>(table, 8 * c) : tap_at(depth + 8 * c);
      Pixel pixels[A::each];
      INLAY_UNROLL
      for (int i = 0; i < A::each; ++i) {
        const int line = A::own_line(at.thread, i);
        pixels[i] = P::weights ? place_of(slots, P::pixel(depth + line, samples)) : entry<Pixel>(table, line);
      }
      INLAY_UNROLL
      for (int i = 0; i < A::each; ++i) {
        const ElementOfA<C, Slots> from(slots, pixels[i], tap, at.group, placed);
        from.context.copy8(typename C::a{}, all_chunks(), first + A::chunk_at(A::own_line(at.thread, i), c),
                           from.inside);
      }
      return;
    }
    const int own_depth = depth + Tiles::template word_of<A::along_depth>(at.thread) * each;
    const int first_line = Tiles::template line_of<A::along_depth>(at.thread);
    if constexpr (P::weights) {
      Pixel pixels[each];
      INLAY_UNROLL
      for (int e = 0; e < each; ++e) pixels[e] = place_of(slots, P::pixel(own_depth + e, samples));
      INLAY_UNROLL
      for (int i = 0; i < S::rows / 8; ++i) {
        if (P::tapped <= S::rows && 8 * i >= P::tapped) {  // rows of a tile that has all of them
          a[i] = 0;
          continue;
        }
        const Tap tap = entry<Tap>(table, first_line + 8 * i);
        a[i] = word([&](int e) { return element_of_a<C>(slots, pixels[e], tap, at.group, placed); });
      }
    } else {
      const GradientScale<C> scaled(slots);
      Tap taps[each];
      INLAY_UNROLL
      for (int e = 0; e < each; ++e) taps[e] = tap_at(own_depth + e);
      INLAY_UNROLL
      for (int i = 0; i < S::rows / 8; ++i) {
        const Pixel pixel = entry<Pixel>(table, first_line + 8 * i);
        a[i] = word([&](int e) { return scaled(element_of_a<C>(slots, pixel, taps[e], at.group, placed)); });
      }
    }
  }

  /// The same of B.
  template <class Slots>
  INLAY_DEVICE static void fetch_b(const Slots& slots, const Place& at, int depth, [[maybe_unused]] int samples,
                                   [[maybe_unused]] int first, [[maybe_unused]] std::uint32_t (&b)[blocks],
                                   [[maybe_unused]] Side& side) {
    if (b_boxed && has_box_copies()) return;
    const int first_column = at.column_tile * S::columns;
    if constexpr (B::copied) {
      const int c = B::own_chunk(at.thread);
      INLAY_UNROLL
      for (int i = 0; i < B::each; ++i) {
        const int line = B::own_line(at.thread, i), to = first + B::chunk_at(line, c);
        if (!B::has(line)) break;
        if constexpr (P::weights) {
          const ElementOfDy<C, Slots> from(slots, P::pixel(depth + line, samples), first_column + 8 * c, at.group);
          from.context.copy8(typename C::b{}, all_chunks(), to, from.inside);
        } else if constexpr (P::mode == Mode::forward) {
          copy_weights<C>(slots, all_chunks(), to, forward_position<C>(depth + line, first_column + 8 * c, at.group));
        } else {
          const Tap tap = tap_at(depth + 8 * c);
          copy_weights<C>(slots, all_chunks(), to, backward_position<C>(tap, first_column + line, at.group));
        }
      }
      return;
    }
    const int own_depth = depth + Tiles::template word_of<B::along_depth>(at.thread) * each;
    const int column = first_column + Tiles::template line_of<B::along_depth>(at.thread);
    if constexpr (P::weights) {
      const GradientScale<C> scaled(slots);
      Pixel pixels[each];
      INLAY_UNROLL
      for (int e = 0; e < each; ++e) pixels[e] = P::pixel(own_depth + e, samples);
      INLAY_UNROLL
      for (int i = 0; i < blocks; ++i)
        b[i] = word([&](int e) {
          const float value = element_of_dy<C>(slots, pixels[e], column + 8 * i, at.group);
          if constexpr (P::sided) side.of_line[i] += value;
          return scaled(value);
        });
    } else {
      INLAY_UNROLL
      for (int i = 0; i < blocks; ++i)
        b[i] = word([&](int e) {
          if constexpr (P::mode == Mode::forward)
            return weight<C>(slots, forward_position<C>(own_depth + e, column + 8 * i, at.group));
          else return weight<C>(slots, backward_position<C>(tap_at(own_depth + e), column + 8 * i, at.group));
        });
    }
  }

  /// Registers to the shared memory of a step.
  INLAY_DEVICE static void place(const Place& at, int step, const Registers& registers) {
    const int line = 4 * first_chunk(step) / words;
    if constexpr (!A::copied) Tiles::template place<A::along_depth>(all_words(), line, at.thread, registers.a);
    if constexpr (!B::copied)
      Tiles::template place<B::along_depth>(all_words(), line + S::rows, at.thread, registers.b);
  }

  /// The thread's share of a tile of dy that has been copied to chunk `first`: the same as of one from registers.
  INLAY_DEVICE static void add_to_side(int first, int thread, Side& side) {
    const int depth = Tiles::template word_of<false>(thread) * each, in_chunk = Tiles::template line_of<false>(thread);
    INLAY_UNROLL
    for (int i = 0; i < blocks; ++i) INLAY_UNROLL
    for (int e = 0; e < each; ++e) {
      const std::uint32_t pair = all_words()[4 * (first + B::chunk_at(depth + e, i)) + in_chunk / 2];
      const Vector<float, 2> values = unpack<P::precision>(pair);
      side.of_line[i] += in_chunk % 2 == 0 ? values[0] : values[1];
    }
  }

  /// sums += A * B for the tiles that begin at chunk `first`.
  INLAY_DEVICE static void multiply_tiles(int first, Sums& sums) {
    const auto chunks = all_chunks();
    const int l = lane();
    INLAY_UNROLL
    for (int c = 0; c < 4; c += 2) {
      typename Tiles::Fragments a;
      INLAY_UNROLL
      for (int i = 0; i < S::passes; ++i) {
        const int row = i * S::band + warp() * 16;
        if constexpr (A::transposed)  // depths 0 to 7 of rows 0 to 7, of rows 8 to 15; the same of depths 8 to 15
          copy_words(load_matrices<true>(chunks, first + A::chunk_at(8 * c + l % 8 + l / 16 * 8, row / 8 + l / 8 % 2)),
                     a[i]);
        else copy_words(load_matrices<false>(chunks, first + A::chunk_at(row + l % 16, c + l / 16)), a[i]);
      }
      Tiles::template multiply_columns<B::transposed>(a, sums, chunks, first + a_chunks, c / 2);
    }
  }
};

}  // namespace inlay::cuda
