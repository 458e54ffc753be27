// A file that is read from its start and not trusted: it knows its size, so that readers can check what a header
// announces before they take memory for it.
#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <inlay/core/error.hpp>
#include <memory>
#include <string>
#include <utility>

namespace inlay {

class InputFile {
 public:
  /// Throws Error when there is no such file, it is no regular file or may not be read.
  explicit InputFile(std::string path) : path_(std::move(path)) {
    struct stat status;
    if (stat(path_.c_str(), &status) != 0) throw Error(path_ + ": cannot be opened: " + std::strerror(errno) + ".");
    if (!S_ISREG(status.st_mode)) throw Error(path_ + ": found a folder or device, expected a regular file.");
    file_.reset(std::fopen(path_.c_str(), "rb"));
    if (!file_) throw Error(path_ + ": cannot be opened: " + std::strerror(errno) + ".");
    size_ = static_cast<std::uint64_t>(status.st_size);
  }

  const std::string& path() const { return path_; }

  /// In bytes.
  std::uint64_t size() const { return size_; }

  /// Returns how many bytes were read: fewer than `size` only at the end of the file. Throws Error when reading
  /// fails.
  std::size_t read(void* to, std::size_t size) {
    const std::size_t got = std::fread(to, 1, size, file_.get());
    if (got < size && std::ferror(file_.get()) != 0) {
      throw Error(path_ + ": cannot be read: " + std::strerror(errno) + ".");
    }
    return got;
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::uint64_t size_ = 0;
};

}  // namespace inlay
