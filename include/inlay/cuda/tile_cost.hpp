// How long a contraction takes with the tile that it has, estimated from static shapes: what one block of threads does
// (BlockWork), the cycles that it costs a multiprocessor, and how evenly a device is filled with blocks.
//
//   cycles of a block = longest of (multiply, shared, cache, issue) + the others / parties that take turns
//
// Blocks on a multiprocessor take turns, and a block's own warps do, since its walk brings the next step while it
// multiplies the last: two parties a block. More than four hide no more. The estimate is for choosing tiles and for
// `explain`; it knows nothing of latencies, of the first-level cache and of prologues.
#pragma once

#include <inlay/core/precision.hpp>
#include <inlay/cuda/integers.hpp>
#include <inlay/cuda/multiply.hpp>
#include <inlay/cuda/multiply_taps.hpp>
#include <inlay/cuda/occupancy.hpp>

namespace inlay::cuda {

/// Of one block.
struct BlockWork {
  Precision precision;
  double multiply_adds = 0;     // padding included
  double brought = 0;           // bytes of operands, each once
  double placed = 0;            // bytes of them written to shared memory
  double warp_loads = 0;        // bytes loaded from there to be multiplied
  double warpgroup_loads = 0;   // the same where warpgroups multiply; 0: this block's do not on any device
  double instructions = 0;      // of threads, besides those that multiply on tensor cores
  double box_instructions = 0;  // of these, that a device which copies boxes does not need
  int threads = 0, shared_bytes = 0, registers = 0;
  int most_registers = 255;  // that the compiler may use
};

namespace estimate {

// Instructions that a thread spends on one element (or step), counted in the inner loops of the seed network's training
// step as compiled for sm_90a.
inline constexpr double gathering = 28;  // found by its tap and pixel
inline constexpr double in_quads = 18;   // of a halo tile, four neighbours at a time
inline constexpr double copying = 4;     // as it lies
inline constexpr double streaming = 12;  // of TapsTile's positions, found in a table
inline constexpr double weighing = 6;    // of the weights
inline constexpr double stepping = 80;   // of a step along the depth on tensor cores, loads of fragments included
inline constexpr double finishing = 12;  // of the result, four columns at a time
inline constexpr double finishing_alone = 40;

// Of a multiprocessor, in a cycle. From the second-level cache of an A100 or an H100 come 25 to 30 bytes to each of all
// multiprocessors at once; some of what blocks on the same one bring is found in the first level.
inline constexpr double shared_bytes_a_cycle = 128, cache_bytes_a_cycle = 32, instructions_a_cycle = 128;
inline constexpr int other_registers = 72, other_simt_registers = 48;  // besides sums, operands and what is under way

}  // namespace estimate

/// Bytes of an operand in shared memory.
constexpr int operand_bytes(Precision p) { return p == Precision::fp32 || p == Precision::tf32 ? 4 : 2; }

/// What a block of Multiply<C>, or of MultiplyTaps<C>, does in a batch of `samples`. C is Tiled.
template <class C>
constexpr BlockWork block_work(int samples) {
  namespace e = estimate;
  using P = Product<C>;
  constexpr double element = operand_bytes(P::precision);
  BlockWork work{.precision = P::precision};
  if constexpr (P::all_taps) {
    using M = MultiplyTaps<C>;
    using T = typename M::T;
    const double steps = ceil_divide(P::depth_of_each(samples), T::step), positions = (steps + T::ahead) * T::step;
    const double channels = T::inputs + T::outputs;
    work.multiply_adds = 1.0 * T::inputs * T::outputs * P::taps * steps * T::step;
    work.brought = work.placed = positions * channels * element;
    // A warp loads x anew for each tap of its row, 16 positions at a time, and dy once; a warpgroup's products read dy
    // for each tap.
    const double products = steps * T::step / 16;
    work.warp_loads = products * T::warps * (P::G::S * T::row_blocks * 512 + T::column_blocks * 256);
    if constexpr (M::Walk::by_warpgroups)
      work.warpgroup_loads = products * P::G::S * (T::warps * 512 + P::G::R * T::outputs * 16 * element);
    work.instructions = positions * (T::inputs * (M::Walk::X::copied ? e::copying : e::streaming) +
                                     T::outputs * (M::Walk::Dy::copied ? e::copying : e::streaming)) +
                        1.0 * P::taps * T::inputs * T::outputs;
    work.threads = M::threads;
    work.shared_bytes = M::shared_bytes;
    work.registers = T::sums + e::other_registers;
  } else {
    using M = Multiply<C>;
    using S = typename P::Shape;
    constexpr int sums = S::rows_each * S::columns_each;
    const double depth = P::depth_of_each(samples);
    work.multiply_adds = depth * S::rows * S::columns;
    // On tensor cores, rows that a tile only pads are not gathered.
    constexpr bool pads = P::weights && P::precision != Precision::fp32 && !P::a_copied && P::tapped < S::rows;
    double of_a = depth * (pads ? ceil_divide(P::tapped, 8) * 8 : S::rows);
    double bringing = P::a_copied ? e::copying : e::gathering;
    const double weighing = P::b_copied ? e::copying : P::weights ? e::gathering : e::weighing;
    const double weight = P::weights || P::b_copied ? element : 4;  // bytes
    int under_way = S::rows * S::depth / S::threads;                // words of A and B that wait in registers
    if constexpr (P::precision == Precision::fp32) {
      // A thread loads four floats at a time; for a warp, 4 x 8 threads, that takes two passes over the banks.
      const double loads =
          depth * S::threads * (1.0 * S::rows_each / S::row_run + 1.0 * S::columns_each / S::column_run);
      work.warp_loads = loads * 8;
      work.instructions = work.multiply_adds + loads;
      under_way += S::rows_each + S::columns_each + S::columns * S::depth / S::threads;
    } else {
      // A warp loads 16 rows of each band, and all columns; a warpgroup's products read these for each band.
      work.instructions = depth / S::depth * S::threads * e::stepping;
      work.warp_loads = depth * element * (S::threads / 32) * (16 * S::passes + S::columns);
      work.warpgroup_loads = depth * element * S::passes * (S::band + S::columns);
      under_way = 4 * S::passes + S::columns * S::depth / S::threads;
      if constexpr (has_halo_tile<C>) {
        using H = HaloTile<C>;
        of_a = 1.0 * H::rows * H::padded_columns * H::slabs * H::slab_channels * depth / P::tapped;
        if (!P::a_copied) bringing = e::in_quads;
        work.multiply_adds *= 1.0 * HaloWalk<C>::all_steps * S::depth / P::tapped;  // slabs pad channels
      } else {
        under_way = 4 * S::passes + (P::a_copied ? 0 : S::rows / 8) + (P::b_copied ? 0 : S::columns / 8);
      }
    }
    const double of_b = depth * S::columns;
    work.placed = (of_a + of_b) * element;
    work.brought = (has_halo_tile<C> ? of_a : of_a / P::taps) * element + of_b * weight;
    work.instructions += of_a * bringing + of_b * weighing +
                         (M::together == 4 || P::split ? e::finishing : e::finishing_alone) * S::rows * S::columns;
    if constexpr (M::Walk::boxed)
      work.box_instructions = (M::Walk::a_boxed ? of_a * bringing : 0) + (M::Walk::b_boxed ? of_b * weighing : 0);
    work.threads = M::threads;
    work.shared_bytes = M::shared_bytes;
    work.registers =
        sums + under_way + (P::precision == Precision::fp32 ? e::other_simt_registers : e::other_registers);
    constexpr int blocks = P::precision == Precision::fp32 ? 0 : M::blocks_within(sm_80_shared_bytes);
    if constexpr (blocks > 0) work.most_registers = 65536 / blocks / M::threads / 8 * 8;
  }
  return work;
}

/// How many blocks that is.
template <class C>
constexpr std::int64_t block_count(int samples) {
  using P = Product<C>;
  if constexpr (P::all_taps) return MultiplyTaps<C>::grid(P::splits(samples)).count();
  else return std::int64_t{1} * P::row_tiles(samples) * P::column_tiles * P::groups * P::splits(samples);
}

/// Cycles of a multiprocessor that a block takes, by what it waits for.
struct BlockCycles {
  double multiply, shared, cache, issue;

  constexpr double longest() const {
    const double a = multiply > shared ? multiply : shared, b = cache > issue ? cache : issue;
    return a > b ? a : b;
  }
  constexpr double with(int parties) const {
    return longest() + (multiply + shared + cache + issue - longest()) / parties;
  }
};

constexpr BlockCycles block_cycles(const BlockWork& work, const DeviceSpec& device) {
  const Multiprocessors& on = device.multiprocessors;
  const bool has_warpgroups = on.warpgroup_share > 0;  // and so copies boxes
  const double each = on.count * on.clock;
  const double issue =
      (work.instructions - (has_warpgroups ? work.box_instructions : 0)) / estimate::instructions_a_cycle;
  const bool by_warpgroups = has_warpgroups && work.warpgroup_loads > 0;
  const double traffic = work.placed + (by_warpgroups ? work.warpgroup_loads : work.warp_loads);
  BlockCycles cycles{0, traffic / estimate::shared_bytes_a_cycle, work.brought / estimate::cache_bytes_a_cycle, issue};
  if (work.precision == Precision::fp32 || device.tensor_flops == 0) {  // instructions like others
    cycles.multiply = 2 * work.multiply_adds / (device.fp32_flops / each);
    if (issue > cycles.multiply) cycles.multiply = issue;
    cycles.issue = 0;
  } else {
    const double share = by_warpgroups ? on.warpgroup_share : on.tensor_share;
    const double flops = device.tensor_flops * share / (work.precision == Precision::tf32 ? 2 : 1);
    cycles.multiply = 2 * work.multiply_adds / (flops / each);
  }
  return cycles;
}

/// Seconds for so many blocks, of which a multiprocessor holds `resident` at a time.
constexpr double seconds_of_blocks(const BlockWork& work, std::int64_t blocks, int resident, const DeviceSpec& device) {
  const Multiprocessors& on = device.multiprocessors;
  const std::int64_t each = (blocks + on.count - 1) / on.count;
  const int parties = each > 1 && resident > 1 ? 4 : 2;
  return static_cast<double>(each) * block_cycles(work, device).with(parties) / on.clock;
}

/// Seconds of a contraction of `samples` samples, with those of the kernel that adds up its parts. `registers` of a
/// thread as compiled; 0: estimated. Infinite where no block fits on a multiprocessor.
template <class C>
constexpr double contraction_seconds(int samples, const DeviceSpec& device, int registers = 0) {
  const BlockWork work = block_work<C>(samples);
  const int resident =
      occupancy(device.multiprocessors, work.threads, work.shared_bytes, registers > 0 ? registers : work.registers)
          .blocks();
  if (resident < 1) return __builtin_huge_val();
  return seconds_of_blocks(work, block_count<C>(samples), resident, device) +
         2.0 * static_cast<double>(Product<C>::scratch_bytes(samples)) / device.bytes_per_second;
}

}  // namespace inlay::cuda
