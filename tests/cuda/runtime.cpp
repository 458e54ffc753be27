// The host's wrappers: memory, streams, captured graphs, the search for a device and the messages of errors.
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include "on_device.hpp"

using namespace inlay;
using namespace inlay::cuda;
using test::on_device;
using test::on_host;

namespace {

struct Add {
  static constexpr int threads = 64;
  static INLAY_DEVICE void run(Global<int> x, int value) { x[block_index().x * threads + thread_index()] += value; }
};

std::string message_of(auto&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a device buffer is filled, uploaded to, downloaded from and cleared") {
  const Stream stream;
  DeviceBuffer<int> buffer(1000);
  buffer.fill(7, stream);
  CHECK(on_host(buffer, stream) == std::vector<int>(1000, 7));
  buffer.upload(std::vector<int>{1, 2, 3}, stream, 997);
  std::vector<int> tail(4);
  buffer.download(tail, stream, 996);
  CHECK(tail == std::vector<int>{7, 1, 2, 3});
  buffer.clear(stream);
  CHECK(on_host(buffer, stream) == std::vector<int>(1000, 0));
  DeviceBuffer<int> moved = std::move(buffer);
  CHECK(moved.size() == 1000);
  CHECK(on_host(DeviceBuffer<int>(0), stream).empty());
}

TEST_CASE("copies beyond a device buffer are refused") {
  const Stream stream;
  DeviceBuffer<int> buffer(10);
  std::vector<int> values(4);
  CHECK(contains(message_of([&] { buffer.upload(values, stream, 7); }), "elements 7 to 11 of a device buffer of 10"));
  CHECK(contains(message_of([&] { buffer.download(values, stream, 11); }), "device buffer of 10"));
}

TEST_CASE("a captured graph runs when launched, as often as launched, with the arguments of its capture") {
  const Stream stream;
  auto x = on_device(std::vector<int>(128, 0), stream);
  const CapturedGraph graph(stream, [&] {
    launch<Add>({.x = 2}, Add::threads, 0, stream, x.view(), 1);
    launch<Add>({.x = 1}, Add::threads, 0, stream, x.view(), 10);
  });
  CHECK(on_host(x, stream) == std::vector<int>(128, 0));
  for (int i = 0; i < 3; ++i) graph.launch(stream);
  std::vector<int> expected(128, 3);
  std::fill(expected.begin(), expected.begin() + 64, 33);
  CHECK(on_host(x, stream) == expected);
}

TEST_CASE("an error inside of a capture leaves the stream usable") {
  const Stream stream;
  CHECK_THROWS_AS(CapturedGraph(stream, [] { throw Error("on purpose"); }), Error);
  CHECK_FALSE(stream.is_capturing());
  const auto x = on_device(std::vector<int>(3, 5), stream);
  CHECK(on_host(x, stream) == std::vector<int>(3, 5));
}

TEST_CASE("waiting for a stream while it is captured is an error that says so") {
  const Stream stream;
  const std::string message = message_of([&] { CapturedGraph(stream, [&] { stream.synchronize(); }); });
  CHECK(contains(message, "cudaErrorStreamCaptureUnsupported"));
  CHECK(contains(message, "while waiting for a stream"));
  CHECK_FALSE(stream.is_capturing());
  auto x = on_device(std::vector<int>(64, 0), stream);
  launch<Add>({}, Add::threads, 0, stream, x.view(), 1);  // does not report that error again
  CHECK(on_host(x, stream) == std::vector<int>(64, 1));
}

TEST_CASE("events order and time streams") {
  const Stream first, second;
  const Event start, end;
  auto x = on_device(std::vector<int>(64, 0), first);
  start.record(first);
  launch<Add>({}, Add::threads, 0, first, x.view(), 1);
  end.record(first);
  second.wait(end);
  CHECK(on_host(x, second) == std::vector<int>(64, 1));
  end.synchronize();
  CHECK(end.milliseconds_since(start) >= 0);
}

TEST_CASE("memory that does not fit is refused with what was asked for and what is free") {
  const std::string message = message_of([] { DeviceBuffer<float>(std::size_t{1} << 50, "the arena"); });
  CAPTURE(message);
  CHECK(contains(message, "cudaErrorMemoryAllocation: the arena of 1125899906842624 elements"));
  CHECK(contains(message, "MiB are free"));
  CHECK_THROWS_AS(DeviceBuffer<double>(~std::size_t{0}), CudaError);
}

TEST_CASE("the usable device is named, and others do not exist") {
  const DeviceQuery query = usable_device();
  CAPTURE(query.reason);
  REQUIRE(query);
  CHECK(query.device->name != "");
  CHECK(10 * query.device->major + query.device->minor >= 75);
  CHECK(query.device->memory_bytes > 0);
  CHECK(contains(usable_device(1000).reason, "there is no CUDA device 1000"));
}

#if defined(INLAY_CUDA_EMULATOR)

TEST_CASE("when no device is usable the reason is given") {
  auto& device = emulator::device();
  const auto reason = [] { return usable_device().reason; };
  const auto is = [&](const std::string& part) {
    const std::string text = reason();
    CAPTURE(text);
    CHECK(contains(text, part));
    device.count = 1, device.driver_version = 13000, device.has_kernel_image = true;
  };
  device.driver_version = 0;
  is("no NVIDIA driver is installed");
  device.driver_version = 12040;
  is("the NVIDIA driver supports CUDA 12.4, but this program needs CUDA 13.0");
  device.count = 0;
  is("no CUDA device is visible");
  device.has_kernel_image = false;
  is("emulated device (sm_75) cannot run this program's kernels");
  setenv("CUDA_VISIBLE_DEVICES", "", 1);
  is("CUDA_VISIBLE_DEVICES hides");
  unsetenv("CUDA_VISIBLE_DEVICES");
  CHECK(reason() == "");
}

TEST_CASE("fresh device memory is not zero, so that what a kernel forgets to write shows") {
  const Stream stream;
  for (float x : on_host(DeviceBuffer<float>(8), stream)) CHECK(x != x);
}

#endif

TEST_CASE("Turing's small GPUs have no tensor cores") {
  const auto has = [](const char* name, int major, int minor) {
    return has_tensor_cores({0, name, major, minor, 1, 1, 75});
  };
  for (const char* name : {"NVIDIA GeForce GTX 1660 Ti", "NVIDIA T400 4GB", "NVIDIA T1000", "Quadro T2000",
                           "NVIDIA GeForce MX450", "NVIDIA T600 Laptop GPU"})
    CHECK_FALSE(has(name, 7, 5));
  for (const char* name : {"Tesla T4", "NVIDIA GeForce RTX 2060", "Quadro RTX 4000", "NVIDIA TITAN RTX"})
    CHECK(has(name, 7, 5));
  CHECK(has("Tesla V100", 7, 0));
  CHECK(has("NVIDIA RTX A400", 8, 6));
  CHECK_FALSE(has("NVIDIA GeForce GTX 1080", 6, 1));
}

TEST_CASE("a precision that the device or the compiled kernels do not have is refused") {
  const auto refusal = [](int major, int minor, int compiled_for, Precision precision) {
    return message_of([&] { require_precision({0, "a GPU", major, minor, 1, 1, compiled_for}, precision); });
  };
  CHECK(refusal(6, 1, 61, Precision::fp32) == "");
  CHECK(refusal(7, 5, 75, Precision::fp16) == "");
  CHECK(refusal(8, 0, 80, Precision::bf16) == "");
  CHECK(refusal(9, 0, 90, Precision::tf32) == "");
  CHECK(refusal(7, 5, 75, Precision::bf16) ==
        "compile: Precision::bf16 needs a GPU of compute capability 8.0 or newer, but a GPU has 7.5: use "
        "Precision::fp16 or Precision::fp32");
  CHECK(refusal(7, 0, 70, Precision::fp16) ==
        "compile: Precision::fp16 needs a GPU of compute capability 7.5 or newer, but a GPU has 7.0: use "
        "Precision::fp32");
  CHECK(refusal(9, 0, 75, Precision::tf32) ==
        "compile: Precision::tf32 needs a GPU of compute capability 8.0 or newer, but this program's kernels for a GPU "
        "were compiled for sm_75: compile it for sm_90");
}
