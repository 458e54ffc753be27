// Checkpoints: round trips, the format's rules, damage, and saves that fail.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <inlay/io/safetensors.hpp>
#include <string>

#include "../temporary_folder.hpp"

using namespace inlay;
using namespace inlay::testing;

namespace {

const Checkpoint sample{
    .weights = {{"conv2d/kernel", {1, 1, 2, 3}, {1, 2, 3, 4, 5, 6}}, {"scalar", {}, {-0.5f}}, {"empty", {0, 4}, {}}},
    .metadata = {{"fingerprint", "0123abcd"}, {"quote \"\\\n", "\u00e9"}}};

/// A file of this header and that many bytes of values.
std::string file_of(const std::string& header, std::size_t size) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + std::string(size, '\0');
}

/// The Error that loading these bytes gives; empty if they load.
std::string refusal(const std::string& bytes) {
  TemporaryFolder folder;
  write_file(folder / "file", bytes);
  return message_of<Error>([&] { load_safetensors(folder / "file"); });
}

std::string saved(const Checkpoint& checkpoint) {
  TemporaryFolder folder;
  save_safetensors(folder / "file", checkpoint);
  return read_file(folder / "file");
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a checkpoint loads as it was saved") {
  TemporaryFolder folder;
  for (const Checkpoint& checkpoint :
       {sample, Checkpoint{}, Checkpoint{.weights = {{"w", {2}, {3, 4}}}, .metadata = {}}}) {
    save_safetensors(folder / "file", checkpoint);
    CHECK(load_safetensors(folder / "file") == checkpoint);
  }
}

TEST_CASE("infinities and the bits of NaNs survive") {
  TemporaryFolder folder;
  Checkpoint checkpoint{.weights = {{"w", {3}, {INFINITY, NAN, -0.0f}}}, .metadata = {}};
  save_safetensors(folder / "file", checkpoint);
  const std::vector<float> values = load_safetensors(folder / "file").weights[0].values;
  CHECK(std::memcmp(values.data(), checkpoint.weights[0].values.data(), 12) == 0);
}

TEST_CASE("the bytes are those that the format asks for") {
  const std::string bytes = saved({.weights = {{"w", {2, 1}, {1, 2}}}, .metadata = {{"a", "b"}}});
  const std::string header = R"({"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}})";
  const std::string padding((8 - header.size() % 8) % 8, ' ');
  CHECK(bytes == file_of(header + padding, 0) + std::string("\0\0\x80\x3f\0\0\0\x40", 8));
}

TEST_CASE("tensors are found by their offsets, in whatever order the header lists them") {
  TemporaryFolder folder;
  write_file(folder / "file", file_of(R"({"b":{"shape":[1],"data_offsets":[4,8],"dtype":"F32"},)"
                                      R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                                      8));
  const Checkpoint checkpoint = load_safetensors(folder / "file");
  REQUIRE(checkpoint.weights.size() == 2);
  CHECK(checkpoint.weights[0].name == "a");
}

TEST_CASE("a file cut anywhere is refused") {
  const std::string whole = saved(sample);
  CHECK(refusal(whole).empty());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(refusal(whole.substr(0, size)).empty());
  }
  CHECK(has(refusal(whole + "x"), "bytes of values, expected"));
}

TEST_CASE("a flipped bit gives an Error or a checkpoint, never a crash") {
  const std::string whole = saved(sample);
  TemporaryFolder folder;
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    write_file(folder / "file", bytes);
    try {
      const Checkpoint checkpoint = load_safetensors(folder / "file");
      CHECK(checkpoint.weights.size() == 3);
    } catch (const Error&) {
    }
  }
}

TEST_CASE("a header longer than the file or than 100 MB is refused before memory is taken for it") {
  CHECK(has(refusal(std::string(8, '\xff')), "found a header of 18446744073709551615 bytes"));
  std::string bytes = file_of("{}", 100);
  bytes[0] = 103;
  CHECK(has(refusal(bytes), "found a header of 103 bytes announced at offset 0, expected at most 102"));
  TemporaryFolder folder;
  write_file(folder / "file", std::string("\x01\xe1\xf5\x05\0\0\0\0", 8));  // 100,000,001
  std::filesystem::resize_file(folder / "file", 200'000'000);               // a hole: takes no disk
  CHECK(has(message_of<Error>([&] { load_safetensors(folder / "file"); }), "expected at most 100000000"));
}

TEST_CASE("headers against the format's rules are refused") {
  const auto tensor = [](const std::string& rest) { return "{\"w\":{" + rest + "}}"; };
  const std::string entry = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  const std::pair<std::string, std::size_t> wrong[] = {
      {"", 0},
      {" {}", 0},
      {"[]", 0},
      {"{} x", 0},
      {"{", 0},
      {"{}", 4},
      {tensor(R"("dtype":"F16","shape":[1],"data_offsets":[0,2])"), 2},
      {tensor(R"("dtype":"F32","shape":[1])"), 4},
      {tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0])"), 4},
      {tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,8])"), 4},
      {tensor(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), 4},
      {tensor(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), 8},
      {tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,8])"), 8},
      {tensor(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), 4},
      {tensor(R"("dtype":"F32","shape":[1.0],"data_offsets":[0,4])"), 4},
      {tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1)"), 4},
      {tensor(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])"), 0},
      {tensor(R"("dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,0])"), 0},
      {tensor(R"("dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0])"), 0},
      {"{\"a\":" + entry + ",\"b\":" + entry + "}", 4},
      {"{\"a\":" + entry + ",\"a\":" + entry + "}", 4},
      {"{\"a\":" + entry + R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})", 12},
      {R"({"__metadata__":{"a":1}})", 0},
      {R"({"__metadata__":"a"})", 0},
  };
  for (const auto& [text, size] : wrong) {
    const std::string& header = text;  // clang++ 14 captures no structured binding
    CAPTURE(header);
    CHECK_FALSE(refusal(file_of(header, size)).empty());
  }
  CHECK(
      has(refusal(file_of(tensor(R"("dtype":"BF16","shape":[1],"data_offsets":[0,2])"), 2)), "element type BF16 of w"));
}

TEST_CASE("what cannot be a safetensors file is not saved, and the previous file stays") {
  TemporaryFolder folder;
  save_safetensors(folder / "file", sample);
  for (const Checkpoint& wrong : {Checkpoint{.weights = {{"w", {2}, {1}}}, .metadata = {}},
                                  Checkpoint{.weights = {{"w", {-1}, {1}}}, .metadata = {}},
                                  Checkpoint{.weights = {{"w", {0, -1}, {}}}, .metadata = {}},
                                  Checkpoint{.weights = {{"w", {}, {1}}, {"w", {}, {1}}}, .metadata = {}},
                                  Checkpoint{.weights = {{"__metadata__", {}, {1}}}, .metadata = {}},
                                  Checkpoint{.weights = {{"\xff", {}, {1}}}, .metadata = {}}}) {
    CHECK_THROWS_AS(save_safetensors(folder / "file", wrong), Error);
  }
  CHECK(load_safetensors(folder / "file") == sample);
}

TEST_CASE("a save that fails half-way leaves the previous file whole and nothing beside it") {
  TemporaryFolder folder;
  save_safetensors(folder / "file", sample);
  // A limit on the size of files stands for a full disk.
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  auto* handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{100'000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const Checkpoint large{.weights = {{"w", {100'000}, std::vector<float>(100'000)}}, .metadata = {}};
  const std::string message = message_of<Error>([&] { save_safetensors(folder / "file", large); });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  INFO(message);
  CHECK(has(message, "File too large"));
  CHECK(has(message, "is as it was before"));
  CHECK(load_safetensors(folder / "file") == sample);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("saving keeps a symbolic link and the permissions of the file it points to") {
  TemporaryFolder folder;
  write_file(folder / "real", "old");
  chmod((folder / "real").c_str(), 0600);
  std::filesystem::create_symlink("real", folder / "link");
  save_safetensors(folder / "link", sample);
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(load_safetensors(folder / "real") == sample);
  struct stat status;
  REQUIRE(stat((folder / "real").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("a save replaces regular files only: pipes, devices, folders and links to nowhere stay") {
  TemporaryFolder folder;
  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  std::filesystem::create_directory(folder / "folder");
  std::filesystem::create_symlink("absent", folder / "link");
  for (const std::string name : {"pipe", "folder"}) {
    CHECK(
        has(message_of<Error>([&] { save_safetensors(folder / name, sample); }), "expected a regular file or nothing"));
  }
  CHECK(has(message_of<Error>([&] { save_safetensors(folder / "link", sample); }), "leads to no file"));
  CHECK(std::filesystem::is_fifo(folder / "pipe"));
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 3);
}

TEST_CASE("while it is written a file is no more readable than the one it replaces") {
  TemporaryFolder folder;
  write_file(folder / "file", "old");
  chmod((folder / "file").c_str(), 0600);
  const OutputFile file(folder / "file");
  int temporaries = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    if (entry.path() == folder / "file") continue;
    struct stat status;
    REQUIRE(stat(entry.path().c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    ++temporaries;
  }
  CHECK(temporaries == 1);
}

TEST_CASE("missing folders and files are named") {
  TemporaryFolder folder;
  CHECK(has(message_of<Error>([&] { save_safetensors(folder / "none/file", sample); }), "No such file or directory"));
  CHECK(has(message_of<Error>([&] { load_safetensors(folder / "none"); }), (folder / "none") + ": cannot be opened"));
  CHECK(has(message_of<Error>([&] { load_safetensors(folder.path()); }), "expected a regular file"));
}
