// A weight gradient of stride 1 for all taps of a window together: how the batch is seen, and what a block computes.
//
//   dw[r, s] = sum over pixels (p, q) of x[p + r - pad, q + s - pad] * dy[p, q]
//
// Write the images one after another, row after row, with so many zeros between rows and between images that no window
// reaches from one into the next (those on the right of a row are also those on the left of the one below). Then x and
// dy are streams of positions, and a tap is a distance:
//
//   x    . . . .  . a b c  . d e f      dy   A B C .  D E F .      dw[r, s] = sum over i of x[i + r * pitch + s] *
//   dy[i]
//
// That is for rows of 3 pixels, a window of 3 x 3 and a padding of 1: pitch 4. Images of any size are as good as any
// other, a position belongs to no tile, and the depth is split anywhere. Images too wide for shared memory are cut into
// stripes, with their own columns on both sides instead of zeros.
#pragma once

#include <inlay/cuda/integers.hpp>

namespace inlay::cuda {

template <class G>
struct TapsTile {
  // --- what a block computes -----------------------------------------------------------------------------------

  // A warp sums one row of taps, for 16 * row_blocks channels of x by 8 * column_blocks of dy, in at most 96 registers.
  // With those, 12 warps fill a multiprocessor (168 registers a thread), three on each of its four parts. For 3 x 3
  // they are the three rows of taps of 64 x 64 channels: then each element of x and dy is evaluated by one block only.
  static constexpr int row_blocks = G::C > 16 && G::S <= 3 ? 2 : 1;
  static constexpr int column_blocks = G::K > 16 && G::S <= 6 ? 4 : 2;
  static constexpr int sums = G::S * row_blocks * column_blocks * 4;
  static constexpr int most_warps = 12;
  static constexpr int row_warps = G::C > 16 * row_blocks && 2 * G::R <= most_warps ? 2 : 1;
  static constexpr int column_warps = G::K > 8 * column_blocks && 2 * G::R* row_warps <= most_warps ? 2 : 1;
  static constexpr int warps = G::R * row_warps * column_warps, threads = 32 * warps;

  static constexpr int inputs = 16 * row_blocks * row_warps, outputs = 8 * column_blocks * column_warps;
  static constexpr int input_tiles = ceil_divide(G::C, inputs), output_tiles = ceil_divide(G::K, outputs);

  /// Positions that a block brings at a time: so many that each thread brings whole quads of channels.
  static constexpr int step = 16 * G::R;

  // --- the stream ----------------------------------------------------------------------------------------------

  /// From a row, or an image, to the next: the extent of dy, and zeros behind x or in front of it where a window would
  /// reach into the next one.
  static constexpr int period(int of_x, int of_dy, int window, int pad) {
    const int reached = of_dy + window - 1, end = pad + of_x < reached ? pad + of_x : reached;
    const int least = end > of_dy ? end : of_dy;
    return reached - pad > least ? reached - pad : least;
  }
  static constexpr int stripe_columns_of(int cut_into) { return ceil_divide(G::Q, cut_into); }  // of dy
  static constexpr int pitch_of(int cut_into) {
    return cut_into == 1 ? period(G::W, G::Q, G::S, G::pad_left) : stripe_columns_of(cut_into) + G::S - 1;
  }
  /// Steps by which x has to be ahead of dy.
  static constexpr int ahead_of(int cut_into) { return ceil_divide((G::R - 1) * pitch_of(cut_into) + G::S - 1, step); }

  // --- shared memory: x and dy rounded to 16 bits, and two tables of four numbers for each position of a step -----

  static constexpr int x_positions_of(int cut_into) { return (ahead_of(cut_into) + 2) * step; }
  static constexpr int dy_positions = 2 * step, table_numbers = 2 * (2 * step) * 4;
  static constexpr int shared_bytes_of(int cut_into) {
    return 2 * (x_positions_of(cut_into) * inputs + dy_positions * outputs) + 4 * table_numbers;
  }
  /// The fewest with which a block stays within what it gets without asking.
  static constexpr int fewest_stripes() {
    int count = 1;
    while (count < G::Q && shared_bytes_of(count) > 48 * 1024) ++count;
    return count;
  }

  static constexpr int stripes = fewest_stripes(), stripe_columns = stripe_columns_of(stripes);
  static constexpr int pitch = pitch_of(stripes), rows = period(G::H, G::P, G::R, G::pad_top);
  static constexpr int ahead = ahead_of(stripes), x_positions = x_positions_of(stripes);
  static constexpr int shared_bytes = shared_bytes_of(stripes);
  static constexpr int positions = stripes * rows * pitch;  // of one sample

  // --- where it is used, and how the depth is split ------------------------------------------------------------

  static constexpr bool slides = G::stride_h == 1 && G::stride_w == 1 && G::dilation_h == 1 && G::dilation_w == 1;
  /// Not where most of what is multiplied would be zeros that fill up: of fewer than 8 channels, of tiny images.
  static constexpr bool pays = slides && G::groups == 1 && G::R * G::S > 1 && G::R <= 7 && G::S <= 7 && G::C >= 8 &&
                               positions <= 2 * (G::P * G::Q);

  // Twice what the largest device runs at a time. A part of fewer positions would take longer to store its sums.
  static constexpr int wanted_warps = 2 * 128 * most_warps, least_depth = 512, most_parts = 512;

  static constexpr int depth_of_each(int samples) {
    const int total = samples * positions;
    int parts = ceil_divide(wanted_warps, warps * input_tiles * output_tiles);
    if (parts > most_parts) parts = most_parts;
    if (parts > ceil_divide(total, least_depth)) parts = ceil_divide(total, least_depth);
    return ceil_divide(ceil_divide(total, parts), step) * step;
  }
};

}  // namespace inlay::cuda
