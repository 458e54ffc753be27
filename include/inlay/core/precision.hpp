// How exactly contractions multiply. Sums are accumulated in fp32 in any case; with a precision below fp32 a GPU's
// tensor cores take operands that are rounded when they are loaded, or have been when they were stored.
#pragma once

#include <inlay/core/element.hpp>
#include <inlay/core/host_device.hpp>

#include <cstdint>

namespace inlay {

enum class Precision : std::uint8_t { fp32, tf32, bf16, fp16 };

/// Half a unit in the last place, relative: an operand x becomes x (1 + d) with |d| at most this.
constexpr double unit_roundoff(Precision p) {
  return p == Precision::fp32 ? 0x1p-24 : p == Precision::bf16 ? 0x1p-8 : 0x1p-11;
}

/// How a GPU's programs store what passes from launch to launch (graph/narrow.hpp says what of it).
INLAY_HOST_DEVICE constexpr Element stored_in(Precision p) {
  return p == Precision::bf16 ? Element::bf16 : p == Precision::fp16 ? Element::f16 : Element::f32;
}

constexpr const char* name_of(Precision p) {
  return p == Precision::fp32 ? "fp32" : p == Precision::tf32 ? "tf32" : p == Precision::bf16 ? "bf16" : "fp16";
}

}  // namespace inlay
