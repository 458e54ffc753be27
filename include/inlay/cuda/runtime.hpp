// What the host needs to run kernels: devices, streams, memory, launches and captured graphs. The wrappers are
// written against the CUDA run-time library; in the emulator emulator/runtime_api.hpp stands in for it.
#pragma once

#include <inlay/cuda/captured_graph.hpp>
#include <inlay/cuda/check.hpp>
#include <inlay/cuda/device_buffer.hpp>
#include <inlay/cuda/launch.hpp>
#include <inlay/cuda/stream.hpp>
#include <inlay/cuda/usable_device.hpp>
