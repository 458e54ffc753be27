// How a kernel::Body reads and writes memory on the device: one float at a time. Slots are the kernel's arguments, a
// small table of pointers passed by value.
#pragma once

#include <inlay/core/element.hpp>
#include <inlay/cuda/map.hpp>
#include <inlay/kernel/kernels.hpp>

namespace inlay::cuda {

/// Where each argument of a kernel begins, and how many elements it has in all.
template <int N>
struct Slots {
  void* data[N];
  std::int64_t count[N];

  template <Element E>
  INLAY_DEVICE Global<storage_t<E>> view(int slot) const {
    return {static_cast<storage_t<E>*>(data[slot]), count[slot]};
  }
};

template <class Slots>
struct Context {
  const Slots& slots;
  int sample;
  int i0, i1, i2, i3;
  float value = 0;  // Result<0>
  float index = 0;  // Result<1>

  template <int S, Element E, class I>
  INLAY_DEVICE float load(kernel::Load<S, E, I>) const {
    return static_cast<float>(slots.template view<E>(S)[offset<I>()]);
  }
  template <int S, Element E, class I, int R>
  INLAY_DEVICE void store(kernel::Store<S, E, I, R>, float v) const {
    slots.template view<E>(S)[offset<I>()] = static_cast<storage_t<E>>(v);
  }
  INLAY_DEVICE static float constant(float x) { return x; }
  template <int Axis>
  INLAY_DEVICE float iota(kernel::Iota<Axis>) const {
    return static_cast<float>(Axis == 0 ? i0 : Axis == 1 ? i1 : Axis == 2 ? i2 : i3);
  }
  template <int Which>
  INLAY_DEVICE float result(kernel::Result<Which>) const {
    return Which == 0 ? value : index;
  }
  template <int S, int IndexSlot, int Height, int Width, class I>
  INLAY_DEVICE float scatter(kernel::Scatter<S, IndexSlot, Height, Width, I>) const {
    const std::int64_t from = offset<I>(i1 / Height, i2 / Width);
    const int here = i1 % Height * Width + i2 % Width;
    return slots.template view<Element::u8>(IndexSlot)[from] == here ? slots.template view<Element::f32>(S)[from] : 0.0f;
  }
  template <int S, int IndexSlot, int Height, int Width, class I, class J>
  INLAY_DEVICE float gather(kernel::Gather<S, IndexSlot, Height, Width, I, J>) const {
    const int which = slots.template view<Element::u8>(IndexSlot)[offset<J>()];
    return slots.template view<Element::f32>(S)[offset<I>(i1 * Height + which / Width, i2 * Width + which % Width)];
  }
  template <MapOp Op, class... A>
  INLAY_DEVICE float apply(A... a) const {
    return cuda::apply<Op>(a...);
  }

 private:
  template <class I>
  INLAY_DEVICE std::int64_t offset() const {
    return offset<I>(i1, i2);
  }
  /// Within a sample 32 bits suffice.
  template <class I>
  INLAY_DEVICE std::int64_t offset(int at1, int at2) const {
    return std::int64_t{sample} * I::sample + (i0 * I::s0 + at1 * I::s1 + at2 * I::s2 + i3 * I::s3);
  }
};

}  // namespace inlay::cuda
