// A file that may be compressed with gzip, read as if it were not. Unlike zlib's gzopen it refuses what follows the
// end of the compressed data.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <inlay/core/error.hpp>
#include <inlay/core/input_file.hpp>
#include <string>

namespace inlay::data {

class CompressedFile {
 public:
  /// Throws Error when the file cannot be opened.
  explicit CompressedFile(const std::string& path) : file_(path) {
    refill();
    compressed_ = held_ >= 2 && buffer_[0] == 0x1f && buffer_[1] == 0x8b;
    if (compressed_ && inflateInit2(&stream_, 15 + gzip_only) != Z_OK) throw Error(path + ": zlib cannot be started.");
  }

  CompressedFile(const CompressedFile&) = delete;
  CompressedFile& operator=(const CompressedFile&) = delete;
  ~CompressedFile() {
    if (compressed_) inflateEnd(&stream_);
  }

  const std::string& path() const { return file_.path(); }

  /// Bytes read so far, uncompressed.
  std::uint64_t offset() const { return offset_; }

  /// The uncompressed file is no larger than this. (A bit of deflate stands for at most 129 bytes.)
  std::uint64_t largest_size() const { return compressed_ ? file_.size() * 1032 : file_.size(); }

  /// Returns how many bytes were read: fewer than `size` only at the end. Throws Error when the file is damaged.
  std::size_t read(std::uint8_t* to, std::size_t size) {
    std::size_t got = 0;
    while (got < size) {
      if (held_ == 0) refill();
      if (held_ == 0 && (!compressed_ || member_ended_)) break;
      if (held_ == 0) damaged("it ends within the compressed data");
      got += compressed_ ? inflate_some(to + got, size - got) : copy_some(to + got, size - got);
    }
    offset_ += got;
    return got;
  }

 private:
  static constexpr int gzip_only = 16;  // zlib's code for a gzip header and nothing else

  void refill() {
    next_ = 0;
    held_ = file_.read(buffer_.data(), buffer_.size());
    loaded_ += held_;
  }

  std::size_t copy_some(std::uint8_t* to, std::size_t size) {
    const std::size_t count = std::min(size, held_);
    std::memcpy(to, buffer_.data() + next_, count);
    next_ += count;
    held_ -= count;
    return count;
  }

  std::size_t inflate_some(std::uint8_t* to, std::size_t size) {
    if (member_ended_) {  // a gzip file is one or more members
      inflateReset(&stream_);
      member_ended_ = false;
    }
    const std::size_t room = std::min<std::size_t>(size, 1u << 30);
    stream_.next_in = buffer_.data() + next_;
    stream_.avail_in = static_cast<uInt>(held_);
    stream_.next_out = to;
    stream_.avail_out = static_cast<uInt>(room);
    const int status = inflate(&stream_, Z_NO_FLUSH);
    next_ += held_ - stream_.avail_in;
    held_ = stream_.avail_in;
    if (status == Z_STREAM_END) {
      member_ended_ = true;
    } else if (status != Z_OK) {
      damaged(stream_.msg == nullptr ? "zlib refuses it" : std::string("zlib says: ") + stream_.msg);
    }
    return room - stream_.avail_out;
  }

  [[noreturn]] void damaged(const std::string& why) const {
    throw Error(path() + ": the gzip data are damaged at or before offset " + std::to_string(loaded_ - held_) + " of " +
                std::to_string(file_.size()) + ": " + why + ". Fetch the file again.");
  }

  InputFile file_;
  std::array<std::uint8_t, 65536> buffer_{};
  std::size_t next_ = 0, held_ = 0;  // bytes [next_, next_ + held_) of the buffer wait to be used
  std::uint64_t loaded_ = 0, offset_ = 0;
  z_stream stream_{};
  bool compressed_ = false, member_ended_ = false;
};

}  // namespace inlay::data
