// A file that appears whole or not at all. It is written under a temporary name in the same folder, flushed to the
// disk and renamed; until then the previous file of that name stays as it was.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <inlay/core/error.hpp>
#include <string>
#include <utility>

namespace inlay {

class OutputFile {
 public:
  /// Throws Error when the folder does not exist or may not be written to, and when something other than a regular
  /// file has that name (renaming over a device would remove it). A symbolic link stays one: what it points to is
  /// replaced.
  explicit OutputFile(std::string path) : path_(target(path)) {
    static std::atomic<int> files = 0;
    struct stat previous;
    const bool replaces = stat(path_.c_str(), &previous) == 0;
    if (replaces && !S_ISREG(previous.st_mode)) {
      throw Error(path_ + ": found a folder or device, expected a regular file or nothing: choose another name.");
    }
    const mode_t mode = replaces ? previous.st_mode & 0777 : 0666;  // never more readable than the previous file
    do {
      temporary_ = path_ + ".tmp-" + std::to_string(getpid()) + "-" + std::to_string(files++);
      descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    } while (descriptor_ < 0 && errno == EEXIST);
    if (descriptor_ < 0) fail("create", temporary_);
  }

  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// Without `commit` nothing remains of the file.
  ~OutputFile() {
    if (descriptor_ >= 0) close(descriptor_);
    if (!temporary_.empty()) unlink(temporary_.c_str());
  }

  /// Appends. Throws Error when the disk is full or fails.
  void write(const void* from, std::size_t size) {
    const char* at = static_cast<const char*>(from);
    while (size > 0) {
      const ssize_t written = ::write(descriptor_, at, size);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail("write", temporary_);
      at += written;
      size -= static_cast<std::size_t>(written);
    }
  }

  /// Makes the file visible under its name, in place of a previous one.
  void commit() {
    if (fsync(descriptor_) != 0) fail("write", temporary_);
    if (close(std::exchange(descriptor_, -1)) != 0) fail("write", temporary_);
    struct stat previous;
    if (stat(path_.c_str(), &previous) == 0 && chmod(temporary_.c_str(), previous.st_mode & 07777) != 0) {
      fail("keep the permissions of", path_);
    }
    if (rename(temporary_.c_str(), path_.c_str()) != 0) fail("replace", path_);
    temporary_.clear();
    sync_folder();
  }

 private:
  static std::string target(const std::string& path) {
    struct stat status;
    if (lstat(path.c_str(), &status) != 0 || !S_ISLNK(status.st_mode)) return path;
    char* resolved = realpath(path.c_str(), nullptr);
    if (resolved == nullptr) {
      throw Error(path + ": found a symbolic link that leads to no file (" + std::strerror(errno) +
                  "), expected one that does: remove it or create its target.");
    }
    std::string result = resolved;
    std::free(resolved);
    return result;
  }

  /// Makes the rename itself last through a power failure, where the file system can.
  void sync_folder() const {
    const std::size_t slash = path_.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
    const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return;
    static_cast<void>(fsync(descriptor));
    close(descriptor);
  }

  [[noreturn]] void fail(const char* what, const std::string& name) const {
    throw Error(std::string("Cannot ") + what + " " + name + ": " + std::strerror(errno) + ". " + path_ +
                " is as it was before.");
  }

  std::string path_, temporary_;
  int descriptor_ = -1;
};

}  // namespace inlay
