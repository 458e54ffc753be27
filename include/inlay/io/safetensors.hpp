// Checkpoints in the safetensors format, which PyTorch, Keras and NumPy users read too:
//
//   8 bytes   length L of the header, little-endian, at most 100 MB
//   L bytes   JSON: {"__metadata__": {text: text}, NAME: {"dtype": "F32", "shape": [...], "data_offsets": [begin,
//   end]}} the rest  the values, little-endian, row-major; offsets count from here and cover it without holes or
//   overlaps
//
//   Source: https://github.com/huggingface/safetensors, "Format".
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <inlay/core/error.hpp>
#include <inlay/core/input_file.hpp>
#include <inlay/core/output_file.hpp>
#include <inlay/core/weight.hpp>
#include <inlay/io/json.hpp>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace inlay {

struct Checkpoint {
  std::vector<Weight> weights;                  ///< names differ
  std::map<std::string, std::string> metadata;  ///< for instance the fingerprint of the network

  bool operator==(const Checkpoint&) const = default;
};

namespace detail {

static_assert(std::endian::native == std::endian::little, "safetensors values are little-endian");

inline constexpr std::uint64_t largest_header = 100'000'000;

/// What the header says of one tensor.
struct TensorEntry {
  std::string name;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  // bytes after the header
};

/// The number of values of a shape; `too_many` if it is more than that or an extent is negative.
inline std::uint64_t element_count(const std::vector<std::int64_t>& shape, std::uint64_t too_many) {
  if (std::any_of(shape.begin(), shape.end(), [](std::int64_t extent) { return extent < 0; })) return too_many;
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  std::uint64_t count = 1;
  for (const std::int64_t extent : shape) {
    if (static_cast<std::uint64_t>(extent) > too_many / count) return too_many;
    count *= static_cast<std::uint64_t>(extent);
  }
  return count;
}

inline TensorEntry read_entry(JsonReader& json, const std::string& name) {
  TensorEntry entry;
  entry.name = name;
  int found = 0;
  json.object([&](const std::string& key) {
    ++found;
    if (key == "dtype") {
      const std::string type = json.string();
      if (type != "F32") json.fail("element type " + type + " of " + name, "F32, the only one that Inlay reads");
    } else if (key == "shape") {
      json.array([&] {
        const std::uint64_t extent = json.number();
        if (extent > INT64_MAX) json.fail("extent " + std::to_string(extent) + " of " + name, "less than 2^63");
        entry.shape.push_back(static_cast<std::int64_t>(extent));
      });
    } else if (key == "data_offsets") {
      std::vector<std::uint64_t> offsets;
      json.array([&] { offsets.push_back(json.number()); });
      if (offsets.size() != 2) json.fail(std::to_string(offsets.size()) + " offsets of " + name, "a begin and an end");
      entry.begin = offsets[0];
      entry.end = offsets[1];
    } else {
      json.fail("\"" + key + "\" of " + name, "dtype, shape or data_offsets");
    }
  });
  if (found != 3) json.fail("an incomplete description of " + name, "dtype, shape and data_offsets");
  return entry;
}

/// Throws Error unless the entries, in the order of their offsets, fill `data_size` bytes and each has the size that
/// its shape asks for.
inline void check_layout(const std::vector<TensorEntry>& entries, std::uint64_t data_size, const std::string& path) {
  std::uint64_t filled = 0;
  for (const TensorEntry& entry : entries) {
    const std::uint64_t values = element_count(entry.shape, data_size / sizeof(float) + 1);
    if (entry.begin != filled || entry.end != filled + values * sizeof(float) || entry.end > data_size) {
      throw Error(path + ": found " + entry.name + " at data offsets " + std::to_string(entry.begin) + " to " +
                  std::to_string(entry.end) + ", expected it to begin at " + std::to_string(filled) +
                  ", to have the size of its shape and to end by " + std::to_string(data_size) +
                  ", where the file ends: the file is damaged or truncated.");
    }
    filled = entry.end;
  }
  if (filled != data_size) {
    throw Error(path + ": found " + std::to_string(data_size) + " bytes of values, expected " + std::to_string(filled) +
                " as the header says: the file is damaged.");
  }
}

inline std::string safetensors_header(const Checkpoint& checkpoint) {
  // Appends one by one: GCC 12 warns falsely of "literal" + temporary (bug 105651).
  std::string header = "{";
  const auto append = [&header](const auto&... parts) { ((header += parts), ...); };
  if (!checkpoint.metadata.empty()) {
    append("\"__metadata__\":{");
    for (const auto& [key, value] : checkpoint.metadata) {
      append(header.back() == '{' ? "" : ",", json_string(key), ":", json_string(value));
    }
    append("}");
  }
  std::set<std::string> names;
  std::uint64_t offset = 0;
  for (const Weight& weight : checkpoint.weights) {
    const std::uint64_t size = weight.values.size();
    if (element_count(weight.shape, size + 1) != size) {
      throw Error("Weight " + weight.name + " has " + std::to_string(size) +
                  " values, expected the product of its shape.");
    }
    if (weight.name == "__metadata__")
      throw Error("Found a weight named __metadata__, which means another thing: rename it.");
    if (!names.insert(weight.name).second) {
      throw Error("Found a second weight named " + weight.name + ", expected different names: rename one.");
    }
    const std::uint64_t end = offset + size * sizeof(float);
    append(header.size() > 1 ? "," : "", json_string(weight.name), ":{\"dtype\":\"F32\",\"shape\":[");
    for (const std::int64_t extent : weight.shape) append(header.back() == '[' ? "" : ",", std::to_string(extent));
    append("],\"data_offsets\":[", std::to_string(offset), ",", std::to_string(end), "]}");
    offset = end;
  }
  header += "}";
  header.append((8 - header.size() % 8) % 8, ' ');  // so that values are aligned
  if (header.size() > largest_header) throw Error("The names of this checkpoint take more than 100 MB: shorten them.");
  return header;
}

}  // namespace detail

/// Writes a checkpoint. Throws Error, and then a previous file of that name is as it was: the new one is written
/// beside it and takes its place when it is complete and on the disk.
inline void save_safetensors(const std::string& path, const Checkpoint& checkpoint) {
  const std::string header = detail::safetensors_header(checkpoint);
  const std::uint64_t length = header.size();
  OutputFile file(path);
  file.write(&length, sizeof length);
  file.write(header.data(), header.size());
  for (const Weight& weight : checkpoint.weights)
    file.write(weight.values.data(), weight.values.size() * sizeof(float));
  file.commit();
}

/// Reads a checkpoint, weights in the order of their values in the file. Throws Error when the file is missing or not
/// exactly as the format wants it; sizes are checked before memory is taken.
inline Checkpoint load_safetensors(const std::string& path) {
  InputFile file(path);
  const auto read = [&](void* to, std::size_t size) {
    if (file.read(to, size) != size) throw Error(path + ": became shorter while it was read: try again.");
  };
  std::uint64_t length = 0;
  if (file.size() < sizeof length) {
    throw Error(path + ": found " + std::to_string(file.size()) +
                " bytes, expected at least 8: this is no safetensors file.");
  }
  read(&length, sizeof length);
  const std::uint64_t longest = std::min(detail::largest_header, file.size() - sizeof length);
  if (length > longest) {
    throw Error(path + ": found a header of " + std::to_string(length) +
                " bytes announced at offset 0, expected at most " + std::to_string(longest) +
                ": this is no safetensors file, or it is truncated.");
  }
  std::string header(static_cast<std::size_t>(length), '\0');
  read(header.data(), header.size());

  Checkpoint checkpoint;
  std::vector<detail::TensorEntry> entries;
  JsonReader json(header, path, sizeof length);
  if (!header.starts_with('{')) json.fail("another header", "one that begins with '{'");
  json.object([&](const std::string& name) {
    if (name == "__metadata__") {
      json.object([&](const std::string& key) { checkpoint.metadata[key] = json.string(); });
    } else {
      entries.push_back(detail::read_entry(json, name));
    }
  });
  json.end();

  std::stable_sort(entries.begin(), entries.end(), [](const detail::TensorEntry& a, const detail::TensorEntry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  detail::check_layout(entries, file.size() - sizeof length - length, path);
  for (detail::TensorEntry& entry : entries) {
    std::vector<float> values(static_cast<std::size_t>((entry.end - entry.begin) / sizeof(float)));
    read(values.data(), values.size() * sizeof(float));
    checkpoint.weights.push_back({std::move(entry.name), std::move(entry.shape), std::move(values)});
  }
  return checkpoint;
}

}  // namespace inlay
