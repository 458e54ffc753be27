// Boxes against a plain loop, by the swizzling modes of the PTX ISA (section "Tensor Swizzling Modes"). In the
// emulator, and on a GPU where it has them.
#include <inlay/cuda/box_copy.hpp>

#include "on_device.hpp"
#include "warpgroup_device.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace inlay;
using namespace inlay::cuda;

namespace {

struct AskForBoxes {
  static constexpr int threads = 32;
  static INLAY_DEVICE void run(Global<int> answer) { answer[0] = has_box_copies() ? 1 : 0; }
};
bool device_has_boxes() {
  const Stream stream;
  DeviceBuffer<int> answer(1);
  launch<AskForBoxes>({}, 32, 0, stream, answer.view());
  return test::on_host(answer, stream)[0] == 1;
}

/// Boxes of Rows rows of Row elements from two places by turns, each to a buffer and a barrier of its own; `turns` of
/// them. What is in the buffers then is appended to `result`, word by word.
template <int Row, int Rows>
struct CopyBoxes {
  static constexpr int threads = 64, bytes = 2 * Row * Rows;
  using Barriers = BoxBarriers<2, true>;
  static constexpr int shared_bytes = 2 * bytes + Barriers::bytes;

  static INLAY_DEVICE void run(const TensorMaps& maps, BoxPlace even, BoxPlace odd, int turns, Global<int> result) {
    const auto chunks = shared_array<Chunk>(0, 2 * bytes / 16);
    const auto words = shared_array<int>(0, 2 * bytes / 4);
    const Barriers barriers(2 * bytes);
    barriers.begin(thread_index());
    for (int turn = 0; turn < turns; ++turn) {
      if (thread_index() == 0)
        for (int i = 0; i < 2; ++i) {
          barriers.expect(i, bytes);
          barriers.copy(i, chunks, i * (bytes / 16), maps.b, i == 0 ? even : odd);
        }
      for (int i = 0; i < 2; ++i) barriers.wait(i, turn);
      sync_threads();
      for (int i = thread_index(); i < bytes / 2; i += threads) result[turn * (bytes / 2) + i] = words[i];
      sync_threads();
      even.row += 3;
      odd.element -= 8;
    }
    barriers.end(thread_index());
  }
};

template <int Row, int Rows>
void check_boxes() {
  using Kernel = CopyBoxes<Row, Rows>;
  CAPTURE(Row);
  CAPTURE(Rows);
  constexpr int columns = 40, rows = 13, planes = 3, pitch = 48, plane = pitch * rows + 16, turns = 3;
  std::vector<std::uint16_t> values(planes * plane);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint16_t>(i + 1);
  const Stream stream;
  const auto array = test::on_device(values, stream);
  const TensorMap map = tensor_map({.data = array.data(),
                                    .count = static_cast<std::int64_t>(values.size()),
                                    .extents = {columns, rows, planes},
                                    .strides = {pitch, plane},
                                    .row = Row,
                                    .rows = Rows});
  for (const BoxPlace even : {BoxPlace{0, 0, 0}, BoxPlace{8, 5, 2}, BoxPlace{-16, -2, 1}, BoxPlace{32, 10, 0},
                              BoxPlace{0, 0, 3}, BoxPlace{64, 0, 0}}) {
    const BoxPlace odd{even.element + 16, even.row - 1, even.plane};
    DeviceBuffer<int> result(turns * Kernel::bytes / 2);
    launch<Kernel>({}, Kernel::threads, Kernel::shared_bytes, stream, TensorMaps{.b = map}, even, odd, turns,
                   result.view());
    const std::vector<int> words = test::on_host(result, stream);
    int wrong = 0;
    for (int turn = 0; turn < turns; ++turn)
      for (int i = 0; i < Kernel::bytes; ++i) {  // elements of both buffers
        const bool is_odd = i >= Kernel::bytes / 2;
        const int in_box = i % (Kernel::bytes / 2),
                  element = in_box % Row + (is_odd ? odd.element - 8 * turn : even.element);
        const int row = in_box / Row + (is_odd ? odd.row : even.row + 3 * turn);
        const bool inside = element >= 0 && element < columns && row >= 0 && row < rows && even.plane < planes;
        const std::size_t at = static_cast<std::size_t>(even.plane * plane + row * pitch + element);
        const int byte = 2 * i, place = byte ^ (byte / 128 % (2 * Row / 16) * 16);
        const int word = words[static_cast<std::size_t>((turn * 2 * Kernel::bytes + place) / 4)];
        wrong += (place % 4 == 0 ? word & 0xffff : word >> 16 & 0xffff) != (inside ? values[at] : 0);
      }
    CHECK(wrong == 0);
  }
}

}  // namespace

TEST_CASE("boxes arrive with their chunks exchanged, zeros where there is no array") {
  test::on_each_device([] {
    CHECK((device_copies_boxes() || !device_has_boxes()));
    if (!device_has_boxes()) return;
    check_boxes<16, 8>();
    check_boxes<32, 6>();
    check_boxes<64, 5>();
    check_boxes<32, 256>();
  });
}
TEST_CASE("arrays of which no boxes can be copied are refused") {
  alignas(16) static std::uint16_t values[1024];
  const BoxedArray array{
      .data = values, .count = 1024, .extents = {64, 16, 1}, .strides = {64, 1024}, .row = 64, .rows = 16};
  auto refused = [&](auto change) {
    BoxedArray other = array;
    change(other);
    CHECK_THROWS_AS(tensor_map(other), Error);
  };
  refused([](BoxedArray& a) { a.data = values + 1; });
  refused([](BoxedArray& a) { a.row = 48; });
  refused([](BoxedArray& a) { a.rows = 257; });
  refused([](BoxedArray& a) { a.strides[0] = 60; });
  refused([](BoxedArray& a) { a.extents[1] = 0; });
}

#if defined(INLAY_CUDA_EMULATOR)

namespace {

enum class Mistake {
  none,
  read_early,
  wait_alone,
  write_over,
  touch_barrier,
  no_barrier,
  too_few_bytes,
  nothing_expected,
  twice,
  wrong_turn,
  unaligned,
  outside,
  never_wait,
  never_end
};

/// A box of 8 x 16 elements.
template <Mistake M>
struct Careless {
  static constexpr int threads = 32;
  static void run(const TensorMaps& maps, Global<int> c) {
    const auto chunks = shared_array<Chunk>(0, 32), barriers = shared_array<Chunk>(512, 1);
    const auto words = shared_array<int>(0, 132);
    if (thread_index() == 0 && M != Mistake::no_barrier) begin_arrivals(barriers, 0);
    sync_threads();
    if (M == Mistake::touch_barrier) words[128] = 0;
    if (thread_index() == 0) {
      if (M != Mistake::nothing_expected) expect_bytes(barriers, 0, M == Mistake::too_few_bytes ? 128 : 256);
      if (M == Mistake::twice) expect_bytes(barriers, 0, 256);
      copy_box(chunks, M == Mistake::unaligned ? 1 : 0, maps.b, {0, 0, 0}, barriers, 0);
    }
    if (M == Mistake::read_early) c[thread_index()] = words[thread_index()];
    if (M == Mistake::write_over && thread_index() == 5) words[5] = 1;
    if (M != Mistake::never_wait) wait_boxes(barriers, 0, M == Mistake::wrong_turn ? 1 : 0);
    if (M != Mistake::wait_alone) sync_threads();
    c[thread_index()] = words[thread_index()];
    sync_threads();
    if (thread_index() == 0 && M != Mistake::never_end) end_arrivals(barriers, 0);
  }
};

template <Mistake M>
std::string report_on() {
  const Stream stream;
  DeviceBuffer<int> c(32);
  const auto array = test::on_device(std::vector<std::uint16_t>(128, 7), stream);
  const TensorMap map = tensor_map({.data = array.data(),
                                    .count = M == Mistake::outside ? 100 : 128,
                                    .extents = {16, 8, 1},
                                    .strides = {16, 128},
                                    .row = 16,
                                    .rows = 8});
  try {
    launch<Careless<M>>({}, 32, 528, stream, TensorMaps{.b = map}, c.view());
  } catch (const EmulatorError& error) {
    const std::string text = error.what();
    return text.substr(text.find(": ") + 2);
  }
  CHECK(test::on_host(c, stream) == std::vector<int>(32, 7 << 16 | 7));
  return "";
}

}  // namespace

TEST_CASE("the emulator reports boxes that are used too early or never come") {
  test::on_each_device([] {
    if (!device_has_boxes()) {
      CHECK(report_on<Mistake::none>() == "copy_box on a device that has no such instruction");
      return;
    }
    CHECK(report_on<Mistake::none>() == "");
    const std::string under_way = " of shared memory, which an asynchronous copy is still to write: ";
    const std::string missing = "wait_copies or wait_boxes, and then a barrier, are missing";
    CHECK(report_on<Mistake::read_early>() == "reads byte 0" + under_way + missing);
    CHECK(report_on<Mistake::write_over>() ==
          "writes byte 20 of shared memory, which thread 0 wrote with no barrier between: a data race");
    CHECK(report_on<Mistake::wait_alone>() ==
          "reads byte 4 of shared memory, which thread 0 wrote with no barrier between: a data race");
    CHECK(report_on<Mistake::touch_barrier>() == "writes byte 512" + under_way + missing);
    CHECK(report_on<Mistake::no_barrier>() == "byte 512 of shared memory is no barrier that boxes can arrive at");
    const std::string for_ever = " are on their way: it would wait for ever";
    CHECK(report_on<Mistake::too_few_bytes>() == "waits for 128 bytes of boxes, but 256" + for_ever);
    CHECK(report_on<Mistake::nothing_expected>() == "waits for 0 bytes of boxes, but 256" + for_ever);
    CHECK(report_on<Mistake::twice>() == "expects further boxes before those on their way have been waited for");
    CHECK(report_on<Mistake::wrong_turn>() ==
          "waits for boxes number 1 at a barrier where those number 0 are the next");
    CHECK(report_on<Mistake::unaligned>() == "copies a box to a byte that is not a multiple of 128");
    CHECK(report_on<Mistake::outside>() == "element 100 of an array of 100 in global memory: out of bounds");
    CHECK(report_on<Mistake::never_wait>() == "reads byte 0" + under_way + missing);
    CHECK(report_on<Mistake::never_end>() == "ends with a barrier that boxes can arrive at: end_arrivals is missing");
  });
}

#endif
