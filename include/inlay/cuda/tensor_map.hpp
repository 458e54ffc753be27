// What the copy engine of sm_90 has to know about an array in global memory, to copy boxes of it (box_copy.hpp): a
// tensor map ("CUDA Driver API", section "Tensor Map Object Management"), made on the host and given to kernels as an
// argument.
#pragma once

#include <inlay/core/error.hpp>
#include <inlay/cuda/check.hpp>

#include <cstdint>
#include <string>

#if defined(__CUDACC__)
#include <cuda.h>
#endif

namespace inlay::cuda {

/// Elements of 16 bits in rows, which lie in planes. Of what a box has beyond the extents, zeros are copied.
struct BoxedArray {
  const void* data = nullptr;    // at a multiple of 16 bytes
  std::int64_t count = 0;        // elements from there on
  std::int64_t extents[3] = {};  // elements of a row, rows of a plane, planes
  std::int64_t strides[2] = {};  // elements from row to row, from plane to plane; multiples of 8
  int row = 0, rows = 0;         // of a box: 16, 32 or 64 elements of up to 256 rows in one plane
};

/// Where a box begins: element of a row, row, plane. It may begin or end outside of the array.
struct BoxPlace {
  int element, row, plane;
};

#if defined(__CUDACC__)
using TensorMap = CUtensorMap;
#else
using TensorMap = BoxedArray;
#endif

/// Those of a kernel, its first argument, and what one that copies no boxes is given instead.
struct TensorMaps {
  TensorMap a{}, b{};
};
struct NoMaps {};

/// Does the current device copy boxes, in programs compiled for it?
inline bool device_copies_boxes() {
#if defined(__CUDACC__)
  int ordinal = 0, major = 0;
  return cudaGetDevice(&ordinal) == cudaSuccess &&
         cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, ordinal) == cudaSuccess && major == 9;
#else
  return emulator::device().major == 9;
#endif
}

namespace detail {

inline TensorMap encode(const BoxedArray& array) {
#if defined(__CUDACC__)
  static const auto function = [] {
    void* entry = nullptr;
    cudaDriverEntryPointQueryResult found{};
    check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &entry, 12000, cudaEnableDefault, &found),
          "looking for the driver's cuTensorMapEncodeTiled");
    if (found != cudaDriverEntryPointSuccess) check(cudaErrorInsufficientDriver, "looking for cuTensorMapEncodeTiled");
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(entry);
  }();
  const cuuint64_t extents[3] = {static_cast<cuuint64_t>(array.extents[0]), static_cast<cuuint64_t>(array.extents[1]),
                                 static_cast<cuuint64_t>(array.extents[2])};
  const cuuint64_t bytes[2] = {static_cast<cuuint64_t>(2 * array.strides[0]),
                               static_cast<cuuint64_t>(2 * array.strides[1])};
  const cuuint32_t box[3] = {static_cast<cuuint32_t>(array.row), static_cast<cuuint32_t>(array.rows), 1};
  const cuuint32_t each[3] = {1, 1, 1};
  const CUtensorMapSwizzle swizzle = array.row == 64   ? CU_TENSOR_MAP_SWIZZLE_128B
                                     : array.row == 32 ? CU_TENSOR_MAP_SWIZZLE_64B
                                                       : CU_TENSOR_MAP_SWIZZLE_32B;
  CUtensorMap map{};
  const CUresult status = function(&map, CU_TENSOR_MAP_DATA_TYPE_UINT16, 3, const_cast<void*>(array.data), extents,
                                   bytes, box, each, CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle,
                                   CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (status != CUDA_SUCCESS)
    throw Error("cuTensorMapEncodeTiled refuses to describe an array: CUresult " + std::to_string(status));
  return map;
#else
  return array;
#endif
}

}  // namespace detail

/// The map of an array, in the memory of the current device, which copies boxes.
inline TensorMap tensor_map(const BoxedArray& array) {
  const auto address = reinterpret_cast<std::uintptr_t>(array.data);
  bool possible = address % 16 == 0 && (array.row == 16 || array.row == 32 || array.row == 64) && array.rows >= 1 &&
                  array.rows <= 256;
  for (const std::int64_t extent : array.extents) possible = possible && extent >= 1;
  for (const std::int64_t stride : array.strides) possible = possible && stride >= 8 && stride % 8 == 0;
  if (!possible) throw Error("tensor_map: rows, extents or strides of a box that cannot be copied (tensor_map.hpp)");
  return detail::encode(array);
}

}  // namespace inlay::cuda
