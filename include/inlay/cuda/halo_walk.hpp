// How a block multiplies a convolution of stride 1 on tensor cores: the pixels that it reads lie in shared memory, a
// slab of channels at a time (halo_tile.hpp), and every tap multiplies the same ones, shifted. So the prologue of an
// element is evaluated once, not once for each tap. Weights come step by step (halo_weights.hpp).
//
// The depth is walked slab by slab, in a slab tap by tap, at a tap channel by channel: R x S x slab_channels of a slab
// in steps of 64 bytes, with zeros behind the last tap where that ends within a step.
#pragma once

#include <inlay/cuda/halo_slab.hpp>
#include <inlay/cuda/halo_weights.hpp>

#include <type_traits>

namespace inlay::cuda {

template <class C>
struct HaloWalk : TensorTiles<C> {
  using Tiles = TensorTiles<C>;
  using Halo = HaloTile<C>;
  using Slab = HaloSlab<C>;
  using Weights = HaloWeights<C>;
  using typename Tiles::P, typename Tiles::S, typename Tiles::Sums, typename Tiles::Side;

  /// Which operands come as boxes where the device copies such?
  static constexpr bool a_boxed = false, b_boxed = Weights::boxed, boxed = b_boxed;
  using Maps = std::conditional_t<boxed, TensorMaps, NoMaps>;
  static constexpr int barriers_first = Halo::bytes;                              // byte
  static constexpr int floats = (barriers_first + Weights::Barriers::bytes) / 4;  // of shared memory
  static constexpr int slab_steps = Weights::slab_steps;
  static constexpr int all_steps = Halo::slabs * slab_steps;

  template <class Slots>
  static Maps maps(const Slots& slots, int) {
    return {.b = Weights::map(slots)};
  }

  /// Multiplies along the depth. A part of it is the same part of the steps.
  template <class Slots>
  INLAY_DEVICE static Side walk(const Slots& slots, const Maps& maps, const Place& at, int begin, int steps,
                                int samples, Sums& sums) {
    const int end_depth = begin + steps * S::depth < P::tapped ? begin + steps * S::depth : P::tapped;
    const int first = begin * all_steps / P::tapped, end = end_depth * all_steps / P::tapped;
    const Rows rows(at, samples);
    typename Weights::Registers weights;
    const typename Weights::Barriers barriers(barriers_first);
    auto fetch = [&](int step) {
      if constexpr (boxed)
        if (has_box_copies()) {
          if (at.thread == 0) Weights::copy_boxes(maps.b, at, step, barriers);
          return;
        }
      Weights::fetch(slots, at, step, weights);
    };
    barriers.begin(at.thread);
    if (first < end) {
      if (Halo::slab_buffers == 2) Slab::bring(slots, at, quotient(first, slab_steps), samples);
      fetch(first);
    }
    commit();
    INLAY_NO_UNROLL
    for (int step = first; step < end; ++step) {
      const int slab = quotient(step, slab_steps);
      const bool begins = step == first || step == slab * slab_steps;
      Weights::place(at, step, weights);
      if (Halo::slab_buffers == 1 && begins) {
        if (step > first) sync_threads();  // all have multiplied what lies there
        Slab::bring(slots, at, slab, samples);
        commit();
      }
      if (Halo::slab_buffers == 1 || begins) wait<0>();
      else wait<1>();  // the next slab may take its time
      barriers.wait(modulo(step, 2), quotient(step - first, 2));
      fence_shared_writes();
      sync_threads();
      if (step + 1 < end) fetch(step + 1);
      commit();
      if (Halo::slab_buffers == 2) {
        if (begins && (slab + 1) * slab_steps < end) Slab::bring(slots, at, slab + 1, samples);
        commit();
      }
      multiply_step(rows, step, sums);
      Tiles::finish_products(sums);
    }
    barriers.end(at.thread);
    sync_threads();
    GradientScale<C>(slots).undo(sums);
    return {};
  }

 private:
  /// The pixels of the lane's rows of A, at tap (0, 0); any where there is none, since nobody reads that result.
  struct Rows {
    int place[S::passes], turn[S::passes];

    INLAY_DEVICE Rows(const Place& at, int samples) {
      const int first = Halo::first_row(at.row_tile, samples);
      INLAY_UNROLL
      for (int i = 0; i < S::passes; ++i) {
        const Pixel pixel = P::tile_pixel(at.row_tile, i * S::band + warp() * 16 + lane() % 16, samples);
        const int row = pixel.row < 0 ? 0 : Halo::row_of(pixel) - first;
        place[i] = row * Halo::pitch + pixel.column;
        turn[i] = row * Halo::row_turns + pixel.column;
      }
    }
  };

  // Groups of copies, where there are any.
  static constexpr bool copies = Halo::copied || Weights::copied;
  INLAY_DEVICE static void commit() {
    if constexpr (copies) commit_copies();
  }
  template <int Left>
  INLAY_DEVICE static void wait() {
    if constexpr (copies) wait_copies<Left>();
  }

  /// sums += A * B for a step: two products of two chunks, each of one tap.
  INLAY_DEVICE static void multiply_step(const Rows& rows, int step, Sums& sums) {
    const auto chunks = shared_array<Chunk>(0, floats / 4);
    const int slab = Halo::first_chunk(quotient(step, slab_steps)), weights = Weights::first_chunk(step);
    constexpr int products = Halo::slab_chunks / 2;  // of a tap
    INLAY_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int product = modulo(step, slab_steps) * 2 + half, tap = quotient(product, products);
      if (P::taps * products % 2 == 1 && tap >= P::taps) break;  // the slab's last step is half empty
      const int r = quotient(tap, Halo::G::S), s = modulo(tap, Halo::G::S);
      const int c = modulo(product, products) * 2 + lane() / 16;
      typename Tiles::Fragments a;
      INLAY_UNROLL
      for (int i = 0; i < S::passes; ++i) {
        const int place = rows.place[i] + r * Halo::pitch + s, turn = rows.turn[i] + r * Halo::row_turns + s;
        copy_words(load_matrices<false>(chunks, slab + Halo::chunk_at(place, turn, c)), a[i]);
      }
      Tiles::template multiply_columns<Weights::transposed>(a, sums, chunks, weights, half);
    }
  }
};

}  // namespace inlay::cuda
