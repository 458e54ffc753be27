// How a kernel::Body reads and writes memory on the CPU: V is float, or a Vector of consecutive i3. A slot gives the
// value's first sample and the distance to the next (0 for shared values); the context adds the coordinates.
#pragma once

#include <inlay/core/random.hpp>
#include <inlay/cpu/apply.hpp>
#include <inlay/kernel/kernels.hpp>

#include <type_traits>

namespace inlay::cpu {

struct Slot {
  char* data;
  std::int64_t sample_bytes;
};

/// Where a thread adds up what Bodies accumulate, in double: no digits are lost to a mean far from zero. For each sum:
/// the number of elements of a channel, a row of sums, a row of sums of squares.
template <int Channels>
struct ChannelSums {
  static constexpr int pitch = round_up(Channels, lanes);
  static constexpr int count(int which) { return which * (lanes + 2 * pitch); }
  static constexpr int row(int which, bool squares) { return count(which) + lanes + squares * pitch; }
};

template <class V>
struct Context {
  const Slot* slots;
  int sample;
  int i0, i1, i2, i3;
  V value{};  // Result<0>
  V index{};  // Result<1>

  static constexpr bool vector = !std::is_same_v<V, float>;

  template <Element E>
  INLAY_INLINE storage_t<E>* at(int slot, int sample_stride, std::int64_t offset) const {
    char* data = slots[slot].data + (sample_stride != 0 ? sample * slots[slot].sample_bytes : 0);
    return reinterpret_cast<storage_t<E>*>(data) + offset;
  }
  template <class S>
  INLAY_INLINE std::int64_t offset() const {
    return std::int64_t{i0} * S::s0 + std::int64_t{i1} * S::s1 + std::int64_t{i2} * S::s2 + std::int64_t{i3} * S::s3;
  }

  /// Lanes i3, i3 + 1, ... at distance `Stride`.
  template <int Stride, class T>
  INLAY_INLINE static V read(const T* p) {
    if constexpr (!vector) return static_cast<float>(*p);
    else if constexpr (Stride == 0) return splat(static_cast<float>(*p));
    else if constexpr (Stride == 1) return load_vector(p);
    else {
      V v{};
      for (int lane = 0; lane < lanes; ++lane) v[lane] = static_cast<float>(p[std::int64_t{lane} * Stride]);
      return v;
    }
  }

  // One step of a Body; `r` are the registers written so far.
  template <int S, Element E, class I>
  INLAY_INLINE V step(kernel::Load<S, E, I>, const V*) const {
    return read<I::s3>(at<E>(S, I::sample, offset<I>()));
  }
  template <int S, Element E, class I, int R>
  INLAY_INLINE V step(kernel::Store<S, E, I, R>, const V* r) const {
    const V v = r[R];
    auto* p = at<E>(S, I::sample, offset<I>());
    if constexpr (!vector) *p = static_cast<storage_t<E>>(v);
    else if constexpr (I::s3 == 1) store_vector(p, v);
    else
      for (int lane = 0; lane < lanes; ++lane) p[std::int64_t{lane} * I::s3] = static_cast<storage_t<E>>(v[lane]);
    return v;
  }
  INLAY_INLINE static V constant(float x) {
    if constexpr (vector) return splat(x);
    else return x;
  }
  template <int Axis>
  INLAY_INLINE V step(kernel::Iota<Axis>, const V*) const {
    const int coordinates[] = {i0, i1, i2, i3};
    V v = constant(static_cast<float>(coordinates[Axis]));
    if constexpr (vector && Axis == 3)
      for (int lane = 0; lane < lanes; ++lane) v[lane] += static_cast<float>(lane);
    return v;
  }
  template <int Which>
  INLAY_INLINE V step(kernel::Result<Which>, const V*) const {
    return Which == 0 ? value : index;
  }
  template <int S, Element E, int IndexSlot, class Pool, class I>
  INLAY_INLINE V step(kernel::Scatter<S, E, IndexSlot, Element::u8, Pool, I>, const V*) const {
    auto window = [&](int p, int q, int r, int t) INLAY_LAMBDA {  // in which the pixel is at (r, t)
      const std::int64_t place = std::int64_t{p} * I::s1 + std::int64_t{q} * I::s2 + i3;
      const V d = read<1>(at<E>(S, I::sample, place));
      const V which = read<1>(at<Element::u8>(IndexSlot, 1, place));
      const V here = constant(static_cast<float>(r * Pool::width + t));
      return cpu::apply<MapOp::select>(cpu::apply<MapOp::equal>(which, here), d, constant(0));
    };
    if constexpr (Pool::tiles) {
      return window(i1 / Pool::height, i2 / Pool::width, i1 % Pool::height, i2 % Pool::width);
    } else {
      const int row = i1 + Pool::pad_top, column = i2 + Pool::pad_left;
      V sum = constant(0);
      for (int p = first_window(row, Pool::height, Pool::stride_h); p <= row / Pool::stride_h && p < Pool::rows; ++p)
        for (int q = first_window(column, Pool::width, Pool::stride_w);
             q <= column / Pool::stride_w && q < Pool::columns; ++q)
          sum += window(p, q, row - p * Pool::stride_h, column - q * Pool::stride_w);
      return sum;
    }
  }
  /// The first of the windows along an axis that reach a position.
  INLAY_INLINE static int first_window(int position, int size, int stride) {
    return position < size ? 0 : (position - size) / stride + 1;
  }
  template <int S, Element E, int IndexSlot, class Pool, class I, class J>
  INLAY_INLINE V step(kernel::Gather<S, E, IndexSlot, Element::u8, Pool, I, J>, const V*) const {
    const auto* x = at<E>(S, I::sample, 0);
    const std::uint8_t* which = at<Element::u8>(IndexSlot, J::sample, offset<J>());
    auto element = [&](int lane) {
      const int w = which[lane];
      return static_cast<float>(
          x[std::int64_t{i1 * Pool::stride_h - Pool::pad_top + w / Pool::width} * I::s1 +
            std::int64_t{i2 * Pool::stride_w - Pool::pad_left + w % Pool::width} * I::s2 + i3 + lane]);
    };
    if constexpr (!vector) return element(0);
    else {
      V v{};
      for (int lane = 0; lane < lanes; ++lane) v[lane] = element(lane);
      return v;
    }
  }
  /// A register that is the same for all lanes.
  INLAY_INLINE static float lane0(V v) {
    if constexpr (vector) return v[0];
    else return v;
  }
  template <int Number, int Below, class I, int Key0, int Key1>
  INLAY_INLINE V step(kernel::Random<Number, Below, I, Key0, Key1>, const V* r) const {
    const float key0 = lane0(r[Key0]), key1 = lane0(r[Key1]);
    const auto first = static_cast<std::uint32_t>(offset<I>());
    auto element = [&](std::uint32_t i) { return random_element(key0, key1, Number, sample, i, Below); };
    if constexpr (!vector) return element(first);
    else {
      V v{};
      if (I::s3 == 1 && first % 4 == 0) {  // four numbers from each run of Philox
        for (int quad = 0; quad < lanes / 4; ++quad) {
          const PhiloxCounter words =
              random_words(key0, key1, Number, sample, first / 4 + static_cast<std::uint32_t>(quad));
          for (int i = 0; i < 4; ++i) v[4 * quad + i] = random_number(words.word[i], Below);
        }
      } else {
        for (int lane = 0; lane < lanes; ++lane) v[lane] = element(first + static_cast<std::uint32_t>(lane * I::s3));
      }
      return v;
    }
  }
  template <int S, Element E, int Height, int Width, class I, int Row, int Column>
  INLAY_INLINE V step(kernel::Lookup<S, E, Height, Width, I, Row, Column>, const V* r) const {
    const float row = lane0(r[Row]), column = lane0(r[Column]);
    if (!(row >= 0 && row < Height && column >= 0 && column < Width)) return constant(0);
    return read<I::s3>(at<E>(
        S, I::sample,
        std::int64_t{static_cast<int>(row)} * I::s1 + std::int64_t{static_cast<int>(column)} * I::s2 + i3 * I::s3));
  }
  template <int S, Element E, int First, int Count, class I>
  INLAY_INLINE V step(kernel::Channels<S, E, First, Count, I>, const V*) const {
    const int from = i3 + First;
    const auto* pixel = at<E>(S, I::sample, offset<I>() - i3 * I::s3);
    if constexpr (!vector) return from >= 0 && from < Count ? static_cast<float>(pixel[from]) : 0.0f;
    else {
      if (from >= 0 && from + lanes <= Count) return read<I::s3>(pixel + from);
      V v{};
      for (int lane = 0; lane < lanes; ++lane)
        if (from + lane >= 0 && from + lane < Count) v[lane] = static_cast<float>(pixel[from + lane]);
      return v;
    }
  }
  template <std::uint32_t Bits>
  INLAY_INLINE V step(kernel::Constant<Bits>, const V*) const {
    return constant(__builtin_bit_cast(float, Bits));
  }
  template <int S, int Which, bool Squares, int Channels, int Register>
  INLAY_INLINE V step(kernel::Accumulate<S, Which, Squares, Channels, Register>, const V* r) const {
    using Sums = ChannelSums<Channels>;
    auto* sums = reinterpret_cast<double*>(slots[S].data);
    if (i3 == 0) sums[Sums::count(Which)] += 1;
    add(sums + Sums::row(Which, false) + i3, r[Register], [](auto x) INLAY_LAMBDA { return x; });
    if constexpr (Squares)
      add(sums + Sums::row(Which, true) + i3, r[Register], [](auto x) INLAY_LAMBDA { return x * x; });
    return r[Register];
  }
  template <class F>
  INLAY_INLINE static void add(double* sums, V v, F f) {
    if constexpr (!vector) *sums += f(static_cast<double>(v));
    else {
      using Stored = detail::Stored<double>::type;
      *reinterpret_cast<Stored*>(sums) += f(half_of<0>(v));
      *reinterpret_cast<Stored*>(sums + lanes / 2) += f(half_of<1>(v));
    }
  }
  template <int S, int Which, ReduceOp Op, int Channels>
  INLAY_INLINE V step(kernel::Total<S, Which, Op, Channels>, const V*) const {
    using Sums = ChannelSums<Channels>;
    const auto* sums = reinterpret_cast<const double*>(slots[S].data);
    auto total = [&](int channel) {
      const double sum = sums[Sums::row(Which, false) + channel];
      if (Op == ReduceOp::sum) return static_cast<float>(sum);
      const double deviations = sums[Sums::row(Which, true) + channel] - sum * sum / sums[Sums::count(Which)];
      return deviations < 0 ? 0.0f : static_cast<float>(deviations);  // NaN stays
    };
    if constexpr (!vector) return total(i3);
    else {
      V v{};
      for (int lane = 0; lane < lanes; ++lane) v[lane] = total(i3 + lane);
      return v;
    }
  }
  template <MapOp Op, int... R>
  INLAY_INLINE V step(kernel::Apply<Op, R...>, const V* r) const {
    return cpu::apply<Op>(r[R]...);
  }

  /// Runs all steps and returns the last register; zero if there is none.
  template <class... Steps>
  INLAY_INLINE V run(kernel::Body<Steps...> body) const {
    return run(body, std::make_integer_sequence<int, sizeof...(Steps)>{});
  }
  template <class... Steps, int... I>
  INLAY_INLINE V run(kernel::Body<Steps...>, std::integer_sequence<int, I...>) const {
    if constexpr (sizeof...(Steps) == 0) return V{};
    else {
      V r[sizeof...(Steps)];
      ((r[I] = step(Steps{}, r)), ...);
      return r[sizeof...(Steps) - 1];
    }
  }
};

/// Runs a Body on i3 = first, ..., end - 1 at the coordinates given: vectors, then what is left one by one. `first` is
/// a multiple of a vector, and `end` too unless it is Extent, the whole length of the row.
/// `input(context, i3)` may set the results; `output(i3, V)` takes the last register.
template <class Body, int Extent, class Input, class Output>
INLAY_INLINE void run_row(const Slot* slots, int sample, int i0, int i1, int i2, int first, int end, Input input,
                          Output output) {
  int i3 = first;
  if constexpr (Extent >= lanes)
    for (; i3 + lanes <= end; i3 += lanes) {
      Context<Vector> context{slots, sample, i0, i1, i2, i3};
      input(context, i3);
      output(i3, context.run(Body{}));
    }
  if constexpr (Extent % lanes != 0)
    for (; i3 < end; ++i3) {
      Context<float> context{slots, sample, i0, i1, i2, i3};
      input(context, i3);
      output(i3, context.run(Body{}));
    }
}

INLAY_INLINE void write(float* p, Vector v) { store_vector(p, v); }
INLAY_INLINE void write(float* p, float v) { *p = v; }

inline constexpr auto no_input = [](auto&, int) {};
inline constexpr auto no_output = [](int, auto) {};

/// Result<0> of a row taken from memory.
INLAY_INLINE auto from(const float* row) {
  return [row](auto& context, int i3) {
    if constexpr (std::remove_reference_t<decltype(context)>::vector) context.value = load_vector(row + i3);
    else context.value = row[i3];
  };
}

}  // namespace inlay::cpu
