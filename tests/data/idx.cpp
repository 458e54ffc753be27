// IDX files: what is read, and that each kind of damage gives an Error that says so.
#include <doctest/doctest.h>
#include <zlib.h>

#include <inlay/data/idx.hpp>
#include <string>

#include "../temporary_folder.hpp"

using namespace inlay;
using namespace inlay::testing;
using data::load_idx;
using data::read_idx;

namespace {

std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

/// `count` images of 2 x 3; byte i of the file's values is i.
std::string images(std::uint32_t count) {
  std::string bytes = big_endian(0x803) + big_endian(count) + big_endian(2) + big_endian(3);
  for (std::uint32_t i = 0; i < count * 6; ++i) bytes += static_cast<char>(i);
  return bytes;
}

std::string labels(const std::string& values) {
  return big_endian(0x801) + big_endian(static_cast<std::uint32_t>(values.size())) + values;
}

std::string gzip(const std::string& bytes) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string result(bytes.size() + 100, '\0');
  std::string input = bytes;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

struct Files {
  Files() {
    write_file(folder / "train-images-idx3-ubyte", images(3));
    write_file(folder / "train-labels-idx1-ubyte", labels({0, 9, 5}));
    write_file(folder / "t10k-images-idx3-ubyte.gz", gzip(images(2)));
    write_file(folder / "t10k-labels-idx1-ubyte.gz", gzip(labels({1, 2})));
  }
  TemporaryFolder folder;
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string error_of_images(const std::string& bytes) {
  TemporaryFolder folder;
  write_file(folder / "images", bytes);
  return message_of<Error>([&] { read_idx<3>(folder / "images"); });
}

}  // namespace

TEST_CASE("load_idx reads plain and gzipped files of MNIST's names") {
  Files files;
  const auto [train, test] = load_idx(files.folder.path());
  CHECK(train.size() == 3);
  CHECK(train.height == 2);
  CHECK(train.width == 3);
  CHECK(train.channels == 1);
  CHECK(train.classes == 10);
  CHECK(train.labels == std::vector{0, 9, 5});
  CHECK(train.images.size() == 18);
  CHECK(train.images[17] == 17);
  CHECK(test.labels == std::vector{1, 2});
  CHECK(test.images[11] == 11);
}

TEST_CASE("a missing file is named, with what the folder should hold") {
  Files files;
  std::filesystem::remove(files.folder / "t10k-labels-idx1-ubyte.gz");
  const std::string message = message_of<Error>([&] { load_idx(files.folder.path()); });
  INFO(message);
  CHECK(has(message, "t10k-labels-idx1-ubyte: neither this file nor"));
  CHECK(has(message, "train-images-idx3-ubyte"));
}

TEST_CASE("a folder in place of a file is refused") {
  Files files;
  std::filesystem::remove(files.folder / "train-images-idx3-ubyte");
  std::filesystem::create_directory(files.folder / "train-images-idx3-ubyte");
  CHECK(has(message_of<Error>([&] { load_idx(files.folder.path()); }), "expected a regular file"));
}

TEST_CASE("a label that is out of range is named with its offset and sample") {
  Files files;
  write_file(files.folder / "train-labels-idx1-ubyte", labels({0, 10, 5}));
  const std::string message = message_of<Error>([&] { load_idx(files.folder.path()); });
  INFO(message);
  CHECK(has(message, "found label 10 at offset 9 (sample 1), expected less than 10"));
  CHECK(load_idx(files.folder.path(), 11).train.labels[1] == 10);
}

TEST_CASE("numbers of images and labels must agree") {
  Files files;
  write_file(files.folder / "train-labels-idx1-ubyte", labels({0, 9}));
  const std::string message = message_of<Error>([&] { load_idx(files.folder.path()); });
  INFO(message);
  CHECK(has(message, "found 3 images"));
  CHECK(has(message, "expected 2"));
}

TEST_CASE("training and test images must be of one size") {
  Files files;
  const std::string tall = big_endian(0x803) + big_endian(2) + big_endian(3) + big_endian(2) + std::string(12, 'x');
  write_file(files.folder / "t10k-images-idx3-ubyte.gz", gzip(tall));
  CHECK(has(message_of<Error>([&] { load_idx(files.folder.path()); }), "test images of 3 x 2, expected 2 x 3"));
}

TEST_CASE("a wrong magic number is shown beside the expected one") {
  const std::string message = error_of_images(labels({1, 2, 3, 4, 5, 6, 7, 8}));
  INFO(message);
  CHECK(has(message, "found magic number 0x00000801 at offset 0, expected 0x00000803"));
}

TEST_CASE("a file cut anywhere gives an Error, plain or gzipped") {
  const std::string whole = images(3), compressed = gzip(whole);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(error_of_images(whole.substr(0, size)).empty());
  }
  for (std::size_t size = 0; size < compressed.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(error_of_images(compressed.substr(0, size)).empty());
  }
  CHECK(error_of_images(whole).empty());
  CHECK(error_of_images(compressed).empty());
}

TEST_CASE("an empty file is truncated at offset 0") {
  CHECK(has(error_of_images(""), "ends at offset 0, expected a magic number"));
}

TEST_CASE("a header that announces more than the file can hold takes no memory") {
  for (const std::string& extents : {big_endian(0xffffffff) + big_endian(0xffffffff) + big_endian(0xffffffff),
                                     big_endian(0x10000) + big_endian(0x10000) + big_endian(0x10000),
                                     big_endian(60000) + big_endian(28) + big_endian(28)}) {
    const std::string bytes = big_endian(0x803) + extents + std::string(1000, 'x');
    const std::string message = error_of_images(bytes);
    INFO(message);
    CHECK(has(message, "the header is wrong or the file truncated"));
    CHECK_FALSE(error_of_images(gzip(bytes)).empty());
  }
}

TEST_CASE("an extent of zero is refused") { CHECK(has(error_of_images(images(0)), "found extent 0 at offset 4")); }

TEST_CASE("garbage behind the values is refused, inside the compressed data and after them") {
  CHECK(has(error_of_images(images(3) + "x"), "goes on after offset 34"));
  CHECK(has(error_of_images(gzip(images(3) + "x")), "goes on after offset 34"));
  CHECK(has(error_of_images(gzip(images(3)) + "garbage"), "damaged"));
}

TEST_CASE("a gzip file of several members is one file") {
  const std::string whole = images(3);
  CHECK(error_of_images(gzip(whole.substr(0, 20)) + gzip(whole.substr(20))).empty());
}

TEST_CASE("a flipped bit in a gzip file gives an Error or the same data, never a crash") {
  const std::string whole = gzip(images(3));
  TemporaryFolder folder;
  int errors = 0;
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    write_file(folder / "images", bytes);
    try {
      const auto array = read_idx<3>(folder / "images");
      CHECK(array.values.size() == 18);  // such as a flip in the header's time
      CHECK(array.values[17] == 17);
    } catch (const Error&) {
      ++errors;
    }
  }
  CHECK(errors > static_cast<int>(4 * whole.size()));
}

TEST_CASE("a flipped bit in a plain file's header gives an Error") {
  for (std::size_t bit = 0; bit < 8 * 16; ++bit) {
    std::string bytes = images(3);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    CAPTURE(bit);
    CHECK_FALSE(error_of_images(bytes).empty());
  }
}
