// A strict reader of the JSON that file headers are made of: objects, arrays, strings and whole numbers, no more. The
// caller says what it expects next; anything else is an Error with the offset at which it stands.
//
//   RFC 8259. A general library would cost every user its compile time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <inlay/core/error.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace inlay {

class JsonReader {
 public:
  /// `text` is read; messages call it `source` and count offsets from `base`.
  JsonReader(std::string_view text, std::string source, std::uint64_t base = 0)
      : text_(text), source_(std::move(source)), base_(base) {}

  /// Reads an object, calling `member(name)` to read each value. Names must differ.
  template <class Member>
  void object(Member member) {
    std::set<std::string> names;
    expect('{');
    if (take('}')) return;
    do {
      std::string name = string();
      if (!names.insert(name).second) fail("the second \"" + name + "\"", "each name once");
      expect(':');
      member(name);
    } while (take(','));
    expect('}');
  }

  /// Reads an array, calling `element()` to read each value.
  template <class Element>
  void array(Element element) {
    expect('[');
    if (take(']')) return;
    do element();
    while (take(','));
    expect(']');
  }

  /// Reads a number that is whole and not negative.
  std::uint64_t number() {
    skip_space();
    const std::size_t begin = at_;
    std::uint64_t value = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      const std::uint64_t digit = static_cast<std::uint64_t>(text_[at_++] - '0');
      if (value > (UINT64_MAX - digit) / 10) fail("a number too large", "at most " + std::to_string(UINT64_MAX));
      value = 10 * value + digit;
    }
    if (at_ == begin) fail(here(), "a whole number");
    if (text_[begin] == '0' && at_ > begin + 1) fail("a number with a leading zero", "none");
    return value;
  }

  /// Reads a string of valid UTF-8.
  std::string string() {
    expect('"');
    std::string result;
    while (true) {
      if (at_ == text_.size()) fail(here(), "the end of a string");
      const unsigned char c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') return ++at_, result;
      if (c < 0x20) fail("a control character", "an escaped one");
      if (c == '\\') {
        ++at_;
        escape(result);
      } else {
        const std::size_t length = utf8_length(text_.substr(at_));
        if (length == 0) fail("bytes that are not UTF-8", "UTF-8");
        result += text_.substr(at_, length);
        at_ += length;
      }
    }
  }

  /// Only space may be left.
  void end() {
    skip_space();
    if (at_ != text_.size()) fail(here(), "the end");
  }

  [[noreturn]] void fail(const std::string& found, const std::string& expected) const {
    throw Error(source_ + ": found " + found + " at offset " + std::to_string(base_ + at_) + ", expected " + expected +
                ": the file is damaged or of another format.");
  }

  /// How many bytes the first character of `text` takes; 0 if it is not valid UTF-8. (Unicode 15, table 3-7.)
  static std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
    const unsigned first = byte(0), second = byte(1);
    if (first < 0x80) return text.empty() ? 0 : 1;
    if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
    if (first >= 0xE0 && first <= 0xEF) return follows(1) && follows(2) ? 3 : 0;
    if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return 0;
    if (first >= 0xF0 && first <= 0xF4) return follows(1) && follows(2) && follows(3) ? 4 : 0;
    return 0;
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }

  bool take(char wanted) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    return ++at_, true;
  }

  void expect(char wanted) {
    if (!take(wanted)) fail(here(), std::string("'") + wanted + "'");
  }

  std::string here() const {
    if (at_ == text_.size()) return "the end";
    const unsigned char c = static_cast<unsigned char>(text_[at_]);
    return c >= 0x20 && c < 0x7F ? std::string("'") + text_[at_] + "'" : "byte " + std::to_string(c);
  }

  void escape(std::string& result) {
    if (at_ == text_.size()) fail(here(), "an escaped character");
    const char c = text_[at_++];
    constexpr std::string_view escaped = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
    if (const std::size_t which = escaped.find(c); which != std::string_view::npos) {
      result += meant[which];
    } else if (c == 'u') {
      append_utf8(result, code_point());
    } else {
      fail(std::string("the escape \\") + c, "one of JSON's");
    }
  }

  std::uint32_t code_point() {
    const std::uint32_t high = four_digits();
    if (high < 0xD800 || high > 0xDFFF) return high;
    if (high > 0xDBFF || text_.substr(at_, 2) != "\\u") fail("half a surrogate pair", "both halves");
    at_ += 2;
    const std::uint32_t low = four_digits();
    if (low < 0xDC00 || low > 0xDFFF) fail("half a surrogate pair", "both halves");
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
  }

  std::uint32_t four_digits() {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = at_ < text_.size() ? text_[at_] : '\0';
      const std::size_t digit = std::string_view("0123456789abcdef").find(c >= 'A' && c <= 'F' ? char(c + 32) : c);
      if (digit == std::string_view::npos) fail(here(), "a hexadecimal digit");
      value = value << 4 | static_cast<std::uint32_t>(digit);
    }
    return value;
  }

  static void append_utf8(std::string& result, std::uint32_t code) {
    const auto add = [&](std::uint32_t byte) { result += static_cast<char>(byte); };
    const auto follow = [&](int shift) { add(0x80 | (code >> shift & 0x3F)); };
    if (code < 0x80) return add(code);
    if (code < 0x800) return add(0xC0 | code >> 6), follow(0);
    if (code < 0x10000) return add(0xE0 | code >> 12), follow(6), follow(0);
    add(0xF0 | code >> 18), follow(12), follow(6), follow(0);
  }

  std::string_view text_;
  std::string source_;
  std::uint64_t base_;
  std::size_t at_ = 0;
};

/// A string as JSON writes it. Throws Error when it is not UTF-8.
inline std::string json_string(std::string_view text) {
  std::string result = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = JsonReader::utf8_length(text.substr(at));
    if (length == 0) throw Error("Found a name that is not UTF-8, expected UTF-8: rename it.");
    const unsigned char c = static_cast<unsigned char>(text[at]);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += text[at];
    } else if (c < 0x20) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      result += code;
    } else {
      result += text.substr(at, length);
    }
    at += length;
  }
  return result + '"';
}

}  // namespace inlay
