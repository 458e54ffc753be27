// The emulator's body of cuda/box_copy.hpp: boxes are kept aside until a thread waits for them (block.hpp).
#pragma once

#include <inlay/cuda/emulator/warpgroup.hpp>
#include <inlay/cuda/tensor_map.hpp>

namespace inlay::cuda {

inline void begin_arrivals(const Shared<Chunk>& barriers, int i) {
  emulator::Machine::mine().begin_arrivals(barriers.address(i));
}
inline void end_arrivals(const Shared<Chunk>& barriers, int i) {
  emulator::Machine::mine().end_arrivals(barriers.address(i));
}
inline void expect_bytes(const Shared<Chunk>& barriers, int i, int bytes) {
  emulator::Machine::mine().expect_bytes(barriers.address(i), bytes);
}

inline void copy_box(const Shared<Chunk>& to, int chunk, const TensorMap& from, const BoxPlace& at,
                     const Shared<Chunk>& barriers, int i) {
  if (!has_warpgroups()) emulator::report("copy_box on a device that has no such instruction");
  constexpr int each = sizeof(Chunk) / 2;  // elements of a chunk
  const int line = from.row / each;        // chunks
  if (to.address(chunk) % 128 != 0) emulator::report("copies a box to a byte that is not a multiple of 128");
  const Global<const std::uint16_t> elements(static_cast<const std::uint16_t*>(from.data), from.count);
  const auto outside = [&](std::int64_t where, int axis) { return where < 0 || where >= from.extents[axis]; };
  for (int row = 0; row < from.rows; ++row)
    for (int c = 0; c < line; ++c) {
      std::uint16_t values[each] = {};
      for (int e = 0; e < each; ++e) {
        const std::int64_t element = at.element + c * each + e;
        if (outside(element, 0) || outside(at.row + row, 1) || outside(at.plane, 2)) continue;
        values[e] = elements[element + (at.row + row) * from.strides[0] + at.plane * from.strides[1]];
      }
      const std::size_t place = to.address(chunk + row * line + c);
      emulator::Machine::mine().begin_box_copy(emulator::swizzled(place, static_cast<std::size_t>(2 * from.row)),
                                               reinterpret_cast<const unsigned char*>(values), barriers.address(i));
    }
}

inline void wait_boxes(const Shared<Chunk>& barriers, int i, int turn) {
  emulator::Machine::mine().wait_boxes(barriers.address(i), turn);
}

}  // namespace inlay::cuda
