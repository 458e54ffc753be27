// Convolution kernels with a window, on one sample at a time: the operand is gathered through its prologue into a
// padded image in the thread's scratch memory, `Direct` computes tiles of it, and the epilogue runs on each tile.
// (Windows of one pixel are matrix products: see matrix.hpp.)
#pragma once

#include <inlay/cpu/contraction.hpp>
#include <inlay/cpu/direct.hpp>
#include <inlay/cpu/multiply_tile.hpp>
#include <inlay/cpu/pooling.hpp>

namespace inlay::cpu {

/// Max pooling's gradient and nothing else, for windows that tile the image: `expand` looks at each pooled pixel once
/// for all pixels that its window has in a row.
template <class Prologue>
struct Expansion {
  static constexpr bool is_one = false;
};
template <int S, int IndexSlot, class Pool, class I>
struct Expansion<kernel::Body<kernel::Scatter<S, Element::f32, IndexSlot, Element::u8, Pool, I>>> {
  static constexpr bool is_one = Pool::tiles;

  /// Row h, which has Width pixels of Channels, `pitch` floats apart.
  template <int Width, int Channels>
  static void expand(float* to, int pitch, const Slot* slots, int sample, int h) {
    for (int q = 0; q < Width / Pool::width; ++q, to += Pool::width * pitch) {
      const Context<Vector> context{slots, sample, 0, h, q, 0};
      const std::int64_t place = std::int64_t{h / Pool::height} * I::s1 + std::int64_t{q} * I::s2;
      const float* d = context.template at<Element::f32>(S, I::sample, place);
      const std::uint8_t* index = context.template at<Element::u8>(IndexSlot, 1, place);
      for (int c = 0; c < Channels; c += lanes) {
        const Vector value = load_vector(d + c), which = load_vector(index + c);
        for (int t = 0; t < Pool::width; ++t) {
          const Vector here = splat(static_cast<float>(h % Pool::height * Pool::width + t));
          store_vector(to + t * pitch + c, detail::blend(which == here, value, Vector{}));
        }
      }
    }
  }
};

/// A padded image: row j, column i hold pixel ((j + FirstRow) / StepH, (i + FirstColumn) / StepW) of the operand
/// where that divides and exists, and zeros elsewhere. (Steps > 1 spread a gradient for strided convolutions.)
template <int Height, int Width, int Channels, int Rows_, int Columns_, int FirstRow, int FirstColumn, int StepH,
          int StepW, int Pitch = Channels>
struct PaddedImage {
  static constexpr int rows = Rows_, columns = Columns_,
                       channels = Pitch;  // floats a pixel; those behind Channels are zero
  static constexpr int height = Height, width = Width, first_row = FirstRow, first_column = FirstColumn;
  static constexpr int step_h = StepH, step_w = StepW;

  /// How far a row or column of the image lies behind one that holds pixels.
  static constexpr int behind_h(int row) { return ((row + FirstRow) % StepH + StepH) % StepH; }
  static constexpr int behind_w(int column) { return ((column + FirstColumn) % StepW + StepW) % StepW; }
  static constexpr std::int64_t floats = std::int64_t{Rows_} * Columns_ * Pitch;

  template <class Prologue>
  static void fill(float* image, const Slot* slots, int sample) {
    fill_rows<Prologue, rows>(image, slots, sample, 0, rows);
  }
  /// Rows first, ..., end - 1, where there is room for Kept rows, and a row takes the place of the one Kept before it.
  template <class Prologue, int Kept>
  static void fill_rows(float* kept, const Slot* slots, int sample, int first, int end) {
    // Pixels w of the operand that there are columns for.
    constexpr int before = FirstColumn > 0 ? (FirstColumn + StepW - 1) / StepW : 0;
    constexpr int last = columns - 1 + FirstColumn, fitting = last < 0 ? 0 : last / StepW + 1;
    constexpr int behind = fitting < Width ? fitting : Width;
    constexpr bool spread = StepW > 1 || behind <= before;  // zeros between pixels
    constexpr int left = spread ? columns : before - FirstColumn, right = spread ? columns : behind - FirstColumn;
    for (int j = first; j < end; ++j) {
      const int h = (j + FirstRow) / StepH;
      const bool row = j + FirstRow >= 0 && (j + FirstRow) % StepH == 0 && h < Height;
      float* image = kept + j % Kept * (columns * channels);
      for (int i = 0; i < (row ? left : columns) * channels; ++i) image[i] = 0;
      if (!row) continue;
      if constexpr (Expansion<Prologue>::is_one && StepW == 1 && before == 0 && behind == Width &&
                    Channels % lanes == 0) {
        Expansion<Prologue>::template expand<Width, Channels>(image - FirstColumn * channels, channels, slots, sample,
                                                              h);
      } else
        for (int w = before; w < behind; ++w) {
          float* pixel = image + (w * StepW - FirstColumn) * channels;
          run_row<Prologue, Channels>(slots, sample, 0, h, w, 0, Channels, no_input,
                                      [&](int c, auto v) INLAY_LAMBDA { write(pixel + c, v); });
          for (int c = Channels; c < channels; ++c) pixel[c] = 0;
        }
      for (int i = right * channels; i < columns * channels; ++i) image[i] = 0;
    }
  }
};

/// Does each output channel have one input channel to itself?
template <class G>
inline constexpr bool is_depthwise = (G::groups > 1) && (G::groups == G::C) && (G::groups == G::K);

/// Floats a pixel of an operand's padded image.
template <class G>
constexpr int image_pitch(int channels) {
  return is_depthwise<G> ? depthwise_pitch(channels) : channels;
}

/// The first value of one image a sample that a Body loads or stores: the memory of its rows.
struct NoRows {
  static constexpr int row_bytes = 0, pixel_bytes = 0;
  static char* at(const Slot*, int, int) { return nullptr; }
};
template <int S, Element E, class I>
struct Rows {
  static constexpr int row_bytes = bytes_of(E, I::s1), pixel_bytes = bytes_of(E, I::s2);
  static char* at(const Slot* slots, int sample, int row) {
    return slots[S].data + sample * slots[S].sample_bytes + std::int64_t{row} * row_bytes;
  }
};
template <class I>
inline constexpr bool is_image = I::sample != 0 && I::s1 > I::s2&& I::s2 > 0;

template <class... Steps>
struct FirstRows {
  using loaded = NoRows;
  using stored = NoRows;
};
template <class Step, class... Rest>
struct FirstRows<Step, Rest...> : FirstRows<Rest...> {};
template <int S, Element E, class I, class... Rest>
struct FirstRows<kernel::Load<S, E, I>, Rest...> : FirstRows<Rest...> {
  using loaded = std::conditional_t<is_image<I>, Rows<S, E, I>, typename FirstRows<Rest...>::loaded>;
};
template <int S, Element E, class I, int R, class... Rest>
struct FirstRows<kernel::Store<S, E, I, R>, Rest...> : FirstRows<Rest...> {
  using stored = std::conditional_t<is_image<I>, Rows<S, E, I>, typename FirstRows<Rest...>::stored>;
};
template <class... Steps>
struct FirstRows<kernel::Body<Steps...>> : FirstRows<Steps...> {};

/// Forward and data gradient: out (OutH x OutW x OutC) from a padded image. A depthwise convolution counts as one
/// group.
template <class Image, int OutH, int OutW, int OutC, int R, int S, int StrideH, int StrideW, int DilationH,
          int DilationW, int Groups, bool Depthwise, class Prologue, class E>
struct ConvolutionPass {
  static constexpr int in = Depthwise ? 1 : Image::channels / Groups, out = OutC / Groups;
  using Kernel = Direct<in, out, Depthwise, Image::channels, OutW, R, S, StrideW, DilationH, DilationW, Image::step_h,
                        Image::step_w>;
  /// Rows of the padded image that a row of the output needs; no others are kept.
  static constexpr int kept = (R - 1) * DilationH + 1, kept_floats = kept * Image::columns * Image::channels;
  static constexpr int spread = Image::step_w;
  using Pool = typename E::pool;
  static constexpr bool pools = Pool::height * Pool::width > 1;
  static constexpr int extent =
      Groups == 1 || out % lanes == 0 ? out : 1;  // of a row; groups may begin inside a vector
  static constexpr std::int64_t tile_floats = std::int64_t{Kernel::tile.pixels} * Kernel::width;
  static constexpr std::int64_t row_floats = pools ? std::int64_t{Pool::height} * OutW * OutC : 0;
  static constexpr std::int64_t scratch_floats = round_up(kept_floats, 16) + tile_floats + row_floats;
  static constexpr std::int64_t packed_floats = Groups * Kernel::packed_floats;
  static constexpr int samples_together = 1;
  static constexpr Blocking blocking{Kernel::tile.pixels, Kernel::tile.vectors, Kernel::tile.pixels};

  /// `weight(r, s, c, k)` with k over all output channels.
  template <class Weight>
  static void pack(float* packed, Share share, Weight weight) {
    const auto part = share.of(Groups * Kernel::blocks);
    for (int b = part.first; b < part.end; ++b) {
      const int group = b / Kernel::blocks;
      Kernel::pack(packed + group * Kernel::packed_floats, b % Kernel::blocks,
                   [&](int r, int s, int c, int k) { return weight(r, s, c, group * out + k); });
    }
  }

  /// Samples first, ..., first + count - 1; of each, the thread's share.
  static void run(const Slot* slots, int first, int count, Memory memory, Share share) {
    for (int n = first; n < first + count; ++n) run_sample(slots, n, n + 1 < first + count, memory, share);
  }

 private:
  // While a row is computed, what the next one reads and stores to is fetched, some of it with each tile. (A row that
  // another thread computes is not, which would take it from the other.)
  using Loaded = typename FirstRows<Prologue>::loaded;
  using Stored = typename FirstRows<std::conditional_t<pools, typename E::post, typename E::main>>::stored;
  static constexpr int tiles =
      Groups * Kernel::blocks * spread * ((OutW / spread + Kernel::tile.pixels - 1) / Kernel::tile.pixels);
  static constexpr int read_ahead = (Loaded::row_bytes * StrideH / Image::step_h + tiles - 1) / tiles;
  static constexpr int write_ahead = (Stored::row_bytes / Pool::height + tiles - 1) / tiles;

  static void fetch(Ahead& ahead) {
    if (ahead.read == nullptr && ahead.write == nullptr) return;
    for (int i = 0; i < read_ahead; i += 64) __builtin_prefetch(ahead.read + i);
    for (int i = 0; i < write_ahead; i += 64) __builtin_prefetch(ahead.write + i, 1);
    ahead.read += read_ahead;
    ahead.write += write_ahead;
  }
  /// What output row p of a sample reads last, and where it is stored.
  static Ahead at(const Slot* slots, int sample, int p) {
    const int row = (p * StrideH + kept - StrideH + Image::first_row) / Image::step_h;
    return {Loaded::at(slots, sample, row),
            Stored::at(slots, sample, p / Pool::height) + p % Pool::height * (Stored::row_bytes / Pool::height)};
  }

  static void run_sample(const Slot* slots, int sample, bool more, Memory memory, Share share) {
    float* image = memory.scratch;
    float* tile = image + round_up(kept_floats, 16);
    float* rows = tile + tile_floats;
    const auto part = share.of(OutH, Pool::height);
    int filled = 0;  // rows up to this one are there
    for (int p = part.first; p < part.end; ++p) {
      const int first = p * StrideH;
      Image::template fill_rows<Prologue, kept>(image, slots, sample, filled > first ? filled : first, first + kept);
      filled = first + kept;
      const float* window[R];
      for (int r = 0; r < R; ++r)
        window[r] = image + (first + r * DilationH) % kept * (Image::columns * Image::channels);
      Ahead ahead = p + 1 < part.end ? at(slots, sample, p + 1) : more ? at(slots, sample + 1, 0) : Ahead{};
      for (int block = 0; block < Groups * Kernel::blocks; ++block)
        for (int phase = 0; phase < spread; ++phase)
          finish_row(slots, sample, memory, window, tile, rows, p, block, phase, ahead);
      if constexpr (pools)
        if (p % Pool::height == Pool::height - 1)
          pool_row<Pool, typename E::post, OutW, OutC, OutC>(slots, sample, p / Pool::height, rows);
    }
  }

  /// Pixels phase, phase + spread, ... of row p.
  static void finish_row(const Slot* slots, int sample, Memory memory, const float* const (&window)[R], float* tile,
                         float* rows, int p, int block, int phase, Ahead& ahead) {
    constexpr int pixels = Kernel::tile.pixels;
    const int group = block / Kernel::blocks, inner = block % Kernel::blocks;
    const int k = group * out + inner * Kernel::width;
    const int end = inner * Kernel::width + Kernel::width < out ? k + Kernel::width : (group + 1) * out;
    const int count = (OutW - phase + spread - 1) / spread;
    for (int first = 0; first < count; first += pixels) {
      const int from_pixel = first + pixels <= count ? first : count - pixels;  // the last overlaps
      const int q = phase + from_pixel * spread;
      Kernel::compute(window, q * StrideW * Image::channels + (Depthwise ? k : group * in),
                      memory.packed + group * Kernel::packed_floats + inner * Kernel::block_floats, tile,
                      Image::behind_h(p * StrideH), Image::behind_w(q * StrideW));
      fetch(ahead);
      for (int i = first - from_pixel; i < pixels; ++i) {
        const int column = q + i * spread;
        float* pooled = rows + (p % Pool::height * OutW + column) * OutC;
        run_row<typename E::main, extent>(slots, sample, 0, p, column, k, end, from(tile + i * Kernel::width - k),
                                          [&](int c, auto v) {
                                            if constexpr (pools) write(pooled + c, v);
                                          });
      }
    }
  }
};

/// What forward and data gradient share: weights packed once a run.
template <class Pass, bool Batched, int Channels, class E, class Side>
struct ConvolutionRunner : SidedRunner<Batched, Channels, typename E::main, typename E::post, Side> {
  static constexpr bool chunked = Pass::samples_together == 1;
  static constexpr Blocking blocking = Pass::blocking;
  static constexpr std::int64_t packed_bytes = 4 * Pass::packed_floats;
  static constexpr std::int64_t scratch_bytes = 4 * Pass::scratch_floats;

  static void samples(const Slot* slots, int first, int count, Memory memory) {
    Pass::run(slots, first, count, memory, {0, 1});
  }
  static void part(const Slot* slots, int sample, Memory memory, Share share) {
    Pass::run(slots, sample, 1, memory, share);
  }
  static void outputs(const Slot* slots, int, Memory memory, Share share) { Pass::run(slots, 0, 1, memory, share); }
};

template <int S, class G>
INLAY_INLINE const float* weights(const Slot* slots) {
  return reinterpret_cast<const float*>(slots[S].data);
}
template <class B>
inline constexpr int slot_of = -1;
template <int S, Element E, class I>
inline constexpr int slot_of<kernel::Body<kernel::Load<S, E, I>>> = S;

template <class G, int Pitch = image_pitch<G>(G::C)>
using ForwardImage =
    PaddedImage<G::H, G::W, G::C, (G::P - 1) * G::stride_h + (G::R - 1) * G::dilation_h + 1,
                (G::Q - 1) * G::stride_w + (G::S - 1) * G::dilation_w + 1, -G::pad_top, -G::pad_left, 1, 1, Pitch>;
template <class G>
using GradientImage =
    PaddedImage<G::P, G::Q, G::K, G::H + (G::R - 1) * G::dilation_h, G::W + (G::S - 1) * G::dilation_w,
                G::pad_top - (G::R - 1) * G::dilation_h, G::pad_left - (G::S - 1) * G::dilation_w, G::stride_h,
                G::stride_w, image_pitch<G>(G::K)>;

template <class G, class Prologue, class E>
using ForwardPass =
    ConvolutionPass<ForwardImage<G>, G::P, G::Q, G::K, G::R, G::S, G::stride_h, G::stride_w, G::dilation_h,
                    G::dilation_w, is_depthwise<G> ? 1 : G::groups, is_depthwise<G>, Prologue, E>;
template <class G, class Prologue, class E>
using GradientPass = ConvolutionPass<GradientImage<G>, G::H, G::W, G::C, G::R, G::S, 1, 1, G::dilation_h, G::dilation_w,
                                     is_depthwise<G> ? 1 : G::groups, is_depthwise<G>, Prologue, E>;

template <class G, bool Batched, class A, class B, class E, class Side>
struct ContractionRunner<kernel::Contraction<Mode::forward, G, Batched, A, B, E, Side>, Algorithm::direct>
    : ConvolutionRunner<ForwardPass<G, A, E>, Batched, G::K, E, Side> {
  static void prepare(const Slot* slots, Memory memory, Share share) {
    const float* w = weights<slot_of<B>, G>(slots);
    ForwardPass<G, A, E>::pack(memory.packed, share, [w](int r, int s, int c, int k) {
      return w[(std::int64_t{r * G::S + s} * (G::C / G::groups) + c) * G::K + k];
    });
  }
};

/// dx(h, w, c) gathers dy at (h + pad - r * dilation) / stride: a convolution of the spread gradient with the
/// weights turned around, with the channels' roles exchanged.
template <class G, bool Batched, class A, class B, class E, class Side>
struct ContractionRunner<kernel::Contraction<Mode::data_gradient, G, Batched, A, B, E, Side>, Algorithm::direct>
    : ConvolutionRunner<GradientPass<G, A, E>, Batched, G::C, E, Side> {
  static void prepare(const Slot* slots, Memory memory, Share share) {
    const float* w = weights<slot_of<B>, G>(slots);
    constexpr int in_group = G::C / G::groups, out_group = G::K / G::groups;
    GradientPass<G, A, E>::pack(memory.packed, share, [w](int r, int s, int k, int c) {  // here c is the output channel
      const int group = c / in_group;
      return w[(std::int64_t{(G::R - 1 - r) * G::S + G::S - 1 - s} * in_group + c % in_group) * G::K +
               group * out_group + k];
    });
  }
};

/// dw(r, s, c, k): each thread adds its samples into its partial; `finish` adds the partials and runs the epilogue.
/// Behind the partial's weights lie the sums of dy for `Side`.
template <class G, bool Batched, class A, class B, class E, class Side>
struct ContractionRunner<kernel::Contraction<Mode::weight_gradient, G, Batched, A, B, E, Side>, Algorithm::direct>
    : RunnerDefaults {
  static constexpr int in = G::C / G::groups, pitch = round_up(G::K, lanes);
  /// Pixels of x and dy that many passes read lie an odd number of cache lines apart: those of a row would share few of
  /// the cache's sets otherwise.
  static constexpr int apart(int floats) {
    return in > 1 && floats > 16 ? (round_up(floats, 16) / 16 | 1) * 16 : floats;
  }
  static constexpr int dy_pitch = apart(pitch);
  using Image = ForwardImage<G, apart(image_pitch<G>(G::C))>;
  static constexpr Partition partition = Batched ? Partition::reduced : Partition::outputs;
  static constexpr std::int64_t weight_floats = std::int64_t{G::R} * G::S * in * pitch;
  static constexpr bool divided = G::groups > 1 && !is_depthwise<G>;  // into groups, one weight after another
  using Kernel = DirectWeightGradient<in, pitch, is_depthwise<G>, Image::channels, dy_pitch, Image::columns, G::P, G::Q,
                                      G::R, G::S, G::stride_h, G::stride_w, G::dilation_h, G::dilation_w>;
  static constexpr Blocking blocking =
      divided ? Blocking{1, 1, G::P* G::Q}
              : Blocking{Kernel::taps * Kernel::channels, Kernel::vectors, Kernel::rows* G::Q};
  static constexpr std::int64_t image_floats = round_up(Kernel::ring * Image::columns * Image::channels, 16);
  static constexpr std::int64_t dy_floats = std::int64_t{Kernel::rows} * G::Q * dy_pitch;
  static constexpr std::int64_t partial_bytes = Batched ? 4 * (weight_floats + pitch) : 0;
  static constexpr std::int64_t scratch_bytes =
      4 * (image_floats + dy_floats) + (Batched ? 0 : 4 * (weight_floats + pitch));

  static void samples(const Slot* slots, int first, int count, Memory memory) {
    float* image = memory.scratch;
    float* dy = image + image_floats;
    for (int n = first; n < first + count; ++n) {
      int filled = 0;  // rows of the image up to this one are there
      for (int p = 0, end = 0; p < G::P; p = end) {
        end = p + Kernel::rows < G::P ? p + Kernel::rows : G::P;
        const int needed = (end - 1) * G::stride_h + Kernel::kept;
        Image::template fill_rows<A, Kernel::ring>(image, slots, n, filled > p * G::stride_h ? filled : p * G::stride_h,
                                                   needed);
        filled = needed;
        gather(dy, slots, n, p, end);
        if constexpr (!divided) {
          Kernel::accumulate(image, dy, p, end, memory.partial);
        } else {
          grouped(image, dy, p, end, memory.partial);
        }
        if constexpr (Side::size > 0) {
          float* sums = memory.partial + weight_floats;
          for (int pixel = 0; pixel < (end - p) * G::Q; ++pixel)
            for (int k = 0; k < pitch; k += lanes)
              store_vector(sums + k, load_vector(sums + k) + load_vector(dy + pixel * dy_pitch + k));
        }
      }
    }
  }
  static void finish(const Slot* slots, Partials partials, Share share) {
    auto sum = [&](std::int64_t row) {
      return [&, row](auto& context, int k) { context.value = partials.sum<decltype(context.value)>(row * pitch + k); };
    };
    const auto part = share.of(G::R * G::S * in);
    for (int row = part.first; row < part.end; ++row)
      run_row<typename E::main, G::K>(slots, 0, row / (G::S * in), row / in % G::S, row % in, 0, G::K, sum(row),
                                      no_output);
    if constexpr (Side::size > 0)
      if (share.thread == share.threads - 1)
        run_row<Side, G::K>(slots, 0, 0, 0, 0, 0, G::K, sum(G::R * G::S * in), no_output);
  }
  static void outputs(const Slot* slots, int, Memory memory, Share share) {
    if (share.thread != 0) return;
    memory.partial = memory.scratch + image_floats + dy_floats;
    for (std::int64_t i = 0; i < weight_floats + pitch; ++i) memory.partial[i] = 0;
    samples(slots, 0, 1, memory);
    finish(slots, {memory.partial, 0, 1}, {0, 1});
  }

 private:
  static void gather(float* dy, const Slot* slots, int sample, int first, int end) {
    for (int pixel = first * G::Q; pixel < end * G::Q; ++pixel, dy += dy_pitch) {
      run_row<B, G::K>(slots, sample, 0, pixel / G::Q, pixel % G::Q, 0, G::K, no_input,
                       [&](int k, auto v) { write(dy + k, v); });
      for (int k = G::K; k < pitch; ++k) dy[k] = 0;
    }
  }
  static void grouped(const float* image, const float* dy, int first, int end, float* partial) {
    constexpr int out = G::K / G::groups;
    for (int p = first; p < end; ++p)
      for (int q = 0; q < G::Q; ++q, dy += dy_pitch)
        for (int tap = 0; tap < G::R * G::S; ++tap) {
          const int row = (p * G::stride_h + tap / G::S * G::dilation_h) % Kernel::ring;
          const float* x =
              image + (row * Image::columns + q * G::stride_w + tap % G::S * G::dilation_w) * Image::channels;
          for (int c = 0; c < in; ++c)
            for (int k = 0; k < G::K; ++k)
              partial[(std::int64_t{tap} * in + c) * pitch + k] += x[k / out * in + c] * dy[k];
        }
  }
};

}  // namespace inlay::cpu
