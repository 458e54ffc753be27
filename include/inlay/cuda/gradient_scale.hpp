// What keeps gradients within fp16, whose numbers end at 2^-24 and at 65504. Where a contraction multiplies a gradient
// in fp16, that is multiplied by a power of two before it is rounded, and the sums by its inverse, which is exact.
// Everything else is fp32, so no loss has to be scaled, no gradient to be scaled back, and no step to be left out.
//
// Each launch has a scale of its own in the device's memory and adapts it from run to run, without the host. A gradient
// too large for the present one becomes the largest number of its sign, and the scale falls by 2^8 for the next run; a
// run whose gradients all lie far below makes it 2^4 times what it was. It begins at the number of samples in the
// batch, since the loss is a mean over them.
#pragma once

#include <inlay/cuda/product.hpp>
#include <inlay/cuda/runner.hpp>
#include <inlay/cuda/unroll.hpp>

#include <type_traits>
#include <vector>

namespace inlay::cuda {

/// In device memory, four floats a launch: what gradients are multiplied by, that for a batch of one sample, and
/// whether in this run a gradient was too large, and whether one was large enough.
struct ScaleState {
  static constexpr int factor = 0, of_one_sample = 1, overflowed = 2, reached = 3, size = 4;
  static constexpr float initial = 1, most = 0x1p24f, growth = 0x1p4f, fall = 0x1p-8f;
  /// Of what is multiplied in fp16: the largest, and what one at least should reach.
  static constexpr float largest = 65504, enough = 0x1p8f;

  static std::vector<float> initially(int launches) {
    std::vector<float> states;
    for (int i = 0; i < launches; ++i) states.insert(states.end(), {initial, initial, 0, 1});
    return states;
  }
};

/// What a kernel does to the gradients that it multiplies: nothing if that is not in fp16. `slots.scale` is the
/// launch's state, or nullptr for a scale of 1.
template <class C>
class GradientScale {
 public:
  static constexpr bool used = Product<C>::scaled;

  template <class Slots>
  INLAY_DEVICE explicit GradientScale([[maybe_unused]] const Slots& slots) {
    if constexpr (used) {
      state = Global<float>(slots.scale, ScaleState::size);
      known = slots.scale != nullptr;
      if (known) factor = state[ScaleState::factor];
    }
  }

  /// A gradient as it is rounded.
  INLAY_DEVICE float operator()(float gradient) const {
    if constexpr (!used) return gradient;
    const float scaled = gradient * factor, size = absolute(scaled);
    if (size >= ScaleState::enough && known) state[ScaleState::reached] = 1;
    if (!(size > ScaleState::largest)) return scaled;  // also if it is NaN
    if (known) state[ScaleState::overflowed] = 1;
    return scaled > 0 ? ScaleState::largest : -ScaleState::largest;
  }

  /// Sums of products with scaled gradients, as if they had not been.
  template <class Sums>
  INLAY_DEVICE void undo([[maybe_unused]] Sums& sums) const {
    if constexpr (used) multiply(sums, 1 / factor);
  }

 private:
  Global<float> state;
  float factor = 1;
  bool known = false;

  template <class T, int N>
  INLAY_DEVICE static void multiply(T (&sums)[N], float by) {
    INLAY_UNROLL
    for (int i = 0; i < N; ++i) {
      if constexpr (std::is_array_v<T>) multiply(sums[i], by);
      else sums[i] *= by;
    }
  }
};

/// Before a run: the scales of all launches, from what the last run noted.
struct SettleScales {
  static constexpr int threads = 128, shared_bytes = 0;

  INLAY_DEVICE static void run(Global<float> states, Global<const float> samples, int launches) {
    float batch = 1;  // rounded down to a power of two
    while (2 * batch <= samples[0]) batch *= 2;
    for (int i = thread_index(); i < launches; i += threads) {
      const int first = i * ScaleState::size;
      float scale = states[first + ScaleState::of_one_sample];
      if (states[first + ScaleState::overflowed] != 0) scale *= ScaleState::fall;
      else if (states[first + ScaleState::reached] == 0 && scale < ScaleState::most) scale *= ScaleState::growth;
      states[first + ScaleState::factor] = scale * batch;
      states[first + ScaleState::of_one_sample] = scale;
      states[first + ScaleState::overflowed] = 0;
      states[first + ScaleState::reached] = 0;
    }
  }
};

}  // namespace inlay::cuda
