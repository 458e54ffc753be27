// The host emulator: runs CUDA kernels on the CPU to check them, and emulates as much of the CUDA run-time library as
// runtime.hpp uses. For tests; included by device.hpp and runtime.hpp where INLAY_CUDA_EMULATOR is defined. Link with
// Boost.Context. Blocks of a grid run on several OS threads where OpenMP is on.
#pragma once

#include <inlay/cuda/emulator/device.hpp>
#include <inlay/cuda/emulator/launch.hpp>
#include <inlay/cuda/emulator/runtime_api.hpp>
