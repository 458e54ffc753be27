// How a kernel::Body reads and writes memory on the device: one float at a time, or four channels. Slots are the
// kernel's arguments, a small table of pointers passed by value.
#pragma once

#include <inlay/core/element.hpp>
#include <inlay/core/precision.hpp>
#include <inlay/core/random.hpp>
#include <inlay/cuda/async_copy.hpp>
#include <inlay/cuda/map.hpp>
#include <inlay/cuda/unroll.hpp>
#include <inlay/kernel/kernels.hpp>

#include <utility>

namespace inlay::cuda {

/// Which samples of a dataset are a batch, where inputs are gathered: of sample n, the row rows[first[0] + n]. Without
/// rows a batch's samples lie one after another.
struct GatheredRows {
  const int* rows = nullptr;
  std::int64_t count = 0;
  const int* first = nullptr;

  INLAY_DEVICE int of(int sample) const {
    if (rows == nullptr) return sample;
    return Global<const int>(rows, count)[Global<const int>(first, 1)[0] + sample];
  }
};

/// Where each argument of a kernel begins, and how many elements it has in all.
template <int N>
struct Slots {
  void* data[N];
  std::int64_t count[N];
  GatheredRows gathered{};
  float* scale = nullptr;  // of the gradients that the kernel multiplies (gradient_scale.hpp)

  template <Element E>
  INLAY_DEVICE Global<storage_t<E>> view(int slot) const {
    return {static_cast<storage_t<E>*>(data[slot]), E == Element::u2 ? count[slot] / 4 : count[slot]};
  }
};

/// Do elements at multiples of Count along the last axis lie together, at multiples of as many?
template <int Count, class I>
inline constexpr bool lies_in_runs =
    I::s3 == 1 && I::s2 % Count == 0 && I::s1 % Count == 0 && I::s0 % Count == 0 && I::sample % Count == 0;

/// May an operand with so many channels be copied to where tensor cores load it from? A Body that does nothing but load
/// elements which lie in memory as they are multiplied, 16 bytes of channels at a time.
template <Precision P, int Channels, class Body>
inline constexpr bool is_copied = false;
template <Precision P, int Channels, int S, Element E, class I>
inline constexpr bool is_copied<P, Channels, kernel::Body<kernel::Load<S, E, I>>> =
    is_narrow(E) && E == stored_in(P) && Channels % 8 == 0 && lies_in_runs<8, I>;

/// Is all that a Body asks of the sample its place in a dataset? Then that may be looked up once for many elements.
template <class Step>
inline constexpr bool only_gathers = true;
template <int S, Element E, class I>
inline constexpr bool only_gathers<kernel::Load<S, E, I>> = I::sample == 0 || I::gathered;
template <int S, Element E, int IndexSlot, Element IndexE, class Pool, class I>
inline constexpr bool only_gathers<kernel::Scatter<S, E, IndexSlot, IndexE, Pool, I>> = false;
template <int S, Element E, int IndexSlot, Element IndexE, class Pool, class I, class J>
inline constexpr bool only_gathers<kernel::Gather<S, E, IndexSlot, IndexE, Pool, I, J>> = false;
template <int Number, int Below, class I, int Key0, int Key1>
inline constexpr bool only_gathers<kernel::Random<Number, Below, I, Key0, Key1>> = false;
template <int S, Element E, int H, int W, class I, int Row, int Column>
inline constexpr bool only_gathers<kernel::Lookup<S, E, H, W, I, Row, Column>> = I::sample == 0 || I::gathered;
template <int S, Element E, int First, int Count, class I>
inline constexpr bool only_gathers<kernel::Channels<S, E, First, Count, I>> = I::sample == 0 || I::gathered;
template <class... Steps>
inline constexpr bool only_gathers<kernel::Body<Steps...>> = (only_gathers<Steps> && ...);

/// Of some elements: how many, their sum, and the sum of squared deviations from their mean.
struct Moments {
  float count = 0, sum = 0, deviations = 0;
};

/// What a thread sums, about the first element.
struct Accumulator {
  float count = 0, first = 0, sum = 0, squares = 0;

  template <bool Squares>
  INLAY_DEVICE void add(float x) {
    if (Squares && count == 0) first = x;
    const float apart = x - first;
    count += 1;
    sum += apart;
    if (Squares) squares += apart * apart;
  }
  INLAY_DEVICE Moments moments() const {
    if (count == 0) return {};
    const float deviations = squares - sum * (sum / count);
    return {count, sum + count * first, deviations < 0 ? 0.0f : deviations};
  }
};

/// The largest of the values that it is called with, and at which place that was; the first of equal ones.
INLAY_DEVICE void take_larger(float value, int place, bool first, float& largest, float& where) {
  if (!first && !(value > largest)) return;
  largest = value;
  where = static_cast<float>(place);
}
/// The same of four channels.
INLAY_DEVICE void take_larger(const Vector<float, 4>& values, int place, bool first, Vector<float, 4>& largest,
                              Vector<float, 4>& where) {
  INLAY_UNROLL
  for (int e = 0; e < 4; ++e) take_larger(values[e], place, first, largest[e], where[e]);
}

template <class Slots>
struct Context {
  const Slots& slots;
  int sample;
  int i0, i1, i2, i3;
  float value = 0;                  // Result<0>
  float index = 0;                  // Result<1>
  Accumulator* sums = nullptr;      // for Accumulate; run4 has those of four channels side by side
  const Moments* totals = nullptr;  // for Total
  bool placed = false;              // is `sample` the place in the dataset already?

  // One step of a Body; `r` are the registers written so far.
  template <int S, Element E, class I>
  INLAY_DEVICE float step(kernel::Load<S, E, I>, const float*) const {
    return load<E>(S, offset<I>());
  }
  template <int S, Element E, class I, int R>
  INLAY_DEVICE float step(kernel::Store<S, E, I, R>, const float* r) const {
    const storage_t<E> stored = round_to<storage_t<E>>(r[R]);
    const std::int64_t to = offset<I>();
    if constexpr (E == Element::u2)
      replace_bits(&slots.template view<E>(S)[to >> 2], 3 << 2 * (to & 3), stored << 2 * (to & 3));
    else slots.template view<E>(S)[to] = stored;
    return widen(stored);
  }
  template <std::uint32_t Bits>
  INLAY_DEVICE float step(kernel::Constant<Bits>, const float*) const {
    return __builtin_bit_cast(float, Bits);
  }
  template <int Axis>
  INLAY_DEVICE float step(kernel::Iota<Axis>, const float*) const {
    return static_cast<float>(Axis == 0 ? i0 : Axis == 1 ? i1 : Axis == 2 ? i2 : i3);
  }
  template <int Which>
  INLAY_DEVICE float step(kernel::Result<Which>, const float*) const {
    return Which == 0 ? value : index;
  }
  template <int S, Element E, int IndexSlot, Element IndexE, class Pool, class I>
  INLAY_DEVICE float step(kernel::Scatter<S, E, IndexSlot, IndexE, Pool, I>, const float*) const {
    if constexpr (Pool::tiles) {
      return scattered<S, E, IndexSlot, IndexE, Pool, I>(i1 / Pool::height, i2 / Pool::width);
    } else {
      const int row = i1 + Pool::pad_top, column = i2 + Pool::pad_left;
      float sum = 0;
      for (int p = first_window(row, Pool::height, Pool::stride_h); p <= row / Pool::stride_h && p < Pool::rows; ++p)
        for (int q = first_window(column, Pool::width, Pool::stride_w);
             q <= column / Pool::stride_w && q < Pool::columns; ++q)
          sum += scattered<S, E, IndexSlot, IndexE, Pool, I>(p, q);
      return sum;
    }
  }
  template <int S, Element E, int IndexSlot, Element IndexE, class Pool, class I, class J>
  INLAY_DEVICE float step(kernel::Gather<S, E, IndexSlot, IndexE, Pool, I, J>, const float*) const {
    const int which = index_at<IndexE>(IndexSlot, offset<J>());
    return load<E>(S, offset<I>(i1 * Pool::stride_h - Pool::pad_top + which / Pool::width,
                                i2 * Pool::stride_w - Pool::pad_left + which % Pool::width));
  }
  template <int Number, int Below, class I, int Key0, int Key1>
  INLAY_DEVICE float step(kernel::Random<Number, Below, I, Key0, Key1>, const float* r) const {
    const auto element = static_cast<std::uint32_t>(i0 * I::s0 + i1 * I::s1 + i2 * I::s2 + i3 * I::s3);
    return random_element(r[Key0], r[Key1], Number, sample, element, Below);
  }
  template <int S, Element E, int Height, int Width, class I, int Row, int Column>
  INLAY_DEVICE float step(kernel::Lookup<S, E, Height, Width, I, Row, Column>, const float* r) const {
    const float row = r[Row], column = r[Column];
    if (!(row >= 0 && row < Height && column >= 0 && column < Width)) return 0;
    return load<E>(S, offset<I>(static_cast<int>(row), static_cast<int>(column)));
  }
  template <int S, Element E, int First, int Count, class I>
  INLAY_DEVICE float step(kernel::Channels<S, E, First, Count, I>, const float*) const {
    const int from = i3 + First;
    if (from < 0 || from >= Count) return 0;
    return load<E>(S, offset<I>() + First * I::s3);
  }
  template <int S, int Which, bool Squares, int Channels, int R>
  INLAY_DEVICE float step(kernel::Accumulate<S, Which, Squares, Channels, R>, const float* r) const {
    sums[Which].template add<Squares>(r[R]);
    return r[R];
  }
  template <int S, int Which, ReduceOp Op, int Channels>
  INLAY_DEVICE float step(kernel::Total<S, Which, Op, Channels>, const float*) const {
    return Op == ReduceOp::sum ? totals[Which].sum : totals[Which].deviations;
  }
  template <MapOp Op, int... R>
  INLAY_DEVICE float step(kernel::Apply<Op, R...>, const float* r) const {
    return cuda::apply<Op>(r[R]...);
  }

  /// Runs all steps and returns the last register.
  template <class... Steps>
  INLAY_DEVICE float run(kernel::Body<Steps...> body) const {
    return run(body, std::make_integer_sequence<int, sizeof...(Steps)>{});
  }
  /// The same at i3, ..., i3 + 3, where i3 is a multiple of 4: loads and stores are of four elements where they lie so.
  /// `results`: Result<0> and Result<1>, in Bodies that have such.
  template <class... Steps>
  INLAY_DEVICE Vector<float, 4> run4(kernel::Body<Steps...> body, const Vector<float, 4>* results = nullptr) const {
    return run4(body, results, std::make_integer_sequence<int, sizeof...(Steps)>{});
  }

  /// Copies what a Body of is_copied loads at i3, ..., i3 + 7 to chunk i, in the background (async_copy.hpp); zeros if
  /// it is not `inside`.
  template <int S, Element E, class I, class Chunks>
  INLAY_DEVICE void copy8(kernel::Body<kernel::Load<S, E, I>>, Chunks to, int i, bool inside) const {
    const Global<const storage_t<E>> from = slots.template view<E>(S);
    copy_async(to, i, from, offset<I>(), inside ? 8 : 0);
  }

  /// The context of another i3.
  INLAY_DEVICE Context further(int along_i3) const {
    Context other = *this;
    other.i3 += along_i3;
    return other;
  }

 private:
  template <Element E>
  INLAY_DEVICE float load(int slot, std::int64_t i) const {
    if constexpr (E == Element::u2) return static_cast<float>(index_at<E>(slot, i));
    else return widen<storage_t<E>>(slots.template view<E>(slot)[i]);
  }
  /// The place in its window that an element of u8 or u2 names.
  template <Element E>
  INLAY_DEVICE int index_at(int slot, std::int64_t i) const {
    if constexpr (E == Element::u2) return slots.template view<E>(slot)[i >> 2] >> 2 * (i & 3) & 3;
    else return slots.template view<E>(slot)[i];
  }
  /// What window (p, q) gives to the pixel.
  template <int S, Element E, int IndexSlot, Element IndexE, class Pool, class I>
  INLAY_DEVICE float scattered(int p, int q) const {
    const std::int64_t from = offset<I>(p, q);
    const int row = i1 + Pool::pad_top - p * Pool::stride_h, column = i2 + Pool::pad_left - q * Pool::stride_w;
    return index_at<IndexE>(IndexSlot, from) == row * Pool::width + column ? load<E>(S, from) : 0.0f;
  }
  /// The first of the windows along an axis that reach a position.
  INLAY_DEVICE static int first_window(int position, int size, int stride) {
    return position < size ? 0 : (position - size) / stride + 1;
  }
  template <class... Steps, int... I>
  INLAY_DEVICE float run(kernel::Body<Steps...>, std::integer_sequence<int, I...>) const {
    float r[sizeof...(Steps) + 1];
    ((r[I] = step(Steps{}, r)), ...);
    return r[sizeof...(Steps) > 0 ? sizeof...(Steps) - 1 : 0];
  }
  template <class... Steps, int... I>
  INLAY_DEVICE Vector<float, 4> run4(kernel::Body<Steps...>, const Vector<float, 4>* results,
                                     std::integer_sequence<int, I...>) const {
    Vector<float, 4> r[sizeof...(Steps) + 1];
    ((r[I] = step4<I>(Steps{}, r, results)), ...);
    return r[sizeof...(Steps) > 0 ? sizeof...(Steps) - 1 : 0];
  }

  /// One step at i3, ..., i3 + 3; it writes register Written.
  template <int Written, class Step>
  INLAY_DEVICE Vector<float, 4> step4(Step of_one, const Vector<float, 4>* r, const Vector<float, 4>*) const {
    Vector<float, 4> result;
    INLAY_UNROLL
    for (int e = 0; e < 4; ++e) {
      float registers[Written + 1];
      INLAY_UNROLL
      for (int i = 0; i < Written; ++i) registers[i] = r[i][e];
      result[e] = further(e).step(of_one, registers);
    }
    return result;
  }
  template <int Written, int Which>
  INLAY_DEVICE Vector<float, 4> step4(kernel::Result<Which>, const Vector<float, 4>*,
                                      const Vector<float, 4>* results) const {
    return results[Which];
  }
  template <int Written, int S, int Which, bool Squares, int Channels, int R>
  INLAY_DEVICE Vector<float, 4> step4(kernel::Accumulate<S, Which, Squares, Channels, R>, const Vector<float, 4>* r,
                                      const Vector<float, 4>*) const {
    INLAY_UNROLL
    for (int e = 0; e < 4; ++e) sums[4 * Which + e].template add<Squares>(r[R][e]);
    return r[R];
  }
  template <int Written, int S, Element E, class I>
  requires(lies_in_runs<4, I>) INLAY_DEVICE Vector<float, 4> step4(kernel::Load<S, E, I>, const Vector<float, 4>*,
                                                                   const Vector<float, 4>*)
  const { return load4<E>(S, offset<I>()); }
  template <int Written, int S, Element E, class I, int R>
  requires(lies_in_runs<4, I>) INLAY_DEVICE Vector<float, 4> step4(kernel::Store<S, E, I, R>, const Vector<float, 4>* r,
                                                                   const Vector<float, 4>*)
  const {
    Vector<storage_t<E>, 4> stored;
    INLAY_UNROLL
    for (int e = 0; e < 4; ++e) stored[e] = round_to<storage_t<E>>(r[R][e]);
    if constexpr (E == Element::u2)
      slots.template view<E>(S)[offset<I>() >> 2] =
          static_cast<std::uint8_t>(stored[0] | stored[1] << 2 | stored[2] << 4 | stored[3] << 6);
    else slots.template view<E>(S).store4(offset<I>(), stored);
    return to_floats(stored);
  }
  template <int Written, int S, Element E, int IndexSlot, Element IndexE, class Pool, class I>
  requires(lies_in_runs<4, I>&& Pool::tiles) INLAY_DEVICE Vector<float, 4> step4(
      kernel::Scatter<S, E, IndexSlot, IndexE, Pool, I>, const Vector<float, 4>*, const Vector<float, 4>*)
  const {
    const std::int64_t from = offset<I>(i1 / Pool::height, i2 / Pool::width);
    const int place = i1 % Pool::height * Pool::width + i2 % Pool::width;
    const Vector<std::uint8_t, 4> indices = indices_at<IndexE>(IndexSlot, from);
    const Vector<float, 4> values = load4<E>(S, from);
    Vector<float, 4> result;
    INLAY_UNROLL
    for (int e = 0; e < 4; ++e) result[e] = indices[e] == place ? values[e] : 0.0f;
    return result;
  }
  template <Element E>
  INLAY_DEVICE Vector<std::uint8_t, 4> indices_at(int slot, std::int64_t i) const {
    if constexpr (E == Element::u2) {
      const unsigned all = slots.template view<E>(slot)[i >> 2];
      auto part = [&](int e) { return static_cast<std::uint8_t>(all >> 2 * e & 3); };
      return {part(0), part(1), part(2), part(3)};
    } else return slots.template view<E>(slot).load4(i);
  }
  template <Element E>
  INLAY_DEVICE Vector<float, 4> load4(int slot, std::int64_t i) const {
    if constexpr (E == Element::u2) return to_floats(indices_at<E>(slot, i));
    else return to_floats(slots.template view<E>(slot).load4(i));
  }
  template <class T>
  INLAY_DEVICE static Vector<float, 4> to_floats(const Vector<T, 4>& v) {
    return {widen<T>(v[0]), widen<T>(v[1]), widen<T>(v[2]), widen<T>(v[3])};
  }

  template <class I>
  INLAY_DEVICE std::int64_t offset() const {
    return offset<I>(i1, i2);
  }
  /// Within a sample 32 bits suffice.
  template <class I>
  INLAY_DEVICE std::int64_t offset(int at1, int at2) const {
    int row = sample;
    if constexpr (I::gathered) row = placed ? sample : slots.gathered.of(sample);
    return std::int64_t{row} * I::sample + (i0 * I::s0 + at1 * I::s1 + at2 * I::s2 + i3 * I::s3);
  }
};

}  // namespace inlay::cuda
