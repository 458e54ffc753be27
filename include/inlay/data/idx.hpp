// The IDX format of MNIST and of everything that copies it (Fashion-MNIST, EMNIST, KMNIST), plain or gzipped:
//
//   bytes 0-3   magic number: 0, 0, 0x08 for unsigned bytes, number of dimensions
//   then        one big-endian 32-bit extent a dimension
//   then        the values, row-major, to the end of the file
//
//   Source: http://yann.lecun.com/exdb/mnist/, "File formats".
#pragma once

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <inlay/core/error.hpp>
#include <inlay/data/compressed_file.hpp>
#include <inlay/data/dataset.hpp>
#include <string>
#include <utility>
#include <vector>

namespace inlay::data {

template <int Dimensions>
struct IdxArray {
  std::array<int, Dimensions> shape{};
  std::vector<std::uint8_t> values;
};

namespace detail {

inline std::string hexadecimal(std::uint32_t value) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", static_cast<unsigned>(value));
  return text;
}

inline std::uint32_t read_big_endian(CompressedFile& file, const char* what) {
  std::uint8_t bytes[4] = {};
  const std::uint64_t at = file.offset();
  if (file.read(bytes, 4) < 4) {
    throw Error(file.path() + ": ends at offset " + std::to_string(file.offset()) + ", expected " + what +
                " at offset " + std::to_string(at) + ": the file is truncated, fetch it again.");
  }
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
}

/// Memory grows with what the file really holds, not with what its header announces.
inline std::vector<std::uint8_t> read_values(CompressedFile& file, std::uint64_t size) {
  const std::uint64_t begin = file.offset();
  std::vector<std::uint8_t> values;
  while (values.size() < size) {
    const std::size_t old = values.size();
    const std::size_t step =
        static_cast<std::size_t>(std::min<std::uint64_t>(size - old, std::max(old, std::size_t{1} << 20)));
    values.resize(old + step);
    const std::size_t got = file.read(values.data() + old, step);
    if (got < step) {
      throw Error(file.path() + ": ends at offset " + std::to_string(file.offset()) + ", expected " +
                  std::to_string(size) + " bytes from offset " + std::to_string(begin) +
                  ": the file is truncated, fetch it again.");
    }
  }
  std::uint8_t extra;
  if (file.read(&extra, 1) != 0) {
    throw Error(file.path() + ": goes on after offset " + std::to_string(begin + size) + ", expected its end there (" +
                std::to_string(size) + " bytes from offset " + std::to_string(begin) +
                "): the file is damaged or no IDX file, fetch it again.");
  }
  return values;
}

/// The first of these files that exists; the first name if none does.
inline std::string find_idx(const std::string& folder, const std::string& name, const std::string& dimensions) {
  const std::string path = folder + (folder.empty() || folder.back() == '/' ? "" : "/") + name;
  const std::string names[] = {path + "-" + dimensions + "-ubyte", path + "." + dimensions + "-ubyte"};
  for (const std::string& candidate : names) {
    for (const char* suffix : {"", ".gz"}) {
      struct stat status;
      if (stat((candidate + suffix).c_str(), &status) == 0) return candidate + suffix;
    }
  }
  throw Error(names[0] + ": neither this file nor " + names[0] +
              ".gz exists. Expected a folder with the four files of MNIST: train-images-idx3-ubyte, "
              "train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each plain or .gz.");
}

}  // namespace detail

/// Reads an array of unsigned bytes. Throws Error when the file is missing, truncated, longer than it says, damaged
/// or holds something else.
template <int Dimensions>
IdxArray<Dimensions> read_idx(const std::string& path) {
  CompressedFile file(path);
  constexpr std::uint32_t expected = 0x0800 + Dimensions;
  const std::uint32_t magic = detail::read_big_endian(file, "a magic number");
  if (magic != expected) {
    throw Error(path + ": found magic number " + detail::hexadecimal(magic) + " at offset 0, expected " +
                detail::hexadecimal(expected) + " (unsigned bytes in " + std::to_string(Dimensions) +
                " dimensions): is it an IDX file, and " + (Dimensions == 1 ? "of labels?" : "of images?"));
  }
  IdxArray<Dimensions> result;
  std::uint64_t size = 1;
  for (int& extent : result.shape) {
    const std::uint64_t at = file.offset();
    const std::uint32_t found = detail::read_big_endian(file, "an extent");
    if (found == 0 || found > INT_MAX || found > file.largest_size() / size) {
      throw Error(path + ": found extent " + std::to_string(found) + " at offset " + std::to_string(at) +
                  ", expected " + "between 1 and " +
                  std::to_string(std::min<std::uint64_t>(INT_MAX, file.largest_size() / size)) +
                  ", which is all that a file of this size can hold: the header is wrong or the file truncated, " +
                  "fetch it again.");
    }
    size *= found;
    extent = static_cast<int>(found);
  }
  result.values = detail::read_values(file, size);
  return result;
}

/// Reads one pair of files. Throws Error, also when their numbers of samples differ or a label is out of range.
inline Dataset load_idx_pair(const std::string& images_path, const std::string& labels_path, int classes = 10) {
  IdxArray<1> labels = read_idx<1>(labels_path);
  for (std::size_t i = 0; i < labels.values.size(); ++i) {
    if (labels.values[i] >= classes) {
      throw Error(labels_path + ": found label " + std::to_string(labels.values[i]) + " at offset " +
                  std::to_string(8 + i) + " (sample " + std::to_string(i) + "), expected less than " +
                  std::to_string(classes) + ": if the data have more classes, say how many.");
    }
  }
  IdxArray<3> images = read_idx<3>(images_path);
  if (images.shape[0] != labels.shape[0]) {
    throw Error(images_path + ": found " + std::to_string(images.shape[0]) + " images at offset 4, expected " +
                std::to_string(labels.shape[0]) + " as there are labels in " + labels_path +
                ": use two files of the same dataset.");
  }
  return {.height = images.shape[1],
          .width = images.shape[2],
          .channels = 1,
          .images = std::move(images.values),
          .labels = {labels.values.begin(), labels.values.end()},
          .classes = classes};
}

/// Reads MNIST's four files from a folder: {train,t10k}-{images-idx3,labels-idx1}-ubyte, plain or .gz. Throws Error.
inline TrainTest load_idx(const std::string& folder, int classes = 10) {
  const auto load = [&](const std::string& name) {
    return load_idx_pair(detail::find_idx(folder, name + "-images", "idx3"),
                         detail::find_idx(folder, name + "-labels", "idx1"), classes);
  };
  TrainTest result{load("train"), load("t10k")};
  if (result.train.height != result.test.height || result.train.width != result.test.width) {
    throw Error(folder + ": found test images of " + std::to_string(result.test.height) + " x " +
                std::to_string(result.test.width) + ", expected " + std::to_string(result.train.height) + " x " +
                std::to_string(result.train.width) + " as for training: use files of the same dataset.");
  }
  return result;
}

}  // namespace inlay::data
