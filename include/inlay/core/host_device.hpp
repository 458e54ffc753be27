// Marks functions that kernels may call. Under nvcc they exist on the host and on the device; elsewhere the
// macro is empty.
#pragma once

#if defined(__CUDACC__)
#define INLAY_HOST_DEVICE __host__ __device__
#else
#define INLAY_HOST_DEVICE
#endif
