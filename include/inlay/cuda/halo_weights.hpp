// The weights that a step over a halo tile multiplies by: 64 bytes of the depth for each column. Where they lie in
// memory as they are multiplied, they are copied in the background; otherwise they wait in registers while the last
// step's are multiplied, and are rounded on their way to shared memory.
//
// Where the device copies boxes, a step of one tap is one, or two of 64 columns each.
//
// Where memory is contiguous along the columns (forward), elements of 16 bits lie depth by depth, and loading them
// transposes; tf32, which no instruction transposes, lies column by column as in tensor_tiles.hpp, written word by
// word. Where memory is contiguous along the depth (data gradient), they lie column by column. But for that tf32, a
// thread brings four neighbours at a time.
#pragma once

#include <inlay/cuda/halo_tile.hpp>
#include <inlay/cuda/tensor_tiles.hpp>

namespace inlay::cuda {

template <class C>
struct HaloWeights {
  using Halo = HaloTile<C>;
  using Tiles = TensorTiles<C>;
  using P = Product<C>;
  using S = typename P::Shape;
  static constexpr Precision precision = P::precision;
  static constexpr bool backward = Halo::backward, transposed = !backward && precision != Precision::tf32;
  static constexpr bool in_quads = backward || transposed;
  static constexpr bool copied = P::b_copied;

  using Registers = float[S::columns * S::depth / S::threads < 4 ? 4 : S::columns * S::depth / S::threads];

  // Steps of a slab: whole ones of each tap, or several taps each.
  static constexpr int taps_each = S::depth > Halo::slab_channels ? S::depth / Halo::slab_channels : 1;
  static constexpr int of_tap = S::depth < Halo::slab_channels ? Halo::slab_channels / S::depth : 1;
  static constexpr int slab_steps = ceil_divide(P::taps * of_tap, taps_each);

  static constexpr bool boxed = copied && taps_each == 1;
  using Barriers = BoxBarriers<2, boxed>;  // one for each of two steps
  static constexpr int lines = transposed ? S::depth : S::columns, line_chunks = transposed ? S::columns / 8 : 4;
  using Boxes = typename Tiles::template LineBoxes<lines, line_chunks, transposed>;

  /// Of R x S planes of C rows.
  template <class Slots>
  static TensorMap map(const Slots& slots) {
    using Load = PlainLoad<typename C::b>;
    return Boxes::map(slots.data[Load::slot], slots.count[Load::slot], Halo::G::K, Halo::G::C, Halo::G::K, P::taps);
  }
  /// Starts to copy a step's, by one thread.
  INLAY_DEVICE static void copy_boxes(const TensorMap& from, const Place& at, int step, const Barriers& barriers) {
    const int barrier = modulo(step, 2), in_slab = modulo(step, slab_steps), tap = quotient(in_slab, of_tap);
    const int channel = quotient(step, slab_steps) * Halo::slab_channels + modulo(in_slab, of_tap) * S::depth;
    barriers.expect(barrier, Halo::weight_bytes);
    Boxes::copy(barriers, barrier, shared_array<Chunk>(0, Halo::bytes / 16), first_chunk(step), from, channel,
                at.column_tile * S::columns, backward ? P::taps - 1 - tap : tap);
  }

  /// Global memory to registers, or to shared memory when the thread has waited for that.
  template <class Slots>
  INLAY_DEVICE static void fetch(const Slots& slots, const Place& at, int step, [[maybe_unused]] Registers& w) {
    if constexpr (copied && copies_go_on) {
      copy(slots, at, step);
    } else if constexpr (in_quads) {
      INLAY_UNROLL
      for (int i = 0; i < sweeps; ++i) {
        const int depth = transposed ? line(at, i) : 4 * quad(at), column = transposed ? 4 * quad(at) : line(at, i);
        if (brings(at)) fetch_quad(slots, at, step, depth, column, w + 4 * i);
      }
    } else {
      INLAY_UNROLL
      for (int i = 0; i < Tiles::blocks; ++i)
        w[i] = weight_at(slots, at, step, Tiles::template word_of<false>(at.thread),
                         Tiles::template line_of<false>(at.thread) + 8 * i);
    }
  }

  /// Registers to shared memory.
  INLAY_DEVICE static void place(const Place& at, int step, const Registers& w) {
    if constexpr (copied && copies_go_on) return;
    const auto words = shared_array<std::uint32_t>(0, Halo::bytes / 4);
    const int first = first_chunk(step);
    if constexpr (in_quads) {
      INLAY_UNROLL
      for (int i = 0; i < sweeps; ++i)
        if (brings(at))
          Tiles::put_quad(
              words, first, [&](int c) { return chunk_at(line(at, i), c); }, quad(at), w + 4 * i);
    } else {
      const int word = Tiles::template word_of<false>(at.thread), line = Tiles::template line_of<false>(at.thread);
      INLAY_UNROLL
      for (int i = 0; i < Tiles::blocks; ++i)
        words[4 * (first + chunk_at(line + 8 * i, word / 4)) + word % 4] = round_to_tf32(w[i]);
    }
  }

  /// Where a step's begin: before the slabs, so that they are aligned as warpgroup.hpp asks.
  INLAY_DEVICE static int first_chunk(int step) { return modulo(step, 2) * (Halo::weight_bytes / 16); }

  /// Where chunk c of a line lies: of a depth if `transposed`, else of a column.
  INLAY_HOST_DEVICE static constexpr int chunk_at(int line, int c) {
    return Tiles::template chunk_at<line_chunks>(line, c);
  }

  static constexpr int line_quads = (transposed ? S::columns : S::depth) / 4;  // a thread's: the same of several lines

 private:
  static constexpr int sweeps = ceil_divide(line_quads * lines, S::threads);
  INLAY_DEVICE static int quad(const Place& at) { return at.thread % line_quads; }
  INLAY_DEVICE static int line(const Place& at, int i) {
    return at.thread / line_quads + i * (S::threads / line_quads);
  }
  INLAY_DEVICE static bool brings(const Place& at) {
    return line_quads * lines >= S::threads || at.thread < line_quads * lines;
  }

  /// A weight's position in R x S x C x K, by its depth in a step and its column in the tile; negative where it is 0.
  INLAY_DEVICE static int position(const Place& at, int step, int depth, int column) {
    const int in_slab = modulo(step, slab_steps), first_channel = quotient(step, slab_steps) * Halo::slab_channels;
    const int tap = quotient(in_slab, of_tap) * taps_each + (taps_each > 1 ? quotient(depth, Halo::slab_channels) : 0);
    const int channel = first_channel + modulo(in_slab, of_tap) * S::depth +
                        (taps_each > 1 ? modulo(depth, Halo::slab_channels) : depth);
    const int k = at.column_tile * S::columns + column;
    const bool inside = (P::taps % taps_each == 0 || tap < P::taps) &&
                        (P::tap_channels % Halo::slab_channels == 0 || channel < P::tap_channels) &&
                        (P::columns % S::columns == 0 || k < P::columns);
    if (!inside) return -1;
    return backward ? ((P::taps - 1 - tap) * P::group_inputs + k) * Halo::G::K + channel
                    : (tap * P::tap_channels + channel) * Halo::G::K + k;
  }
  /// Eight along the columns, or the depth.
  template <class Slots>
  INLAY_DEVICE static void copy(const Slots& slots, const Place& at, int step) {
    const auto chunks = shared_array<Chunk>(0, Halo::bytes / 16);
    constexpr int count = lines * line_chunks;
    INLAY_UNROLL
    for (int i = 0; i < ceil_divide(count, S::threads); ++i) {
      const int chunk = at.thread + i * S::threads, line = quotient(chunk, line_chunks), c = modulo(chunk, line_chunks);
      if (count % S::threads != 0 && chunk >= count) break;
      const int from = transposed ? position(at, step, line, 8 * c) : position(at, step, 8 * c, line);
      copy_weights<C>(slots, chunks, first_chunk(step) + chunk_at(line, c), from);
    }
  }
  template <class Slots>
  INLAY_DEVICE static float weight_at(const Slots& slots, const Place& at, int step, int depth, int column) {
    return weight<C>(slots, position(at, step, depth, column));
  }
  /// Four along the columns, or the depth.
  template <class Slots>
  INLAY_DEVICE static void fetch_quad(const Slots& slots, const Place& at, int step, int depth, int column, float* w) {
    if constexpr (Halo::G::K % 4 == 0) {
      using Load = PlainLoad<typename C::b>;
      const int from = position(at, step, depth, column);
      if (from >= 0) {
        const auto v = slots.template view<Load::element>(Load::slot).load4(from);
        INLAY_UNROLL
        for (int e = 0; e < 4; ++e) w[e] = widen<storage_t<Load::element>>(v[e]);
      } else {
        INLAY_UNROLL
        for (int e = 0; e < 4; ++e) w[e] = 0;
      }
    } else {
      INLAY_UNROLL
      for (int e = 0; e < 4; ++e)
        w[e] = weight_at(slots, at, step, depth + (backward ? e : 0), column + (backward ? 0 : e));
    }
  }
};

}  // namespace inlay::cuda
