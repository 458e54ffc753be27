// Can the device that tests run on multiply in a precision? The emulator can in all of them; a test says what it left
// out.
#pragma once

#include <inlay/cuda/usable_device.hpp>

#include <doctest/doctest.h>

namespace inlay::test {

inline bool device_has([[maybe_unused]] Precision p) {
#if !defined(INLAY_CUDA_EMULATOR)
  const cuda::DeviceQuery query = cuda::usable_device();
  if (query) try {
      cuda::require_precision(*query.device, p);
    } catch (const Error& error) {
      MESSAGE("left out: " << error.what());
      return false;
    }
#endif
  return true;
}

}  // namespace inlay::test
