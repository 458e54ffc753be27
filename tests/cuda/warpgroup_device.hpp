// Devices with and without products of warpgroups (cuda/warpgroup.hpp): tests run kernels on both.
#pragma once

#include <inlay/cuda/runtime.hpp>

namespace inlay::test {

/// f() on an emulated device that multiplies by warps, and on one that multiplies by warpgroups, if the emulator does
/// not stand for an sm_75; on a GPU once.
template <class F>
void on_each_device(F f) {
#if defined(INLAY_CUDA_EMULATOR)
  int& major = cuda::emulator::device().major;
  struct Restored {
    int& now;
    int before;
    ~Restored() { now = before; }
  } restored{major, major};
  major = INLAY_BEFORE_SM_80 ? 7 : 8;
  f();
  if (INLAY_BEFORE_SM_80) return;
  major = 9;
  f();
#else
  f();
#endif
}

}  // namespace inlay::test
