// The options of an example's command line, bound to variables that hold their defaults: getopt_long with a help text
// and checked numbers. (Parsers that are templates of their own take longer to compile than the network.)
#pragma once

#include <inlay/core/error.hpp>

#include <getopt.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace examples {

class CommandLine {
 public:
  explicit CommandLine(std::string what) : about(std::move(what)) {}

  /// `--name VALUE` for a number or a text, `--name` for a bool. `value` must outlive parse.
  template <class T>
  void add(const char* name, T& value, const char* help) {
    options.push_back({name, help, std::is_same_v<T, bool>, standard(value),
                       [&value](const char* text) { return read(text, value); }});
  }
  /// `--name WORD`, for one of some words and what they stand for.
  template <class T>
  void add(const char* name, T& value, const char* help,
           std::initializer_list<std::pair<const char*, std::type_identity_t<T>>> words) {
    options.push_back({name, help, false, {}, [&value, words = std::vector(words)](const char* text) {
                         for (const auto& [word, meaning] : words)
                           if (std::strcmp(text, word) == 0) return value = meaning, true;
                         return false;
                       }});
  }

  /// Sets the variables; on --help prints all options and ends the program. Throws inlay::Error on anything else that
  /// is not an option or not its value.
  void parse(int argc, char** argv) const {
    std::vector<option> known;
    for (const Option& o : options) known.push_back({o.name, o.is_flag ? no_argument : required_argument, nullptr, 0});
    known.push_back({"help", no_argument, nullptr, 0});
    known.push_back({});
    const std::string see = "; --help lists the options";
    opterr = 0;  // it would print messages of its own
    optind = 1;
    for (int index = -1, found; (found = getopt_long(argc, argv, ":h", known.data(), &index)) != -1;) {
      if (found == ':') throw inlay::Error(std::string(argv[optind - 1]) + " needs a value" + see);
      if (found == '?') throw inlay::Error(std::string(argv[optind - 1]) + " is not an option" + see);
      if (found == 'h' || static_cast<std::size_t>(index) == options.size()) help(argv[0]);
      const Option& chosen = options[static_cast<std::size_t>(index)];
      if (!chosen.set(optarg)) throw inlay::Error("--" + std::string(chosen.name) + " cannot be " + optarg + see);
    }
    if (optind < argc) throw inlay::Error(std::string(argv[optind]) + " is not an option" + see);
  }

 private:
  struct Option {
    const char* name;
    const char* help;
    bool is_flag;
    std::string standard;
    std::function<bool(const char*)> set;
  };
  std::string about;
  std::vector<Option> options;

  template <class Number>
  static bool read(const char* text, Number& value) {
    const char* end = text + std::strlen(text);
    const auto [stopped, error] = std::from_chars(text, end, value);
    return error == std::errc{} && stopped == end;
  }
  static bool read(const char* text, std::string& value) { return value = text, true; }
  static bool read(const char*, bool& value) { return value = true; }

  template <class Number>
  static std::string standard(Number value) {
    char text[32];
    return {text, std::to_chars(text, text + sizeof text, value).ptr};
  }
  static std::string standard(const std::string& value) { return value; }
  static std::string standard(bool) { return {}; }

  [[noreturn]] void help(const char* program) const {
    std::printf("%s\nUsage: %s [OPTION...]\n", about.c_str(), program);
    for (const Option& o : options) {
      std::printf("  --%s%s%*s%s", o.name, o.is_flag ? "  " : " X", 20 - static_cast<int>(std::strlen(o.name)), "",
                  o.help);
      std::printf(o.standard.empty() ? "\n" : " [%s]\n", o.standard.c_str());
    }
    std::exit(0);
  }
};

}  // namespace examples
