// The JSON of file headers: what is accepted, what is refused and where.
#include <doctest/doctest.h>

#include <inlay/io/json.hpp>
#include <string>
#include <vector>

#include "../temporary_folder.hpp"

using namespace inlay;
using inlay::testing::message_of;

namespace {

std::string parsed(std::string_view text) {
  JsonReader json(text, "text");
  std::string result = json.string();
  json.end();
  return result;
}

std::string refusal(std::string_view text) {
  return message_of<Error>([&] { parsed(text); });
}

std::string number_refusal(std::string_view text) {
  return message_of<Error>([&] {
    JsonReader json(text, "text");
    json.number();
    json.end();
  });
}

}  // namespace

TEST_CASE("strings are read with every escape of JSON") {
  CHECK(parsed(R"("plain")") == "plain");
  CHECK(parsed(R"("\"\\\/\b\f\n\r\t")") == "\"\\/\b\f\n\r\t");
  CHECK(parsed(R"("\u0041\u00e9\u20AC\ud83d\ude00")") == "A\u00e9\u20ac\U0001F600");
  CHECK(parsed("\"\u00e9\u20ac\U0001F600\"") == "\u00e9\u20ac\U0001F600");
}

TEST_CASE("strings that are no JSON are refused") {
  for (std::string_view text : {"", "\"", "\"a", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\n\"",
                                "\"\\ud83d\"", "\"\\ud83d\\u0041\"", "\"\\ude00\"", "\"\x80\"", "\"\xc0\xaf\"",
                                "\"\xed\xa0\x80\"", "\"\xf5\x80\x80\x80\"", "\"\xe2\x82\"", "\"a\" b", "'a'", "a"}) {
    CAPTURE(text);
    CHECK_FALSE(refusal(text).empty());
  }
}

TEST_CASE("numbers are whole, not negative and fit 64 bits") {
  CHECK(JsonReader("0", "").number() == 0);
  CHECK(JsonReader(" 18446744073709551615", "").number() == UINT64_MAX);
  for (std::string_view text :
       {"", "-1", "01", "1.5", "1e3", "18446744073709551616", "99999999999999999999", "+1", "x"}) {
    CAPTURE(text);
    CHECK_FALSE(number_refusal(text).empty());
  }
}

TEST_CASE("objects and arrays nest, and space may stand between") {
  std::vector<std::string> seen;
  JsonReader json(" { \"a\" : [ 1 , 2 ] ,\n\"b\":[], \"c\":{} } ", "text");
  json.object([&](const std::string& name) {
    seen.push_back(name);
    if (name == "c") {
      json.object([](const std::string&) {});
    } else {
      json.array([&] { seen.push_back(std::to_string(json.number())); });
    }
  });
  json.end();
  CHECK(seen == std::vector<std::string>{"a", "1", "2", "b", "c"});
}

TEST_CASE("an error names source, offset, what was found and what was expected") {
  JsonReader json("{\"a\" 1}", "weights.safetensors", 8);
  const std::string message = message_of<Error>([&] { json.object([&](const std::string&) { json.number(); }); });
  INFO(message);
  CHECK(message.find("weights.safetensors: found '1' at offset 13, expected ':'") == 0);
}

TEST_CASE("a name given twice is refused") {
  JsonReader json("{\"a\":1,\"a\":2}", "text");
  CHECK(message_of<Error>([&] { json.object([&](const std::string&) { json.number(); }); }).find("second \"a\"") !=
        std::string::npos);
}

TEST_CASE("a written string reads back as it was") {
  std::string text;
  for (char c = 1; c < 127; ++c) text += c;
  text += '\0';
  text += "\u00e9\U0001F600";
  CHECK(parsed(json_string(text)) == text);
  CHECK_FALSE(message_of<Error>([] { json_string("\xff"); }).empty());
}
