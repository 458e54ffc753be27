// The emulator finds each kind of defect it promises to find, says where, and is in order afterwards.
#include <doctest/doctest.h>

#include <inlay/cuda/block_reduce.hpp>

#include "on_device.hpp"

#if defined(INLAY_CUDA_EMULATOR)

#include <string>

using namespace inlay;
using namespace inlay::cuda;

namespace {

/// What the emulator says to the kernel, in two blocks of 64 threads with 256 bytes of shared memory; "" if nothing.
template <class Kernel, class... Arguments>
std::string report_on(const Arguments&... arguments) {
  const Stream stream;
  try {
    launch<Kernel>({.x = 2}, 64, 256, stream, arguments...);
  } catch (const EmulatorError& error) {
    return error.what();
  }
  return "";
}

void check_contains(const std::string& text, const std::string& part) {
  CAPTURE(text);
  CAPTURE(part);
  CHECK(text.find(part) != std::string::npos);
}

struct WriteGlobal {
  static void run(Global<float> x, int index) {
    if (block_index().x == 1 && thread_index() == 7) x[index] = 1;
  }
};
struct LoadGlobalVector {
  static void run(Global<const float> x, int index) { x.load4(index); }
};
struct WriteShared {
  static void run(int index) {
    const Shared<float> s = shared_array<float>(128, 32);
    if (thread_index() == 40) s[index] = 1;
  }
};
struct CarveShared {
  static void run(int offset, int count) { shared_array<float>(offset, count); }
};
struct ReadUnwritten {
  static void run(int written) {
    const Shared<float> s = shared_array<float>(0, 64);
    if (thread_index() < written) s[thread_index()] = 0;
    sync_threads();
    [[maybe_unused]] const float x = s[63 - thread_index()];
  }
};
struct HalfAtBarrier {
  static void run() {
    if (thread_index() < 32) sync_threads();
  }
};
struct OneThreadExits {
  static void run() {
    if (thread_index() == 50) return;
    sync_threads();
  }
};
struct TwoBarriers {
  static void run() {
    if (thread_index() % 2 == 0) sync_threads();
    else sync_threads();
  }
};
struct LanesMissing {
  static void run() {
    if (lane() != 9) shuffle(1, 0);
  }
};
struct LanesAtBarrier {
  static void run() {
    if (lane() < 16) ballot(true);
    else sync_threads();
  }
};
struct WholeWarpsApart {
  static void run() {
    if (warp() == 0) shuffle(1, 0), sync_warp();
    sync_threads();
    if (warp() == 1) ballot(true);
  }
};
struct WriteWrite {
  static void run() { shared_array<int>(0, 1)[0] = 3; }
};
struct ReadAfterWrite {
  static void run(bool barrier) {
    const Shared<int> s = shared_array<int>(0, 64);
    s[thread_index()] = 1;
    if (barrier) sync_threads();
    if (thread_index() > 0) [[maybe_unused]]
      const int x = s[thread_index() - 1];
  }
};
struct WriteAfterRead {
  static void run(int readers, bool barrier) {
    const Shared<int> s = shared_array<int>(0, 64);
    s[thread_index()] = 1;
    sync_threads();
    if (thread_index() < readers) [[maybe_unused]]
      const int x = s[63];
    if (barrier) sync_threads();
    if (thread_index() == 63) s[63] = 2;
  }
};
struct MixedSizes {
  static void run(int byte) {
    const Shared<std::uint8_t> bytes = shared_array<std::uint8_t>(0, 256);
    const Shared<int> words = shared_array<int>(0, 64);
    if (thread_index() < 32) words[thread_index()] = 0;
    if (thread_index() >= 32 && thread_index() < 48)
      for (int i = 0; i < 4; ++i) bytes[4 * thread_index() + i] = 1;
    if (thread_index() == 63) bytes[byte] = 2;
    sync_threads();
    [[maybe_unused]] const int x = words[thread_index() % 48];
    [[maybe_unused]] const std::uint8_t y = bytes[thread_index()];
  }
};
struct WarpAfterWarp {
  static void run() {
    const Shared<int> s = shared_array<int>(0, 64);
    s[thread_index()] = 1;
    sync_warp();
    if (warp() == 1) [[maybe_unused]]
      const int x = s[63 - thread_index()];
  }
};
struct Throw {
  struct Counted {
    explicit Counted(int* c) : count(c) { ++*count; }
    ~Counted() { --*count; }
    int* count;
  };
  static void run(int* living) {
    const Counted counted(living);
    sync_threads();
    if (thread_index() == 3) throw std::runtime_error("on purpose");
    sync_threads();
  }
};
struct ManyBarriers {
  static void run(Global<int> out, int barriers) {
    const Shared<int> s = shared_array<int>(0, 64);
    s[thread_index()] = 0;
    for (int i = 0; i < barriers; ++i) {
      sync_threads();
      const int left = s[(thread_index() + 63) % 64];
      sync_threads();
      s[thread_index()] = left + 1;
    }
    if (block_index().x == 0) out[thread_index()] = s[thread_index()];
  }
};
struct WrongReduction {
  static void run() { block_reduce_sum<128>(1.0f); }
};

}  // namespace

TEST_CASE("the emulator reports global accesses out of bounds, with kernel, block, thread and index") {
  DeviceBuffer<float> x(10);
  CHECK(report_on<WriteGlobal>(x.view(), 9) == "");
  CHECK(report_on<WriteGlobal>(x.view(), 10) ==
        "WriteGlobal, block (1, 0, 0), thread 7: element 10 of an array of 10 in global memory: out of bounds");
  CHECK(report_on<WriteGlobal>(x.view(), -1) != "");
  CHECK(report_on<WriteGlobal>(x.view().from(4), 6) != "");
  CHECK(report_on<LoadGlobalVector>(x.view(), 4) == "");
  check_contains(report_on<LoadGlobalVector>(x.view(), 8), "elements 8 to 11 of an array of 10");
  check_contains(report_on<LoadGlobalVector>(x.view(), 2), "not aligned");
}

TEST_CASE("the emulator reports shared accesses out of bounds") {
  CHECK(report_on<WriteShared>(31) == "");
  check_contains(report_on<WriteShared>(32), "block (0, 0, 0), thread 40: element 32 of an array of 32 in shared");
  check_contains(report_on<WriteShared>(-1), "element -1");
  CHECK(report_on<CarveShared>(0, 64) == "");
  check_contains(report_on<CarveShared>(0, 65), "the launch gave the block 256");
  check_contains(report_on<CarveShared>(2, 4), "alignment 4");
}

TEST_CASE("the emulator reports reads of uninitialised shared memory, in every block anew") {
  CHECK(report_on<ReadUnwritten>(64) == "");
  check_contains(report_on<ReadUnwritten>(63), "thread 0: reads byte 252 of shared memory");
  check_contains(report_on<ReadUnwritten>(0), "uninitialised");
}

TEST_CASE("the emulator reports a divergent barrier") {
  for (const std::string& text : {report_on<HalfAtBarrier>(), report_on<OneThreadExits>(), report_on<TwoBarriers>()}) {
    check_contains(text, "divergent barrier");
    check_contains(text, "emulator.cpp:");
  }
  check_contains(report_on<OneThreadExits>(), "thread 50 (and 0 more of 64) at the end of the kernel");
  CHECK(report_on<WholeWarpsApart>() == "");
}

TEST_CASE("the emulator reports warp operations that lanes miss") {
  check_contains(report_on<LanesMissing>(), "thread 0 is at shuffle in");
  check_contains(report_on<LanesMissing>(), "thread 9 (and 0 more of 32) at the end of the kernel");
  check_contains(report_on<LanesAtBarrier>(), "thread 16 (and 15 more of 32) at sync_threads");
  check_contains(report_on<WrongReduction>(), "block_reduce<128> in a block of 64 threads");
}

TEST_CASE("the emulator reports data races in shared memory") {
  check_contains(report_on<WriteWrite>(), "thread 1: writes byte 0 of shared memory, which thread 0 wrote");
  CHECK(report_on<ReadAfterWrite>(true) == "");
  check_contains(report_on<ReadAfterWrite>(false), "which thread 0 wrote with no barrier between: a data race");
  for (int readers : {1, 5, 40, 63}) CHECK(report_on<WriteAfterRead>(readers, true) == "");
  check_contains(report_on<WriteAfterRead>(1, false), "which thread 0 read");
  check_contains(report_on<WriteAfterRead>(5, false), "which several lanes of warp 0 read");
  check_contains(report_on<WriteAfterRead>(40, false), "which several threads read");
  check_contains(report_on<WarpAfterWarp>(), "data race");
}

TEST_CASE("the emulator tells apart bytes of one word") {
  CHECK(report_on<MixedSizes>(192) == "");
  check_contains(report_on<MixedSizes>(127), "writes byte 127 of shared memory, which thread 31 wrote");
  check_contains(report_on<MixedSizes>(189), "writes byte 189 of shared memory, which thread 47 wrote");
}

TEST_CASE("after a defect the fibres have unwound and the emulator goes on") {
  int living = 0;
  const Stream stream;
  CHECK_THROWS_WITH(launch<Throw>({}, 64, 0, stream, &living), "on purpose");
  CHECK(living == 0);
  CHECK(report_on<ReadUnwritten>(64) == "");
}

TEST_CASE("the clock of barriers survives a very long kernel") {
  const Stream stream;
  DeviceBuffer<int> out(64);
  const int barriers = 300'000;
  launch<ManyBarriers>({}, 64, 256, stream, out.view(), barriers);
  CHECK(test::on_host(out, stream) == std::vector<int>(64, barriers));
}

TEST_CASE("launches of impossible sizes are refused") {
  const Stream stream;
  CHECK_THROWS_WITH_AS(launch<HalfAtBarrier>({}, 48, 0, stream),
                       "launch of HalfAtBarrier with blocks of 48 threads: a multiple of 32 from 32 to 1024 is needed.",
                       Error);
  CHECK_THROWS_AS(launch<HalfAtBarrier>({.x = 0}, 32, 0, stream), Error);
  CHECK_THROWS_AS(launch<HalfAtBarrier>({}, 32, 1 << 20, stream), Error);
  CHECK_THROWS_AS(launch<inlay::cuda::detail::Fill>({}, 32, 0, stream, Global<int>{}, 1, std::int64_t{0}), Error);
}

#endif
